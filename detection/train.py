"""Train a detector with Ultralytics' own training loop, under a pinned recipe."""

from __future__ import annotations

import contextlib
import logging
import platform
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..datasets.errors import DetectorError
from ..datasets.records import PairSet
from .checkpoint import load_detector, save_detector
from .dataset import train_digest
from .device import pick_device
from .environment import plain_trainer
from .job import Job
from .recipe import DetectorRecipe
from .state import STATE_FILE, read_state
from .trainer import Trainer
from .yolo import ultralytics_version

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class DetectorResult:
    """A trained detector.

    Attributes:
        weights: ``weights.safetensors``; its card stands beside it as ``weights.json``.
        seconds: time spent in training, over all interruptions.
        epochs: epochs trained.
        card: content of the card.
    """

    weights: Path
    seconds: float
    epochs: int
    card: dict[str, Any]


def train_detector(
    recipe: DetectorRecipe,
    pairs: PairSet,
    train_stems: Sequence[str],
    val_stems: Sequence[str],
    images: Callable[[str], Path] | Path,
    out: Path,
    *,
    seed: int,
    progress: Progress | None = None,
    checkpoint_seconds: float = 15.0,
) -> DetectorResult:
    """Train a detector on the images of one source.

    The same call gives the same weights on a CPU with the same number of threads, also when it was killed in
    between and repeated: the state is stored after an epoch, and a state of other inputs is never used.

    Args:
        recipe: how to train.
        pairs: the data set; gives boxes, classes and image sizes.
        train_stems: stems to train on.
        val_stems: stems to select the epoch on; read only when ``recipe.select`` is ``best_val``.
        images: path of the image of a stem, or the folder that holds ``<stem>.png``.
        out: folder; gets ``weights.safetensors``, ``weights.json`` and ``log.csv``.
        seed: of initial weights, order and augmentation.
        progress: called after every batch with (batches done, batches, message).
        checkpoint_seconds: least time between two stored states.

    Raises:
        DetectorError: nothing to train on, the training diverged or ran out of memory.
        CheckpointError: unsafe or damaged initial weights.
        DataError: an image or a box is wrong.
    """
    if isinstance(images, Path):
        folder = images
        images = lambda stem: folder / f"{stem}.png"  # noqa: E731
    train, val = pairs.select(train_stems), pairs.select(val_stems)
    if not len(train) or not any(pair.objects for pair in train):
        raise DetectorError(
            f"{pairs.name}: the train split has {len(train)} pairs and no boxes; it needs labelled pairs"
        )
    if recipe.select == "best_val" and not any(pair.objects for pair in val):
        raise DetectorError(
            f"{pairs.name}: detector.select is best_val, but the val split has no boxes; use select: last"
        )
    model, info = load_detector(recipe.weights or recipe.model, pairs.classes, seed)
    fingerprint = {
        "recipe": {
            key: v
            for key, v in recipe.to_dict().items()
            if key not in ("device", "workers", "weights", "class_map")
        },
        "initial": info.sha256 or model.architecture,
        "seed": seed,
        "classes": list(pairs.classes),
        "train": train_digest(pairs, train_stems, images),
        "val": train_digest(pairs, val_stems, images) if recipe.select == "best_val" else None,
        "versions": _versions(),
    }
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    scratch = out / ".ultralytics"
    job = Job(
        recipe=recipe,
        model=model,
        train=tuple(train),
        val=tuple(val),
        classes=pairs.classes,
        image_of=images,
        seed=seed,
        device=pick_device(recipe.device),
        out=out,
        scratch=scratch,
        fingerprint=fingerprint,
        resume=read_state(out / STATE_FILE, fingerprint),
        checkpoint_seconds=checkpoint_seconds,
        progress=progress,
    )
    try:
        with _generators_kept(), plain_trainer():
            trained, best_epoch, seconds = _run(job)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    card = {
        "recipe": recipe.to_dict(),
        "seed": seed,
        "start": info.to_dict(),
        "trained_on": pairs.name,
        "train_images": len(train),
        "val_images": len(val),
        "epochs": recipe.epochs,
        "selected_epoch": best_epoch,
        "device": str(job.device),
        "threads": torch.get_num_threads(),
        "versions": _versions(),
    }
    weights = save_detector(trained, out / "weights.safetensors", dtype=torch.float32, card=card)
    (out / STATE_FILE).unlink(missing_ok=True)
    logger.debug("detector trained in %.1f s (%.1f s in this call)", seconds, time.monotonic() - started)
    return DetectorResult(weights, seconds, recipe.epochs, card)


def _run(job: Job) -> tuple[Any, int, float]:
    """Run Ultralytics' loop and return the chosen weights, their epoch (from 1) and the seconds spent."""
    try:
        trainer = Trainer(job)
        trainer.train()
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise DetectorError(
            f"the detector does not fit into memory: lower detector.batch_size (now {job.recipe.batch_size}) "
            f"or detector.image_size (now {job.recipe.image_size})"
        ) from error
    return trainer.chosen()


@contextlib.contextmanager
def _generators_kept() -> Iterator[None]:
    """Give the caller back its random number generators as they were."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - Ultralytics uses the global one
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "ultralytics": ultralytics_version,
    }
