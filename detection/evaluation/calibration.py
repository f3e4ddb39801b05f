"""What a confidence is worth: calibration of one detector, and confidences that compare between detectors.

The mean confidences of two detectors compare only if their scores mean the same: a monotone change of all
scores changes every mean and not one detection. So calibration is measured and mended by a temperature chosen
on val (logit / T, which keeps the order), and every object also gets the *precision rank* of its confidence:
the precision, on val, of all predictions at least as confident. It depends on the order of scores alone.

Measures, over the predictions that are not on regions to be ignored and have a score of at least
:data:`SCORE_FLOOR` before any temperature (the many below it would drown the rest); correct means matched at
IoU 0.5 as in COCO:

* D-ECE (Küppers et al., CVPR Workshops 2020, confidence only): mean distance of confidence and precision, in
  bins;
* LaECE (Oksuz et al., CVPR 2023; Kuzucu et al., ECCV 2024): the same against precision times mean IoU of the
  correct ones, so that a confident but loose box is overconfident too; per class, then averaged over the
  classes that were predicted;
* Brier score: mean squared distance of confidence and 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from .matching import Matches

SCORE_FLOOR: Final = 0.01
D_ECE_BINS: Final = 20  # Küppers et al.
LAECE_BINS: Final = 25  # Oksuz et al.

_INVERSE_TEMPERATURE = (0.05, 20.0)  # beyond it lie only samples that are nearly all right or all wrong
_CERTAIN = 1e-7  # a score of exactly 0 or 1 has no logit


@dataclass(frozen=True)
class Temperature:
    """Temperature of one detector, chosen on val.

    Attributes:
        value: scores become ``sigmoid(logit(score) / value)``; 1 where val cannot tell.
        without_val: shape (V,), float64, the temperature chosen without each block of val.
    """

    value: float
    without_val: np.ndarray


@dataclass(frozen=True)
class Reliability:
    """Reliability diagram: bins of confidence, each array of shape (bins,); means are NaN in an empty bin.

    Attributes:
        low: lower edge, which belongs to the bin.
        high: upper edge, which belongs to the next bin (1 to the last).
        count: int64, predictions.
        confidence: their mean confidence.
        precision: share of them that is correct.
        mean_iou: mean IoU of the correct ones.
    """

    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    precision: np.ndarray
    mean_iou: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """Calibration of one detector on one set of images; NaN without predictions."""

    temperature: float
    detections: int
    d_ece: float
    laece: float
    brier: float
    mean_confidence: float
    precision: float
    reliability: Reliability


@dataclass(frozen=True)
class ObjectConfidence:
    """Confidence in each of N objects, 0 for one that was not found; pair it with that of another source.

    Attributes:
        raw: shape (N,), float64, best score of the object's class at IoU >= 0.5.
        calibrated: shape (N,), the same after temperature.
        rank: shape (N,), precision on val at this confidence.
        calibrated_without_val: shape (V, N), ``calibrated`` chosen without each block of val.
        rank_without_val: shape (V, N), ``rank`` likewise.
    """

    raw: np.ndarray
    calibrated: np.ndarray
    rank: np.ndarray
    calibrated_without_val: np.ndarray
    rank_without_val: np.ndarray


def with_temperature(scores: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Return ``sigmoid(logit(scores) / temperature)``; a score of 0 (nothing found) stays 0."""
    return np.where(scores > 0, expit(_logit(scores) / temperature), 0.0)


def fit_temperature(matches: Matches, block: np.ndarray) -> Temperature:
    """Choose the temperature that makes the outcomes of predictions likeliest.

    The negative log-likelihood is convex in 1 / T. Without a block it is minimised by one Newton step from
    the minimum with all of them.

    Args:
        matches: COCO matching on val.
        block: shape (I,), int64, position of each image's block, 0 to V - 1.

    Returns:
        1 and ones where all considered predictions are right or all are wrong.
    """
    rows = _considered(matches)
    z, correct = _logit(matches.scores[rows]), matches.correct[0, rows].astype(np.float64)
    blocks = int(block.max()) + 1 if len(block) else 0
    if not 0 < correct.sum() < len(correct):
        return Temperature(1.0, np.ones(blocks))

    def loss(log_inverse: float) -> float:
        scaled = np.exp(log_inverse) * z
        return float((np.logaddexp(0.0, scaled) - correct * scaled).mean())

    low, high = np.log(_INVERSE_TEMPERATURE)
    inverse = float(np.exp(minimize_scalar(loss, bounds=(low, high), options={"xatol": 1e-6}).x))
    probability = expit(inverse * z)
    of = block[matches.image[rows]]
    slope = np.bincount(of, z * (probability - correct), minlength=blocks)
    curvature = np.bincount(of, z**2 * probability * (1 - probability), minlength=blocks)
    hits = np.bincount(of, correct, minlength=blocks)
    misses = np.bincount(of, 1 - correct, minlength=blocks)
    rest = np.maximum(curvature.sum() - curvature, np.finfo(float).tiny)
    without = np.clip(inverse - (slope.sum() - slope) / rest, *_INVERSE_TEMPERATURE)
    told = (hits < hits.sum()) & (misses < misses.sum())
    return Temperature(1 / inverse, np.where(told, 1 / without, 1.0))


def calibration(matches: Matches, temperature: float = 1.0) -> Calibration:
    """Measure calibration after ``temperature`` (1: as the detector says)."""
    rows = _considered(matches)
    correct = matches.correct[0, rows]
    quality = np.where(correct, matches.iou[rows], 0.0)
    confidence = with_temperature(matches.scores[rows], temperature)
    number = len(rows)
    if not number:
        nan = float("nan")
        return Calibration(
            temperature, 0, nan, nan, nan, nan, nan, _reliability(confidence, correct, quality)
        )
    table = _reliability(confidence, correct, quality)
    return Calibration(
        temperature=temperature,
        detections=number,
        d_ece=float(np.nansum(table.count * np.abs(table.confidence - table.precision)) / number),
        laece=_laece(matches.category[rows], confidence, quality),
        brier=float(np.mean((confidence - correct) ** 2)),
        mean_confidence=float(confidence.mean()),
        precision=float(correct.mean()),
        reliability=table,
    )


def object_confidence(
    true_score: np.ndarray, val: Matches, block: np.ndarray, temperature: Temperature
) -> ObjectConfidence:
    """Return the confidence in each object as it is, after temperature, and as precision rank.

    Args:
        true_score: shape (N,), float64, best score of the object's class at IoU >= 0.5, 0 if there is none.
        val: COCO matching of the same detector on val.
        block: shape (I,), int64, position of each val image's block, 0 to V - 1.
        temperature: chosen on val.
    """
    rank, rank_without = _precision_rank(true_score, val, block)
    return ObjectConfidence(
        raw=true_score,
        calibrated=with_temperature(true_score, temperature.value),
        rank=rank,
        calibrated_without_val=with_temperature(true_score[None, :], temperature.without_val[:, None]),
        rank_without_val=rank_without,
    )


def _precision_rank(scores: np.ndarray, val: Matches, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the precision on val at ``scores``, shape (N,), and without each block, shape (V, N).

    As in average precision it is the best precision at this or any lower threshold, so that it never falls
    with the score. That best is reached at the score itself or at that of a correct prediction.
    """
    rows = np.flatnonzero(~val.ignored[0])
    correct = val.correct[0, rows]
    thresholds = np.unique(np.concatenate([scores, val.scores[rows][correct]]))[::-1]
    blocks = int(block.max()) + 1 if len(block) else 0
    at = np.searchsorted(-thresholds, -val.scores[rows])  # first threshold that lets the prediction pass
    passing = at < len(thresholds)
    cell = (block[val.image[rows]] * len(thresholds) + at)[passing]

    def passed(chosen: np.ndarray) -> np.ndarray:
        counts = np.bincount(cell[chosen], minlength=blocks * len(thresholds))
        return counts.reshape(blocks, len(thresholds)).cumsum(axis=1)

    hits, everything = passed(correct[passing]), passed(np.ones(len(cell), dtype=bool))
    hits = np.concatenate([hits.sum(axis=0)[None], hits.sum(axis=0) - hits])  # all, then without each block
    everything = np.concatenate([everything.sum(axis=0)[None], everything.sum(axis=0) - everything])
    precision = hits / np.maximum(everything, 1)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    rank = np.where(scores > 0, best[:, np.searchsorted(-thresholds, -scores)], 0.0)
    return rank[0], rank[1:]


def _reliability(confidence: np.ndarray, correct: np.ndarray, quality: np.ndarray) -> Reliability:
    bins = _bin(confidence, D_ECE_BINS)
    count = np.bincount(bins, minlength=D_ECE_BINS)
    hits = np.bincount(bins, correct, minlength=D_ECE_BINS)
    edges = np.linspace(0.0, 1.0, D_ECE_BINS + 1)
    return Reliability(
        low=edges[:-1],
        high=edges[1:],
        count=count,
        confidence=_ratio(np.bincount(bins, confidence, minlength=D_ECE_BINS), count),
        precision=_ratio(hits, count),
        mean_iou=_ratio(np.bincount(bins, quality, minlength=D_ECE_BINS), hits),
    )


def _laece(category: np.ndarray, confidence: np.ndarray, quality: np.ndarray) -> float:
    """Return LaECE; in a bin of n predictions, precision times mean IoU is the sum of IoUs over n."""
    classes = int(category.max()) + 1
    cell = category * LAECE_BINS + _bin(confidence, LAECE_BINS)
    distance = np.abs(np.bincount(cell, confidence - quality, minlength=classes * LAECE_BINS))
    per_class = distance.reshape(classes, LAECE_BINS).sum(axis=1)
    count = np.bincount(category, minlength=classes)
    return float((per_class[count > 0] / count[count > 0]).mean())


def _considered(matches: Matches) -> np.ndarray:
    return np.flatnonzero(~matches.ignored[0] & (matches.scores >= SCORE_FLOOR))


def _bin(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return np.divide(over, under, out=np.full(len(under), np.nan), where=under > 0)


def _logit(scores: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(scores, _CERTAIN, 1 - _CERTAIN)))
