"""How sure is a difference between sources? Intervals, p-values and ranks from what each block contributes.

Images of one block (a contiguous scene, near-duplicates) are not independent, so blocks are the unit: a
quantity is computed on the full test set and without each block in turn, and everything follows from these
numbers.

Variance of a difference D (source minus reference, mean over seeds), in up to three parts:

* **test blocks**: leave-one-block-out jackknife about the full value, ``(B - 1) / B sum_b (D - D_-b)^2``.
  For a mean this is the cluster-robust CV3 of MacKinnon, Nielsen and Webb (2023).
* **val blocks**, where a threshold or temperature was chosen on val: a jackknife over the choice made again.
* **seeds**: sample variance over seeds, pooled over sources, less the part of it that is test noise of single
  detectors, which the jackknife of the mean over seeds holds already.

Each part has its own degrees of freedom, and Satterthwaite's formula joins them. Few blocks of unequal
influence say less about a variance than their number suggests; how much less is estimated from the
contributions.
:mod:`.coverage` simulates how well all this holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special, stats

from .multiplicity import holm, level_of_largest, sign_flip

LEAST_BLOCKS: Final = 5  # fewer blocks that matter: no interval and no p-value
_POWER: Final = 0.8
_SAME: Final = 1e-12  # a relative change by less is rounding
_SHRINKAGE: Final = 4.0


@dataclass(frozen=True)
class Comparison:
    """Differences of K sources to a reference; arrays (K,), float64 unless said, NaN at the reference.

    Attributes:
        value: source minus reference, mean over the seeds.
        low, high: limits of the individual interval, NaN with fewer than ``LEAST_BLOCKS`` blocks that matter.
        simultaneous_low, simultaneous_high: limits that hold for all sources together (max-T).
        p: two-sided p-value of a difference of zero, of the individual interval.
        p_holm: ``p`` adjusted by Holm over the sources.
        p_sign_flip: sign-flip permutation test over blocks, adjusted over the sources (single-step max-T);
            it knows no variance over seeds or val, so it is about these detectors at these thresholds.
        se_blocks, se_val, se_seeds: standard error by part; 0 where a part does not exist.
        df: degrees of freedom of the whole.
        detectable: smallest true difference that would have been found with 80 % power at level ``alpha``.
        equivalent: bool, the ``1 - 2 alpha`` interval lies within the margin; None if no margin was asked
            for.
        blocks: int64, blocks that matter: with a size, or whose removal changes the quantity of the source
            or the reference.
        seeds: int64, seeds that the source and the reference have (both together, when seeds are paired).
        covers: object (text), what the interval is about: ``methods`` (three or more seeds), ``few seeds``
            (two), ``these detectors`` (one; the variance over trainings is then not in the interval).
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    simultaneous_low: np.ndarray
    simultaneous_high: np.ndarray
    p: np.ndarray
    p_holm: np.ndarray
    p_sign_flip: np.ndarray
    se_blocks: np.ndarray
    se_val: np.ndarray
    se_seeds: np.ndarray
    df: np.ndarray
    detectable: np.ndarray
    equivalent: np.ndarray | None
    blocks: np.ndarray
    seeds: np.ndarray
    covers: np.ndarray


@dataclass(frozen=True)
class Ranks:
    """Ranks of K sources over bootstrap draws; arrays of shape (K,), float64.

    Attributes:
        p_best: share of draws in which the source is best; equal sources share a draw.
        rank: rank of the value, 1 is best; equal sources have their mean rank.
        low, high: limits of the 95 % percentile interval of the rank.
        se_blocks: standard deviation over draws of blocks, of the mean over seeds.
        se_seeds: standard error of the mean over seeds; 0 with one seed.
    """

    p_best: np.ndarray
    rank: np.ndarray
    low: np.ndarray
    high: np.ndarray
    se_blocks: np.ndarray
    se_seeds: np.ndarray


def compare(
    values: np.ndarray,
    without: np.ndarray,
    reference: int,
    without_val: np.ndarray | None = None,
    paired_seeds: bool = False,
    alpha: float = 0.05,
    equivalence: float | None = None,
    sizes: np.ndarray | None = None,
) -> Comparison:
    """Compare every source with one reference.

    Totals (counts) must be handed over as rates times the number of objects of the full set: without a
    block a total falls for want of objects, which says nothing about how sure it is.

    Args:
        values: shape (K, S), the quantity of each source and seed on the full test set; NaN where a seed is
            missing.
        without: shape (K, S, B), the same without each test block. A NaN (nothing to compute the quantity
            from) leaves the comparison without limits.
        reference: position of the source that the others are compared with.
        without_val: shape (K, S, V), the quantity with the choice on val made again without each val block.
        paired_seeds: seed s is one detector run on all sources (``frozen``), not a training per source.
        alpha: 1 - level of the intervals.
        equivalence: differences within +- this margin count as none.
        sizes: shape (B,), weight of each test block in the quantity (its objects, of the class or stratum
            that the quantity is about). The sign-flip test needs it; without it ``p_sign_flip`` is NaN.
    """
    if values.ndim != 2 or without.shape[:2] != values.shape or without.ndim != 3:
        raise ValueError(
            f"expected values (K, S) and without (K, S, B), found {values.shape}, {without.shape}"
        )
    if without_val is not None and (without_val.ndim != 3 or without_val.shape[:2] != values.shape):
        raise ValueError(
            f"expected without_val (K, S, V) for values {values.shape}, found {without_val.shape}"
        )
    values = np.asarray(values, dtype=np.float64)
    present = ~np.isnan(values)
    if paired_seeds:
        present = present & present[reference]
    seeds = np.minimum(present.sum(axis=1), present[reference].sum())
    own = np.where(present, values, 0.0).sum(axis=1) / np.where(seeds > 0, present.sum(axis=1), np.nan)
    if paired_seeds:
        # A source that lacks a seed is compared with the reference over the seeds that both have.
        shared = np.where(present, values[reference], 0.0).sum(axis=1) / np.where(seeds > 0, seeds, np.nan)
    else:
        shared = np.full(len(own), own[reference])
    difference = _blank(own - shared, reference)

    test = _influences(values, without, present, paired_seeds, reference, sizes)
    val = None
    if without_val is not None:
        val = _influences(values, without_val, present, paired_seeds, reference, jumps=True)
    se_val = np.sqrt(val.variance) if val is not None else np.zeros(len(own))
    seed_variance, seed_df, noise = _seed_variance(values, without, present, seeds, paired_seeds, reference)
    net_seeds = np.maximum(seed_variance - noise, 0.0)
    variance = test.variance + net_seeds + se_val**2
    known = ~np.isnan(difference) & ~np.isnan(variance) & (test.blocks >= LEAST_BLOCKS)
    se = np.where(known, np.sqrt(variance), np.nan)
    parts = [(test.variance, test.df), (net_seeds, seed_df)]
    if val is not None:
        parts.append((val.variance, val.df))
    df = np.where(known, _satterthwaite(variance, parts), np.nan)
    p = _p_values(difference, se, df)
    half = wide = _t_quantile(alpha / 2, df) * se
    together = _simultaneous_alpha(test, val, net_seeds, known & (se > 0), reference, alpha)
    if together < alpha:
        # Far out in the tails that formula promises too much: there, as if estimates of parts erred together.
        with np.errstate(divide="ignore", invalid="ignore"):
            far = variance**2 / sum(part / np.sqrt(freedom) for part, freedom in parts) ** 2
        wide = _t_quantile(together / 2, np.where(known, np.fmax(far, 1.0), np.nan)) * se
    return Comparison(
        value=difference,
        low=difference - half,
        high=difference + half,
        simultaneous_low=difference - wide,
        simultaneous_high=difference + wide,
        p=p,
        p_holm=holm(p),
        p_sign_flip=_sign_flip(difference, test, known, sizes),
        se_blocks=_blank(np.sqrt(test.variance), reference),
        se_val=_blank(se_val, reference),
        se_seeds=_blank(np.sqrt(net_seeds), reference),
        df=df,
        detectable=half + _t_quantile(1 - _POWER, df) * se,
        equivalent=None
        if equivalence is None
        else known & (np.abs(difference) + _t_quantile(alpha, df) * se < equivalence),
        blocks=test.blocks,
        seeds=seeds,
        covers=np.array(["these detectors", "few seeds", "methods"], dtype=object)[np.clip(seeds, 1, 3) - 1],
    )


def draw_blocks(blocks: int, draws: int = 5000, seed: int = 0) -> np.ndarray:
    """Return how often each draw holds each block, shape (draws, blocks), float32; rows sum to ``blocks``."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=draws).astype(np.float32)


def ranks(
    draws: np.ndarray,
    values: np.ndarray | None = None,
    *,
    larger_is_better: bool = True,
    paired_seeds: bool = False,
    seed: int = 0,
) -> Ranks:
    """Combine draws of blocks with draws of seeds, and rank the sources in each.

    Args:
        draws: shape (K, S, R), the quantity on draw r of the blocks, the same draw for all sources and
            seeds; NaN where a seed is missing. A draw in which a source has no value at all is left out for
            all.
        values: shape (K, S), the quantity on the full test set, which ``rank`` is about; mean over draws by
            default.
        larger_is_better: whether rank 1 is the largest.
        paired_seeds: seeds are drawn once for all sources, not for each.
        seed: of the draws of seeds.
    """
    sources, seeds, count = draws.shape
    present = ~np.isnan(draws).all(axis=2)
    generator = np.random.default_rng(seed)
    together = np.empty((sources, count))
    shared = generator.integers(0, 1 << 30, size=(count, seeds))
    for k in range(sources):
        mine = np.flatnonzero(present[k])
        if not len(mine):
            together[k] = np.nan
            continue
        picks = shared if paired_seeds else generator.integers(0, 1 << 30, size=(count, seeds))
        drawn = mine[picks[:, : len(mine)] % len(mine)]  # (R, seeds of this source)
        together[k] = draws[k][drawn, np.arange(count)[:, None]].mean(axis=1)
    ranked = present.any(axis=1)
    sign = -1.0 if larger_is_better else 1.0
    whole = together[ranked] * sign
    whole = whole[:, ~np.isnan(whole).any(axis=0)]
    result = Ranks(*(np.full(sources, np.nan) for _ in range(6)))
    for row in np.flatnonzero(ranked):
        level = draws[row, present[row]]
        result.se_blocks[row] = np.nanstd(level.mean(axis=0))
        of_seeds = np.nanmean(level, axis=1)
        result.se_seeds[row] = stats.sem(of_seeds) if len(of_seeds) > 1 else 0.0
        result.rank[row] = of_seeds.mean() if values is None else np.nanmean(values[row])
    result.rank[ranked] = stats.rankdata(result.rank[ranked] * sign)
    if ranked.any() and whole.shape[1]:
        best = whole == whole.min(axis=0)
        result.p_best[ranked] = (best / best.sum(axis=0)).mean(axis=1)
        order = stats.rankdata(whole, axis=0)
        limits = np.quantile(order, [0.025, 0.975], axis=1, method="inverted_cdf")
        result.low[ranked], result.high[ranked] = limits
    return result


@dataclass(frozen=True)
class _Influences:
    """What each block contributes to the differences with one reference.

    Attributes:
        blocks: shape (K,), int64, blocks that matter for the source or the reference.
        matters: shape (K, B), bool.
        own: shape (K, B), what removal of a block changes in each source, mean over the seeds.
        difference: shape (K, B), the same of the difference to the reference.
        pair: shape (K, B), ``difference`` scaled so that the sum of squares is the variance.
        variance: shape (K,).
        df: shape (K,), of the variance.
    """

    blocks: np.ndarray
    matters: np.ndarray
    own: np.ndarray
    difference: np.ndarray
    pair: np.ndarray
    variance: np.ndarray
    df: np.ndarray


def _influences(
    values: np.ndarray,
    without: np.ndarray,
    present: np.ndarray,
    paired_seeds: bool,
    reference: int,
    sizes: np.ndarray | None = None,
    jumps: bool = False,
) -> _Influences:
    """Return the contributions of blocks to the differences; ``present`` (K, S) says which seeds count.

    With ``jumps`` (the choice of a threshold moves by leaps) the jackknife overstates the variance, so it is
    taken about the mean of the leave-one-out values, and no degrees of freedom go for unequal influence.
    """
    changed = np.where(present[..., None], values[..., None] - without, 0.0)  # (K, S, B)
    changed[np.abs(changed) <= _SAME * np.maximum(np.abs(np.nan_to_num(values)), _SAME)[..., None]] = 0.0
    count = np.maximum(present.sum(axis=1), 1)[:, None]
    own = changed.sum(axis=1) / count
    base = np.einsum("ks,sb->kb", present, changed[reference]) / count if paired_seeds else own[reference]
    some = (changed != 0).any(axis=1)
    matters = some | some[reference]
    if sizes is not None:
        matters |= np.asarray(sizes) > 0  # also where removal happens to leave the value as it is
    blocks = matters.sum(axis=1)
    removed = own - base
    removed[reference] = 0.0
    pair = removed * np.sqrt(np.maximum(blocks - 1, 0) / np.maximum(blocks, 1))[:, None]
    if jumps:
        pair = np.where(matters, pair - (pair.sum(axis=1) / np.maximum(blocks, 1))[:, None], 0.0)
    variance = (pair**2).sum(axis=1)
    df = np.maximum(blocks - 1.0, 1.0) if jumps else _jackknife_df(pair, variance, blocks)
    return _Influences(blocks, matters, own, removed, pair, variance, df)


def _jackknife_df(pair: np.ndarray, variance: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Return the degrees of freedom of jackknife variances, shape (K,), between 1 and blocks - 1.

    ``f (n - 1)`` with ``n = (sum u^2)^2 / sum u^4``, the effective number of blocks, and f = 3, since
    squares of normal contributions scatter threefold. A source's own n is itself uncertain, and the best of
    many sources is one whose n came out too large: so not more than what all sources together say, whose
    mean squares ``u^2`` scatter less, ``f = 1 + 2 / sources``, with the effective number of sources
    (correlated ones count less). The little that is taken off was found by simulation.
    """
    usable = np.isfinite(variance) & (variance > 0)
    df = np.ones(len(variance))
    if usable.any():
        unit = pair[usable] / np.sqrt(variance[usable])[:, None]
        squares = unit**2
        own = 3 * (1 / (squares**2).sum(axis=1) - 1) - 0.5
        sources = len(unit) ** 2 / ((unit @ unit.T) ** 2).sum()
        profile = squares.mean(axis=0)
        pooled = (1 + 2 / sources) * (1 / (profile**2).sum() - 1)
        df[usable] = np.clip(np.minimum(own, pooled) - 0.5, 1, np.maximum(blocks[usable] - 1, 1))
    return df


def _seed_variance(
    values: np.ndarray,
    without: np.ndarray,
    present: np.ndarray,
    seeds: np.ndarray,
    paired_seeds: bool,
    reference: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the variance of differences over seeds, its degrees of freedom, the test noise in it; (K,) each.

    Pooled over sources: three seeds tell a source's own variance by a factor of several. The noise is the
    jackknife's variance of what single detectors do otherwise than the mean over seeds.
    """
    if paired_seeds:
        level = np.where(present & present[reference], values - values[reference], np.nan)
        removed = without - without[reference]
    else:
        level, removed = np.where(present, values, np.nan), without
    rows = (seeds >= 2) & ~(paired_seeds & (np.arange(len(seeds)) == reference))
    if not rows.any():
        zero = np.zeros(len(seeds))
        return zero, np.ones(len(seeds)), zero
    level, changed = level[rows], np.nan_to_num(level[rows, :, None] - removed[rows])
    there = ~np.isnan(level)
    count = there.sum(axis=1)
    total = (count - 1).sum()
    deviation = np.where(there, level - np.nanmean(level, axis=1, keepdims=True), 0.0)
    mean = (changed.sum(axis=1) / count[:, None])[:, None]
    blocks = max(int((changed != 0).any(axis=(0, 1)).sum()), 1)
    own = np.where(there[..., None], changed - mean, 0.0)
    variance = (deviation**2).sum() / total
    noise = min((own**2).sum() * (blocks - 1) / blocks / total, variance)
    if paired_seeds:
        # Differences to one reference share its part: correlation one half, when sources vary alike.
        n, df = len(level), float(total)
        per, df = 1 / np.maximum(seeds, 1), df / (1 + (n - 1) / 4)
    else:
        per, df = 1 / np.maximum(present.sum(axis=1), 1) + 1 / max(present[reference].sum(), 1), float(total)
    per = np.where(seeds >= 2, per, 0.0)
    return variance * per, np.full(len(seeds), df), noise * per


def _satterthwaite(variance: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the degrees of freedom of a sum of independent variances with their own."""
    scatter = sum(part**2 / df for part, df in parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(scatter) > 0, np.maximum(variance**2 / scatter, 1.0), 1.0)


def _t_quantile(tail: float, df: np.ndarray) -> np.ndarray:
    """Return what Student's t exceeds with probability ``tail``."""
    return -special.stdtrit(df, tail)


def _p_values(difference: np.ndarray, se: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Return two-sided p-values; sources that are equal in every block differ by nothing for sure."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(difference == 0, 0.0, np.abs(difference) / se)
    return np.where(np.isnan(se), np.nan, 2 * special.stdtr(df, -t))


def _simultaneous_alpha(
    test: _Influences,
    val: _Influences | None,
    net_seeds: np.ndarray,
    known: np.ndarray,
    reference: int,
    alpha: float,
) -> float:
    """Return the level at which individual intervals hold together with probability ``1 - alpha``.

    Normal draws with the correlation of the sources give the distribution of the largest ``|T|`` on the
    scale of p-values, so that sources may differ in their degrees of freedom. A correlation from few blocks
    is itself uncertain, and understates in how many directions many sources can go: it is drawn toward that
    of independent sources.
    """
    count = int(known.sum())
    if count < 2:
        return alpha
    rows = np.flatnonzero(known)
    blocks = np.median(test.df[rows])
    shrink = min(_SHRINKAGE / (1 + blocks), 1.0)
    both = np.append(rows, reference)
    apart = test.own[both] - test.own[both].mean(axis=0)
    apart_variance = shrink * (apart**2).sum(axis=1) * len(both) / (len(both) - 1)
    loose = np.sqrt(apart_variance + _of_source(net_seeds, rows))
    features = [test.pair[rows] * np.sqrt(1 - shrink)] + ([val.pair[rows]] if val is not None else [])
    fixed = np.concatenate(features, axis=1)
    weights = np.concatenate([fixed, np.diag(loose[:-1]), np.full((count, 1), -loose[-1])], axis=1)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return level_of_largest(weights, alpha)


def _of_source(net_seeds: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Split the variance of differences over seeds in halves: of each source, and (last) of the reference."""
    halves = net_seeds[rows] / 2
    return np.append(halves, halves.mean())


def _sign_flip(
    difference: np.ndarray, test: _Influences, known: np.ndarray, sizes: np.ndarray | None
) -> np.ndarray:
    """Return p-values of the sign-flip test, adjusted over sources.

    A block's contribution is ``w D + (1 - w) (D - D_-b)`` with the block's share w of the set: for a mean
    exactly ``w`` times the block's own difference, so that contributions add up to D.
    """
    p = np.full(len(difference), np.nan)
    rows = np.flatnonzero(known)
    if sizes is None or not len(rows):
        return p
    weight = np.where(test.matters[rows], np.asarray(sizes, dtype=np.float64), 0.0)
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    share = weight * difference[rows, None] + (1 - weight) * test.difference[rows]
    p[rows] = sign_flip(share[:, test.matters[rows].any(axis=0)])
    return p


def _blank(array: np.ndarray, position: int) -> np.ndarray:
    """Return a copy with NaN at one position."""
    result = np.array(array, dtype=np.float64)
    result[position] = np.nan
    return result
