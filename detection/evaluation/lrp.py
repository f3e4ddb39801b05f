"""Optimal localisation-recall-precision error (Oksuz et al., TPAMI 2021, arXiv:2011.10772), per class.

With the predictions of a class at or above a threshold, matched at IoU tau = 0.5 (their equation 2),

    LRP = (sum over TP of (1 - IoU) / (1 - tau)  +  FP  +  FN) / (TP + FP + FN),

0 is best and 1 worst. oLRP is its minimum over thresholds, so that it also says where a detector of that
class should be cut. Its parts at this threshold: localisation, the mean 1 - IoU of the true positives; false
positive, 1 - precision; false negative, 1 - recall.

With N = TP + FN objects, LRP = 1 - sum over TP of (1 - (1 - IoU) / (1 - tau)) / (N + FP): a false positive
can only make it worse, so that the best threshold is always the score of a true positive. The sums are linear
in the weights of blocks of images, which makes weighted copies of the test set one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .matching import Matches

TAU: Final = 0.5
_SAME = 1e-12  # errors that differ by less differ by rounding


@dataclass(frozen=True)
class OptimalLRP:
    """oLRP and its parts, each of shape (C,), float64, in [0, 1], NaN where undefined.

    Attributes:
        value: oLRP; NaN for a class without objects, 1 for one of which nothing was found.
        localisation: mean 1 - IoU of the true positives, 0 to 0.5; NaN where nothing was found.
        false_positive: 1 - precision; NaN where nothing was found.
        false_negative: 1 - recall; NaN for a class without objects.
        threshold: confidence at which the class is cut, the highest if several are optimal; NaN where
            nothing was found.
    """

    value: np.ndarray
    localisation: np.ndarray
    false_positive: np.ndarray
    false_negative: np.ndarray
    threshold: np.ndarray


def optimal_lrp(matches: Matches) -> OptimalLRP:
    """Return oLRP of each class, its parts and its threshold."""
    classes = matches.positives.shape[1]
    result = np.full((5, classes), np.nan)
    one_block = np.zeros(len(matches.positives), dtype=np.int64)
    for c in range(classes):
        sums = _Sums.of(matches, c, one_block, 1)
        objects = float(sums.objects[0])
        if not objects:
            continue
        if not len(sums.thresholds):
            result[:, c] = 1.0, np.nan, np.nan, 1.0, np.nan
            continue
        lrp = 1 - sums.quality[0] / (objects + sums.wrong[0])
        best = int(np.argmax(lrp <= lrp.min() + _SAME))
        found, wrong, quality = sums.found[0, best], sums.wrong[0, best], sums.quality[0, best]
        result[:, c] = (
            lrp[best],
            (found - quality) * (1 - TAU) / found,
            wrong / (found + wrong),
            1 - found / objects,
            sums.thresholds[best],
        )
    return OptimalLRP(*result)


def weighted_optimal_lrp(matches: Matches, block: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return oLRP of weighted copies of the test set, each with its own optimal thresholds.

    Args:
        matches: COCO matching of one detector.
        block: shape (I,), int64, position of each image's block, 0 to B - 1.
        weights: shape (R, B), how often each copy contains each block: ``1 - np.eye(B)`` leaves out one at a
            time.

    Returns:
        shape (R, C), float64; NaN where a copy has no objects of a class.
    """
    copies, blocks = weights.shape
    result = np.full((copies, matches.positives.shape[1]), np.nan)
    for c in range(result.shape[1]):
        sums = _Sums.of(matches, c, block, blocks)
        objects = weights @ sums.objects
        some = objects > 0
        result[some, c] = 1.0
        if len(sums.thresholds):
            wrong, quality = weights[some] @ sums.wrong, weights[some] @ sums.quality  # (copies, H)
            result[some, c] = 1 - (quality / (objects[some, None] + wrong)).max(axis=1)
    return result


@dataclass(frozen=True)
class _Sums:
    """Sums over the predictions of one class in each block, at or above each of H thresholds.

    Attributes:
        thresholds: shape (H,), distinct scores of true positives, falling.
        found: shape (B, H), true positives.
        wrong: shape (B, H), false positives.
        quality: shape (B, H), sum over the true positives of 1 - (1 - IoU) / (1 - tau).
        objects: shape (B,), objects to be found.
    """

    thresholds: np.ndarray
    found: np.ndarray
    wrong: np.ndarray
    quality: np.ndarray
    objects: np.ndarray

    @staticmethod
    def of(matches: Matches, category: int, block: np.ndarray, blocks: int) -> _Sums:
        rows = np.flatnonzero((matches.category == category) & ~matches.ignored[0])
        correct, scores = matches.correct[0, rows], matches.scores[rows]
        thresholds = np.unique(scores[correct])[::-1]
        at = np.searchsorted(-thresholds, -scores)  # first threshold that lets the prediction pass
        passing = at < len(thresholds)
        rows, correct, at = rows[passing], correct[passing], at[passing]
        cell = block[matches.image[rows]] * len(thresholds) + at

        def sums(chosen: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
            counts = np.bincount(cell[chosen], values, minlength=blocks * len(thresholds))
            return counts.reshape(blocks, len(thresholds)).cumsum(axis=1).astype(np.float64)

        quality = 1 - (1 - matches.iou[rows[correct]]) / (1 - TAU)
        objects = np.bincount(block, matches.positives[:, category], minlength=blocks)
        return _Sums(thresholds, sums(correct), sums(~correct), sums(correct, quality), objects)
