"""Which prediction belongs to which object: COCO's matching, and what the system calls each object.

A greedy match in order of confidence does not depend on the predictions that come later. So one pass over all
predictions gives the matching above every threshold, and what became of an object at a threshold is a
comparison of numbers: :class:`Evidence` holds these numbers for each object.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from .records import GroundTruth, Predictions

IOUS: Final = np.linspace(0.5, 0.95, 10)
"""COCO's ten thresholds of overlap; position 0 is IoU 0.5."""
MATCH_IOU: Final = 0.5
TOUCH_IOU: Final = 0.1
SUPPRESSION_IOU: Final = 0.7
"""Overlap from which the weaker of two predictions of different classes is not shown to a user."""
MOST_PER_CLASS: Final = 100
"""COCO looks at this many predictions of a class in an image."""
_CHUNK = 100_000  # couples of a prediction and an object looked at together


@dataclass(frozen=True)
class Overlaps:
    """Couples of a prediction and an object of one image with an IoU of at least 0.1, any classes.

    Attributes:
        prediction: shape (P,), int64, rising position in ``Predictions``.
        object: shape (P,), int64, position in ``GroundTruth``; rising for one prediction.
        iou: shape (P,), float64; for regions to ignore the share of the prediction that lies inside, as in
            COCO.
    """

    prediction: np.ndarray
    object: np.ndarray
    iou: np.ndarray


@dataclass(frozen=True)
class Matches:
    """COCO's matching of all predictions of a detector, in falling order of confidence (ties as COCOeval).

    Attributes:
        row: shape (M,), int64, position in ``Predictions``; what is beyond the hundredth of a class in an
            image is left out.
        image: shape (M,), int64, position of the image.
        category: shape (M,), int64, position of the class.
        scores: shape (M,), float64, confidence.
        correct: shape (10, M), bool: matched to an object of its class, by threshold of :data:`IOUS`.
        ignored: shape (10, M), bool: lies on a region to ignore and counts neither as right nor as wrong.
        object: shape (M,), int64, object matched at IoU 0.5, -1 if none.
        iou: shape (M,), float64, overlap with that object, NaN if none.
        positives: shape (images, classes), int64, number of objects to be found.
    """

    row: np.ndarray
    image: np.ndarray
    category: np.ndarray
    scores: np.ndarray
    correct: np.ndarray
    ignored: np.ndarray
    object: np.ndarray
    iou: np.ndarray
    positives: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """What the predictions say about each of N objects, before any threshold.

    Each kind of evidence has the position of the prediction (``*_row``, int64, -1 if none) and its confidence
    (``*_score``, float64, 0 if none), all of shape (N,).

    Attributes:
        top_row: prediction that a user of the system sees at the object: predictions are suppressed without
            regard to class (:data:`SUPPRESSION_IOU`), then each, the most confident first, takes the free
            object that it overlaps best, IoU >= 0.5. (Suppression comes before any threshold, which with one
            threshold for all classes is the same as after.)
        top_score: its confidence.
        true_row: prediction of the object's class that COCO matches to it at IoU 0.5.
        true_score: its confidence.
        other_row: most confident prediction of another class, of those that overlap this object best.
        other_score: its confidence.
        wrong_row: the same, of those that COCO matches to no object (matching of the same class first).
        wrong_score: its confidence.
        near_row: most confident prediction of its class that found no object, IoU in [0.1, 0.5).
        near_score: its confidence.
        prediction_kind: shape (M,), int64, what a prediction that found no object is, a position in
            :data:`KINDS`; of the predictions that found one, ``matched``; of those on a region to ignore and
            those that COCO does not look at, ``ignored``.
        shown: shape (M,), bool, not suppressed.
        free: shape (M,), bool, shown and taken by no object: a false alarm to a user of the system.
    """

    top_row: np.ndarray
    top_score: np.ndarray
    true_row: np.ndarray
    true_score: np.ndarray
    other_row: np.ndarray
    other_score: np.ndarray
    wrong_row: np.ndarray
    wrong_score: np.ndarray
    near_row: np.ndarray
    near_score: np.ndarray
    prediction_kind: np.ndarray
    shown: np.ndarray
    free: np.ndarray


KINDS: Final = ("background", "matched", "ignored", "duplicate", "misclassification", "poorly_localised")
BACKGROUND_KIND, MATCHED, IGNORED, DUPLICATE, MISCLASSIFICATION, POORLY_LOCALISED = range(6)


def find_overlaps(truth: GroundTruth, predictions: Predictions) -> Overlaps:
    """Return all couples that touch; IoU is computed step by step as in pycocotools, to the last bit."""
    object_order = np.argsort(truth.image, kind="stable")
    starts = np.searchsorted(truth.image[object_order], np.arange(len(truth.images) + 1))
    count = np.diff(starts)[predictions.image] if len(predictions) else np.empty(0, np.int64)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    ends = np.cumsum(count)
    begin = 0
    while begin < len(count):
        before = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + _CHUNK, side="right")))
        rows = np.repeat(np.arange(begin, end), count[begin:end])
        offset = np.arange(len(rows)) - np.repeat(
            ends[begin:end] - count[begin:end] - before, count[begin:end]
        )
        objects = object_order[starts[predictions.image[rows]] + offset]
        iou = _iou(predictions.boxes[rows], truth.boxes[objects], truth.ignore[objects])
        kept = iou >= TOUCH_IOU
        found.append((rows[kept], objects[kept], iou[kept]))
        begin = end
    if not found:
        return Overlaps(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    prediction, objects, iou = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Overlaps(prediction, objects, iou)


def coco_matches(truth: GroundTruth, predictions: Predictions, overlaps: Overlaps) -> Matches:
    """Match as COCOeval does: by class, the most confident first, each the free object it overlaps best."""
    order, kept = _coco_order(predictions)
    rank = np.full(len(predictions), -1)
    rank[order] = np.arange(len(order))
    use = (
        kept[overlaps.prediction]
        & (predictions.category[overlaps.prediction] == truth.category[overlaps.object])
        & (overlaps.iou >= MATCH_IOU)
    )
    prediction, objects, iou = overlaps.prediction[use], overlaps.object[use], overlaps.iou[use]
    # By prediction in order of confidence; regions to ignore after the objects, as COCOeval sorts them.
    by = np.lexsort((objects, truth.ignore[objects], rank[prediction]))
    ranks, objects, iou = rank[prediction[by]], objects[by], iou[by]
    correct = np.zeros((len(IOUS), len(order)), dtype=bool)
    ignored = np.zeros_like(correct)
    matched = np.full(len(order), -1)
    overlap = np.full(len(order), np.nan)
    taken = [bytearray(len(truth.ids)) for _ in IOUS]
    thresholds, ignore = IOUS.tolist(), truth.ignore.tolist()
    borders = np.flatnonzero(np.diff(ranks, prepend=-1, append=-1)).tolist()
    rank_list, object_list, iou_list = ranks.tolist(), objects.tolist(), iou.tolist()
    for begin, end in pairwise(borders):
        at = rank_list[begin]
        couples = list(zip(object_list[begin:end], iou_list[begin:end], strict=True))
        for t, threshold in enumerate(thresholds):
            best, best_iou, on_ignored = -1, threshold, False
            used = taken[t]
            for candidate, value in couples:
                # On equal overlaps COCOeval keeps the last object that it looks at.
                if value < best_iou:
                    continue
                if not ignore[candidate]:
                    if not used[candidate]:
                        best, best_iou = candidate, value
                elif best < 0 or on_ignored:
                    best, best_iou, on_ignored = candidate, value, True
            if best < 0:
                if max(value for _, value in couples) < threshold:
                    break
                continue
            if on_ignored:
                ignored[t, at] = True
                continue
            used[best] = 1
            correct[t, at] = True
            if t == 0:
                matched[at], overlap[at] = best, best_iou
    return Matches(
        row=order,
        image=predictions.image[order],
        category=predictions.category[order],
        scores=predictions.scores[order],
        correct=correct,
        ignored=ignored,
        object=matched,
        iou=overlap,
        positives=truth.positives(),
    )


def gather_evidence(
    truth: GroundTruth, predictions: Predictions, overlaps: Overlaps, matches: Matches
) -> Evidence:
    """Collect for each object what the predictions say about it."""
    objects, count = len(truth.ids), len(predictions)
    real = ~truth.ignore[overlaps.object]
    prediction, target, iou = overlaps.prediction[real], overlaps.object[real], overlaps.iou[real]
    same = predictions.category[prediction] == truth.category[target]
    found = np.zeros(count, dtype=bool)
    found[matches.row[matches.object >= 0]] = True
    excused = np.ones(count, dtype=bool)  # also what COCO does not look at, beyond the hundredth of a class
    excused[matches.row] = matches.ignored[0]
    loose = ~found & ~excused
    best = _best_couple(prediction, iou, count)[prediction] == np.arange(len(prediction))
    shown = _shown(predictions)
    close = iou >= MATCH_IOU
    able = close & shown[prediction] & ~excused[prediction]
    top_row = _class_agnostic(predictions.scores, objects, prediction[able], target[able], iou[able])
    true_row = np.full(objects, -1)
    true_row[matches.object[matches.object >= 0]] = matches.row[matches.object >= 0]

    def strongest(kept: np.ndarray) -> np.ndarray:
        row = np.full(objects, -1)
        chosen = np.flatnonzero(kept)
        chosen = chosen[np.lexsort((-prediction[chosen], predictions.scores[prediction[chosen]]))]
        row[target[chosen]] = prediction[chosen]  # the most confident is written last
        return row

    other_row = strongest(close & best & ~same & ~excused[prediction])
    wrong_row = strongest(close & best & ~same & loose[prediction])
    near_row = strongest(~close & same & loose[prediction])
    kind = np.full(count, BACKGROUND_KIND)
    for code, couples in (
        (POORLY_LOCALISED, ~close & same),
        (MISCLASSIFICATION, close & ~same),
        (DUPLICATE, close & same),
    ):
        kind[prediction[couples]] = code
    kind[excused], kind[found] = IGNORED, MATCHED
    free = shown & ~excused
    free[top_row[top_row >= 0]] = False

    def score(row: np.ndarray) -> np.ndarray:
        if not count:
            return np.zeros(objects)
        return np.where(row >= 0, predictions.scores[row], 0.0)

    return Evidence(
        top_row, score(top_row), true_row, score(true_row), other_row, score(other_row),
        wrong_row, score(wrong_row), near_row, score(near_row), kind, shown, free,
    )  # fmt: skip


def _iou(boxes: np.ndarray, objects: np.ndarray, ignore: np.ndarray) -> np.ndarray:
    left = np.maximum(boxes[:, 0], objects[:, 0])
    top = np.maximum(boxes[:, 1], objects[:, 1])
    width = np.minimum(boxes[:, 0] + boxes[:, 2], objects[:, 0] + objects[:, 2]) - left
    height = np.minimum(boxes[:, 1] + boxes[:, 3], objects[:, 1] + objects[:, 3]) - top
    shared = np.where((width > 0) & (height > 0), width * height, 0.0)
    area, object_area = boxes[:, 2] * boxes[:, 3], objects[:, 2] * objects[:, 3]
    union = np.where(ignore, area, area + object_area - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _coco_order(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that COCO looks at in falling order of confidence, and a mask of them, shape (M,)."""
    rows = np.arange(len(predictions))
    group = np.lexsort((rows, -predictions.scores, predictions.category, predictions.image))
    image, category = predictions.image[group], predictions.category[group]
    starts = np.flatnonzero(
        np.append(True, (image[1:] != image[:-1]) | (category[1:] != category[:-1]))[: len(group)]
    )
    place = np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))
    kept = np.zeros(len(predictions), dtype=bool)
    kept[group[place < MOST_PER_CLASS]] = True
    rows = rows[kept]
    return rows[np.lexsort((rows, predictions.image[rows], -predictions.scores[rows]))], kept


def _best_couple(prediction: np.ndarray, iou: np.ndarray, count: int) -> np.ndarray:
    """Return for each prediction the position of the couple with its largest overlap, -1 if none."""
    best = np.full(count, -1)
    order = np.argsort(iou, kind="stable")
    best[prediction[order]] = order
    return best


def _shown(predictions: Predictions) -> np.ndarray:
    """Return which predictions remain after suppression without regard to class, shape (M,), bool."""
    rows = np.arange(len(predictions))
    order = np.lexsort((rows, -predictions.scores, predictions.image))
    shown = np.ones(len(predictions), dtype=bool)
    borders = np.flatnonzero(np.diff(predictions.image[order], prepend=-1, append=-1))
    for begin, end in pairwise(borders):
        members = order[begin:end]
        boxes = predictions.boxes[members]
        kept = np.ones(len(members), dtype=bool)
        step = max(1, _CHUNK // len(members))
        for start in range(0, len(members), step):
            strong, weak = _near(boxes, start, start + step)
            close = _iou(boxes[strong], boxes[weak], np.zeros(len(strong), dtype=bool)) > SUPPRESSION_IOU
            # In order of the stronger of each couple, which is final when its turn comes.
            for s, w in zip(strong[close].tolist(), weak[close].tolist(), strict=True):
                if kept[s]:
                    kept[w] = False
        shown[members] = kept
    return shown


def _near(boxes: np.ndarray, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Return couples of one of the boxes from ``start`` to ``stop`` and a later one that may overlap enough.

    Boxes that overlap by more than t overlap by more than t along each side too, so their left edges differ
    by less than (1 - t) / t of either width.
    """
    left, reach = boxes[:, 0], boxes[:, 2] * (1 - SUPPRESSION_IOU) / SUPPRESSION_IOU
    some = slice(start, stop)
    apart = np.abs(left[some, None] - left[None, start:])
    strong, weak = np.nonzero(apart <= reach[some, None])
    later = weak > strong
    return strong[later] + start, weak[later] + start


def _class_agnostic(
    scores: np.ndarray, objects: int, prediction: np.ndarray, target: np.ndarray, iou: np.ndarray
) -> np.ndarray:
    """Return the prediction that takes each object, of these couples, shape (objects,), -1 if none."""
    by = np.lexsort((target, prediction, -scores[prediction]))
    row = [-1] * objects
    last, best, best_iou = -1, -1, 0.0
    for p, candidate, value in zip(
        [*prediction[by].tolist(), -1], [*target[by].tolist(), -1], [*iou[by].tolist(), 0.0], strict=True
    ):
        if p != last:
            if best >= 0:
                row[best] = last
            last, best, best_iou = p, -1, 0.0
        if p >= 0 and row[candidate] < 0 and value >= best_iou:
            best, best_iou = candidate, value
    return np.array(row, dtype=np.int64)
