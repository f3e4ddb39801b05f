"""Does a better fusion metric go with better detection of the same image, or of the same object?

Over methods alone there are a handful of points. Inside one image the sources are compared on the same
content, and there are hundreds of images: each unit (an image, or an object) ranks the sources by the metric
and by the outcome, and the ranks are correlated over all units,

    within = sum of a b / sqrt(sum of a² · sum of b²),   a, b: ranks less the mean rank of their unit.

This is the mean of the units' rank correlations (Spearman), weighted by how much there is to rank: a unit
where all sources found everything says nothing. It does not know whether the metric follows the picture or
only the source: one source that is best in both everywhere makes it large, and then it holds no more than
the handful of points did. So ``beyond_sources`` also takes each source's mean rank away: does a source
detect better than it usually does where its metric is better than it usually is?
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from .resample import compare

COLUMNS: Final = (
    "protocol", "level", "metric", "within", "within_low", "within_high", "beyond_sources",
    "beyond_sources_low", "beyond_sources_high", "units", "sources", "blocks",
)  # fmt: skip
_NAMES: Final = ["source", "split", "image", "stem", "object_id"]
_LEAST_SOURCES = 3  # with two, ranks are only signs
_NOTHING = 1e-9  # share of the variation below which what is left is rounding


@dataclass(frozen=True)
class Association:
    """Rank correlation of a metric with an outcome within units, -1 to 1, NaN where one does not vary.

    Attributes:
        within: correlation of the ranks within units.
        within_without: shape (B,), the same without each block of images.
        beyond_sources: correlation of what each source's mean rank leaves.
        beyond_sources_without: shape (B,), the same without each block.
        units: number of units that rank both.
    """

    within: float
    within_without: np.ndarray
    beyond_sources: float
    beyond_sources_without: np.ndarray
    units: int


def associate(metric: np.ndarray, outcome: np.ndarray, block: np.ndarray, blocks: int) -> Association:
    """Correlate ``metric`` with ``outcome`` over K sources within each of U images or objects.

    Args:
        metric: shape (K, U), any scale; of a metric that is better when lower, its negative.
        outcome: shape (K, U), what detection made of the unit: recall of the image, confidence in the object,
            or found (1) or not (0).
        block: shape (U,), int64, position of each unit's block of images.
        blocks: number B of blocks; objects need not lie in all of them.

    Returns:
        Units where a number is missing (NaN) or one side does not vary are left out; all is NaN with fewer
        than three sources.
    """
    known = ~(np.isnan(metric) | np.isnan(outcome)).any(axis=0)
    first, second = _centred_ranks(metric[:, known]), _centred_ranks(outcome[:, known])
    ranked = first.any(axis=0) & second.any(axis=0)
    first, second, of = first[:, ranked], second[:, ranked], block[known][ranked]
    units = len(of)
    if len(metric) < _LEAST_SOURCES or not units:
        nothing = np.full(blocks, np.nan)
        return Association(float("nan"), nothing, float("nan"), nothing, units)

    def with_and_without(values: np.ndarray) -> np.ndarray:
        """Sum over units (last axis): all, then without each block, shape (..., 1 + B)."""
        per_block = np.zeros((blocks, *values.shape[:-1]))
        np.add.at(per_block, of, values.T)
        per_block = per_block.T
        total = per_block.sum(axis=-1, keepdims=True)
        return np.concatenate([total, total - per_block], axis=-1)

    number = np.maximum(with_and_without(np.ones(units)), 1)
    mean_first, mean_second = (
        with_and_without(first) / number,
        with_and_without(second) / number,
    )  # (K, 1 + B)

    def correlation(*, centred: bool) -> np.ndarray:
        def product(x: np.ndarray, y: np.ndarray, mean_x: np.ndarray, mean_y: np.ndarray) -> np.ndarray:
            full = with_and_without((x * y).sum(axis=0))
            return full - number * (mean_x * mean_y).sum(axis=0) if centred else full

        square_first = product(first, first, mean_first, mean_first)
        square_second = product(second, second, mean_second, mean_second)
        enough = np.minimum(square_first, square_second) > _NOTHING * number
        both = product(first, second, mean_first, mean_second)
        scale = np.sqrt(np.where(enough, square_first * square_second, 1.0))
        return np.where(enough, both / scale, np.nan)

    within, beyond = correlation(centred=False), correlation(centred=True)
    return Association(float(within[0]), within[1:], float(beyond[0]), beyond[1:], units)


def _centred_ranks(values: np.ndarray) -> np.ndarray:
    """Rank the sources (axis 0) in each unit, ties sharing their mean rank, around 0."""
    return np.asarray(rankdata(values, axis=0)) - (len(values) + 1) / 2


def association_table(
    objects: pd.DataFrame,
    quality: pd.DataFrame,
    regions: pd.DataFrame,
    sources: Sequence[str],
    lower_is_better: Collection[str] = (),
) -> pd.DataFrame:
    """Return the association of every metric with what is found, within images and within objects.

    Args:
        objects: table of objects of an evaluation; found is what is correct at the headline point.
        quality: one row a source and test image: ``source``, ``image`` (file name), then metrics.
        regions: one row a source and test object: ``source``, ``object_id``, then metrics around the object.
        sources: fused sources; an input compared with itself scores for trivial reasons.
        lower_is_better: metrics of which a smaller value is better.
    """
    rows: list[tuple[object, ...]] = []
    real = objects[(objects.kind == "object") & objects.source.isin(sources)]
    found = real.assign(found=(real.outcome == "correct").astype(float), stem=real.stem.astype(str))
    by_stem = quality.assign(stem=quality.image.str.rsplit(".", n=1).str[0]) if len(quality) else quality
    for protocol, group in found.groupby("protocol", sort=True):
        for level, unit, table in (("image", "stem", by_stem), ("object", "object_id", regions)):
            if table.empty:
                continue
            outcome = group.pivot_table(index="source", columns=unit, values="found", aggfunc="mean")
            homes = group.drop_duplicates(unit).set_index(unit).block.astype(str).reindex(outcome.columns)
            block, names = pd.factorize(homes)
            for metric in table.columns.difference(
                ["source", "split", "image", "stem", "object_id"], sort=False
            ):
                values = table.pivot_table(index="source", columns=unit, values=metric, dropna=False)
                values = values.reindex(index=outcome.index, columns=outcome.columns)
                sign = -1 if metric in lower_is_better else 1
                result = associate(sign * values.to_numpy(float), outcome.to_numpy(), block, len(names))
                within, beyond = (
                    _interval(result.within, result.within_without),
                    _interval(result.beyond_sources, result.beyond_sources_without),
                )
                rows.append(
                    (protocol, level, metric, *within, *beyond, result.units, len(outcome), len(names))
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _interval(value: float, without: np.ndarray) -> tuple[float, float, float]:
    """Return a number with its 95 % interval over blocks: its difference to a source that is always zero."""
    values = np.array([[0.0], [value]])
    result = compare(values, np.stack([np.zeros((1, len(without))), without[None]]), 0)
    return value, float(result.low[1]), float(result.high[1])
