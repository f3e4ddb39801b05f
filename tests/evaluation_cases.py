"""Made ground truth and predictions for tests of the evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from regionfuse.detection.evaluation.matching import Matches, coco_matches, find_overlaps
from regionfuse.detection.evaluation.records import GroundTruth, ImageRecord, Predictions


def truth_of(images: int, classes: int, rows: list[tuple], ignored: tuple[int, ...] = ()) -> GroundTruth:
    """Objects from rows (image, class, left, top, width, height); ``ignored`` are positions in them.

    Every image is a block of its own.
    """
    table = np.array(rows, dtype=float).reshape(-1, 6)
    ignore = np.zeros(len(table), dtype=bool)
    ignore[list(ignored)] = True
    return GroundTruth(
        path=Path("truth.json"),
        images=tuple(ImageRecord(i + 1, str(i), block=i) for i in range(images)),
        blocks=tuple(map(str, range(images))),
        block_origin="given",
        category_ids=tuple(range(1, classes + 1)),
        classes=tuple(f"class {c}" for c in range(classes)),
        ids=np.arange(1, len(table) + 1),
        image=table[:, 0].astype(np.int64),
        category=table[:, 1].astype(np.int64),
        boxes=np.ascontiguousarray(table[:, 2:]),
        area=table[:, 4] * table[:, 5],
        ignore=ignore,
        visibility=np.full(len(table), "", dtype=object),
    )


def predictions_of(rows: list[tuple]) -> Predictions:
    """Predictions from rows (image, class, left, top, width, height, score)."""
    table = np.array(rows, dtype=float).reshape(-1, 7)
    image, category = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    boxes, scores = np.ascontiguousarray(table[:, 2:6]), np.ascontiguousarray(table[:, 6])
    return Predictions(Path("predictions.json"), image, category, boxes, scores)


def match(truth: GroundTruth, predictions: Predictions) -> Matches:
    return coco_matches(truth, predictions, find_overlaps(truth, predictions))


def random_set(
    seed: int, images: int = 25, classes: int = 4, extra: int = 12, regions: bool = False
) -> tuple[GroundTruth, Predictions]:
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
