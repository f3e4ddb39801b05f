"""Scores of one protocol: means over seeds, differences to visible-only, stored intervals."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .numbers import defined
from .results import Results

# The metric of the verdict: what fusion papers quote, and what the stored intervals are for.
HEADLINE = "mAP50"
REFERENCE = "visible"
FEW_BLOCKS = 20  # a bootstrap over fewer gives intervals that are too narrow
METRICS = (
    *("mAP50", "mAP50_95", "mAP75", "mAP_small", "mAP_medium", "mAP_large", "mAR100"),
    *("threshold", "precision", "recall", "f1"),
)


@dataclass(frozen=True)
class SourceScore:
    """What one source scored under one protocol.

    Attributes:
        source: its name.
        title: its name as printed.
        reason: why it has no scores; empty when it has some.
        seeds: number of detectors behind the means.
        mean: mean over seeds by metric, fractions 0..1; NaN where undefined.
        std: sample standard deviation over seeds; NaN with fewer than two.
        delta: mean difference to visible-only over the seeds that both have; NaN without a reference.
        interval: stored 95 % interval of the difference by metric; with several seeds the hull of theirs.
    """

    source: str
    title: str
    reason: str = ""
    seeds: int = 0
    mean: dict[str, float] = field(default_factory=dict)
    std: dict[str, float] = field(default_factory=dict)
    delta: dict[str, float] = field(default_factory=dict)
    interval: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is any score."""
        return self.seeds > 0

    def value(self, metric: str = HEADLINE) -> float:
        """Mean of a metric, NaN when there is none."""
        return self.mean.get(metric, float("nan"))


def protocol_scores(results: Results, protocol: str) -> tuple[SourceScore, ...]:
    """Scores of every source under ``protocol``, failed ones included, in the order of the sources."""
    frame = results.table("detection", protocol)
    assert frame is not None  # load_results refuses a run without it
    intervals = _intervals(results, protocol)
    reference = frame[(frame["source"] == REFERENCE) & (frame["status"] == "ok")].set_index("seed")
    scores = []
    for source in results.sources:
        rows = frame[frame["source"] == source]
        if rows.empty:
            continue
        done = rows[rows["status"] == "ok"].set_index("seed")
        title = results.titles[source]
        if done.empty:
            reasons = rows["reason"] if "reason" in rows.columns else []
            reason = next((str(text) for text in reasons if text), "no reason stored")
            scores.append(SourceScore(source, title, reason=reason))
            continue
        mean, std, delta = {}, {}, {}
        for metric in METRICS:
            if metric not in done.columns:
                continue
            values = done[metric].to_numpy(dtype=float)
            good = values[~np.isnan(values)]
            mean[metric] = float(good.mean()) if len(good) else float("nan")
            std[metric] = float(good.std(ddof=1)) if len(good) > 1 else float("nan")
            shared = done.index.intersection(reference.index)
            gaps = (done.loc[shared, metric] - reference.loc[shared, metric]).to_numpy(dtype=float)
            gaps = gaps[~np.isnan(gaps)]
            delta[metric] = float(gaps.mean()) if len(gaps) and source != REFERENCE else float("nan")
        scores.append(SourceScore(source, title, "", len(done), mean, std, delta, intervals.get(source, {})))
    return tuple(scores)


def _intervals(results: Results, protocol: str) -> dict[str, dict[str, tuple[float, float]]]:
    frame = results.table("intervals", protocol)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    if frame is None:
        return found
    frame = frame.dropna(subset=["low", "high"])
    for (source, metric), rows in frame.groupby(["source", "metric"], sort=False):
        found.setdefault(str(source), {})[str(metric)] = (float(rows["low"].min()), float(rows["high"].max()))
    return found


def interval_blocks(results: Results, protocol: str) -> int | None:
    """Blocks of test images that the stored intervals are drawn from; None when that is not stored."""
    frame = results.table("intervals", protocol)
    if frame is None or "blocks" not in frame.columns or not defined(frame["blocks"].max()):
        return None
    return int(frame["blocks"].max())


def best_source(scores: tuple[SourceScore, ...], metric: str = HEADLINE) -> SourceScore | None:
    """The source with the highest mean; the first of equals; None when no score is defined."""
    valid = [score for score in scores if score.ok and defined(score.value(metric))]
    return max(valid, key=lambda score: score.value(metric), default=None)


def best_other(scores: tuple[SourceScore, ...], metric: str = HEADLINE) -> SourceScore | None:
    """The best source besides visible-only."""
    return best_source(tuple(score for score in scores if score.source != REFERENCE), metric)


def find(scores: tuple[SourceScore, ...], source: str) -> SourceScore | None:
    """The score of a source that has one."""
    return next((score for score in scores if score.source == source and score.ok), None)


def headline_protocol(results: Results) -> str:
    """The protocol of the title page: retrained when it was run, else the first one."""
    return results.protocols[0]
