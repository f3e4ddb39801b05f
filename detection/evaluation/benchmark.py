"""How long does an evaluation take, and how much memory? Synthetic predictions of any number."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

import numpy as np

from ...datasets.storage import write_json, write_text
from .coco import coco_scores, hotcoco
from .evaluate import Progress, evaluate
from .load import load_ground_truth, load_predictions
from .records import TEST, VALIDATION, PredictionKey, predictions_path

CLASSES: Final = ("People", "Car", "Bus", "Motorcycle", "Lamp", "Truck")
_SHARE: Final = (0.33, 0.53, 0.02, 0.02, 0.07, 0.03)  # about M3FD's class frequencies
_WIDTH, _HEIGHT = 1024, 768
_BLOCK: Final = 14  # images of a block, as in M3FD's public test set
_PER_OBJECT: Final = 4  # predictions at an object before the rest is background
_LINE: Final = '{"image_id": %d, "category_id": %d, "bbox": [%.3f, %.3f, %.3f, %.3f], "score": %.5f}'
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Workload:
    """What is evaluated.

    Attributes:
        sources: number of sources, the reference included.
        images: test images; half as many stand for val.
        predictions: predictions of each image, source, protocol and seed.
        seeds: detectors of each source and protocol.
        protocols: number of protocols.
    """

    sources: int = 10
    images: int = 840
    predictions: int = 300
    seeds: int = 1
    protocols: int = 1

    @property
    def detectors(self) -> int:
        """Number of detectors, each with a file of val and of test."""
        return self.sources * self.seeds * self.protocols


@dataclass(frozen=True)
class Measured:
    """What an evaluation cost.

    Attributes:
        seconds: seconds by step: ``generate``; the steps of the evaluation in their order; ``evaluate``, from
            files to all tables, the sum of these; and ``hotcoco`` and ``pycocotools``, the published numbers
            of one file by either, without reading it (``hotcoco`` is missing where it is not installed).
        memory: largest resident memory in bytes, at most: that of the evaluating process plus, for each
            worker, that of the largest worker.
        differences: rows of the table of differences.
    """

    seconds: Mapping[str, float]
    memory: int
    differences: int


def synthetic_truth(path: Path, images: int, seed: int = 0) -> list[dict[str, object]]:
    """Write random ground truth with two to fourteen objects per image and return its annotations."""
    generator = np.random.default_rng(seed)
    image = np.repeat(np.arange(1, images + 1), generator.integers(2, 15, images))
    boxes = _random_boxes(generator, len(image)).round(3)
    category = generator.choice(len(CLASSES), len(image), p=_SHARE) + 1
    annotations: list[dict[str, object]] = [
        {"id": number, "image_id": i, "category_id": c, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for number, (i, c, box) in enumerate(
            zip(image.tolist(), category.tolist(), boxes.tolist(), strict=True), start=1
        )
    ]
    records = [
        {"id": i, "file_name": f"{i:05d}.png", "stem": f"{i:05d}", "width": _WIDTH, "height": _HEIGHT,
         "block": f"block{block}", "tags": ["night" if block % 3 == 0 else "day"]}
        for i, block in zip(range(1, images + 1), np.repeat(range(images), _BLOCK).tolist(), strict=False)
    ]  # fmt: skip
    categories = [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)]
    info = {"dataset": "benchmark", "split": TEST, "schema": 2, "synthetic": True}
    write_json(
        path,
        {"info": info, "images": records, "annotations": annotations, "categories": categories},
        indent=None,
    )
    return annotations


def synthetic_predictions(
    path: Path, annotations: Sequence[Mapping[str, object]], images: int, predictions: int, seed: int
) -> None:
    """Write ``predictions`` results for each image as a detector does: sorted, most of them unlikely.

    At an object stand its own prediction (nine of ten of its class), one of another class, and less exact
    ones; the rest is background of low confidence.

    Args:
        path: file to write.
        annotations: objects of :func:`synthetic_truth`.
        images: number of images, ids from 1.
        predictions: results per image.
        seed: of the random numbers; each detector needs its own.
    """
    generator = np.random.default_rng([seed, 1])
    target = np.array([item["image_id"] for item in annotations], dtype=np.int64)
    true = np.array([item["category_id"] for item in annotations], dtype=np.int64)
    at = np.array([item["bbox"] for item in annotations], dtype=np.float64).reshape(-1, 4)
    near = _PER_OBJECT * len(target)
    random_class = generator.integers(1, len(CLASSES) + 1, near + images * predictions)
    kind = np.tile(np.arange(_PER_OBJECT), len(target))
    own = np.where(generator.random(near) < np.array([0.9, 0.0, 0.9, 0.9])[kind], np.repeat(true, 4), 0)
    shift = generator.normal(0, np.array([0.05, 0.05, 0.15, 0.3])[kind][:, None], (near, 4))
    sides = np.repeat(at, _PER_OBJECT, axis=0)
    sides += shift * sides[:, [2, 3, 2, 3]]
    sides[:, 2:] = np.maximum(sides[:, 2:], 3.0)
    likely = generator.beta(np.array([4, 1, 1, 1])[kind], np.array([2, 12, 12, 20])[kind])
    unlikely = np.exp(generator.uniform(np.log(1e-3), np.log(0.15), images * predictions))
    image = np.concatenate([np.repeat(target, _PER_OBJECT), np.repeat(np.arange(1, images + 1), predictions)])
    category = np.where(
        np.append(own, np.zeros(images * predictions)) > 0, np.append(own, 0 * unlikely), random_class
    )
    boxes = np.concatenate([sides, _random_boxes(generator, images * predictions)])
    score = np.clip(np.concatenate([likely, unlikely]), 1e-3, 1).round(5)
    # What stands at objects first, then background, until each image is full; then by falling confidence.
    order = np.argsort(image, kind="stable")
    starts = np.searchsorted(image[order], image[order])
    order = order[np.arange(len(order)) - starts < predictions]
    order = order[np.lexsort((-score[order], image[order]))]
    columns = (image, category.astype(int), *boxes.T, score)
    rows = zip(*(column[order].tolist() for column in columns), strict=True)
    write_text(path, "[" + ", ".join([_LINE % row for row in rows]) + "]\n")


def run_benchmark(
    workload: Workload | None = None,
    *,
    folder: Path | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> Measured:
    """Write synthetic predictions, evaluate them with all intervals, and measure.

    Args:
        workload: how much.
        folder: where the files and tables stay; a temporary folder if left out.
        workers: processes for the scoring.
        progress: called with done, total and a message.
    """
    workload = workload or Workload()
    if folder is None:
        with TemporaryDirectory() as temporary:
            return run_benchmark(workload, folder=Path(temporary), workers=workers, progress=progress)
    clock = _Clock()
    truths, paths = _write_files(workload, folder, workers, progress)
    seconds = {"generate": clock.lap()}
    # In a process of its own, so that its memory is that of an evaluation and of nothing else.
    steps, memory, rows = _apart(_evaluate, paths, truths, folder / "tables", workers)
    seconds |= steps
    example = next(path for key, path in paths.items() if key.split == TEST)
    seconds |= _apart(_compare_programs, truths[TEST], example)
    return Measured(seconds, memory, rows)


def _write_files(
    workload: Workload, folder: Path, workers: int, progress: Progress | None
) -> tuple[dict[str, Path], dict[PredictionKey, Path]]:
    sizes = {TEST: workload.images, VALIDATION: max(1, workload.images // 2)}
    truths = {split: folder / "ground_truth" / f"{split}.json" for split in sizes}
    annotations = {
        split: synthetic_truth(truths[split], number, seed)
        for seed, (split, number) in enumerate(sizes.items())
    }
    sources = ["visible", *(f"source{i}" for i in range(1, workload.sources))]
    protocols = ["retrained", "frozen", *(f"protocol{i}" for i in range(3, workload.protocols + 1))]
    keys = [
        PredictionKey(protocol, source, seed, split)
        for protocol in protocols[: workload.protocols]
        for source in sources
        for seed in range(workload.seeds)
        for split in sizes
    ]
    paths = {key: predictions_path(folder, key) for key in keys}
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [
            pool.submit(
                synthetic_predictions,
                path,
                annotations[key.split],
                sizes[key.split],
                workload.predictions,
                number,
            )
            for number, (key, path) in enumerate(paths.items())
        ]
        for done, job in enumerate(jobs, start=1):
            job.result()
            if progress is not None:
                progress(done, len(jobs), "writing predictions")
    return truths, paths


def _apart(work: Callable[..., _Result], *arguments: object) -> _Result:
    """Call ``work`` in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def _evaluate(
    paths: Mapping[PredictionKey, Path], truths: Mapping[str, Path], out: Path, workers: int
) -> tuple[dict[str, float], int, int]:
    """Evaluate and return seconds by step, peak memory in bytes, and the number of differences."""
    seconds: dict[str, float] = {}
    clock, current = _Clock(), ""

    def follow(_done: int, _total: int, message: str) -> None:
        nonlocal current
        message = "score" if message.startswith("scored") else message
        seconds[current] = seconds.get(current, 0.0) + clock.lap()
        current = message

    begin = time.perf_counter()
    result = evaluate(paths, truths, out, workers=workers, progress=follow)
    total = time.perf_counter() - begin
    own, children = (
        resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    steps = {f"  {name}": value for name, value in seconds.items() if name}
    return {**steps, "evaluate": total}, own + workers * children, len(result.differences)


def _compare_programs(truth_path: Path, path: Path) -> dict[str, float]:
    """Return the seconds in which each program computes the published numbers of one file."""
    clock = _Clock()
    truth = load_ground_truth(truth_path)
    predictions = load_predictions(path, truth)
    seconds = {"read one file": clock.lap()}
    if hotcoco is not None:
        coco_scores(truth, predictions)
        seconds["hotcoco"] = clock.lap()
    coco_scores(truth, predictions, fast=False)
    seconds["pycocotools"] = clock.lap()
    return seconds


class _Clock:
    def __init__(self) -> None:
        self.last = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds since the last call."""
        before, self.last = self.last, time.perf_counter()
        return self.last - before


def _random_boxes(generator: np.random.Generator, number: int) -> np.ndarray:
    """Return boxes inside the picture, shape (number, 4): left, top, width, height in pixels."""
    sides = generator.uniform(10, 150, (number, 2))
    return np.hstack([generator.uniform(size=(number, 2)) * ([_WIDTH, _HEIGHT] - sides), sides])
