"""Average precision by class."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..context import Context, protocol_title
from ..figures.per_class import MOST, draw_per_class
from ..numbers import join, points, whole
from .cells import best_text, is_best, nothing_finished, source_cell

PER_TABLE = 8


def classes_section(context: Context) -> list[Block]:
    """Bars and tables by class."""
    blocks: list[Block] = [Heading("By class")]
    counts = context.results.class_counts()
    present = [name for name, number in counts.items() if number]
    absent = [name for name, number in counts.items() if not number]
    failed = nothing_finished(context)
    if failed is not None:
        return [*blocks, failed]
    if context.results.table("per_class") is None:
        return [*blocks, Note("Scores by class are not stored in this run.")]
    if not present:
        return [*blocks, Note("The test split has no objects, so no class has a score.")]
    if absent:
        blocks.append(
            Paragraph.of(f"The test split has no objects of class {join(absent)}: their AP is undefined.")
        )
    for protocol in context.results.protocols:
        if not context.finished(protocol):
            continue
        blocks.append(Heading(protocol_title(protocol), level=2))
        dots = " White dots: single seeds." if context.several(protocol) else ""
        rest = f" The first {MOST} classes by number of objects." if len(present) > MOST else ""
        drawn = sorted(present, key=lambda name: -counts[name]) if len(present) > MOST else present
        title = protocol_title(protocol)
        caption = f"AP50 by class in AP points, objects of the test split in parentheses. {title}."
        blocks.append(Figure(draw_per_class(context, protocol, drawn), f"{caption}{dots}{rest}"))
        blocks += [
            _table(context, protocol, present[start : start + PER_TABLE], start)
            for start in range(0, len(present), PER_TABLE)
        ]
    return blocks


def _table(context: Context, protocol: str, names: list[str], start: int) -> Table:
    frame = context.results.table("per_class", protocol)
    assert frame is not None
    counts, scores = context.results.class_counts(), context.finished(protocol)
    grouped = frame.groupby(["source", "class"])[["AP50", "AP50_95"]].mean()
    means = {
        (score.source, name, metric): float(grouped[metric].get((score.source, name), float("nan")))
        for score in scores
        for name in names
        for metric in ("AP50", "AP50_95")
    }
    columns = [Column("Source", "left")]
    columns += [Column(f"{name} ({whole(counts[name])})") for name in names]
    rows_out: list[tuple[Cell, ...]] = []
    best = {
        (name, metric): best_text(means[score.source, name, metric] for score in scores)
        for name in names
        for metric in ("AP50", "AP50_95")
    }
    for metric, title in (("AP50", "AP50"), ("AP50_95", "AP50–95")):
        rows_out.append((Cell(title, muted=True, span=len(columns)),))
        for score in scores:
            values_of = [(means[score.source, name, metric], best[name, metric]) for name in names]
            cells = [Cell(points(value), bold=is_best(value, top)) for value, top in values_of]
            rows_out.append((source_cell(context, score.source), *cells))
    part = f", part {start // PER_TABLE + 1}" if len(context.results.classes) > PER_TABLE else ""
    return Table(
        "per_class",
        f"per-class-{protocol}-{start}",
        f"AP by class{part}, in AP points; objects of the test split in parentheses. "
        f"{protocol_title(protocol)}.",
        tuple(columns),
        tuple(rows_out),
    )
