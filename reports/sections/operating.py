"""Operating points: recall against false alarms, and what is fixed and broken at each point."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..context import POINTS, Context, protocol_title
from ..differences import HEADLINE_POINT, difference_cells
from ..figures.curves import draw_recall
from ..numbers import decimal, mean_count, points
from ..objects import balances
from ..palette import OUTCOME_WORDS
from .cells import heads, source_cell, source_table

_OUTCOMES = ("correct", "ambiguous", "misclassified", "poorly_localised", "missed")
OWN = "own_best_f1"


def operating_section(context: Context) -> list[Block] | str:
    """Curves, then one table with every operating point of the headline protocol."""
    frame, base = context.results.table("operating"), context.results.base
    protocols = [name for name in context.results.protocols if context.finished(name)]
    if frame is None or frame.empty or not protocols:
        return "Operating points: not stored (operating.csv)."
    blocks: list[Block] = [
        Heading("Operating points"),
        Paragraph.marked(
            "Counts of objects depend on a threshold, and two sources may only be compared where their "
            f"thresholds mean the same. All are chosen on {context.results.chosen_on}. **Equal precision** "
            f"(headline): every source at the precision that {base} has at its best F1. **False alarms per "
            f"image**: 0.1, and 1. **Threshold kept**: {base}'s threshold on every source, as a deployed "
            "detector would. **Own best F1**: each source where it likes best; fixed and broken objects "
            "then mix better detection with a laxer threshold, so it is shown last and not to be compared."
        ),
    ]
    if context.results.table("curves") is None:
        blocks.append(Note("Curves are not stored (curves.csv)."))
    else:
        text = "Recall against false alarms per image on test; dashed: the two points at equal false alarms."
        blocks.append(Figure(draw_recall(context, protocols[:2]), text))
    return [*blocks, *_miss_rates(context, protocols), points_table(context, protocols[0])]


def _miss_rates(context: Context, protocols: list[str]) -> list[Block]:
    columns = [Column("Source", "left")]
    for protocol in protocols:
        columns += heads(("miss rate, %", "Δ", "interval"), protocol_title(protocol))
    rows = []
    for source in context.results.sources:
        cells = [source_cell(context, source)]
        for protocol in protocols:
            found = (
                one.value("log_average_miss_rate")
                for one in context.finished(protocol)
                if one.source == source
            )
            cells.append(Cell(points(next(found, None))))
            cells += difference_cells(context.gap(protocol, source, "log_average_miss_rate"))
        rows.append(tuple(cells))
    caption = (
        "Log-average miss rate (geometric mean over 0.01 to 1 false alarms per image; lower is better), "
        f"which needs no threshold. Δ in percent points to {context.results.base}. "
        f"{context.intervals(protocols[0])}"
    )
    return [Table("detection", "miss-rate", caption, tuple(columns), tuple(rows), small=True)]


def points_table(context: Context, protocol: str) -> Table:
    """Every operating point of one protocol, a row a source."""
    columns = (
        Column("Source", "left"), Column("threshold"),
        *heads(("precision, %", "recall, %", "false alarms"), "on test"),
        *heads(("fixed", "broken", "balance", "interval"), "objects"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    unreached = _unreached(context, protocol)
    for point, title in POINTS.items():
        changes = balances(context, protocol, point)
        found = context.means("operating", protocol, operating_point=point)
        if found:
            rows.append((Cell(title, muted=True, span=len(columns)),))
        for source, row in found.items():
            mark = " *" if (point, source) in unreached else ""
            cells = [Cell(f"{decimal(row['threshold'])}{mark}")]
            cells += [Cell(points(row[key])) for key in ("precision", "recall")]
            cells.append(Cell(decimal(row["false_alarms_per_image"])))
            change = changes.get(source)
            cells += [Cell(mean_count(change[key]) if change else "–") for key in ("fixed", "broken")]
            last = difference_cells(context.gap(protocol, source, "balance", "all", point))
            if point == OWN:  # its interval compares what is not comparable
                last = [Cell(cell.text, muted=True) for cell in last]
            rows.append((source_cell(context, source), *cells, *last))
    note = "* Not reached where it was chosen: the nearest that could be is used." if unreached else ""
    text = (
        f"Operating points chosen on {context.results.chosen_on}, measured on test; false alarms are those "
        f"per image. Balance: fixed minus broken objects against {context.results.base}."
    )
    caption = context.caption(protocol, text)
    return Table("operating", f"operating-{protocol}", caption, columns, tuple(rows), note, small=True)


def outcome_table(context: Context, protocol: str) -> list[Table]:
    """Outcome of every object at the headline operating point."""
    found = context.means("operating", protocol, operating_point=HEADLINE_POINT)
    if not found:
        return []

    def cells(source: str) -> list[Cell] | None:
        row = found.get(source)
        if row is None:
            return None
        share = row["correct"] / row["objects"] if row["objects"] else float("nan")
        return [*(Cell(mean_count(row[name])) for name in _OUTCOMES), Cell(points(share))]

    columns = [*heads((OUTCOME_WORDS[name] for name in _OUTCOMES), "objects"), Column("correct, %")]
    text = "Outcome of every object of the test split, by top label."
    caption = context.caption(protocol, text, point=HEADLINE_POINT, sure=False)
    return [source_table(context, protocol, "objects", caption, columns, cells)]


def _unreached(context: Context, protocol: str) -> set[tuple[str, str]]:
    """Operating points and sources for which no threshold on val gave what was asked."""
    frame = context.results.table("operating", protocol)
    assert frame is not None
    rows = frame[frame["reached"].str.lower() == "false"]
    return set(zip(rows["operating_point"], rows["source"], strict=True))
