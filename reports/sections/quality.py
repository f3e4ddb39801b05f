"""Fusion-quality metrics, and whether they say anything about detection."""

from __future__ import annotations

from ...fusion.metrics.registry import METRICS
from ..blocks import Block, Cell, Column, Heading, Note, Paragraph, Table
from ..context import HEADLINE, METRIC_TITLES, Context, protocol_title
from ..numbers import decimal, defined, join, plural, signed, whole
from ..quality import Quality, Relation, make_quality, relations
from .cells import best_text, contamination_note, heads, source_cell

WIDE = 1.0  # an interval of correlations as wide as half of all that is possible says nothing
ASKED = "SF"  # the metric of the question; the first one stored when a run is without it


def quality_section(context: Context) -> list[Block] | str:
    """Metrics by source, then their correlation with mAP50 by protocol."""
    quality = make_quality(context)
    if quality is None:
        return "Fusion quality: not stored (quality.csv)."
    blocks: list[Block] = [
        Heading("Fusion quality"),
        Paragraph.of(
            "The metrics of fusion papers compare a fused picture with its two inputs and know nothing of "
            f"objects. Here they are means over the {plural(quality.images, 'test image')} that the "
            "detectors saw, in shades of grey. ↑: higher is called better; ↓: lower is. One modality alone "
            "stands in the tables for comparison only: an input scores well or badly against itself for "
            "trivial reasons, so it is neither ranked nor bold."
        ),
        *contamination_note(context),
    ]
    blocks += [_metric_table(context, quality, quality.paper)] if quality.paper else []
    blocks.append(Heading("Do these metrics say anything about detection?", level=2))
    found = {
        name: relations(context, quality, name)
        for name in context.results.protocols
        if context.finished(name)
    }
    if any(known for _, known in found.values()):
        blocks.append(Paragraph.of(_METHOD))
    for protocol, (number, known) in found.items():
        title = protocol_title(protocol)
        if not known:
            blocks.append(Note(f"{title}: too few methods (n = {number}) for a correlation."))
            continue
        blocks.append(Paragraph.of(f"{title}.", f" {answer(known, number)}"))
    return [*blocks, *association_table(context, context.headline_protocol)]


def association_table(context: Context, protocol: str) -> list[Block]:
    """Rank correlations within images and objects: hundreds of units instead of a few methods."""
    frame = context.results.table("association", protocol)
    if frame is None or frame.empty:
        return []
    levels = list(dict.fromkeys(frame["level"]))
    columns = [Column("Metric", "left")]
    for level in levels:
        units, blocks = (
            whole(frame.loc[frame["level"] == level, name].max()) for name in ("units", "blocks")
        )
        group = f"within {units} {level}s, {blocks} blocks"
        columns += heads(("correlation", "95 %", "beyond", "95 %"), group)
    rows = []
    for metric in dict.fromkeys(frame["metric"]):
        cells = [Cell(str(metric))]
        for level in levels:
            found = frame[(frame["level"] == level) & (frame["metric"] == metric)].to_dict("records")
            row = found[0] if found else {}
            for name in ("within", "beyond_sources"):
                ends = (row.get(f"{name}_{end}", float("nan")) for end in ("low", "high"))
                low, high = (min(max(end, -1.0), 1.0) if defined(end) else end for end in ends)
                bold = low > 0 or high < 0
                span = f"[{_signed(low)}, {_signed(high)}]" if defined(low) else "–"
                cells += [Cell(_signed(row.get(name, float("nan"))), bold=bold), Cell(span, bold=bold)]
        rows.append(tuple(cells))
    note = (
        "Each image, or object, ranks the fused sources by the metric and by what is found; the correlation "
        "of these ranks over all of them. Beyond: after each source's mean rank is taken away. "
        "Metrics that are better lower are turned round. Intervals over blocks, each by itself; bold: "
        "excludes zero."
    )
    caption = f"Fusion metrics and detection within images and objects. {protocol_title(protocol)}."
    return [
        Table(
            "association", f"association-{protocol}", caption, tuple(columns), tuple(rows), note, small=True
        )
    ]


def quality_tables(context: Context) -> list[Block]:
    """Metrics besides the paper's, and the correlations of all of them, for the appendix."""
    quality = make_quality(context)
    if quality is None:
        return []
    further = tuple(name for name in quality.metrics if name not in quality.paper)
    found = {name: relations(context, quality, name) for name in context.results.protocols}
    found = {name: (number, known) for name, (number, known) in found.items() if known}
    tables: list[Block] = [_metric_table(context, quality, further)] if further else []
    for protocol in context.results.protocols[1:]:
        tables += association_table(context, protocol)
    if found:
        columns = [Column("Metric", "left"), Column("", "left")]
        for name, (number, _) in found.items():
            columns += heads(("correlation", "95 % interval"), f"{protocol_title(name)} (n = {number})")
        rows = []
        for at, metric in enumerate(quality.metrics):
            cells = [Cell(f"{metric} {METRICS[metric].arrow}"), Cell(METRICS[metric].title, muted=True)]
            for _, known in found.values():
                rank = known[at].rank
                cells += [Cell(_signed(rank.value)), Cell(f"{_signed(rank.low)} to {_signed(rank.high)}")]
            rows.append(tuple(cells))
        caption = (
            f"Rank correlation (Spearman) of fusion metrics with {METRIC_TITLES[HEADLINE]} over fused "
            "sources."
        )
        tables.append(Table("quality", "quality-relations", caption, tuple(columns), tuple(rows), small=True))
    return tables


def _metric_table(context: Context, quality: Quality, metrics: tuple[str, ...]) -> Table:
    """Means with half their intervals; the paper's metrics with ranks."""
    paper, columns = metrics == quality.paper, [Column("Source", "left")]
    spread = paper and bool(quality.low.notna().any(axis=None))
    ranked = paper and not quality.ranks.empty
    for metric in metrics:
        group = f"{metric} {METRICS[metric].arrow}"
        columns += heads(("mean", "±"), group) if spread else heads((group,))
    columns += heads(("MR ↓", "RoR ↓")) if ranked else []
    best_rank = -best_text((-value for value in quality.ranks["mean_rank"]), 2, scale=1)
    rows = []
    for source in quality.mean.index:
        cells = [source_cell(context, source)]
        for metric in metrics:
            cells.append(_mean_cell(context, quality, source, metric))
            if spread:
                half = (quality.high.loc[source, metric] - quality.low.loc[source, metric]) / 2
                cells.append(Cell(decimal(float(half), _digits(quality, metric)), muted=True))
        if ranked and source in quality.ranks.index:
            mean, rank = (float(value) for value in quality.ranks.loc[source])
            bold = round(mean, 2) == best_rank
            cells += [Cell(decimal(mean, 2), bold=bold), Cell(f"{rank:g}", bold=bold)]
        elif ranked:
            cells += [Cell("–", muted=True)] * 2
        rows.append(tuple(cells))
    note = "MR: mean rank over these metrics; RoR: rank of the mean ranks, 1 is best. " if ranked else ""
    if spread:
        note += f"±: half the 95 % interval of the mean, over {plural(quality.blocks, 'block')} of images. "
    note += "; ".join(f"{name}: {METRICS[name].title}" for name in metrics) + "."
    label, what = ("paper", "the metrics of RegionFuse's paper") if paper else ("further", "further metrics")
    caption = f"Fusion quality, means over the test images: {what}."
    return Table("quality", f"quality-{label}", caption, tuple(columns), tuple(rows), note, small=True)


def _mean_cell(context: Context, quality: Quality, source: str, metric: str) -> Cell:
    """Mean of a metric; bold when it prints like the best of the fused sources."""
    value, digits = float(quality.mean[metric].loc[source]), _digits(quality, metric)
    if context.is_single(source):
        return Cell(decimal(value, digits), muted=True)
    sign = 1 if METRICS[metric].direction == "higher" else -1
    fused = [name for name in quality.mean.index if not context.is_single(name)]
    best = best_text((sign * float(quality.mean[metric].loc[name]) for name in fused), digits, scale=1)
    return Cell(decimal(value, digits), bold=defined(value) and round(sign * value, digits) == best)


def _digits(quality: Quality, metric: str) -> int:
    largest = quality.mean[metric].abs().max()
    return 1 if largest >= 100 else 2 if largest >= 10 else 3


_METHOD = (
    "A metric is of use for detection if methods that score higher in it also detect better. Each fused "
    f"source is one point: its mean over the test images and its {METRIC_TITLES[HEADLINE]}, averaged over "
    "seeds, within one protocol. Visible-only and infrared-only are left out. The intervals are those of a "
    "rank correlation known from this number of methods only; more test images would not make them "
    "narrower, more methods would. Metrics for which lower is better keep their sign: there, a negative "
    "correlation is the useful one."
)


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
        f"interval {_signed(rank.low)} to {_signed(rank.high)}: "
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
    if not sure:
        return f" The interval of the rank correlation includes zero for each of {len(known)} metrics."
    return (
        f" Of {len(known)} metrics, the interval of the rank correlation excludes zero for {join(sure)}; one "
        "in twenty would by chance alone, and metrics that resemble each other do so together."
    )


def _signed(value: float) -> str:
    return signed(value, 2) if defined(value) else "–"
