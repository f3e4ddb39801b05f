"""What became of each object and of each prediction: matching in passes, same class first.

Only predictions at or above the operating threshold take part, in descending order of confidence, ties in the
order of the file. Each pass sees what the passes before it left over, so the first that applies wins:

1. correct: COCO's own matching at IoU 0.5: a prediction takes the free object of its class that it overlaps
   best.
2. misclassified: a leftover prediction takes the leftover object, of whatever class, that it overlaps best
   with IoU >= 0.5. A wrongly labelled box can therefore never take an object away from a correct one.
3. duplicate (of a prediction): IoU >= 0.5 with an object of its class that pass 1 gave to a better
   prediction.
4. poorly localised: a leftover prediction takes the leftover object of its class that it overlaps best, with
   IoU in [0.1, 0.5). Predictions that found another object are not asked: a car is not half found because the
   box of its neighbour touches it.
5. The objects that remain are missed, the predictions that remain are background.

Predictions on a crowd region of their class (pass 1, as in COCO) are ignored from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from pycocotools import mask

from .records import GroundTruth, Predictions

MATCH_IOU: Final = 0.5
TOUCH_IOU: Final = 0.1

OBJECT_OUTCOMES: Final = ("missed", "correct", "misclassified", "poorly_localised", "ignored")
MISSED, CORRECT, MISCLASSIFIED, POORLY_LOCALISED, CROWD = range(5)
PREDICTION_OUTCOMES: Final = ("background", "matched", "duplicate", "ignored", "below")
SPURIOUS, MATCHED, DUPLICATE, IGNORED, BELOW = range(5)


@dataclass(frozen=True)
class Matching:
    """Outcome of N objects and M predictions.

    Attributes:
        outcome: shape (N,), int64, position in :data:`OBJECT_OUTCOMES`.
        prediction: shape (N,), int64, position of the prediction that explains the outcome, -1 if none.
        iou: shape (N,), float64, IoU with that prediction, NaN if none.
        prediction_outcome: shape (M,), int64, position in :data:`PREDICTION_OUTCOMES`.
        prediction_iou: shape (M,), float64, IoU with the object that it matched or duplicates, NaN if none.
    """

    outcome: np.ndarray
    prediction: np.ndarray
    iou: np.ndarray
    prediction_outcome: np.ndarray
    prediction_iou: np.ndarray


def match_split(truth: GroundTruth, predictions: Predictions, threshold: float) -> Matching:
    """Match all images; positions in the result are those of ``truth`` and ``predictions``.

    Args:
        truth: the objects.
        predictions: the predictions on the same images.
        threshold: lowest confidence that takes part.
    """
    result = Matching(
        outcome=np.where(truth.crowd, CROWD, MISSED),
        prediction=np.full(len(truth.ids), -1),
        iou=np.full(len(truth.ids), np.nan),
        prediction_outcome=np.full(len(predictions), BELOW),
        prediction_iou=np.full(len(predictions), np.nan),
    )
    objects_of = _groups(truth.image, len(truth.images))
    predictions_of = _groups(predictions.image, len(truth.images))
    for objects, candidates in zip(objects_of, predictions_of, strict=True):
        candidates = candidates[predictions.scores[candidates] >= threshold]
        if not len(candidates):
            continue
        found = match_image(
            truth.boxes[objects],
            truth.category[objects],
            predictions.boxes[candidates],
            predictions.category[candidates],
            predictions.scores[candidates],
            truth.crowd[objects],
        )
        result.outcome[objects] = found.outcome
        result.prediction[objects] = np.where(found.prediction < 0, -1, candidates[found.prediction])
        result.iou[objects] = found.iou
        result.prediction_outcome[candidates] = found.prediction_outcome
        result.prediction_iou[candidates] = found.prediction_iou
    return result


def match_image(
    objects: np.ndarray,
    object_classes: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    scores: np.ndarray,
    crowd: np.ndarray | None = None,
) -> Matching:
    """Match the objects of one image to predictions that are all above the threshold.

    Args:
        objects: shape (N, 4), left, top, width, height in absolute pixels.
        object_classes: shape (N,), integers.
        boxes: shape (M, 4), as ``objects``.
        classes: shape (M,), integers.
        scores: shape (M,), confidence.
        crowd: shape (N,), bool, crowd regions; none if left out.
    """
    crowd = np.zeros(len(objects), dtype=bool) if crowd is None else crowd
    state = Matching(
        outcome=np.where(crowd, CROWD, MISSED),
        prediction=np.full(len(objects), -1),
        iou=np.full(len(objects), np.nan),
        prediction_outcome=np.full(len(boxes), SPURIOUS),
        prediction_iou=np.full(len(boxes), np.nan),
    )
    if not len(objects) or not len(boxes):
        return state
    # pycocotools' own overlaps (M, N), so that a box at exactly 0.5 is decided as in the mAP.
    iou = mask.iou(np.ascontiguousarray(boxes), np.ascontiguousarray(objects), crowd.astype(np.uint8))
    same = classes[:, None] == object_classes[None, :]
    order = np.argsort(-scores, kind="stable")

    _greedy(state, np.where(same & ~crowd, iou, 0), order, MATCH_IOU, CORRECT)
    in_crowd = (same & crowd & (iou >= MATCH_IOU)).any(axis=1)
    state.prediction_outcome[in_crowd & (state.prediction_outcome == SPURIOUS)] = IGNORED
    _greedy(state, np.where(crowd, 0, iou), order, MATCH_IOU, MISCLASSIFIED)
    repeated = np.where(same & (state.outcome == CORRECT), iou, 0).max(axis=1)
    duplicate = (repeated >= MATCH_IOU) & (state.prediction_outcome == SPURIOUS)
    state.prediction_outcome[duplicate] = DUPLICATE
    state.prediction_iou[duplicate] = repeated[duplicate]
    _greedy(state, np.where(same & ~crowd, iou, 0), order, TOUCH_IOU, POORLY_LOCALISED)
    return state


def _greedy(state: Matching, iou: np.ndarray, order: np.ndarray, lowest: float, outcome: int) -> None:
    """Give each free prediction, best first, the free object it overlaps best; updates ``state`` in place."""
    iou = np.where(state.outcome == MISSED, iou, 0)
    for p in order[(iou.max(axis=1) >= lowest)[order] & (state.prediction_outcome[order] == SPURIOUS)]:
        row = iou[p]
        # On equal overlaps COCOeval keeps the last object it looks at.
        best = len(row) - 1 - int(np.argmax(row[::-1]))
        if row[best] < lowest:
            continue
        state.outcome[best], state.prediction[best], state.iou[best] = outcome, p, row[best]
        state.prediction_outcome[p], state.prediction_iou[p] = MATCHED, row[best]
        iou[:, best] = 0


def _groups(image: np.ndarray, images: int) -> list[np.ndarray]:
    """Return, for each image, the positions that belong to it, in their given order."""
    order = np.argsort(image, kind="stable")
    return np.split(order, np.searchsorted(image[order], np.arange(1, images)))
