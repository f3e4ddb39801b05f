"""Simulated detectors whose true differences are known.

Objects lie in blocks of lognormal sizes. A detector's response to an object is a normal number with parts
that all sources share (hard objects), that are the source's own, and that are one training's own; each part
correlates within a block. An object is found with a score of level + response where that is positive; false
alarms are Poisson, with rates that scatter between blocks. Recall, precision and average precision of the
whole population follow in closed form or by quadrature, and so does the balance at the thresholds that the
population would choose.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

QUANTITIES: Final = ("recall", "precision", "average_precision", "balance")
_OBJECTS = 10.0  # objects of a block, on average
_SIZE_SIGMA = 1.0  # of the logarithm of a block's size
_LEVEL = 0.5  # of the reference: recall 0.69
_STEP = 0.1  # between neighbouring levels of sources that differ
_SHARED, _SINGLE = 0.5, 0.15  # parts of the variance of a response: of all sources, of one training
_ALARMS = 0.6  # false alarms per object
_ALARM_SCORE = 0.4  # mean score of a false alarm
_FLAT = 0.95  # thresholds whose F1 is at least so much of the best count as best
_THRESHOLDS = np.linspace(0, 4, 161)


@dataclass(frozen=True)
class Cell:
    """One setting of the simulation.

    Attributes:
        quantity: one of ``QUANTITIES``.
        sources: number of sources, the first is the reference.
        blocks: test blocks.
        icc: correlation of responses within a block, in [0, 1].
        seeds: trainings of each source.
        seed_sd: standard deviation over trainings, in standard errors (over test sets) of the difference.
        differ: whether the sources' levels differ; otherwise all are equal.
        val_blocks: val blocks, for the balance.
    """

    quantity: str
    sources: int
    blocks: int
    icc: float
    seeds: int = 1
    seed_sd: float = 0.0
    differ: bool = False
    val_blocks: int = 0

    @property
    def heavy(self) -> bool:
        """Whether the quantity takes long: half as many replications are made."""
        return self.quantity in ("average_precision", "balance")


@dataclass(frozen=True)
class Sample:
    """One simulated evaluation of K sources with S seeds.

    Attributes:
        values: shape (K, S).
        without: shape (K, S, B).
        without_val: shape (K, S, V), or None.
        truth: shape (K - 1,), true differences to the first source.
        sizes: shape (B,), objects of each block.
        counts: numerator and denominator of a ratio by block, shape (K, S, B) each, or None.
    """

    values: np.ndarray
    without: np.ndarray
    without_val: np.ndarray | None
    truth: np.ndarray
    sizes: np.ndarray
    counts: tuple[np.ndarray, np.ndarray] | None


def simulate(cell: Cell, training_sd: float, generator: np.random.Generator) -> Sample:
    """Draw one evaluation.

    Args:
        cell: the setting.
        training_sd: standard deviation of levels over trainings, see :func:`level_sd`.
        generator: of everything drawn.
    """
    spread = np.arange(cell.sources) % 3 - 1 if cell.differ else np.zeros(cell.sources)
    base = _LEVEL + _STEP * (spread - spread[0])
    levels = base[:, None] + training_sd * generator.standard_normal((cell.sources, cell.seeds))
    if cell.seeds >= 3:
        truth = _over_trainings(cell.quantity, tuple(base), training_sd)
    else:
        truth = _population(cell.quantity, levels).mean(axis=1)
        truth = truth[1:] - truth[0]
    test = _draw_set(cell, cell.blocks, levels, generator)
    sizes = np.diff(np.append(test.starts, test.scores.shape[-1]))
    if cell.quantity == "balance":
        val = _draw_set(cell, cell.val_blocks, levels, generator)
        chosen = _choose(val)  # (K, S, 1 + V)
        values, without = _recall_at(test, chosen[..., 0])
        again = np.stack([_recall_at(test, chosen[..., v])[0] for v in range(1, chosen.shape[-1])], axis=-1)
        return Sample(values, without, again, truth, sizes, None)
    if cell.quantity == "average_precision":
        both = np.array(
            [[_average_precision(test, k, s) for s in range(cell.seeds)] for k in range(cell.sources)]
        )
        return Sample(both[..., 0], both[..., 1:], None, truth, sizes, None)
    hits = _block_sums(test.scores > 0, test.starts)
    below = np.broadcast_to(sizes, hits.shape) if cell.quantity == "recall" else hits + test.alarms
    values = hits.sum(-1) / below.sum(-1)
    without = (hits.sum(-1, keepdims=True) - hits) / (below.sum(-1, keepdims=True) - below)
    return Sample(values, without, None, truth, sizes, (hits, below))


@dataclass(frozen=True)
class _Set:
    """A simulated set of images: scores of objects (K, S, N), sorted by block; alarms by block (K, S, B)."""

    scores: np.ndarray
    starts: np.ndarray  # (B,), first object of each block
    alarms: np.ndarray
    alarm_scores: list[list[np.ndarray]]  # of each source and seed, sorted by block; empty if not wanted


def _draw_set(cell: Cell, blocks: int, levels: np.ndarray, generator: np.random.Generator) -> _Set:
    size = np.maximum(
        1, np.round(generator.lognormal(np.log(_OBJECTS) - _SIZE_SIGMA**2 / 2, _SIZE_SIGMA, blocks))
    ).astype(np.int64)
    block = np.repeat(np.arange(blocks), size)
    sources, seeds = levels.shape

    def part(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        """Return standard normal numbers of objects, correlated within blocks, and those of the blocks."""
        of_block = generator.standard_normal((*shape, blocks), dtype=np.float32)
        own = generator.standard_normal((*shape, len(block)), dtype=np.float32)
        return np.sqrt(cell.icc) * of_block[..., block] + np.sqrt(1 - cell.icc) * own, of_block

    shared, alarm_shared = part(1, 1)
    of_source, alarm_source = part(sources, 1)
    of_training, alarm_training = part(sources, seeds)
    weights = np.sqrt([_SHARED, 1 - _SHARED - _SINGLE, _SINGLE])
    response = weights[0] * shared + weights[1] * of_source + weights[2] * of_training
    # False alarms scatter between blocks as far as responses do; they have no part in recall.
    scatter = weights[0] * alarm_shared + weights[1] * alarm_source + weights[2] * alarm_training
    rate = _ALARMS * size * np.exp(np.sqrt(cell.icc) * scatter - cell.icc / 2)
    alarms = generator.poisson(rate) if cell.quantity != "recall" else np.zeros((sources, seeds, blocks), int)
    wanted = cell.quantity in ("average_precision", "balance")
    alarm_scores = [
        [generator.exponential(_ALARM_SCORE, alarms[k, s].sum()) for s in range(seeds)] if wanted else []
        for k in range(sources)
    ]
    starts = np.concatenate([[0], np.cumsum(size)[:-1]])
    return _Set(response + levels[..., None], starts, alarms, alarm_scores)


def _block_sums(array: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.add.reduceat(array.astype(np.float64), starts, axis=-1)


def _average_precision(drawn: _Set, k: int, s: int) -> np.ndarray:
    """Return the area under precision's envelope, shape (1 + B,): of all blocks, and without each."""
    blocks = len(drawn.starts)
    sizes = np.diff(np.append(drawn.starts, drawn.scores.shape[-1]))
    scores = drawn.scores[k, s]
    found = scores > 0
    score = np.concatenate([scores[found], drawn.alarm_scores[k][s]])
    correct = np.arange(len(score)) < found.sum()
    block = np.concatenate(
        [np.repeat(np.arange(blocks), sizes)[found], np.repeat(np.arange(blocks), drawn.alarms[k, s])]
    )
    order = np.argsort(-score)
    correct, block = correct[order], block[order]
    weights = np.concatenate([np.ones((1, blocks)), 1 - np.eye(blocks)]).astype(np.float32)
    seen = np.zeros((blocks, len(order)), dtype=np.float32)
    seen[block, np.arange(len(order))] = 1
    seen = np.cumsum(seen, axis=1)[:, correct]
    hits = np.zeros_like(seen)
    hits[block[correct], np.arange(hits.shape[1])] = 1
    kept = weights[:, block[correct]]
    precision = np.cumsum(kept, axis=1) / np.maximum(weights @ seen, 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return (envelope * kept).sum(axis=1) / (weights @ sizes)


def _choose(val: _Set) -> np.ndarray:
    """Return thresholds of equal precision, shape (K, S, 1 + V): from all of val, and without each val block.

    The reference's (of the same seed) is that of its best F1 (:func:`_best_f1`); a source's is the lowest
    from which on its precision is not below the reference's. Thresholds lie on a fixed grid, precision is
    interpolated.
    """
    blocks = len(val.starts)
    sizes = np.diff(np.append(val.starts, val.scores.shape[-1]))
    drop = np.concatenate([np.ones((1, blocks)), 1 - np.eye(blocks)])  # (1 + V, V)
    edges = np.append(_THRESHOLDS, np.inf)
    of_object = np.repeat(np.arange(blocks), sizes)
    sources, seeds = val.scores.shape[:2]
    chosen = np.empty((sources, seeds, 1 + blocks))
    for s in range(seeds):
        target = np.empty(1 + blocks)
        for k in range(sources):
            hits = drop @ _above(val.scores[k, s], of_object, blocks, edges)
            alarms = drop @ _above(
                val.alarm_scores[k][s], np.repeat(np.arange(blocks), val.alarms[k, s]), blocks, edges
            )
            precision = hits / np.maximum(hits + alarms, 1)
            if k == 0:
                own = _best_f1(2 * hits / (hits + alarms + (drop @ sizes)[:, None]), _THRESHOLDS)
                pairs = zip(own, precision, strict=True)
                target = np.array([np.interp(t, _THRESHOLDS, row) for t, row in pairs])
            chosen[k, s] = [_crossing(row, goal) for row, goal in zip(precision, target, strict=True)]
            if k == 0:
                chosen[k, s] = own
    return chosen


def _best_f1(f1: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the middle of the thresholds whose F1 is near the best; the best one itself jumps about."""
    flat = f1 >= _FLAT * f1.max(axis=-1, keepdims=True)
    return (flat * thresholds).sum(axis=-1) / flat.sum(axis=-1)


def _above(scores: np.ndarray, block: np.ndarray, blocks: int, edges: np.ndarray) -> np.ndarray:
    """Return how many scores of each block reach each threshold, shape (blocks, thresholds)."""
    cell = np.searchsorted(edges, scores, side="right") - 1
    inside = cell >= 0
    count = np.bincount(block[inside] * (len(edges) - 1) + cell[inside], minlength=blocks * (len(edges) - 1))
    return np.cumsum(count.reshape(blocks, -1)[:, ::-1], axis=1)[:, ::-1].astype(np.float64)


def _crossing(precision: np.ndarray, goal: float) -> float:
    """Return the lowest threshold with precision ``goal``, or that of the highest precision."""
    reached = np.flatnonzero(precision >= goal)
    if not len(reached):
        return float(_THRESHOLDS[np.argmax(precision)])
    first = reached[0]
    if first == 0:
        return float(_THRESHOLDS[0])
    before, after = precision[first - 1], precision[first]
    step = (goal - before) / (after - before)
    return float(_THRESHOLDS[first - 1] + step * (_THRESHOLDS[first] - _THRESHOLDS[first - 1]))


def _recall_at(test: _Set, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return recall at thresholds (K, S): of all blocks (K, S), and without each (K, S, B)."""
    hits = _block_sums(test.scores >= thresholds[..., None], test.starts)
    sizes = np.diff(np.append(test.starts, test.scores.shape[-1]))
    total = hits.sum(-1, keepdims=True)
    return total[..., 0] / sizes.sum(), (total - hits) / (sizes.sum() - sizes)


def _population(quantity: str, levels: np.ndarray) -> np.ndarray:
    """Return the quantity of detectors of given levels in the whole population, in the shape of ``levels``.

    For the balance, axis 0 holds the sources, the reference first, and thresholds are chosen on the
    population.
    """
    if quantity == "recall":
        return stats.norm.cdf(levels)
    if quantity == "precision":
        recall = stats.norm.cdf(levels)
        return recall / (recall + _ALARMS)
    threshold = np.linspace(0, 6, 1201)
    recall = stats.norm.cdf(levels[..., None] - threshold)
    alarms = _ALARMS * np.exp(-threshold / _ALARM_SCORE)
    precision = recall / (recall + alarms)
    if quantity == "average_precision":
        envelope = np.maximum.accumulate(
            precision, axis=-1
        )  # by rising threshold, falling recall: from the right
        envelope = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
        steps = recall[..., :-1] - recall[..., 1:]
        return (steps * (envelope[..., :-1] + envelope[..., 1:]) / 2).sum(-1) + recall[..., -1]
    own = _best_f1(2 * recall[0] / (recall[0] + alarms + 1), threshold)
    result = np.empty(levels.shape)
    result[0] = stats.norm.cdf(levels[0] - own)
    target = result[0] / (result[0] + _ALARMS * np.exp(-own / _ALARM_SCORE))
    for index in np.ndindex(levels.shape):
        if index[0] == 0:
            continue
        rising = slice(0, int(precision[index].argmax()) + 1)
        at = np.interp(target[index[1:]], precision[index][rising], threshold[rising])
        result[index] = stats.norm.cdf(levels[index] - at)
    return result


@functools.lru_cache(maxsize=64)
def _over_trainings(quantity: str, base: tuple[float, ...], seed_sd: float) -> np.ndarray:
    """Return the expected differences to the first source over trainings, shape (K - 1,)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    weights = weights / weights.sum()
    levels = np.array(base)[:, None] + seed_sd * nodes
    if quantity != "balance":
        mean = _population(quantity, levels) @ weights
        return mean[1:] - mean[0]
    result = []
    for level in levels[1:]:
        pair = np.stack(np.broadcast_arrays(levels[0][:, None], level[None, :]))  # (2, 15, 15)
        values = _population(quantity, pair)
        result.append(weights @ (values[1] - values[0]) @ weights)
    return np.array(result)


@functools.lru_cache(maxsize=256)
def level_sd(cell: Cell) -> float:
    """Return the standard deviation of levels over trainings that ``cell.seed_sd`` asks for.

    From the standard error over test sets of a difference of two, in 200 pilot samples.
    """
    if cell.seed_sd == 0:
        return 0.0
    pilot = Cell(cell.quantity, 2, cell.blocks, cell.icc, val_blocks=cell.val_blocks)
    generator = np.random.default_rng(entropy(pilot))
    values = np.array([simulate(pilot, 0.0, generator).values[:, 0] for _ in range(200)])
    slope = np.diff(_population(cell.quantity, np.array([[_LEVEL - 0.05], [_LEVEL + 0.05]]))[:, 0])[0] / 0.1
    if cell.quantity == "balance":
        slope = stats.norm.pdf(_LEVEL)
    return float(cell.seed_sd * (values[:, 1] - values[:, 0]).std() / slope)


def entropy(cell: Cell) -> list[int]:
    return [
        QUANTITIES.index(cell.quantity),
        cell.sources,
        cell.blocks,
        round(cell.icc * 1000),
        cell.seeds,
        round(cell.seed_sd * 1000),
        int(cell.differ),
        cell.val_blocks,
    ]
