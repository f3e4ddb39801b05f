"""Train images and boxes for the detector, straight from the pairs: no label files, so none can go stale.

Regions to be ignored (crowds, ignored classes) are no targets, and calling them background would teach the
detector to miss what they hold: they are filled with the letterbox's grey, except where an object's box lies
over them, whose pixels stay. To mask the loss there instead, Ultralytics' assigner and all augmentations
would have to be rewritten.

Order of the images and their augmentation depend on (seed, epoch, image) alone: not on the number of worker
processes, nor on what ran before. A training that goes on after an interruption sees the very same batches.
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from ..datasets.errors import DataError
from ..datasets.images import read_rgb8
from ..datasets.records import Pair, PairSet
from .recipe import DetectorRecipe
from .yolo import (
    Compose,
    CutMix,
    Format,
    IterableSimpleNamespace,
    MixUp,
    Mosaic,
    RandomFlip,
    RandomHSV,
    RandomPerspective,
    YOLODataset,
)

logger = logging.getLogger(__name__)

GREY = 114
"""Level of the letterbox, and of regions to be ignored."""
MEMORY_LIMIT = 2 * 2**30
"""Decoded images are kept in memory up to this many bytes; larger sets are read again in every epoch."""


class DetectionDataset(YOLODataset):
    """The train split for Ultralytics, indexed by (epoch, image).

    Args:
        pairs: pairs of the split, with boxes.
        classes: class names; a box with another label is an error.
        image_of: path of the image to train on, by stem.
        recipe: sizes and augmentation.
        seed: of the augmentation.

    Raises:
        DataError: an image is missing, damaged or not of its pair's size, or a class is unknown.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        classes: Sequence[str],
        image_of: Callable[[str], Path],
        recipe: DetectorRecipe,
        seed: int,
    ) -> None:
        self.pairs = list(pairs)
        self.recipe = recipe
        self.seed = seed
        self.paths = [image_of(pair.stem) for pair in self.pairs]
        self.class_names = tuple(classes)
        hyper = IterableSimpleNamespace(deterministic=True)
        names = dict(enumerate(classes))
        super().__init__(
            img_path="",
            imgsz=recipe.image_size,
            augment=True,
            hyp=hyper,
            data={"names": names, "channels": 3},
        )
        self.cache = "ram"  # Mosaic then draws from the whole split instead of from the images read last.
        self.plain = self._pipeline(mixing=False)
        self.mixed = self._pipeline(mixing=True)
        self._memory: dict[int, np.ndarray] = {}
        self._preload()

    def get_img_files(self, img_path: str | list[str]) -> list[str]:  # noqa: ARG002 - Ultralytics' hook
        """Return the image paths; nothing is searched on disk."""
        return [str(path) for path in self.paths]

    def get_labels(self) -> list[dict[str, Any]]:
        """Return the labels of all images in the form that Ultralytics expects."""
        return [
            _label(pair, self.class_names, path) for pair, path in zip(self.pairs, self.paths, strict=True)
        ]

    def build_transforms(self, hyp: IterableSimpleNamespace | None = None) -> Compose:  # noqa: ARG002
        """Return an empty pipeline: this class runs its own two, see :meth:`__getitem__`."""
        return Compose([])

    def _pipeline(self, *, mixing: bool) -> Compose:
        """Build the augmentation as the recipe states it: these steps and no others."""
        recipe = self.recipe
        size = recipe.image_size
        first = [
            Mosaic(self, imgsz=size, p=recipe.mosaic if mixing else 0.0),
            RandomPerspective(
                degrees=recipe.degrees,
                translate=recipe.translate,
                scale=recipe.scale,
                shear=recipe.shear,
                perspective=recipe.perspective,
                size=self._canvas(),
            ),
        ]
        shape = Compose(first)
        mixes = [
            MixUp(self, pre_transform=shape, p=recipe.mixup if mixing else 0.0),
            CutMix(self, pre_transform=shape, p=recipe.cutmix if mixing else 0.0),
        ]
        rest = [
            RandomHSV(hgain=recipe.hsv_h, sgain=recipe.hsv_s, vgain=recipe.hsv_v),
            RandomFlip(direction="vertical", p=recipe.flipud),
            RandomFlip(direction="horizontal", p=recipe.fliplr),
            Format(bbox_format="xywh", normalize=True, batch_idx=True, bgr=0.0),
        ]
        return Compose([shape, *mixes, *rest])

    def _canvas(self) -> tuple[int, int]:
        """Return (width, height) of the training images: multiples of 32."""
        size = self.recipe.image_size
        if self.recipe.canvas == "square":
            return size, size
        ratios = [size / max(pair.width, pair.height) for pair in self.pairs]
        widest = max(pair.width * ratio for pair, ratio in zip(self.pairs, ratios, strict=True))
        highest = max(pair.height * ratio for pair, ratio in zip(self.pairs, ratios, strict=True))
        return 32 * int(np.ceil(widest / 32 - 1e-6)), 32 * int(np.ceil(highest / 32 - 1e-6))

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        """Return image ``key[1]`` augmented as in epoch ``key[0]``."""
        epoch, index = key
        state = np.random.SeedSequence([self.seed, epoch, index]).generate_state(2)
        random.seed(int(state[0]))
        np.random.seed(state[1])  # noqa: NPY002 - Ultralytics draws from the global generators
        mixing = epoch < self.recipe.epochs - self.recipe.close_mosaic
        return (self.mixed if mixing else self.plain)(self.get_image_and_label(index))

    def load_image(
        self,
        i: int,
        rect_mode: bool = True,  # noqa: ARG002 - Ultralytics' hook
        resize_short: bool = False,  # noqa: ARG002
    ) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]]:
        """Return image ``i``, its longer side scaled to the network's input.

        Returns:
            uint8 ``H x W x 3`` in BGR, the order of Ultralytics' augmentation; original and scaled (height,
            width).
        """
        image = self._memory.get(i)
        image = self._read(i) if image is None else image
        pair = self.pairs[i]
        return image, (pair.height, pair.width), image.shape[:2]

    def _read(self, index: int) -> np.ndarray:
        pair, path = self.pairs[index], self.paths[index]
        image = read_rgb8(path)
        if image.shape[:2] != (pair.height, pair.width):
            raise DataError(
                f"{path}: expected {pair.width} x {pair.height} pixels like its pair {pair.stem!r}, "
                f"found {image.shape[1]} x {image.shape[0]}"
            )
        image = without_ignored(image, pair)
        return np.ascontiguousarray(scaled_to(image, self.recipe.image_size)[..., ::-1])

    def _preload(self) -> None:
        """Keep the scaled images in memory, as long as all of them fit."""
        pixels = sum(_scaled_pixels(pair, self.recipe.image_size) for pair in self.pairs)
        if 3 * pixels <= MEMORY_LIMIT:
            self._memory = {index: self._read(index) for index in range(len(self.pairs))}


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields (epoch, image) in an order that depends on seed and epoch alone; set :attr:`epoch` first."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = np.random.default_rng([self.seed, self.epoch, 0x0D])
        for index in generator.permutation(self.size):
            yield self.epoch, int(index)


def make_loader(dataset: DetectionDataset, batch_size: int, workers: int, pin: bool) -> DataLoader:
    """Batch the dataset; the batches do not depend on ``workers``."""
    return DataLoader(
        dataset,
        batch_size=min(batch_size, len(dataset)),
        sampler=EpochSampler(len(dataset), dataset.seed),
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=pin,
        collate_fn=dataset.collate_fn,
        worker_init_fn=_one_thread,
    )


def scaled_to(image: np.ndarray, size: int) -> np.ndarray:
    """Scale an ``H x W x 3`` uint8 image so that its longer side has ``size`` pixels (bilinear)."""
    height, width = image.shape[:2]
    ratio = size / max(height, width)
    if ratio == 1:
        return image
    target = (min(int(np.ceil(width * ratio)), size), min(int(np.ceil(height * ratio)), size))
    return cv2.resize(image, target, interpolation=cv2.INTER_LINEAR)


def without_ignored(image: np.ndarray, pair: Pair) -> np.ndarray:
    """Return an ``H x W x 3`` uint8 image with the regions to be ignored in grey, objects untouched."""
    if not pair.ignored:
        return image
    hidden = np.zeros(image.shape[:2], dtype=bool)
    for boxes, value in ((pair.ignored, True), (pair.objects, False)):
        for box in boxes:
            left, top, right, bottom = box.xyxy
            rows = slice(max(0, int(top)), max(0, int(np.ceil(bottom))))
            hidden[rows, max(0, int(left)) : max(0, int(np.ceil(right)))] = value
    filled = image.copy()
    filled[hidden] = GREY
    return filled


def train_digest(pairs: PairSet, stems: Sequence[str], image_of: Callable[[str], Path]) -> str:
    """Return the SHA-256 over names, boxes and image bytes of the given stems."""
    digest = hashlib.sha256()
    for stem in sorted(stems):
        boxes = [(box.label, box.xyxy, box.ignore) for box in pairs[stem].boxes]
        digest.update(repr((stem, boxes)).encode())
        try:
            digest.update(image_of(stem).read_bytes())
        except OSError as error:
            raise DataError(f"{image_of(stem)}: cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def _label(pair: Pair, classes: Sequence[str], path: Path) -> dict[str, Any]:
    """Turn the boxes of a pair into Ultralytics' label record: centre, width, height as fractions."""
    rows: list[tuple[float, ...]] = []
    for box in pair.objects:
        if box.label not in classes:
            raise DataError(
                f"{pair.annotation or pair.stem}: class {box.label!r} is not one of {', '.join(classes)}"
            )
        left, right = (min(max(x, 0.0), pair.width) for x in box.xyxy[0::2])
        top, bottom = (min(max(y, 0.0), pair.height) for y in box.xyxy[1::2])
        if right - left <= 0 or bottom - top <= 0:
            logger.warning(
                "%s: a box of class %s has no area inside the image and is left out", pair.stem, box.label
            )
            continue
        centre = ((left + right) / 2 / pair.width, (top + bottom) / 2 / pair.height)
        sides = ((right - left) / pair.width, (bottom - top) / pair.height)
        rows.append((classes.index(box.label), *centre, *sides))
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    return {
        "im_file": str(path),
        "shape": (pair.height, pair.width),
        "cls": table[:, :1],
        "bboxes": table[:, 1:],
        "segments": [],
        "keypoints": None,
        "normalized": True,
        "bbox_format": "xywh",
    }


def _scaled_pixels(pair: Pair, size: int) -> int:
    ratio = size / max(pair.height, pair.width)
    return int(np.ceil(pair.height * ratio) * np.ceil(pair.width * ratio))


def _one_thread(worker: int) -> None:  # noqa: ARG001 - torch passes the worker's number
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
