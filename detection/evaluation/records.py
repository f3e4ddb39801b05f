"""What evaluation speaks in: keys of prediction files, ground truth and predictions as arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...datasets.errors import DataError

BACKGROUND = "background"
TEST = "test"
VALIDATION = "val"

_SEED_FOLDER = re.compile(r"seed(0|[1-9]\d*)")


@dataclass(frozen=True, order=True, slots=True)
class PredictionKey:
    """Names one predictions file; sorts by protocol, source, seed, split."""

    protocol: str
    source: str
    seed: int
    split: str


@dataclass(frozen=True, order=True, slots=True)
class FailedSource:
    """A source that could not be fused, trained or run; it becomes a row with its reason."""

    protocol: str
    source: str
    seed: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image of the ground truth.

    Attributes:
        id: COCO image id; the position from 1 in a file whose ids are texts.
        stem: file name without its suffix.
        scene: name of the scene, or None when the data set does not tell.
        tags: condition tags.
        name: id as the file has it if that is a text, else empty.
    """

    id: int
    stem: str
    scene: str | None = None
    tags: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class GroundTruth:
    """Ground truth of one split, one row per annotated object, in the order of the file.

    Attributes:
        path: file it came from.
        images: sorted by id; ``image`` below is a position in this tuple.
        category_ids: sorted; ``category`` below is a position in this tuple.
        classes: class names, in the order of ``category_ids``.
        ids: shape (N,), int64, annotation ids of the file.
        image: shape (N,), int64, position of the object's image.
        category: shape (N,), int64, position of the object's class.
        boxes: shape (N, 4), float64, left, top, width, height in absolute pixels of the original image.
        area: shape (N,), float64, square pixels as the file states them.
        crowd: shape (N,), bool, COCO's ``iscrowd``: never an object to be found, only a region where
            predictions of that class are not counted as wrong.
    """

    path: Path
    images: tuple[ImageRecord, ...]
    category_ids: tuple[int, ...]
    classes: tuple[str, ...]
    ids: np.ndarray
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    area: np.ndarray
    crowd: np.ndarray

    @cached_property
    def objects(self) -> int:
        """Number of objects to be found (crowd regions are none)."""
        return int(np.count_nonzero(~self.crowd))

    def objects_per_class(self) -> np.ndarray:
        """Return the number of objects of each class, shape (C,), int64."""
        return np.bincount(self.category[~self.crowd], minlength=len(self.classes))


@dataclass(frozen=True)
class Predictions:
    """Predictions on one split, in the order of the file.

    Attributes:
        path: file they came from.
        image: shape (M,), int64, position in ``GroundTruth.images``.
        category: shape (M,), int64, position in ``GroundTruth.classes``.
        boxes: shape (M, 4), float64, left, top, width, height in absolute pixels of the original image.
        scores: shape (M,), float64, confidence in [0, 1].
    """

    path: Path
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


def predictions_path(run: Path, key: PredictionKey) -> Path:
    """Return where the run folder ``run`` keeps the predictions of ``key``.

    Raises:
        DataError: a name in the key is not a plain folder name.
    """
    for part in (key.protocol, key.source, key.split):
        if not part or part.startswith(".") or "/" in part or "\\" in part:
            raise DataError(f"{part!r} cannot name a folder of predictions; use letters, digits, - and _")
    if key.seed < 0:
        raise DataError(f"seed {key.seed} of source {key.source!r} is negative; seeds start at 0")
    return run / "predictions" / key.protocol / key.source / f"seed{key.seed}" / f"{key.split}.json"


def discover(run: Path) -> dict[PredictionKey, Path]:
    """Return every predictions file of the run folder ``run``, sorted by key; empty when there is none."""
    found = {}
    for path in (run / "predictions").glob("*/*/seed*/*.json"):
        seed = _SEED_FOLDER.fullmatch(path.parent.name)
        protocol, source = path.parts[-4], path.parts[-3]
        # Names with a leading dot are half-written files or folders of other programs.
        if seed and not any(part.startswith(".") for part in (protocol, source, path.name)):
            found[PredictionKey(protocol, source, int(seed[1]), path.stem)] = path
    return dict(sorted(found.items()))
