"""Detection scores: one pair of tables a protocol, never mixed."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Heading, Note, Paragraph, Table
from ..context import METRIC_TITLES, PROTOCOL_QUESTIONS, Context, protocol_title
from ..numbers import decimal, defined, interval, plural, points, signed_points
from ..scores import HEADLINE, SourceScore, interval_blocks
from .cells import best_text, contamination_note, failed_row, is_best, source_cell

_SIZES = ("mAP_small", "mAP_medium", "mAP_large")


def detection_section(context: Context) -> list[Block]:
    """Tables of mAP with differences to visible-only, and of sizes and the operating point."""
    blocks: list[Block] = [
        Heading("Detection"),
        Paragraph.of(
            "Scores are COCO's average precision on the test split, computed from the stored "
            "predictions, in AP points (percent). Δ is the difference to visible-only in the same "
            "protocol. The best of a column is bold, and so is what prints equal to it."
        ),
        *contamination_note(context),
    ]
    for protocol in context.results.protocols:
        blocks += _protocol_blocks(context, protocol)
    return blocks


def _protocol_blocks(context: Context, protocol: str) -> list[Block]:
    title = protocol_title(protocol)
    blocks: list[Block] = [Heading(title, level=2)]
    if protocol in PROTOCOL_QUESTIONS:
        blocks.append(Paragraph.of(PROTOCOL_QUESTIONS[protocol]))
    blocks.append(score_table(context, protocol))
    if context.finished(protocol):
        blocks.append(_size_table(context, protocol))
    else:
        blocks.append(
            Note("Every source failed under this protocol; the reasons stand in the table.", "warning")
        )
    return blocks


def score_table(context: Context, protocol: str, *, brief: bool = False) -> Table:
    """Table of mAP by source.

    Args:
        context: results.
        protocol: which protocol.
        brief: leave out what the title page has no room for.
    """
    scores = context.scores[protocol]
    compared = context.visible(protocol) is not None and len(context.finished(protocol)) > 1
    several = context.several(protocol)
    intervals = any(score.interval.get(HEADLINE) for score in scores)
    columns = [Column("Source", "left")]
    fields: list[tuple[str, str]] = []  # what, metric

    def add(what: str, metric: str, head: str, group: str = "") -> None:
        fields.append((what, metric))
        columns.append(Column(head, group=group))

    for metric in ("mAP50", "mAP50_95"):
        group = METRIC_TITLES[metric]
        add("mean", metric, "mean" if several else "score", group)
        if several:
            add("std", metric, "± sd", group)
        if compared:
            add("delta", metric, "Δ", group)
        if intervals and metric == HEADLINE:
            add("interval", metric, "95 % interval of Δ", group)
    if not brief:
        add("mean", "mAP75", "mAP75")
        add("mean", "mAR100", "mAR100")
    best = {metric: best_text(score.value(metric) for score in scores) for _, metric in fields}
    rows = []
    for score in scores:
        if not score.ok:
            rows.append(failed_row(context, score, len(columns)))
            continue
        cells = [source_cell(context, score.source)]
        cells += [_score_cell(score, what, metric, best[metric]) for what, metric in fields]
        rows.append(tuple(cells))
    return Table(
        "" if brief else "detection",
        f"detection-{protocol}",
        f"Detection on the test split. {protocol_title(protocol)}; {_basis(context, protocol)}.",
        tuple(columns),
        tuple(rows),
        note="" if brief else _interval_note(context, protocol),
    )


def _score_cell(score: SourceScore, what: str, metric: str, best: float) -> Cell:
    value = score.value(metric)
    if what == "mean":
        return Cell(points(value), bold=is_best(value, best))
    if what == "std":
        return Cell(points(score.std.get(metric)), muted=True)
    if what == "delta":
        return Cell(signed_points(score.delta.get(metric)))
    bounds = score.interval.get(metric)
    return Cell(interval(*bounds) if bounds else "–", muted=bounds is None)


def _basis(context: Context, protocol: str) -> str:
    seeds = context.results.seeds(protocol)
    if not seeds:
        return "no detector finished"
    return "one seed" if len(seeds) == 1 else f"mean of {len(seeds)} seeds and their standard deviation"


def _interval_note(context: Context, protocol: str) -> str:
    frame = context.results.table("intervals", protocol)
    if frame is None or frame.empty:
        return "No intervals are stored for this run: small differences may be chance."
    if not any(score.interval for score in context.scores[protocol]):
        return "No interval is defined: the test split has fewer than two blocks of images to draw from."
    parts = ["Intervals: paired percentile bootstrap"]
    if "resamples" in frame.columns and defined(frame["resamples"].max()):
        parts.append(f" of {int(frame['resamples'].max())} draws")
    blocks = interval_blocks(context.results, protocol)
    if blocks is not None:
        parts.append(f" over {plural(blocks, 'scene block')} of the test split")
    parts.append("; they cover the choice of test images, not the chance in training.")
    if context.several(protocol):
        parts.append(" With several seeds: from the lowest to the highest end of theirs.")
    return "".join(parts)


def _size_table(context: Context, protocol: str) -> Table:
    scores = context.scores[protocol]
    sizes = [metric for metric in _SIZES if any(defined(score.value(metric)) for score in scores)]
    point = ("precision", "recall", "f1")
    columns = [Column("Source", "left")]
    columns += [Column(METRIC_TITLES[metric], group="mAP50–95 by object size") for metric in sizes]
    columns += [Column("threshold", group="at the threshold chosen on val")]
    columns += [Column(METRIC_TITLES[metric], group="at the threshold chosen on val") for metric in point]
    best = {metric: best_text(score.value(metric) for score in scores) for metric in (*sizes, *point)}
    rows = []
    for score in scores:
        if not score.ok:
            continue
        cells = [source_cell(context, score.source)]
        cells += [
            Cell(points(score.value(name)), bold=is_best(score.value(name), best[name])) for name in sizes
        ]
        cells.append(Cell(decimal(score.value("threshold"))))
        cells += [
            Cell(points(score.value(name)), bold=is_best(score.value(name), best[name])) for name in point
        ]
        rows.append(tuple(cells))
    absent = [METRIC_TITLES[metric] for metric in _SIZES if metric not in sizes]
    note = "Sizes as COCO counts them: small below 32², large from 96² square pixels of the original image."
    if absent:
        note += f" The test split has no {' and no '.join(absent)} objects."
    return Table(
        "detection",
        f"sizes-{protocol}",
        f"By object size, and at the operating point. {protocol_title(protocol)}; precision, recall "
        "and F1 in percent at IoU 0.5.",
        tuple(columns),
        tuple(rows),
        note=note,
    )
