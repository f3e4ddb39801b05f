"""Operating points: recall against false alarms, and what is fixed and broken at each point."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..context import POINTS, Context, point_title, protocol_title
from ..differences import difference_cells
from ..figures.curves import draw_recall
from ..numbers import decimal, mean_count, percent, points
from ..objects import balances
from ..palette import OUTCOME_WORDS
from .cells import source_cell

_OUTCOMES = ("correct", "ambiguous", "misclassified", "poorly_localised", "missed")


def operating_section(context: Context) -> list[Block] | str:
    """Curves, then one table with every operating point of the headline protocol."""
    frame = context.results.table("operating")
    protocols = [name for name in context.results.protocols if context.finished(name)]
    if frame is None or frame.empty or not protocols:
        return "Operating points: not stored (operating.csv)."
    base = context.results.base
    blocks: list[Block] = [
        Heading("Operating points"),
        Paragraph.of(
            "Counts of objects depend on a threshold, and two sources may only be compared where their thresholds "
            "mean the same. All are chosen on val alone. ",
            "Equal precision",
            f" (headline): every source at the precision that {base} has at its best F1. ",
            "False alarms per image",
            ": 0.1, and 1. ",
            "Threshold kept",
            f": {base}'s threshold on every source, as a deployed detector would. ",
            "Own best F1",
            ": each source where it likes best; fixed and broken objects then mix better detection with a laxer "
            "threshold, so it is shown last and not to be compared.",
        ),
    ]
    if context.results.table("curves") is None:
        blocks.append(Note("Curves are not stored (curves.csv)."))
    else:
        caption = (
            "Recall against false alarms per image on test; dashed lines: the two points at equal false alarms."
            f"{context.mean_note(protocols[0])}"
        )
        blocks.append(Figure(draw_recall(context, protocols[:2]), caption))
    return [*blocks, *_miss_rates(context, protocols), points_table(context, protocols[0])]


def _miss_rates(context: Context, protocols: list[str]) -> list[Block]:
    columns, quantity = [Column("Source", "left")], "log_average_miss_rate"
    for protocol in protocols:
        group = protocol_title(protocol)
        columns += [Column(head, group=group) for head in ("miss rate, %", "Δ", "interval")]
    rows = []
    for source in context.results.sources:
        cells = [source_cell(context, source)]
        for protocol in protocols:
            score = next((one for one in context.finished(protocol) if one.source == source), None)
            cells.append(Cell(points(score.value(quantity)) if score else "–"))
            cells += difference_cells(context.gap(protocol, source, quantity))
        rows.append(tuple(cells))
    caption = (
        "Log-average miss rate (mean over false alarms per image from 0.01 to 1 on a logarithmic scale, lower is "
        f"better). Δ in percent points to {context.results.base}. Needs no threshold. {context.intervals(protocols[0])}"
    )
    return [Table("detection", "miss-rate", caption, tuple(columns), tuple(rows), small=True)]


def points_table(context: Context, protocol: str) -> Table:
    """Every operating point of one protocol, a row a source."""
    columns = (
        Column("Source", "left"), Column("threshold"), Column("precision, %", group="on test"),
        Column("recall, %", group="on test"), Column("false alarms", group="on test"),
        *(Column(head, group="objects") for head in ("fixed", "broken", "balance", "interval")),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    unreached = False
    for point in _stored_points(context):
        found, changes = (
            context.means("operating", protocol, operating_point=point),
            balances(context, protocol, point),
        )
        if not found:
            continue
        failed = _unreached(context, protocol, point)
        unreached = unreached or bool(failed)
        rows.append((Cell(point_title(point), muted=True, span=len(columns)),))
        for source, row in found.items():
            mark = " *" if source in failed else ""
            cells = [
                Cell(f"{decimal(row['threshold'])}{mark}"),
                *(Cell(points(row[key])) for key in ("precision", "recall")),
            ]
            cells.append(Cell(decimal(row["false_alarms_per_image"])))
            change = changes.get(source)
            if change is None:
                cells += [Cell("–", muted=True)] * 4
            else:
                cells += [Cell(mean_count(change[key])) for key in ("fixed", "broken")]
                gap = context.gap(protocol, source, "balance", "all", point)
                kept = difference_cells(gap)
                if point == "own_best_f1":  # its interval compares what is not comparable
                    kept = [Cell(cell.text, muted=True) for cell in kept]
                cells += kept
            rows.append((source_cell(context, source), *cells))
    note = "* The point could not be reached on val: the nearest one that could is used." if unreached else ""
    caption = (
        f"Operating points chosen on val, measured on test; false alarms are those per image. Balance: fixed minus broken objects against "
        f"{context.results.base}. {protocol_title(protocol)}.{context.mean_note(protocol)} {context.intervals(protocol)}"
    )
    return Table("operating", f"operating-{protocol}", caption, columns, tuple(rows), note, small=True)


def outcome_table(context: Context, protocol: str, point: str) -> Table | None:
    """Outcome of every object at one operating point."""
    found = context.means("operating", protocol, operating_point=point)
    if not found:
        return None
    columns = (
        Column("Source", "left"),
        *(Column(OUTCOME_WORDS[name], group="objects") for name in _OUTCOMES),
        Column("correct, %"),
    )
    rows = []
    for source, row in found.items():
        cells = [Cell(mean_count(row[name])) for name in _OUTCOMES]
        share = row["correct"] / row["objects"] if row["objects"] else float("nan")
        rows.append((source_cell(context, source), *cells, Cell(percent(share, 1).removesuffix(" %"))))
    caption = (
        f"Outcome of every object of the test split. Operating point: {point_title(point)}. "
        f"{protocol_title(protocol)}.{context.mean_note(protocol)}"
    )
    return Table("objects", f"outcomes-{protocol}", caption, columns, tuple(rows), small=True)


def _stored_points(context: Context) -> list[str]:
    frame = context.results.table("operating")
    stored = [] if frame is None else list(dict.fromkeys(frame["operating_point"]))
    return [name for name in POINTS if name in stored] + [name for name in stored if name not in POINTS]


def _unreached(context: Context, protocol: str, point: str) -> set[str]:
    frame = context.results.table("operating", protocol)
    assert frame is not None
    rows = frame[(frame["operating_point"] == point) & (frame["reached"].str.lower() == "false")]
    return set(rows["source"])
