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

    @property
    def columns(self) -> dict[str, str | int]:
        """The columns that name a detector and split in every table."""
        return {"protocol": self.protocol, "source": self.source, "seed": self.seed, "split": self.split}


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
        block: position of its block in :attr:`GroundTruth.blocks`.
        tags: condition tags.
        width: pixels; 0 where the file does not say.
        height: pixels; 0 where the file does not say.
        name: id as the file has it if that is a text, else empty.
    """

    id: int
    stem: str
    block: int = 0
    tags: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    name: str = ""


@dataclass(frozen=True)
class GroundTruth:
    """Ground truth of one split, one row per annotated object, in the order of the file.

    Attributes:
        path: file it came from.
        images: sorted by id; ``image`` below is a position in this tuple.
        blocks: names of the blocks: images of one block are not independent, so they are resampled together.
        block_origin: where the blocks come from: ``file`` (the ground truth says), ``given`` (a list of the
            user), ``numbers`` (guessed from the numbers in the file names) or ``images`` (each its own).
        category_ids: sorted; ``category`` below is a position in this tuple.
        classes: class names, in the order of ``category_ids``.
        ids: shape (N,), int64, annotation ids of the file.
        image: shape (N,), int64, position of the object's image.
        category: shape (N,), int64, position of the object's class.
        boxes: shape (N, 4), float64, left, top, width, height in absolute pixels of the original image.
        area: shape (N,), float64, square pixels as the file states them.
        ignore: shape (N,), bool, ``iscrowd`` or ``ignore`` in the file: never an object to be found, only a
            region where predictions of that class are not counted as wrong.
        visibility: shape (N,), object: ``both``, ``infrared``, ``visible``, ``neither``, or empty if unknown.
    """

    path: Path
    images: tuple[ImageRecord, ...]
    blocks: tuple[str, ...]
    block_origin: str
    category_ids: tuple[int, ...]
    classes: tuple[str, ...]
    ids: np.ndarray
    image: np.ndarray
    category: np.ndarray
    boxes: np.ndarray
    area: np.ndarray
    ignore: np.ndarray
    visibility: np.ndarray

    @cached_property
    def objects(self) -> int:
        """Number of objects to be found (regions to ignore are none)."""
        return int(np.count_nonzero(~self.ignore))

    @cached_property
    def block(self) -> np.ndarray:
        """Block of each image, shape (I,), int64, a position in :attr:`blocks`."""
        return np.array([image.block for image in self.images], dtype=np.int64)

    def objects_per_class(self) -> np.ndarray:
        """Return the number of objects of each class, shape (C,), int64."""
        return np.bincount(self.category[~self.ignore], minlength=len(self.classes))

    def positives(self, objects: np.ndarray | None = None) -> np.ndarray:
        """Return the number of objects to be found by image and class, shape (I, C), int64.

        Args:
            objects: shape (N,), bool, those that count; all but regions to ignore if left out.
        """
        kept = ~self.ignore if objects is None else objects & ~self.ignore
        counts = np.zeros((len(self.images), len(self.classes)), dtype=np.int64)
        np.add.at(counts, (self.image[kept], self.category[kept]), 1)
        return counts


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
