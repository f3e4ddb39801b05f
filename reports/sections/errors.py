"""Kinds of error: what each of them costs, and the optimal localisation-recall-precision error."""

from __future__ import annotations

from ..blocks import Block, Cell, Figure, Heading, Paragraph, Table
from ..context import Context
from ..differences import difference_cells
from ..figures.errors import ERRORS, draw_errors
from ..numbers import points
from .cells import heads, source_table

_HEADS = {"classification": "class", "localisation": "location"}
_ALL = {"false_positive": "FP", "false_negative": "FN"}


def errors_section(context: Context) -> list[Block] | str:
    """Stacked bars of dAP and tables; threshold-free."""
    found = {name: _values(context, name) for name in context.results.protocols}
    found = {name: values for name, values in found.items() if values}
    if not found:
        return "Kinds of error: not stored (errors.csv)."
    first = next(iter(found))
    caption = context.caption(first, "dAP by kind of error in AP points, all confidences.", sure=False)
    blocks: list[Block] = [
        Heading("Kinds of error"),
        Paragraph.of(
            "dAP (TIDE, Bolya et al. 2020) is the AP50 that a detector would gain if one kind of error were "
            "mended and all others stayed: the wrong class in the right place, the right class too far off, "
            "both, a second box, a box on nothing, an object without any box; FP: all false alarms, FN: all "
            "misses. Gains do not add up. oLRP (Oksuz et al. 2018) joins localisation, false alarms and "
            "misses at the best threshold of every class; lower is better. Neither needs a chosen threshold."
        ),
        Figure(draw_errors(context, found[first], list(found[first])), caption),
    ]
    return [*blocks, *(_table(context, protocol, values) for protocol, values in found.items())]


def _table(context: Context, protocol: str, values: dict[str, dict[str, float]]) -> Table:
    frame = context.results.table("per_class", protocol)
    lrp = {} if frame is None else frame.groupby("source")["oLRP"].mean().to_dict()

    def cells(source: str) -> list[Cell]:
        kinds = values.get(source, {})
        costs = [Cell(points(kinds.get(kind))) for kind in (*ERRORS, *_ALL)]
        return [
            *costs,
            Cell(points(lrp.get(source))),
            *difference_cells(context.gap(protocol, source, "oLRP")),
        ]

    columns = heads((_HEADS.get(kind, kind) for kind in ERRORS), "dAP, AP points")
    columns += [*heads(_ALL.values(), "all"), *heads(("%", "Δ", "interval"), "oLRP")]
    text = "Kinds of error on the test split (without intervals), and oLRP as mean over classes."
    return source_table(context, protocol, "errors", context.caption(protocol, text), columns, cells)


def _values(context: Context, protocol: str) -> dict[str, dict[str, float]]:
    """dAP by source and kind of error."""
    values: dict[str, dict[str, float]] = {}
    for kind in (*ERRORS, *_ALL):
        for source, row in context.means("errors", protocol, error=kind).items():
            values.setdefault(source, {})[kind] = row["dAP"]
    return values
