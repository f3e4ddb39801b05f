"""Fusion-quality metrics over the test images, and what they say about detection, from the stored table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import pandas as pd

from ..detection.evaluation.resample import compare
from ..fusion.metrics.ranking import mean_rank, rank_of_rank
from ..fusion.metrics.registry import METRICS, PAPER
from .context import HEADLINE, Context
from .correlation import FEW, Correlation, spearman
from .numbers import defined
from .results import Results


@dataclass(frozen=True)
class Quality:
    """Means over the test images by source (rows) and metric (columns).

    Attributes:
        mean: mean over images.
        low: lower end of its 95 % interval over blocks of images; NaN with too few blocks.
        high: upper end.
        ranks: rows of the fused sources, columns ``mean_rank`` and ``rank_of_rank`` over the paper's
            metrics (1 is best); empty when there is nothing to rank.
        images: number of images.
        blocks: blocks of images that the intervals are drawn from.
    """

    mean: pd.DataFrame
    low: pd.DataFrame
    high: pd.DataFrame
    ranks: pd.DataFrame
    images: int
    blocks: int

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that are stored, the paper's first."""
        return tuple(str(name) for name in self.mean.columns)

    @property
    def paper(self) -> tuple[str, ...]:
        """Those of RegionFuse's paper."""
        return tuple(name for name in self.metrics if name in PAPER)


@dataclass(frozen=True)
class Relation:
    """What one metric says about mAP50 over methods."""

    metric: str
    rank: Correlation


def make_quality(context: Context) -> Quality | None:
    """Summarise the stored table; None when there is none."""
    frame = context.results.table("quality")
    if frame is None or frame.empty:
        return None
    metrics = [name for name in (*PAPER, *METRICS) if name in frame.columns and frame[name].notna().any()]
    metrics = list(dict.fromkeys(metrics))
    stored = set(frame["source"])
    sources = [name for name in context.results.sources if name in stored]
    if not metrics or not sources:
        return None
    images = sorted(frame["image"].unique())
    blocks = _blocks(context.results, images)
    mean, low, high = _means(frame, sources, metrics, images, blocks)
    fused = [name for name in sources if not context.is_single(name)]
    return Quality(mean, low, high, _ranks(mean.loc[fused]), len(images), int(blocks.max()) + 1)


def relations(context: Context, quality: Quality, protocol: str) -> tuple[int, tuple[Relation, ...]]:
    """Correlation of every metric's mean with mAP50 (mean over seeds) over the fused sources.

    Visible-only and infrared-only are left out: compared with itself, an input scores for trivial reasons.

    Returns:
        Number of sources, and one relation per metric; none when there are fewer than
        :data:`~regionfuse.reports.correlation.FEW` sources.
    """
    sources = paired_sources(context, quality, protocol)
    if len(sources) < FEW:
        return len(sources), ()
    values = {score.source: score.value(HEADLINE) for score in context.fused(protocol)}
    map50 = [values[name] for name in sources]
    found = []
    for metric in quality.metrics:
        means = quality.mean.loc[sources, metric].astype(float)
        kept = [(x, y) for x, y in zip(means, map50, strict=True) if defined(x)]
        pair = tuple(zip(*kept, strict=True)) if kept else ((), ())
        found.append(Relation(metric, spearman(*pair)))
    return len(sources), tuple(found)


def paired_sources(context: Context, quality: Quality, protocol: str) -> list[str]:
    """Fused sources that have metrics and a defined mAP50 under ``protocol``."""
    scores = context.fused(protocol)
    return [s.source for s in scores if s.source in quality.mean.index and defined(s.value(HEADLINE))]


def _blocks(results: Results, images: Sequence[str]) -> np.ndarray:
    """Position of each image's block in the ground truth, shape (I,); all one where it names none."""
    named = {str(item.get("stem")): str(item.get("block", "")) for item in results.truth.get("images") or []}
    return pd.factorize(np.array([named.get(PurePath(name).stem, "") for name in images], dtype=object))[0]


def _means(
    frame: pd.DataFrame, sources: list[str], metrics: list[str], images: list[str], blocks: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Means over images with their 95 % intervals, from the means without each block."""
    count = int(blocks.max()) + 1
    values, without = np.zeros((len(sources), len(metrics))), np.zeros((len(sources), len(metrics), count))
    for at, source in enumerate(sources):
        rows = frame[frame["source"] == source].drop_duplicates("image").set_index("image")
        numbers = rows.reindex(images)[metrics].to_numpy(dtype=float)  # (I, M)
        known = ~np.isnan(numbers)
        sums, sizes = np.zeros((2, count, len(metrics)))
        np.add.at(sums, blocks, np.where(known, numbers, 0.0))
        np.add.at(sizes, blocks, known)
        values[at] = _ratio(sums.sum(axis=0), sizes.sum(axis=0))
        without[at] = _ratio(sums.sum(axis=0) - sums, sizes.sum(axis=0) - sizes).T
    low, high = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    for at in range(len(metrics)):  # compared with nothing, i.e. with a constant zero
        zero = np.zeros((1, 1, count))
        found = compare(
            np.vstack([zero[:, :, 0], values[:, [at]]]), np.concatenate([zero, without[:, [at]]]), reference=0
        )
        low[:, at], high[:, at] = found.low[1:], found.high[1:]
    tables = [pd.DataFrame(table, index=sources, columns=metrics) for table in (values, low, high)]
    return tables[0], tables[1], tables[2]


def _ratio(sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return np.divide(sums, sizes, out=np.full(sums.shape, np.nan), where=sizes > 0)


def _ranks(mean: pd.DataFrame) -> pd.DataFrame:
    """Mean rank and rank of rank over the paper's metrics, as the paper's supplement uses them."""
    metrics = [name for name in PAPER if name in mean.columns and mean[name].notna().all()]
    if len(mean) < 2 or not metrics:
        return pd.DataFrame(columns=["mean_rank", "rank_of_rank"], dtype=float)
    return pd.DataFrame(
        {"mean_rank": mean_rank(mean, metrics), "rank_of_rank": rank_of_rank(mean, metrics)}, dtype=float
    )
