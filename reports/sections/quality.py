"""Fusion-quality metrics, and whether they say anything about detection."""

from __future__ import annotations

from ...fusion.metrics.registry import METRICS
from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..context import HEADLINE, METRIC_TITLES, Context, protocol_title
from ..correlation import Correlation
from ..figures.quality import draw_quality, draw_relations
from ..numbers import decimal, defined, join, plural, signed
from ..quality import Quality, Relation, make_quality, relations
from .cells import best_text, contamination_note, is_best, source_cell

WIDE = 1.0  # an interval of correlations as wide as half of all that is possible says nothing
ASKED = "SF"  # the metric of the question; the first one stored when a run is without it


def quality_section(context: Context) -> list[Block] | str:
    """Metrics by source, then their correlation with mAP50 by protocol."""
    quality = make_quality(context)
    if quality is None:
        return "Fusion quality: not stored (quality.csv)."
    blocks: list[Block] = [Heading("Fusion quality"), Paragraph.of(_introduction(quality))]
    blocks += contamination_note(context)
    if quality.paper:
        blocks.append(_paper_table(context, quality))
        blocks.append(Figure(draw_quality(context, quality), _dots_caption(quality)))
    blocks.append(Heading("Do these metrics say anything about detection?", level=2))
    protocols = [protocol for protocol in context.results.protocols if context.finished(protocol)]
    found = {protocol: relations(context, quality, protocol) for protocol in protocols}
    if any(known for _, known in found.values()):
        blocks.append(Paragraph.of(_method()))
    for at, (protocol, (number, known)) in enumerate(found.items()):
        blocks += _protocol_blocks(context, quality, protocol, number, known, drawn=not at)
    return blocks


def _introduction(quality: Quality) -> str:
    return (
        "The metrics of fusion papers compare a fused picture with its two inputs and know nothing of "
        f"objects. Here they are means over the {plural(quality.images, 'test image')} that the detectors "
        "saw, in shades of grey. ↑: higher is called better; ↓: lower is. One modality alone stands in the "
        "tables for comparison only: an input scores well or badly against itself for trivial reasons, so it "
        "is neither ranked nor marked as best."
    )


def _paper_table(context: Context, quality: Quality) -> Table:
    columns = [Column("Source", "left")]
    intervals = bool(quality.low.notna().any(axis=None))
    for metric in quality.paper:
        group = f"{metric} {METRICS[metric].arrow}"
        columns.append(Column("mean", group=group if intervals else "") if intervals else Column(group))
        if intervals:
            columns.append(Column("±", group=group))
    ranked = not quality.ranks.empty
    if ranked:
        columns += [Column("MR ↓"), Column("RoR ↓")]
    best_rank = -best_text((-value for value in quality.ranks["mean_rank"]), 2, scale=1)
    rows = []
    for source in quality.mean.index:
        cells = [source_cell(context, source)]
        for metric in quality.paper:
            cells.append(_mean_cell(context, quality, source, metric))
            if intervals:
                half = (quality.high.loc[source, metric] - quality.low.loc[source, metric]) / 2
                cells.append(Cell(decimal(float(half), _digits(quality, metric)), muted=True))
        if ranked and source in quality.ranks.index:
            mean, rank = (float(value) for value in quality.ranks.loc[source])
            bold = round(mean, 2) == best_rank
            cells += [
                Cell(decimal(mean, 2), bold=bold),
                Cell(decimal(rank, 0 if rank.is_integer() else 1), bold=bold),
            ]
        elif ranked:
            cells += [Cell("–", muted=True)] * 2
        rows.append(tuple(cells))
    note = "MR: mean rank over these metrics; RoR: rank of the mean ranks, 1 is best. " if ranked else ""
    note += _interval_note(quality) + _words(quality.paper)
    caption = "Fusion quality on the test split: the metrics of RegionFuse's paper."
    return Table("quality", "quality-paper", caption, tuple(columns), tuple(rows), note, small=True)


def further_metrics(context: Context) -> list[Block]:
    """Metrics besides the paper's, for the appendix."""
    quality = make_quality(context)
    if quality is None or len(quality.paper) == len(quality.metrics):
        return []
    metrics = [name for name in quality.metrics if name not in quality.paper]
    columns = (Column("Source", "left"), *(Column(f"{name} {METRICS[name].arrow}") for name in metrics))
    rows = tuple(
        (source_cell(context, source), *(_mean_cell(context, quality, source, name) for name in metrics))
        for source in quality.mean.index
    )
    caption = "Fusion quality on the test split: further metrics."
    note = f"Means over the test images. {_words(tuple(metrics))}"
    return [Table("quality", "quality-further", caption, columns, rows, note, small=True)]


def _mean_cell(context: Context, quality: Quality, source: str, metric: str) -> Cell:
    """Mean of a metric; bold when it prints like the best of the fused sources."""
    value, digits = float(quality.mean[metric].loc[source]), _digits(quality, metric)
    if context.is_single(source):
        return Cell(decimal(value, digits), muted=True)
    sign = 1 if METRICS[metric].direction == "higher" else -1
    fused = [name for name in quality.mean.index if not context.is_single(name)]
    best = best_text((sign * float(quality.mean[metric].loc[name]) for name in fused), digits, scale=1)
    return Cell(decimal(value, digits), bold=is_best(sign * value, best, digits, scale=1))


def _digits(quality: Quality, metric: str) -> int:
    largest = quality.mean[metric].abs().max()
    return 1 if largest >= 100 else 2 if largest >= 10 else 3


def _words(metrics: tuple[str, ...]) -> str:
    return "; ".join(f"{name}: {METRICS[name].title}" for name in metrics) + "."


def _interval_note(quality: Quality) -> str:
    if quality.low.isna().all(axis=None):
        return f"No intervals: {plural(quality.blocks, 'block')} of images are too few. "
    return f"±: half the width of the 95 % interval of the mean over {plural(quality.blocks, 'block')} of images. "


def _dots_caption(quality: Quality) -> str:
    text = "The metrics of RegionFuse's paper by source: means over the test images"
    if quality.low.notna().any(axis=None):
        text += f" with 95 % intervals over {plural(quality.blocks, 'block')} of images"
    return text + ". Hollow: one modality alone. Each axis has its own scale and need not start at zero."


def _method() -> str:
    return (
        "A metric is of use for detection if methods that score higher in it also detect better. Each fused "
        f"source is one point: its mean over the test images and its {METRIC_TITLES[HEADLINE]}, averaged "
        "over seeds, within one protocol. Visible-only and infrared-only are left out: compared with itself, "
        "an input is a perfect or a hopeless picture by construction. The intervals are those of a "
        "correlation known from this number of methods only, as if drawn from a normal population of "
        "methods; more test images would not make them narrower, more methods would. Metrics for which "
        "lower is better keep their sign: there, a negative correlation is the useful one."
    )


def _protocol_blocks(
    context: Context,
    quality: Quality,
    protocol: str,
    number: int,
    found: tuple[Relation, ...],
    *,
    drawn: bool,
) -> list[Block]:
    title = protocol_title(protocol)
    if not found:
        return [Note(f"{title}: too few methods (n = {number}) for a correlation.")]
    blocks: list[Block] = [Paragraph.of(f"{title}.", f" {answer(found, number)}")]
    if quality.paper and drawn:
        caption = (
            f"Metrics of RegionFuse's paper against {METRIC_TITLES[HEADLINE]}, a dot a fused source "
            f"(n = {number}), with the rank correlation and its 95 % interval. {title}."
        )
        blocks.append(Figure(draw_relations(context, quality, protocol, found), caption))
    return blocks


def relation_tables(context: Context) -> list[Block]:
    """Correlations of every metric with mAP50, for the appendix."""
    quality = make_quality(context)
    found = (
        {}
        if quality is None
        else {name: relations(context, quality, name) for name in context.results.protocols}
    )
    return [_relation_table(context, name, number, known) for name, (number, known) in found.items() if known]


def answer(found: tuple[Relation, ...], number: int) -> str:
    """Say in plain words what the asked metric tells about mAP50, then how many of all tell anything."""
    asked = next((item for item in found if item.metric == ASKED), found[0])
    return f"{_about(asked, number)}{_about_all(found)}"


def _about(asked: Relation, number: int) -> str:
    rank, map50 = asked.rank, METRIC_TITLES[HEADLINE]
    question = f"Does {asked.metric} say anything about {map50}?"
    if not defined(rank.value):
        return (
            f"{question} That cannot be said: with n = {number}, one of them is undefined or always the same."
        )
    lead = (
        f"{question} With n = {number} methods its rank correlation is {signed(rank.value, 2)}, 95 % "
        f"interval {_interval(rank)}: "
    )
    if rank.sure:
        direction = "higher" if rank.value > 0 else "lower"
        return (
            f"{lead}zero lies outside, so among methods like these a higher {asked.metric} goes with a "
            f"{direction} {map50}."
        )
    if rank.high - rank.low >= WIDE:
        return f"{lead}with {plural(number, 'method')} an interval this wide says nothing."
    return f"{lead}zero lies inside, so no relation is established."


def _about_all(found: tuple[Relation, ...]) -> str:
    known = [item for item in found if defined(item.rank.value)]
    sure = [item.metric for item in known if item.rank.sure]
    if len(known) < 2:
        return ""
    metrics = plural(len(known), "metric")
    if not sure:
        return f" The interval of the rank correlation includes zero for each of {metrics}."
    return (
        f" Of {metrics}, the interval of the rank correlation excludes zero for {join(sure)}; one in twenty "
        "would by chance alone, and metrics that resemble each other do so together."
    )


def _relation_table(context: Context, protocol: str, number: int, found: tuple[Relation, ...]) -> Table:
    rank, linear = "rank (Spearman)", "linear (Pearson)"
    columns = (
        Column("Metric", "left"),
        Column("", "left"),
        *(Column(head, group=rank) for head in ("correlation", "95 % interval")),
        *(Column(head, group=linear) for head in ("correlation", "95 % interval")),
    )
    rows = []
    for item in found:
        cells = [
            Cell(f"{item.metric} {METRICS[item.metric].arrow}"),
            Cell(METRICS[item.metric].title, muted=True),
        ]
        for one in (item.rank, item.linear):
            cells += [Cell(signed(one.value, 2) if defined(one.value) else "–"), Cell(_interval(one))]
        rows.append(tuple(cells))
    seeds = len(context.results.seeds(protocol))
    mean = f", {METRIC_TITLES[HEADLINE]} averaged over {seeds} seeds" if seeds > 1 else ""
    return Table(
        "quality",
        f"quality-{protocol}",
        f"Fusion metrics and {METRIC_TITLES[HEADLINE]}: correlation over n = {number} fused sources{mean}. "
        f"{protocol_title(protocol)}.",
        columns,
        tuple(rows),
        small=True,
    )


def _interval(correlation: Correlation) -> str:
    if not defined(correlation.value):
        return "–"
    return f"{signed(correlation.low, 2)} to {signed(correlation.high, 2)}"
