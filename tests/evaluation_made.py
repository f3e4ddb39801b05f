"""Made COCO files for tests of the evaluation, with images repeated or left out, and pycocotools on them."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from regionfuse.detection.evaluation.load import load_ground_truth, load_predictions
from regionfuse.detection.evaluation.matching import (
    Matches,
    coco_matches,
    find_overlaps,
    gather_evidence,
)
from regionfuse.detection.evaluation.outcomes import Detections
from regionfuse.detection.evaluation.records import GroundTruth, Predictions

CLASSES = ("Person", "Car", "Truck")
PERSON, CAR, TRUCK = 1, 2, 3


@dataclass(frozen=True)
class Case:
    """A COCO ground truth and COCO results, as in their files."""

    truth: dict[str, Any]
    results: list[dict[str, Any]]

    def save(self, folder: Path, name: str = "case") -> tuple[Path, Path]:
        folder.mkdir(parents=True, exist_ok=True)
        paths = folder / f"{name}-truth.json", folder / f"{name}-results.json"
        for path, value in zip(paths, (self.truth, self.results), strict=True):
            path.write_text(json.dumps(value))
        return paths

    def load(self, folder: Path) -> tuple[GroundTruth, Predictions]:
        truth_path, results_path = self.save(folder)
        truth = load_ground_truth(truth_path)
        return truth, load_predictions(results_path, truth)

    def match(self, folder: Path) -> tuple[Detections, Matches]:
        truth, predictions = self.load(folder)
        overlaps = find_overlaps(truth, predictions)
        matches = coco_matches(truth, predictions, overlaps)
        return Detections(truth, predictions, gather_evidence(truth, predictions, overlaps, matches)), matches

    def with_images(self, counts: Mapping[int, int]) -> Case:
        """Return a copy in which each image stands as often as ``counts`` says, once if it does not."""
        images, annotations, results = [], [], []
        for image in self.truth["images"]:
            for copy in range(counts.get(image["id"], 1)):
                number = len(images) + 1
                images.append(image | {"id": number, "file_name": f"{copy}-{image['file_name']}"})
                for source, target in ((self.truth["annotations"], annotations), (self.results, results)):
                    target += [
                        entry | {"image_id": number} for entry in source if entry["image_id"] == image["id"]
                    ]
        annotations = [entry | {"id": i} for i, entry in enumerate(annotations, start=1)]
        return Case(self.truth | {"images": images, "annotations": annotations}, results)

    def without_block(self, block: str) -> Case:
        return self.with_images({i["id"]: 0 for i in self.truth["images"] if i["block"] == block})


def truth_of(
    objects: Sequence[tuple[int, int, Sequence[float]]],
    images: int = 1,
    *,
    ignored: Sequence[int] = (),
    per_block: int = 1,
    classes: Sequence[str] = CLASSES,
) -> dict[str, Any]:
    """Return ground truth of (image from 1, category from 1, box) with ``per_block`` images in a block."""
    return {
        "images": [
            {"id": i, "file_name": f"{i:04d}.png", "block": f"block {(i - 1) // per_block}"}
            for i in range(1, images + 1)
        ],
        "annotations": [
            {"id": i + 1, "image_id": image, "category_id": category, "bbox": list(box),
             "area": box[2] * box[3], "iscrowd": int(i in ignored)}
            for i, (image, category, box) in enumerate(objects)
        ],
        "categories": [{"id": c, "name": name} for c, name in enumerate(classes, start=1)],
    }  # fmt: skip


def results_of(rows: Sequence[tuple[int, int, float, Sequence[float]]]) -> list[dict[str, Any]]:
    """Return results of (image, category, score, box)."""
    return [
        {"image_id": image, "category_id": category, "score": score, "bbox": list(box)}
        for image, category, score, box in rows
    ]


def random_case(
    seed: int,
    images: int = 8,
    per_block: int = 1,
    *,
    ties: bool = False,
    most: int = 7,
    classes: Sequence[str] = CLASSES,
    ignored: float = 0.1,
    quality: float = 0.75,
    truth: dict[str, Any] | None = None,
) -> Case:
    """Return random objects with shifted, relabelled, repeated and missing predictions, and noise.

    Args:
        seed: of everything.
        images: number of images; some have no objects, some no predictions.
        per_block: images of a block.
        ties: boxes on a grid and scores of one decimal, so that overlaps and scores are often equal;
            otherwise scores have six decimals.
        most: objects of an image.
        classes: class names.
        ignored: share of regions to ignore.
        quality: share of objects that are found with their own class.
        truth: ground truth to predict on, in place of a random one.
    """
    rng = np.random.default_rng(seed)

    def box() -> np.ndarray:
        sides = rng.choice([20, 60, 130], 2) * rng.uniform(0.7, 1.3, 2)
        values = np.concatenate([rng.uniform(0, 300, 2), sides])
        return np.round(values / 10) * 10 if ties else values

    if truth is None:
        objects = [
            (image, int(rng.integers(1, len(classes) + 1)), box().tolist())
            for image in range(1, images + 1)
            for _ in range(rng.integers(0, most + 1))
        ]
        regions = np.flatnonzero(rng.random(len(objects)) < ignored).tolist()
        truth = truth_of(objects, images, ignored=regions, per_block=per_block, classes=classes)
        for image in truth["images"]:
            image |= {"tags": ["night" if image["id"] % 3 == 0 else "day"], "width": 640, "height": 480}
        for entry in truth["annotations"]:
            entry["visibility"] = str(rng.choice(["both", "infrared", "visible", "neither"]))
    rows = []
    for entry in truth["annotations"]:
        for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
            near = np.array(entry["bbox"]) + rng.choice([0, 3, 12]) * rng.normal(size=4)
            if ties:
                near = np.round(near / 10) * 10
            near[2:] = np.maximum(near[2:], 1)
            own = rng.random() < quality
            label = entry["category_id"] if own else int(rng.integers(1, len(classes) + 1))
            rows.append((entry["image_id"], label, rng.beta(3, 2), near.tolist()))
    for image in truth["images"]:
        for _ in range(rng.integers(0, 5)):
            rows.append((image["id"], int(rng.integers(1, len(classes) + 1)), rng.beta(1, 3), box().tolist()))
    scores = np.round([row[2] for row in rows], 1 if ties else 6)
    order = rng.permutation(len(rows))
    return Case(truth, results_of([(rows[i][0], rows[i][1], float(scores[i]), rows[i][3]) for i in order]))


def official(case: Case) -> COCOeval:
    """Run pycocotools on the entries themselves, by nothing of ours."""
    numbers = {i["id"]: n for n, i in enumerate(sorted(case.truth["images"], key=lambda i: i["id"]), start=1)}

    def index(entries: list[dict[str, Any]]) -> COCO:
        coco = COCO()
        filled = [
            entry | {"id": n, "image_id": numbers[entry["image_id"]]}
            for n, entry in enumerate(entries, start=1)
        ]
        coco.dataset = {
            "images": [{"id": n} for n in numbers.values()],
            "categories": case.truth["categories"],
            "annotations": filled,
        }
        coco.createIndex()
        return coco

    found = [r | {"area": r["bbox"][2] * r["bbox"][3], "iscrowd": 0} for r in case.results]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(index(case.truth["annotations"]), index(found), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def official_ap(evaluator: COCOeval) -> np.ndarray:
    """Return pycocotools' AP by class and IoU, shape (C, 10), NaN for a class without objects."""
    precision = evaluator.eval["precision"][:, :, :, 0, -1]  # (T, R, C)
    return np.where(precision > -1, precision, np.nan).mean(axis=1).T
