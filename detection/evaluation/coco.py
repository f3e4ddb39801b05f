"""The published scores: COCO's own numbers, undefined ones as NaN.

hotcoco computes what pycocotools does, bit for bit and many times faster (a test compares the two on random
data); where it is not installed, pycocotools itself does the work.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from .records import GroundTruth, Predictions

hotcoco: Any
try:
    import hotcoco
except ImportError:  # platforms without a wheel
    hotcoco = None

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
T50, T75 = 0, 5  # positions of IoU 0.5 and 0.75 among COCO's ten thresholds
_ALL_AREAS, _LAST = 0, -1  # area range "all" and the largest number of detections (100)


@dataclass(frozen=True)
class CocoScores:
    """Scores of one predictions file; fractions in [0, 1], NaN where undefined.

    Attributes:
        summary: value of each name in :data:`SUMMARY`.
        per_class: shape (C, 3), float64: AP50, AP75 and AP50-95 of each class.
    """

    summary: dict[str, float]
    per_class: np.ndarray

    @property
    def classes(self) -> int:
        """Number of classes behind every mAP: those with an object to be found."""
        return int(np.count_nonzero(~np.isnan(self.per_class[:, 0])))


def coco_scores(truth: GroundTruth, predictions: Predictions, *, fast: bool = True) -> CocoScores:
    """Run COCOeval (boxes, default parameters) once and read everything from it.

    Args:
        truth: the objects.
        predictions: the predictions on the same images.
        fast: use hotcoco where it is installed.
    """
    evaluator = (
        _hotcoco(truth, predictions) if fast and hotcoco is not None else _pycocotools(truth, predictions)
    )
    with contextlib.redirect_stdout(io.StringIO()):  # both report by printing
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    stats = np.array(evaluator.stats, dtype=np.float64)
    stats = np.where(stats < 0, np.nan, stats)  # undefined is marked by -1
    precision = np.asarray(evaluator.eval["precision"])[..., _ALL_AREAS, _LAST]  # (T, R, C)
    defined = precision[0, 0] > -1
    columns = (precision[T50].mean(axis=0), precision[T75].mean(axis=0), precision.mean(axis=(0, 1)))
    return CocoScores(
        summary={name: float(stats[position]) for name, position in SUMMARY.items()},
        per_class=np.where(defined[:, None], np.stack(columns, axis=1), np.nan),
    )


def _columns(truth: GroundTruth, predictions: Predictions | None) -> tuple[np.ndarray, np.ndarray]:
    """Return image and category of the objects, or of the predictions if given, counted from 1.

    Not the ids of the file, whose order this is: hotcoco takes them as float64, which ends at 2^53.
    """
    source = truth if predictions is None else predictions
    return source.image + 1, source.category + 1


def _hotcoco(truth: GroundTruth, predictions: Predictions) -> Any:
    images = [
        {"id": i, "width": image.width, "height": image.height, "file_name": ""}
        for i, image in enumerate(truth.images, start=1)
    ]
    categories = [{"id": i, "name": name} for i, name in enumerate(truth.classes, start=1)]
    index = hotcoco.COCO.from_arrays(
        images, categories, *_columns(truth, None), truth.boxes, area=truth.area, iscrowd=truth.ignore
    )
    image_ids, category_ids = _columns(truth, predictions)
    rows = np.column_stack([image_ids, predictions.boxes, predictions.scores, category_ids])
    return hotcoco.COCOeval(index, index.load_res(rows), "bbox")


def _pycocotools(truth: GroundTruth, predictions: Predictions) -> Any:
    from pycocotools.cocoeval import COCOeval

    return COCOeval(_index(truth, None), _index(truth, predictions), "bbox")


def _index(truth: GroundTruth, predictions: Predictions | None) -> Any:
    """Return pycocotools' index of the objects, or of the predictions if given.

    Built from our arrays, not by ``loadRes``, which fails on an empty list. Ids count from 1 because COCOeval
    takes a match with id 0 for no match.
    """
    from pycocotools.coco import COCO

    source = truth if predictions is None else predictions
    area = truth.area if predictions is None else source.boxes[:, 2] * source.boxes[:, 3]
    ignore = truth.ignore if predictions is None else np.zeros(len(area), dtype=bool)
    image_ids, category_ids = _columns(truth, predictions)
    entries = [
        {
            "id": i,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": size,
            "iscrowd": int(crowd),
        }
        for i, image, category, box, size, crowd in zip(
            range(1, len(area) + 1),
            image_ids.tolist(),
            category_ids.tolist(),
            source.boxes.tolist(),
            area.tolist(),
            ignore.tolist(),
            strict=True,
        )
    ]
    if predictions is not None:
        for entry, score in zip(entries, predictions.scores.tolist(), strict=True):
            entry["score"] = score
    index = COCO()
    index.dataset = {
        "images": [{"id": i + 1} for i in range(len(truth.images))],
        "categories": [{"id": i + 1} for i in range(len(truth.classes))],
        "annotations": entries,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        index.createIndex()
    return index
