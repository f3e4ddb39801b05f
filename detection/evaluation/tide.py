"""Which kind of error costs how much AP50: TIDE (Bolya et al., ECCV 2020).

Every prediction that is not correct gets the first kind that applies, from its overlap with the objects of
its image (foreground at IoU 0.5, background below 0.1):

* localisation: overlaps an object of its class by [0.1, 0.5) at best;
* classification: overlaps an object of another class by 0.5 or more;
* duplicate: overlaps an object of its class by 0.5 or more, which a better prediction has taken;
* background: overlaps no object by 0.1;
* both: the rest, wrong in class and in place.

An object that no prediction found, and that no localisation or classification error could be turned into, is
missed. ``dAP`` is what AP50 would gain if one kind were fixed and the others stayed: localisation and
classification errors become correct (the best-scored per object that is still free; the others are removed),
duplicate, background and both are removed, missed objects are no longer asked for. The gains do not add up to
1 - AP50. Two more fix everything of one sort: false_positive ranks all wrong predictions last, false_negative
asks for found objects only.

The authors' package ``tidecv`` 1.0.1 gives the same numbers but for conventions that follow pycocotools here,
so that ``ap50`` is the mAP50 of the tables, and for overlaps on a border:

* at most 100 predictions per class and image take part (tidecv: 100 per image);
* predictions on regions to be ignored are left out (tidecv: still counted as errors, and may be turned
  into an object);
* classes without objects are left out of the mean (tidecv: AP 0 while they have predictions);
* recall thresholds are pycocotools', which differ from tidecv's in the last bit;
* as in the paper, an overlap of exactly 0.5 is a duplicate (tidecv: localisation), one of exactly 0.1 with
  another class is both (tidecv: background).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from pycocotools import mask

if TYPE_CHECKING:
    from .matching import Matches
    from .records import GroundTruth, Predictions

FOREGROUND_IOU: Final = 0.5
BACKGROUND_IOU: Final = 0.1
ERRORS: Final = (
    "classification",
    "localisation",
    "both",
    "duplicate",
    "background",
    "missed",
    "false_positive",
    "false_negative",
)

_CLASSIFICATION, _LOCALISATION, _BOTH, _DUPLICATE, _BACKGROUND = range(5)
_CORRECT, _IGNORED = 5, 6
_RECALL = np.linspace(0.0, 1.0, 101)  # as pycocotools has them, to the last bit


@dataclass(frozen=True)
class TideErrors:
    """Errors of one predictions file, in the order of :data:`ERRORS`.

    Attributes:
        ap50: mAP50 before anything is fixed, over the classes with objects; NaN without any.
        dap: shape (8,), float64, what fixing one error adds to ``ap50``; NaN where that is.
        count: shape (8,), int64, predictions (or objects: missed, false_negative) with the error.
    """

    ap50: float
    dap: np.ndarray
    count: np.ndarray


def tide_errors(truth: GroundTruth, predictions: Predictions, matches: Matches) -> TideErrors:
    """Sort the errors of ``predictions`` into TIDE's kinds and say what each costs.

    Args:
        truth: the objects.
        predictions: the predictions on the same images.
        matches: their COCO matching.
    """
    correct = matches.correct[0] & ~matches.ignored[0]
    free = ~truth.ignore  # objects that no prediction found
    free[matches.object[correct]] = False
    kind, target = _kinds(truth, predictions, matches, correct)

    # Of all errors that could become the same free object only the best-scored is turned into it.
    candidates = np.flatnonzero(target >= 0)
    candidates = candidates[free[target[candidates]]]
    candidates = candidates[np.lexsort((matches.row[candidates], -matches.scores[candidates]))]
    reachable, first = np.unique(target[candidates], return_index=True)
    turned = np.zeros(len(kind), dtype=bool)
    turned[candidates[first]] = True
    missed = free.copy()
    missed[reachable] = False

    positives = matches.positives.sum(axis=0)
    wrong = kind < _CORRECT
    missed_per_class = np.bincount(truth.category[missed], minlength=len(positives))
    free_per_class = np.bincount(truth.category[free], minlength=len(positives))

    def ap50(keep: np.ndarray, hit: np.ndarray, category: np.ndarray, asked: np.ndarray) -> float:
        return _mean_ap(category[keep], hit[keep], asked, positives > 0)

    counted = kind != _IGNORED
    before = ap50(counted, correct, matches.category, positives)
    after = []
    for error in range(_CORRECT):
        keep = counted & ((kind != error) | turned)
        fixed = turned & (kind == error)
        category = matches.category.copy()
        category[fixed] = truth.category[target[fixed]]
        after.append(ap50(keep, correct | fixed, category, positives))
    after.append(ap50(counted, correct, matches.category, positives - missed_per_class))
    after.append(ap50(correct, correct, matches.category, positives))
    after.append(ap50(counted, correct, matches.category, positives - free_per_class))

    counts = [*np.bincount(kind, minlength=_CORRECT)[:_CORRECT], missed.sum(), wrong.sum(), free.sum()]
    # No fix can lower AP50; what is below zero is rounding.
    return TideErrors(before, np.maximum(np.array(after) - before, 0.0), np.array(counts, dtype=np.int64))


def _kinds(
    truth: GroundTruth, predictions: Predictions, matches: Matches, correct: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the kind of each row of ``matches`` and the object it could be turned into (-1 if none)."""
    kind = np.where(matches.ignored[0], _IGNORED, np.where(correct, _CORRECT, _BACKGROUND))
    target = np.full(len(kind), -1, dtype=np.int64)
    rows = np.flatnonzero(kind == _BACKGROUND)
    objects = np.flatnonzero(~truth.ignore)
    for in_image, there in zip(
        _by_image(rows, matches.image[rows], len(truth.images)),
        _by_image(objects, truth.image[objects], len(truth.images)),
        strict=True,
    ):
        if not len(in_image) or not len(there):
            continue
        boxes = predictions.boxes[matches.row[in_image]]
        iou = mask.iou(boxes, truth.boxes[there], np.zeros(len(there), dtype=np.uint8))  # (rows, objects)
        same = matches.category[in_image][:, None] == truth.category[there][None, :]
        own, other = np.where(same, iou, 0.0), np.where(same, 0.0, iou)
        best_own, best_other = own.max(axis=1), other.max(axis=1)
        tests = (
            (_LOCALISATION, (best_own >= BACKGROUND_IOU) & (best_own < FOREGROUND_IOU)),
            (_CLASSIFICATION, best_other >= FOREGROUND_IOU),
            (_DUPLICATE, best_own >= FOREGROUND_IOU),
            (_BOTH, best_other >= BACKGROUND_IOU),
        )
        found = np.select([test for _, test in tests], [name for name, _ in tests], _BACKGROUND)
        kind[in_image] = found
        for error, overlap in ((_LOCALISATION, own), (_CLASSIFICATION, other)):
            chosen = found == error
            target[in_image[chosen]] = there[overlap[chosen].argmax(axis=1)]
    return kind, target


def _by_image(values: np.ndarray, image: np.ndarray, images: int) -> list[np.ndarray]:
    """Split ``values`` into those of each image, in their given order."""
    order = np.argsort(image, kind="stable")
    return np.split(values[order], np.searchsorted(image[order], np.arange(1, images)))


def _mean_ap(category: np.ndarray, correct: np.ndarray, positives: np.ndarray, classes: np.ndarray) -> float:
    """Return AP (101 recall thresholds) averaged over ``classes`` (C,) bool; predictions are best first.

    A class that has no positives left counts as 0, as in tidecv.
    """
    if not classes.any():
        return float("nan")
    total = 0.0
    for c in np.flatnonzero(classes & (positives > 0)):
        hits = np.flatnonzero(correct[category == c])  # only a hit can be the first to reach a recall
        found = np.arange(1, len(hits) + 1)
        precision = np.maximum.accumulate((found / (hits + 1))[::-1])[::-1]
        reached = np.searchsorted(found / positives[c], _RECALL)
        total += precision[reached[reached < len(hits)]].sum() / len(_RECALL)
    return float(total / np.count_nonzero(classes))
