"""Detection scores: mAP with intervals, all pairs of sources, and classes; protocols are never mixed."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..context import METRIC_TITLES, Context, protocol_title
from ..differences import Difference, difference_cells
from ..figures.forest import FOREST, Panel, draw_forest
from ..figures.matrix import Grid, draw_grids
from ..numbers import defined, join, points, whole
from .cells import contamination_note, heads, source_table

MOST_CLASSES = 12  # drawn; the appendix holds the rest
PER_TABLE = 8
_COMPARED = ("mAP50", "mAP75", "mAP50_95")
ULTRALYTICS = (
    "Why these figures differ from Ultralytics' own: here precision is interpolated at 101 points of recall "
    "and predictions from confidence 0.001 are matched as COCO does, greedily, at most 100 per class and "
    "image; Ultralytics interpolates and matches differently."
)


def detection_section(context: Context) -> list[Block]:
    """Scores with simultaneous intervals, the matrix of all pairs, and AP50 by class."""
    protocols, base = context.results.protocols, context.results.base
    blocks: list[Block] = [
        Heading("Detection"),
        Paragraph.of(
            "COCO's average precision on the test split, from the stored predictions, in AP points "
            f"(percent). Δ is the difference to {base}; bold: its simultaneous interval excludes zero. "
            f"{ULTRALYTICS}"
        ),
        *contamination_note(context),
    ]
    for protocol in protocols:
        if not context.finished(protocol):
            text = f"{protocol_title(protocol)}: every source failed; the reasons stand in the table."
            blocks.append(Note(text, "warning"))
        blocks.append(score_table(context, protocol))
    compared = [protocol for protocol in protocols[:2] if context.gaps(protocol)]
    if compared:
        text = (
            "Every source (row) minus every other (column) in mAP50, AP points. Full colour and bold: "
            f"established whichever of the two is the reference; pale: not. {context.intervals(compared[0])}"
        )
        blocks += _figures([_pairs(context, protocol) for protocol in compared], text)
    return blocks + _by_class(context)


def score_table(context: Context, protocol: str, *, brief: bool = False) -> Table:
    """Table of mAP by source with differences to the reference.

    Args:
        context: results.
        protocol: which protocol.
        brief: what the title page has room for; named in no LaTeX file.
    """
    metrics = ("mAP50", "mAP50_95") if brief else _COMPARED
    compared = bool(context.rivals(protocol)) and context.reference(protocol) is not None
    spread = context.several(protocol) and brief
    names = ["score", *(["± sd"] if spread else []), *(["Δ", "interval"] if compared else [])]
    columns = [column for metric in metrics for column in heads(names, METRIC_TITLES[metric])]
    scores = {score.source: score for score in context.finished(protocol)}

    def cells(source: str) -> list[Cell]:
        score, found = scores[source], []
        for metric in metrics:
            found.append(Cell(points(score.value(metric))))
            found += [Cell(points(score.std.get(metric)), muted=True)] if spread else []
            found += difference_cells(context.gap(protocol, source, metric)) if compared else []
        return found if brief else [*found, Cell(points(score.value("mAR100")))]

    classes = context.results.tables["detection"]["classes"].max()
    means = f"means over {whole(classes)} classes" if defined(classes) else "means over classes"
    caption = context.caption(protocol, f"Detection on the test split, {means}.")
    name, label = ("", "brief") if brief else ("detection", "detection")
    columns += [] if brief else [Column("mAR100")]
    return source_table(context, protocol, name, caption, columns, cells, label=label, failed=True)


def established_both_ways(context: Context, protocol: str, source: str, other: str) -> Difference | None:
    """Difference of two sources, judged in the families of both: established only if it is in each."""
    found = context.differences.get(protocol, other, source, "mAP50")
    back = context.differences.get(protocol, source, other, "mAP50")
    return found if found and back and found.established and back.established else None


def _figures(grids: list[Grid], caption: str) -> list[Block]:
    """Two grids with the same rows and few columns stand side by side."""
    together = len({tuple(grid.rows) for grid in grids}) == 1 and len(grids[0].columns) <= 8
    drawings = [draw_grids(grids)] if together else [draw_grids([grid]) for grid in grids]
    return [
        Figure(svg, caption if not at else f"The same. {grids[at].title}.") for at, svg in enumerate(drawings)
    ]


def _pairs(context: Context, protocol: str) -> Grid:
    ranked = sorted(context.finished(context.headline_protocol), key=lambda score: -score.value())
    done = {score.source for score in context.finished(protocol)}
    names = [score.source for score in ranked if score.source in done]
    cells = {}
    for row, source in enumerate(names):
        for column, other in enumerate(names):
            gap = context.differences.get(protocol, other, source, "mAP50")
            if gap is not None:
                sure = established_both_ways(context, protocol, source, other) is not None
                cells[row, column] = gap.text, gap.value, sure
    labels = [context.results.labels[name] for name in names]
    return Grid(protocol_title(protocol), labels, labels, cells)


def _by_class(context: Context) -> list[Block]:
    counts = context.results.class_counts
    present = [name for name, number in counts.items() if number]
    absent = [name for name, number in counts.items() if not number]
    blocks: list[Block] = [Heading("By class", level=2)]
    if context.results.table("per_class") is None:
        return [*blocks, Note("Scores by class are not stored (per_class.csv).")]
    if not present:
        return [*blocks, Note("The test split has no objects, so no class has a score.")]
    if absent:
        blocks.append(Paragraph.of(f"Without objects in test, so without a score: {join(absent)}."))
    kept = sorted(present, key=lambda name: -counts[name])[:MOST_CLASSES]
    shown = [name for name in present if name in kept]
    grids = [_classes(context, protocol, shown) for protocol in context.results.protocols[:2]
             if context.finished(protocol)]  # fmt: skip
    rest = f" The {MOST_CLASSES} most frequent classes." if len(present) > MOST_CLASSES else ""
    caption = (
        f"AP50 by class in AP points, in brackets the objects of the test split. Colour: difference to "
        f"{context.results.base}, full and bold where it is established.{rest} "
        f"{context.intervals(context.headline_protocol)} The appendix holds the intervals and AP50–95."
    )
    return [*blocks, *(_figures(grids, caption) if grids else [])]


def _classes(context: Context, protocol: str, names: list[str]) -> Grid:
    scores, counts, cells = context.finished(protocol), context.results.class_counts, {}
    for column, name in enumerate(names):
        means = context.means("per_class", protocol, **{"class": name})
        for row, score in enumerate(scores):
            gap = context.gap(protocol, score.source, "AP50", f"class:{name}")
            text = points(means[score.source]["AP50"]) if score.source in means else "–"
            cells[row, column] = text, gap.value if gap else float("nan"), bool(gap and gap.established)
    labels = [context.results.labels[score.source] for score in scores]
    return Grid(
        protocol_title(protocol), labels, [f"{name} ({whole(counts[name])})" for name in names], cells
    )


def class_tables(context: Context) -> list[Block]:
    """AP by class as tables, and the differences with their intervals as figures, for the appendix."""
    counts, blocks = context.results.class_counts, []
    present = [name for name, number in counts.items() if number]
    if context.results.table("per_class") is None or not present:
        return []
    for protocol in context.results.protocols:
        if not context.finished(protocol):
            continue
        for start in range(0, len(present), PER_TABLE):
            blocks += _class_tables(context, protocol, present[start : start + PER_TABLE], start)
        panels = [
            Panel(f"{name} ({whole(counts[name])})", "Δ AP50, AP points", gaps)
            for name in sorted(present, key=lambda name: -counts[name])[:MOST_CLASSES]
            if (gaps := context.gaps(protocol, "AP50", f"class:{name}"))
        ]
        if panels:
            caption = context.caption(
                protocol, f"AP50 by class, difference to {context.results.base}. {FOREST}"
            )
            blocks.append(Figure(draw_forest(context, panels), caption))
    return blocks


def _class_tables(context: Context, protocol: str, names: list[str], start: int) -> list[Block]:
    means = {name: context.means("per_class", protocol, **{"class": name}) for name in names}
    counts = context.results.class_counts
    tables: list[Block] = []
    for metric, title in (("AP50", "AP50"), ("AP50_95", "AP50–95")):

        def cells(source: str, metric: str = metric) -> list[Cell]:
            return [Cell(points(means[name].get(source, {}).get(metric))) for name in names]

        part = f", part {start // PER_TABLE + 1}" if len(context.results.classes) > PER_TABLE else ""
        text = f"{title} by class{part}, in AP points; objects of the test split in brackets."
        columns = heads(f"{name} ({whole(counts[name])})" for name in names)
        caption = context.caption(protocol, text, sure=False)
        label = f"per-class-{metric}-{start}"
        tables.append(source_table(context, protocol, "per_class", caption, columns, cells, label=label))
    return tables
