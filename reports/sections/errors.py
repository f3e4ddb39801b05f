"""Kinds of error: what each of them costs, and the optimal localisation-recall-precision error."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..context import Context, protocol_title
from ..differences import difference_cells
from ..figures.bars import ERRORS, draw_errors
from ..numbers import points
from .cells import source_cell


def errors_section(context: Context) -> list[Block] | str:
    """Stacked bars of dAP and a table; threshold-free."""
    protocols = [name for name in context.results.protocols if context.finished(name)]
    frame = context.results.table("errors")
    if frame is None or frame.empty or not protocols:
        return "Kinds of error: not stored (errors.csv)."
    blocks: list[Block] = [
        Heading("Kinds of error"),
        Paragraph.of(
            "dAP (TIDE, Bolya et al. 2020) is the AP50 that a detector would gain if one kind of error were mended and all "
            "others stayed: the wrong class in the right place, the right class too far off, both, a second box, a box "
            "on nothing, an object without any box. FP: all false alarms; FN: all misses. Gains do not add up. oLRP (Oksuz et al. 2018) joins localisation, false "
            "alarms and misses at the best threshold of every class; lower is better. Neither needs a chosen threshold."
        ),
    ]
    for protocol in protocols[:1]:
        values = _values(context, protocol)
        if not values:
            blocks.append(Note(f"{protocol_title(protocol)}: not stored."))
            continue
        caption = (
            f"dAP by kind of error, AP points. {protocol_title(protocol)}.{context.mean_note(protocol)} All confidences; "
            "without intervals."
        )
        blocks.append(Figure(draw_errors(context, values, list(values)), caption))
    return [*blocks, *(_table(context, protocol) for protocol in protocols)]


def _values(context: Context, protocol: str) -> dict[str, dict[str, float]]:
    kinds = (*ERRORS, "false_positive", "false_negative")
    found = {kind: context.means("errors", protocol, error=kind) for kind in kinds}
    return {
        score.source: {
            kind: float(rows[score.source]["dAP"]) for kind, rows in found.items() if score.source in rows
        }
        for score in context.finished(protocol)
        if any(score.source in rows for rows in found.values())
    }


def _table(context: Context, protocol: str) -> Table:
    columns = [Column("Source", "left")]
    columns += [Column(kind, group="dAP, AP points") for kind in ERRORS]
    columns += [Column(head, group="all") for head in ("FP", "FN")]
    columns += [Column(head, group="oLRP") for head in ("%", "Δ", "interval")]
    frame = context.results.table("per_class", protocol)
    lrp = {} if frame is None else frame.groupby("source")["oLRP"].mean().to_dict()
    rows = []
    for source, kinds in _values(context, protocol).items():
        cells = [Cell(points(kinds.get(kind))) for kind in (*ERRORS, "false_positive", "false_negative")]
        cells += [Cell(points(lrp.get(source))), *difference_cells(context.gap(protocol, source, "oLRP"))]
        rows.append((source_cell(context, source), *cells))
    caption = (
        f"Kinds of error on the test split; oLRP: mean over classes. {protocol_title(protocol)}."
        f"{context.mean_note(protocol)} dAP has no interval. {context.intervals(protocol)}"
    )
    return Table("errors", f"errors-{protocol}", caption, tuple(columns), tuple(rows), small=True)
