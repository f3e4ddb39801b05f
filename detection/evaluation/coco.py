"""Average precision and recall: pycocotools' own numbers, undefined ones as NaN."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from .records import GroundTruth, Predictions

# Position in COCOeval.stats of each number that we publish.
SUMMARY = {
    "mAP50": 1,
    "mAP75": 2,
    "mAP50_95": 0,
    "mAP_small": 3,
    "mAP_medium": 4,
    "mAP_large": 5,
    "mAR100": 8,
}
_T50, _T75 = 0, 5  # positions of IoU 0.5 and 0.75 among COCO's ten thresholds
_ALL_AREAS, _LAST = 0, -1  # area range "all" and the largest number of detections (100)


@dataclass(frozen=True)
class MatchArrays:
    """How COCOeval matched at IoU 0.5 over all areas, in the order in which it accumulates.

    Attributes:
        image: shape (M,), int64, position of the prediction's image in ``GroundTruth.images``.
        category: shape (M,), int64, position of the prediction's class.
        scores: shape (M,), float64, confidence; descending within an image and class.
        correct: shape (M,), bool, matched to an object of its class. Predictions on crowd regions are left
            out, and so are those after the hundredth of a class in an image.
        positives: shape (images, classes), int64, number of objects to be found.
    """

    image: np.ndarray
    category: np.ndarray
    scores: np.ndarray
    correct: np.ndarray
    positives: np.ndarray


@dataclass(frozen=True)
class CocoScores:
    """Scores of one predictions file; fractions in [0, 1], NaN where undefined.

    Attributes:
        summary: value of each name in :data:`SUMMARY`.
        per_class: shape (C, 3), float64: AP50, AP75 and AP50-95 of each class.
        matches: matching at IoU 0.5.
    """

    summary: dict[str, float]
    per_class: np.ndarray
    matches: MatchArrays


def coco_scores(truth: GroundTruth, predictions: Predictions) -> CocoScores:
    """Run COCOeval (boxes, default parameters) once and read everything from it."""
    # pycocotools reports by printing; there is no switch for it.
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(_index(truth, None), _index(truth, predictions), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    stats = np.where(evaluator.stats < 0, np.nan, evaluator.stats)  # pycocotools marks undefined by -1
    precision = evaluator.eval["precision"][..., _ALL_AREAS, _LAST]  # (T, R, C)
    defined = precision[0, 0] > -1
    columns = (precision[_T50].mean(axis=0), precision[_T75].mean(axis=0), precision.mean(axis=(0, 1)))
    per_class = np.where(defined[:, None], np.stack(columns, axis=1), np.nan)
    return CocoScores(
        summary={name: float(stats[position]) for name, position in SUMMARY.items()},
        per_class=per_class,
        matches=_match_arrays(evaluator, truth),
    )


def _index(truth: GroundTruth, predictions: Predictions | None) -> COCO:
    """Return pycocotools' index of the objects, or of the predictions if given.

    Built from our arrays, not by ``loadRes``, which fails on an empty list. Ids count from 1 because COCOeval
    takes a match with id 0 for no match.
    """
    source = truth if predictions is None else predictions
    area = truth.area if predictions is None else source.boxes[:, 2] * source.boxes[:, 3]
    crowd = truth.crowd if predictions is None else np.zeros(len(area), dtype=bool)
    image_ids = np.array([image.id for image in truth.images], dtype=np.int64)
    category_ids = np.array(truth.category_ids, dtype=np.int64)
    entries = [
        {
            "id": i,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": size,
            "iscrowd": int(ignored),
        }
        for i, image, category, box, size, ignored in zip(
            range(1, len(area) + 1),
            image_ids[source.image].tolist(),
            category_ids[source.category].tolist(),
            source.boxes.tolist(),
            area.tolist(),
            crowd.tolist(),
            strict=True,
        )
    ]
    if predictions is not None:
        for entry, score in zip(entries, predictions.scores.tolist(), strict=True):
            entry["score"] = score
    index = COCO()
    index.dataset = {
        "images": [{"id": int(i)} for i in image_ids],
        "categories": [{"id": int(i)} for i in category_ids],
        "annotations": entries,
    }
    index.createIndex()
    return index


def _match_arrays(evaluator: COCOeval, truth: GroundTruth) -> MatchArrays:
    images, areas = len(truth.images), len(evaluator.params.areaRng)
    image, category, scores, correct = [], [], [], []
    positives = np.zeros((images, len(truth.classes)), dtype=np.int64)
    # evalImgs is a flat list over classes, then area ranges, then images; all areas come first.
    for c in range(len(truth.classes)):
        for i, found in enumerate(evaluator.evalImgs[c * areas * images : c * areas * images + images]):
            if found is None:  # neither objects nor predictions
                continue
            positives[i, c] = np.count_nonzero(found["gtIgnore"] == 0)
            counted = ~np.asarray(found["dtIgnore"][_T50], dtype=bool)
            n = int(np.count_nonzero(counted))
            image.append(np.full(n, i))
            category.append(np.full(n, c))
            scores.append(np.asarray(found["dtScores"], dtype=np.float64)[counted])
            correct.append(np.asarray(found["dtMatches"][_T50] > 0)[counted])
    return MatchArrays(
        image=_joined(image, np.int64),
        category=_joined(category, np.int64),
        scores=_joined(scores, np.float64),
        correct=_joined(correct, np.bool_),
        positives=positives,
    )


def _joined(parts: list[np.ndarray], dtype: type[np.generic]) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype, copy=False)
