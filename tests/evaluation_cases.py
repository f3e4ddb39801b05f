"""Made ground truth and predictions for tests of the evaluation, and their COCO matching."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


@dataclass(frozen=True)
class Truth:
    images: tuple[int, ...]
    classes: tuple[str, ...]
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    ignore: np.ndarray


@dataclass(frozen=True)
class Boxes:
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Rows:
    image: np.ndarray
    category: np.ndarray
    scores: np.ndarray
    row: np.ndarray
    correct: np.ndarray
    ignored: np.ndarray
    object: np.ndarray
    iou: np.ndarray
    positives: np.ndarray


def truth_of(images: int, classes: int, rows: list[tuple], ignored: tuple[int, ...] = ()) -> Truth:
    """Objects from rows (image, class, left, top, width, height); ``ignored`` are positions in them."""
    table = np.array(rows, dtype=float).reshape(-1, 6)
    ignore = np.zeros(len(table), dtype=bool)
    ignore[list(ignored)] = True
    names = tuple(f"class {c}" for c in range(classes))
    columns = table[:, 0].astype(int), table[:, 1].astype(int), np.ascontiguousarray(table[:, 2:])
    return Truth(tuple(range(images)), names, *columns, ignore)


def predictions_of(rows: list[tuple]) -> Boxes:
    """Predictions from rows (image, class, left, top, width, height, score)."""
    table = np.array(rows, dtype=float).reshape(-1, 7)
    boxes = np.ascontiguousarray(table[:, 2:6])
    return Boxes(table[:, 0].astype(int), table[:, 1].astype(int), boxes, table[:, 6])


def random_set(
    seed: int, images: int = 25, classes: int = 4, extra: int = 12, regions: bool = False
) -> tuple[Truth, Boxes]:
    """Objects with shifted, relabelled, repeated or no predictions, and noise; continuous, so no ties."""
    rng = np.random.default_rng(seed)
    objects, found, ignored = [], [], []
    for image in range(images):
        for _ in range(rng.integers(0, 9)):
            box = [*rng.uniform(0, 400, 2), *rng.uniform(15, 120, 2)]
            label = int(rng.integers(0, classes))
            if regions and rng.random() < 0.15:
                ignored.append(len(objects))
            objects.append((image, label, *box))
            for _ in range(rng.integers(0, 4)):
                shift = rng.normal(0, rng.choice([0.03, 0.2, 0.45]), 4) * np.array([*box[2:], *box[2:]])
                moved = np.array(box) + shift
                moved[2:] = np.maximum(moved[2:], 2)
                said = label if rng.random() < 0.7 else int(rng.integers(0, classes))
                found.append((image, said, *moved, rng.beta(3, 2)))
        for _ in range(rng.integers(0, extra)):
            box = [*rng.uniform(0, 400, 2), *rng.uniform(15, 120, 2)]
            found.append((image, int(rng.integers(0, classes)), *box, rng.beta(1, 3)))
    return truth_of(images, classes, objects, tuple(ignored)), predictions_of(found)


def coco_matches(truth: Truth, predictions: Boxes) -> tuple[Rows, float]:
    """COCOeval's matching at IoU 0.5 and its AP50."""
    evaluator = COCOeval(_index(truth, None), _index(truth, predictions), "bbox")
    evaluator.params.iouThrs = np.array([0.5])
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.evaluate()
        evaluator.accumulate()
    images, areas = len(truth.images), len(evaluator.params.areaRng)
    positives = np.zeros((images, len(truth.classes)), dtype=np.int64)
    parts = []
    for c in range(len(truth.classes)):
        for i in range(images):
            found = evaluator.evalImgs[c * areas * images + i]
            if found is None:
                continue
            positives[i, c] = np.count_nonzero(np.asarray(found["gtIgnore"]) == 0)
            # pycocotools compares area ranges even for "all", so a prediction is ignored only on a region.
            for row, match, ignored in zip(
                found["dtIds"], found["dtMatches"][0], found["dtIgnore"][0], strict=True
            ):
                parts.append((i, c, row - 1, int(match) - 1, bool(ignored)))
    table = np.array(parts, dtype=np.int64).reshape(-1, 5)
    scores = predictions.scores[table[:, 2]]
    order = np.argsort(-scores, kind="stable")
    image, category, row, matched, ignored = table[order].T
    iou = np.full(len(row), np.nan)
    found = matched >= 0
    iou[found] = _iou(predictions.boxes[row[found]], truth.boxes[matched[found]])
    precision = evaluator.eval["precision"][0, :, :, 0, -1]
    defined = precision[0] > -1
    rows = Rows(
        image,
        category,
        scores[order],
        row,
        (found & (ignored == 0))[None],
        ignored.astype(bool)[None],
        matched,
        iou,
        positives,
    )
    return rows, float(precision[:, defined].mean()) if defined.any() else float("nan")


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    return both / (first[:, 2:].prod(axis=1) + second[:, 2:].prod(axis=1) - both)


def _index(truth: Truth, predictions: Boxes | None) -> COCO:
    source = truth if predictions is None else predictions
    entries = []
    for i in range(len(source.image)):
        x, y, w, h = source.boxes[i].tolist()
        entries.append(
            {
                "id": i + 1,
                "image_id": int(source.image[i]) + 1,
                "category_id": int(source.category[i]) + 1,
                "bbox": [x, y, w, h],
                "area": w * h,
                "iscrowd": int(truth.ignore[i]) if predictions is None else 0,
            }
        )
        if predictions is not None:
            entries[-1]["score"] = float(source.scores[i])
    index = COCO()
    index.dataset = {
        "images": [{"id": i + 1} for i in range(len(truth.images))],
        "categories": [{"id": c + 1} for c in range(len(truth.classes))],
        "annotations": entries,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        index.createIndex()
    return index
