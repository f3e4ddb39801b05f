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
* the mean is over the classes with objects, before and after a fix (tidecv: over all that still have objects
  or predictions), and a class whose objects are all taken away counts as 0;
* recall levels are pycocotools', which differ from tidecv's in the last bit: where recall reaches a level
  exactly, a dAP can differ by about 0.001;
* as in the paper, an overlap of exactly 0.5 is a duplicate (tidecv: localisation), one of exactly 0.1 with
  another class is both (tidecv: background).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from .curves import average_precision
from .matching import MATCH_IOU, Matches, Overlaps, find_overlaps
from .records import GroundTruth, Predictions

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

_CLASSIFICATION, _LOCALISATION, _BOTH, _DUPLICATE, _BACKGROUND, _CORRECT, _IGNORED = range(7)
_KINDS = 5  # kinds of wrong predictions


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


def tide_errors(
    truth: GroundTruth, predictions: Predictions, matches: Matches, overlaps: Overlaps | None = None
) -> TideErrors:
    """Sort the errors of ``predictions`` into TIDE's kinds and say what each costs.

    Args:
        truth: the objects.
        predictions: the predictions on the same images.
        matches: their COCO matching.
        overlaps: their overlaps with the objects; found if left out.
    """
    overlaps = find_overlaps(truth, predictions) if overlaps is None else overlaps
    correct = matches.correct[0]
    free = ~truth.ignore  # objects that no prediction found
    free[matches.object[correct]] = False
    kind, target = _kinds(truth, len(predictions), matches, overlaps)

    # Of all errors that could become the same free object only the best-scored is turned into it.
    candidates = np.flatnonzero(target >= 0)
    candidates = candidates[free[target[candidates]]]
    reachable, first = np.unique(target[candidates], return_index=True)  # rows are best first
    turned = np.zeros(len(kind), dtype=bool)
    turned[candidates[first]] = True
    missed = free.copy()
    missed[reachable] = False

    positives = truth.positives()
    classes = positives.any(axis=0)
    one_block, once = np.zeros(len(positives), dtype=np.int64), np.ones((1, 1))

    def ap50(rows: np.ndarray, hit: np.ndarray, category: np.ndarray, asked: np.ndarray) -> float:
        fixed = replace(matches, category=category, correct=hit[None], ignored=matches.ignored[:1])
        ap = average_precision(fixed, one_block, once, rows=rows, positives=asked)[0, :, 0]
        # A class that has no objects left counts as 0.
        return float(np.nan_to_num(ap[classes]).mean()) if classes.any() else float("nan")

    everything = np.ones(len(kind), dtype=bool)
    before = ap50(everything, correct, matches.category, positives)
    after = []
    for error in range(_KINDS):
        fixed = turned & (kind == error)
        category = matches.category.copy()
        category[fixed] = truth.category[target[fixed]]
        after.append(ap50((kind != error) | fixed, correct | fixed, category, positives))
    after.append(ap50(everything, correct, matches.category, truth.positives(~missed)))
    after.append(ap50(correct, correct, matches.category, positives))
    after.append(ap50(everything, correct, matches.category, truth.positives(~free)))

    wrong = np.bincount(kind, minlength=_KINDS)[:_KINDS]
    count = np.array([*wrong, missed.sum(), wrong.sum(), free.sum()], dtype=np.int64)
    # No fix can lower AP50; what is below zero is rounding.
    return TideErrors(before, np.maximum(np.array(after) - before, 0.0), count)


def _kinds(
    truth: GroundTruth, predictions: int, matches: Matches, overlaps: Overlaps
) -> tuple[np.ndarray, np.ndarray]:
    """Return the kind of each row of ``matches`` and the object that it could be turned into (-1 if none)."""
    place = np.full(predictions, -1)
    place[matches.row] = np.arange(len(matches.row))
    row, objects = place[overlaps.prediction], overlaps.object
    counted = (row >= 0) & ~truth.ignore[objects]
    row, objects, iou = row[counted], objects[counted], overlaps.iou[counted]
    same = matches.category[row] == truth.category[objects]
    own, own_object = _best(row[same], objects[same], iou[same], len(matches.row))
    other, other_object = _best(row[~same], objects[~same], iou[~same], len(matches.row))
    kind = np.select(
        [
            matches.ignored[0],
            matches.correct[0],
            (own > 0) & (own < MATCH_IOU),  # overlaps below 0.1 are not listed
            other >= MATCH_IOU,
            own >= MATCH_IOU,
            other > 0,
        ],
        [_IGNORED, _CORRECT, _LOCALISATION, _CLASSIFICATION, _DUPLICATE, _BOTH],
        _BACKGROUND,
    )
    target = np.select([kind == _LOCALISATION, kind == _CLASSIFICATION], [own_object, other_object], -1)
    return kind, target


def _best(row: np.ndarray, objects: np.ndarray, iou: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest overlap of each row and its object (the first of equals); 0 and -1 if none."""
    largest, which = np.zeros(rows), np.full(rows, -1)
    order = np.lexsort((-objects, iou))
    largest[row[order]], which[row[order]] = iou[order], objects[order]  # the largest is written last
    return largest, which
