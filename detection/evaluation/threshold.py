"""The operating point: the confidence at which F1 is best on the validation split, never on test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .coco import MatchArrays

FALLBACK: Final = 0.25  # used when the validation split cannot tell


@dataclass(frozen=True)
class Threshold:
    """Operating threshold: predictions with at least this confidence count.

    Attributes:
        value: in [0, 1], at most six decimals, so that the published number is exactly the one applied.
        f1: F1 on the validation split at this threshold; NaN for the fallback.
        warning: why the fallback was taken; empty if it was not.
    """

    value: float
    f1: float = float("nan")
    warning: str = ""


def best_f1(matches: MatchArrays | None) -> Threshold:
    """Choose the threshold of best F1 pooled over classes, the higher one among equals.

    A greedy match in order of confidence does not depend on the predictions that come later, so the matching
    of all predictions is also the matching above any threshold.

    Args:
        matches: COCO matching of the validation split at IoU 0.5; None when there is no such split.
    """
    if matches is None:
        return Threshold(FALLBACK, warning="there are no validation predictions")
    objects = int(matches.positives.sum())
    if not objects:
        return Threshold(FALLBACK, warning="the validation split has no objects")
    if not matches.correct.any():
        return Threshold(FALLBACK, warning="no validation prediction is correct")
    order = np.argsort(-matches.scores, kind="stable")
    scores = matches.scores[order]
    correct = np.cumsum(matches.correct[order])
    f1 = 2 * correct / (np.arange(1, len(scores) + 1) + objects)
    # Predictions of equal confidence pass together: only the last of a run is a possible threshold.
    last = np.append(scores[1:] != scores[:-1], True)
    best = int(np.argmax(np.where(last, f1, -1)))  # the first maximum has the highest confidence
    return Threshold(_not_above(float(scores[best])), float(f1[best]))


def _not_above(score: float) -> float:
    """Round to six decimals without ever excluding the score itself."""
    rounded = round(score, 6)
    return rounded if rounded <= score else round(rounded - 1e-6, 6)
