"""How long does an evaluation take? Synthetic predictions of any number, and the naive way beside it."""

from __future__ import annotations

import contextlib
import io
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ...datasets.storage import write_json
from .coco import SUMMARY, coco_scores
from .evaluate import evaluate
from .load import load_ground_truth, load_predictions
from .records import TEST, PredictionKey, predictions_path

CLASSES: Final = ("People", "Car", "Bus", "Motorcycle", "Lamp", "Truck")
_SHARE = (0.33, 0.53, 0.02, 0.02, 0.07, 0.03)  # about M3FD's class frequencies
_WIDTH, _HEIGHT = 1024, 768
_SCENE = 20  # images of a scene


def synthetic_truth(path: Path, images: int, seed: int = 0) -> list[dict[str, object]]:
    """Write random ground truth with two to fourteen objects per image and return its annotations."""
    generator = np.random.default_rng(seed)
    annotations: list[dict[str, object]] = []
    for image in range(1, images + 1):
        for _ in range(generator.integers(2, 15)):
            box = _random_box(generator)
            category = int(generator.choice(len(CLASSES), p=_SHARE)) + 1
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image, "category_id": category, "bbox": box,
                 "area": box[2] * box[3], "iscrowd": 0}
            )  # fmt: skip
    records = [
        {"id": i, "file_name": f"{i:05d}.png", "stem": f"{i:05d}", "width": _WIDTH, "height": _HEIGHT,
         "scene": f"scene{i // _SCENE}", "tags": []}
        for i in range(1, images + 1)
    ]  # fmt: skip
    categories = [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)]
    info = {"dataset": "benchmark", "split": TEST, "schema": 1, "synthetic": True}
    write_json(
        path,
        {"info": info, "images": records, "annotations": annotations, "categories": categories},
        indent=None,
    )
    return annotations


def synthetic_predictions(
    path: Path, annotations: list[dict[str, object]], images: int, predictions: int, seed: int
) -> None:
    """Write ``predictions`` results for each image: shaken objects first, then random boxes.

    Args:
        path: file to write.
        annotations: objects of :func:`synthetic_truth`.
        images: number of images, ids from 1.
        predictions: results per image.
        seed: of the random numbers; each source needs its own.
    """
    generator = np.random.default_rng([seed, 1])
    by_image: dict[int, list[dict[str, object]]] = {image: [] for image in range(1, images + 1)}
    for item in annotations:
        by_image[int(str(item["image_id"]))].append(item)
    results = []
    for image, objects in by_image.items():
        for k in range(predictions):
            box, category = _random_box(generator), int(generator.integers(1, len(CLASSES) + 1))
            if k < 1.5 * len(objects):
                near = objects[k % len(objects)]
                box = (np.array(near["bbox"]) + generator.normal(0, 6, 4)).tolist()
                box[2:] = [max(side, 3.0) for side in box[2:]]
                category = int(str(near["category_id"])) if generator.random() < 0.9 else category
            score = float(generator.beta(2, 2) if k < len(objects) else generator.beta(1, 4))
            results.append({"image_id": image, "category_id": category, "bbox": box, "score": score})
    write_json(path, results, indent=None)


def run_benchmark(
    sources: int = 10,
    images: int = 840,
    predictions: int = 30,
    *,
    folder: Path | None = None,
    workers: int = 2,
) -> dict[str, float]:
    """Write synthetic predictions, evaluate them and return the seconds of each step.

    Args:
        sources: number of sources to score.
        images: number of test images.
        predictions: predictions per image and source.
        folder: where the files and tables stay; a temporary folder if left out.
        workers: processes for the scoring.

    Returns:
        Seconds: ``generate``; ``evaluate``, from files to all tables; ``scores of one source`` and ``naive
        scores of one source``, the COCO numbers by one pycocotools run in all and by one run for each; and,
        not seconds, ``naive / ours``, the ratio of these two.
    """
    if folder is None:
        with TemporaryDirectory() as temporary:
            return run_benchmark(sources, images, predictions, folder=Path(temporary), workers=workers)
    seconds, clock = {}, _Clock()
    truth_path = folder / "ground_truth" / f"{TEST}.json"
    annotations = synthetic_truth(truth_path, images)
    names = ["visible", *(f"source{i}" for i in range(1, sources))]
    keys = [PredictionKey("retrained", name, 0, TEST) for name in names]
    paths = {key: predictions_path(folder, key) for key in keys}
    for number, path in enumerate(paths.values()):
        synthetic_predictions(path, annotations, images, predictions, number)
    seconds["generate"] = clock.lap()
    evaluate(paths, {TEST: truth_path}, folder / "tables", workers=workers)
    seconds["evaluate"] = clock.lap()
    truth = load_ground_truth(truth_path)
    coco_scores(truth, load_predictions(paths[keys[0]], truth))
    ours = seconds["scores of one source"] = clock.lap()
    naive_scores(truth_path, paths[keys[0]])
    naive = seconds["naive scores of one source"] = clock.lap()
    return {**seconds, "naive / ours": naive / ours}


def naive_scores(truth: Path, predictions: Path) -> dict[str, float]:
    """Return the published numbers the way scripts often get them: one full pycocotools run for each."""
    scores = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for name, position in SUMMARY.items():
            index = COCO(str(truth))
            evaluator = COCOeval(index, index.loadRes(json.loads(predictions.read_bytes())), "bbox")
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
            scores[name] = float(evaluator.stats[position])
    return scores


class _Clock:
    def __init__(self) -> None:
        self.last = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds since the last call."""
        before, self.last = self.last, time.perf_counter()
        return self.last - before


def _random_box(generator: np.random.Generator) -> list[float]:
    width, height = generator.uniform(10, 150, 2)
    return [float(generator.uniform(0, _WIDTH - width)), float(generator.uniform(0, _HEIGHT - height)),
            float(width), float(height)]  # fmt: skip
