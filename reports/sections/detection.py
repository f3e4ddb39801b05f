"""Detection scores: mAP with intervals, all pairs of sources, and classes; protocols are never mixed."""

from __future__ import annotations

import numpy as np

from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..context import METRIC_TITLES, Context, protocol_title
from ..differences import Difference, difference_cells
from ..figures.forest import FOREST, Panel, draw_forest
from ..figures.matrix import Grid, draw_grids
from ..numbers import defined, join, points, whole
from .cells import contamination_note, failed_row, source_cell

MOST_CLASSES = 12  # columns of the figure by class; the appendix holds the rest
PER_TABLE = 8
_COMPARED = ("mAP50", "mAP75", "mAP50_95")
ULTRALYTICS = (
    "Why these figures differ from Ultralytics' own: here precision is interpolated at 101 points of recall and "
    "predictions from confidence 0.001 are matched as COCO does, greedily, at most 100 per class and image; "
    "Ultralytics interpolates and matches differently."
)


def detection_section(context: Context) -> list[Block]:
    """Scores with simultaneous intervals, the matrix of all pairs, and AP50 by class."""
    protocols = context.results.protocols
    blocks: list[Block] = [
        Heading("Detection"),
        Paragraph.of(
            "COCO's average precision on the test split, from the stored predictions, in AP points (percent). Δ is "
            f"the difference to {context.results.base} with its simultaneous 95 % interval; bold: it excludes zero. "
            + ULTRALYTICS
        ),
        *contamination_note(context),
    ]
    for protocol in protocols:
        if not context.finished(protocol):
            text = f"{protocol_title(protocol)}: every source failed; the reasons stand in the table."
            blocks.append(Note(text, "warning"))
        blocks.append(score_table(context, protocol))
    pairs = [protocol for protocol in protocols if len(context.finished(protocol)) > 1]
    if pairs and any(context.any_gap(protocol) for protocol in pairs):
        blocks += _all_pairs(context, pairs[:2])
    return blocks + _by_class(context)


def score_table(context: Context, protocol: str, *, brief: bool = False) -> Table:
    """Table of mAP by source with differences to the reference.

    Args:
        context: results.
        protocol: which protocol.
        brief: what the title page has room for.
    """
    scores, several = context.scores[protocol], context.several(protocol)
    compared = bool(context.rivals(protocol)) and context.reference(protocol) is not None
    columns = [Column("Source", "left")]
    for metric in ("mAP50", "mAP50_95") if brief else _COMPARED:
        group = METRIC_TITLES[metric]
        columns.append(Column("mean" if several else "score", group=group))
        columns += [Column("± sd", group=group)] if several and brief else []
        columns += [Column(head, group=group) for head in ("Δ", "interval")] if compared else []
    columns += [] if brief else [Column("mAR100")]
    rows = []
    for score in scores:
        if not score.ok:
            rows.append(failed_row(context, score, len(columns)))
            continue
        cells = [source_cell(context, score.source)]
        for metric in ("mAP50", "mAP50_95") if brief else _COMPARED:
            cells.append(Cell(points(score.value(metric))))
            cells += [Cell(points(score.std.get(metric)), muted=True)] if several and brief else []
            cells += difference_cells(context.gap(protocol, score.source, metric)) if compared else []
        cells += [] if brief else [Cell(points(score.value("mAR100")))]
        rows.append(tuple(cells))
    classes = context.results.tables["detection"]["classes"].max()
    means = f"means over {whole(classes)} classes" if defined(classes) else "means over classes"
    seeds = len(context.results.seeds(protocol))
    number = {0: "no detector finished", 1: "one seed"}.get(seeds, f"mean of {seeds} seeds")
    caption = f"Detection on the test split, {means}. {protocol_title(protocol)}; {number}. {context.intervals(protocol)}"
    return Table("" if brief else "detection", f"detection-{protocol}", caption, tuple(columns), tuple(rows),
                 small=True)  # fmt: skip


def established_both_ways(context: Context, protocol: str, source: str, other: str) -> Difference | None:
    """Difference of two sources, judged in the families of both: established only if it is in each."""
    found = context.differences.get(protocol, other, source, "mAP50")
    back = context.differences.get(protocol, source, other, "mAP50")
    return found if found and back and found.established and back.established else None


def _all_pairs(context: Context, protocols: list[str]) -> list[Block]:
    grids = []
    ranked = sorted(context.finished(protocols[0]), key=lambda score: -score.value())
    for protocol in protocols:
        done = {score.source for score in context.finished(protocol)}
        names = [score.source for score in ranked if score.source in done]
        texts = [["" for _ in names] for _ in names]
        values, marked = np.full((len(names),) * 2, np.nan), np.zeros((len(names),) * 2, dtype=bool)
        for row, source in enumerate(names):
            for column, other in enumerate(names):
                found = context.differences.get(protocol, other, source, "mAP50")
                if found is not None and defined(found.value):
                    texts[row][column], values[row, column] = found.text, found.value
                    marked[row, column] = established_both_ways(context, protocol, source, other) is not None
        labels = [context.results.labels[name] for name in names]
        grids.append(Grid(protocol_title(protocol), labels, labels, texts, values, marked))
    caption = (
        "Every source (row) minus every other (column) in mAP50, AP points; best of the first protocol first. Full colour and bold: the "
        "simultaneous 95 % interval excludes zero, whichever of the two is the reference; pale: not established. "
        f"{context.intervals(protocols[0])}"
    )
    if len({tuple(grid.rows) for grid in grids}) == 1 and len(grids[0].rows) <= 8:
        return [Figure(draw_grids(grids), caption)]
    return [Figure(draw_grids([grid]), caption) for grid in grids]


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
    shown = sorted(present, key=lambda name: -counts[name])[:MOST_CLASSES]
    shown = [name for name in present if name in shown]
    grids = [_class_grid(context, protocol, shown) for protocol in context.results.protocols[:2]
             if context.finished(protocol)]  # fmt: skip
    rest = f" The {MOST_CLASSES} most frequent classes." if len(present) > MOST_CLASSES else ""
    caption = (
        f"AP50 by class in AP points, in brackets the objects of the test split. Colour: difference to "
        f"{context.results.base}, full and bold where its simultaneous 95 % interval excludes zero.{rest} "
        f"{context.intervals(context.headline_protocol)} Values, intervals and AP50–95 stand in the appendix."
    )
    together = len({tuple(grid.rows) for grid in grids}) == 1 and len(shown) <= 8
    drawings = [draw_grids(grids)] if together else [draw_grids([grid]) for grid in grids]
    return [*blocks, *(Figure(svg, caption if not at else f"The same. {grids[at].title}.")
                       for at, svg in enumerate(drawings))]  # fmt: skip


def _class_grid(context: Context, protocol: str, names: list[str]) -> Grid:
    scores, counts = context.finished(protocol), context.results.class_counts
    values, marked = (
        np.full((len(scores), len(names)), np.nan),
        np.zeros((len(scores), len(names)), dtype=bool),
    )
    texts = [["–"] * len(names) for _ in scores]
    for column, name in enumerate(names):
        means = context.means("per_class", protocol, **{"class": name})
        for row, score in enumerate(scores):
            texts[row][column] = points(means[score.source]["AP50"]) if score.source in means else "–"
            gap = context.gap(protocol, score.source, "AP50", f"class:{name}")
            if gap is not None and defined(gap.value):
                values[row, column], marked[row, column] = gap.value, gap.established
    labels = [context.results.labels[score.source] for score in scores]
    heads = [f"{name} ({whole(counts[name])})" for name in names]
    return Grid(protocol_title(protocol), labels, heads, texts, values, marked)


def class_tables(context: Context) -> list[Block]:
    """AP by class as tables, and the differences with their intervals as figures, for the appendix."""
    counts = context.results.class_counts
    present = [name for name, number in counts.items() if number]
    if context.results.table("per_class") is None or not present:
        return []
    blocks: list[Block] = []
    for protocol in context.results.protocols:
        if not context.finished(protocol):
            continue
        blocks += [_class_table(context, protocol, present[start : start + PER_TABLE], start)
                   for start in range(0, len(present), PER_TABLE)]  # fmt: skip
        panels = [
            Panel(f"{name} ({whole(counts[name])})", "Δ AP50, AP points", rows)
            for name in sorted(present, key=lambda name: -counts[name])[:MOST_CLASSES]
            if (rows := {score.source: gap for score in context.rivals(protocol)
                         if (gap := context.gap(protocol, score.source, "AP50", f"class:{name}")) is not None})
        ]  # fmt: skip
        if panels:
            caption = (
                f"AP50 by class, difference to {context.results.base}. {protocol_title(protocol)}. {FOREST} "
                f"{context.intervals(protocol)}"
            )
            blocks.append(Figure(draw_forest(context, panels), caption))
    return blocks


def _class_table(context: Context, protocol: str, names: list[str], start: int) -> Table:
    counts, scores = context.results.class_counts, context.finished(protocol)
    means = {name: context.means("per_class", protocol, **{"class": name}) for name in names}
    columns = [Column("Source", "left")]
    columns += [Column(f"{name} ({whole(counts[name])})") for name in names]
    rows: list[tuple[Cell, ...]] = []
    for metric, title in (("AP50", "AP50"), ("AP50_95", "AP50–95")):
        rows.append((Cell(title, muted=True, span=len(columns)),))
        for score in scores:
            found = [means[name].get(score.source) for name in names]
            cells = [Cell(points(one[metric]) if one is not None else "–") for one in found]
            rows.append((source_cell(context, score.source), *cells))
    part = f", part {start // PER_TABLE + 1}" if len(context.results.classes) > PER_TABLE else ""
    caption = (
        f"AP by class{part}, in AP points; objects of the test split in brackets. {protocol_title(protocol)}."
    )
    label = f"per-class-{protocol}-{start}"
    return Table("per_class", label, caption, tuple(columns), tuple(rows), small=True)
