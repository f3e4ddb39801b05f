"""Average precision, recall and false alarms of resampled test sets, from one matching.

A resampled test set is a weight for each block of images. Repeating a block repeats its true and false
positives at their places in the order of confidence, so counts on every resampled set are one matrix product:
weights (R, B) times the counts of each block at or before each hit (B, H).
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np

from .matching import Matches

REFERENCE_FALSE_ALARMS: Final = np.logspace(-2, 0, 9)
"""False alarms per image at which the log-average miss rate is read (Dollar et al., TPAMI 2012)."""
GRID: Final = np.logspace(-2, 1, 31)
"""False alarms per image of the published curves."""
_LEVELS: Final = np.linspace(0.0, 1.0, 101)  # COCO's recall levels
_ROWS = 512  # resamples computed together; keeps the work in the processor's cache
_LEAST_MISS = 1e-10


def leave_one_out(blocks: int) -> np.ndarray:
    """Return the weights of the full set, then of the set without each block, shape (1 + B, B), float64."""
    return np.concatenate([np.ones((1, blocks)), 1.0 - np.eye(blocks)])


def average_precision(
    matches: Matches,
    block: np.ndarray,
    weights: np.ndarray,
    *,
    thresholds: slice = slice(None),
    rows: np.ndarray | None = None,
    positives: np.ndarray | None = None,
) -> np.ndarray:
    """Return COCO's 101-point AP by class and IoU on each resampled set, shape (R, C, T).

    NaN where a resampled set has no object of the class.

    Args:
        matches: COCO's matching.
        block: shape (I,), block of each image.
        weights: shape (R, B), how often each block counts; float32 suffices for draws.
        thresholds: which of the ten IoU thresholds.
        rows: shape (M,), bool, predictions that count; all if left out.
        positives: shape (I, C), objects to be found, in place of ``matches.positives``.
    """
    wanted = matches.positives if positives is None else positives
    classes = wanted.shape[1]
    per_block = np.zeros((weights.shape[1], classes), dtype=weights.dtype)
    np.add.at(per_block, block, wanted)
    total = weights @ per_block  # (R, C)
    correct, ignored = matches.correct[thresholds], matches.ignored[thresholds]
    result = np.full((len(weights), classes, len(correct)), np.nan)
    for c in range(classes):
        if not wanted[:, c].any():
            continue
        mine = matches.category == c
        mine = np.flatnonzero(mine if rows is None else mine & rows)
        where = block[matches.image[mine]]
        for t in range(len(correct)):
            counted = ~ignored[t, mine]
            result[:, c, t] = _interpolated(correct[t, mine][counted], where[counted], weights, total[:, c])
    return result


def mean_over_classes(values: np.ndarray) -> np.ndarray:
    """Return the mean over axis 1 of those that are defined; NaN where none is."""
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def log_average_miss_rate(matches: Matches, block: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the log-average miss rate over 0.01 to 1 false alarms per image, classes pooled, shape (R,)."""
    recall = recall_at(matches, block, weights, REFERENCE_FALSE_ALARMS)
    return np.exp(np.log(np.maximum(1 - recall, _LEAST_MISS)).mean(axis=1))


def recall_at(
    matches: Matches, block: np.ndarray, weights: np.ndarray, false_alarms: np.ndarray
) -> np.ndarray:
    """Return recall at IoU 0.5 where false alarms per image stay within limits, shape (R, F).

    Args:
        matches: COCO's matching.
        block: shape (I,), block of each image.
        weights: shape (R, B).
        false_alarms: shape (F,), limits, false alarms per image.
    """
    images = weights @ np.bincount(block, minlength=weights.shape[1])
    objects = weights @ np.bincount(block, matches.positives.sum(axis=1), minlength=weights.shape[1])  # (R,)
    counted = ~matches.ignored[0]
    correct, where = matches.correct[0][counted], block[matches.image[counted]]
    result = np.zeros((len(weights), len(false_alarms)))
    if correct.any():
        seen, found = _counts(correct, where, weights.shape[1])
        for start in range(0, len(weights), _ROWS):
            some = slice(start, start + _ROWS)
            hits = weights[some] @ found
            wrong = weights[some] @ seen - hits
            for f, limit in enumerate(false_alarms):
                within = (wrong <= limit * images[some, None] * (1 + 1e-12)).sum(axis=1)
                reached = np.take_along_axis(hits, np.maximum(within - 1, 0)[:, None], axis=1)[:, 0]
                result[some, f] = np.where(within > 0, reached, 0.0)
    return np.divide(result, objects[:, None], out=np.full(result.shape, np.nan), where=objects[:, None] > 0)


def _counts(correct: np.ndarray, where: np.ndarray, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and hits of each block at or before each hit, both (B, H), float64.

    Args:
        correct: shape (M,), bool, in falling order of confidence, at least one true.
        where: shape (M,), block of each prediction.
        blocks: number of blocks.
    """
    hits = np.flatnonzero(correct)
    last = hits[-1] + 1
    number = np.cumsum(correct[:last]) - correct[:last]  # hits strictly before
    flat = where[:last] * len(hits) + number
    seen = np.bincount(flat, minlength=blocks * len(hits)).reshape(blocks, len(hits))
    found = np.bincount(where[hits] * len(hits) + np.arange(len(hits)), minlength=blocks * len(hits))
    return (
        np.cumsum(seen, axis=1, dtype=np.float64),
        np.cumsum(found.reshape(blocks, len(hits)), axis=1, dtype=np.float64),
    )


def _interpolated(
    correct: np.ndarray, where: np.ndarray, weights: np.ndarray, positives: np.ndarray
) -> np.ndarray:
    """Return the AP of one class at one IoU on each resampled set, shape (R,); NaN without objects."""
    result = np.where(positives > 0, 0.0, np.nan)
    if not correct.any():
        return result
    # Recall rises only at hits, so precision is looked at there alone; nothing after the last one matters.
    seen, found = (
        counts.astype(weights.dtype, copy=False) for counts in _counts(correct, where, weights.shape[1])
    )
    for start in range(0, len(weights), _ROWS):
        some = slice(start, start + _ROWS)
        hits = weights[some] @ found
        precision = weights[some] @ seen
        np.divide(hits, np.maximum(precision, 1e-9, out=precision), out=precision)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        for row, (reached, objects) in enumerate(zip(hits, positives[some], strict=True)):
            if objects > 0:
                at = reached.searchsorted(_needed(float(objects)))
                result[start + row] = envelope[row, at[at < len(reached)]].sum() / len(_LEVELS)
    return result


@functools.lru_cache(maxsize=8192)
def _needed(objects: float) -> np.ndarray:
    """Return the number of hits with which COCO's recall reaches each level, shape (101,).

    COCO compares ``hits / objects`` with the level in floating point: a level that is 0.35000000000000003 is
    not reached by 35 hits of 100.
    """
    hits = np.ceil(objects * _LEVELS - 1e-6)
    return hits + (hits / objects < _LEVELS)
