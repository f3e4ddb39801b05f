"""Pairs on disk -> batches of patches, in an order that depends on nothing but the seed and the epoch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ...datasets.augment import PairedAugmentation
from ...datasets.errors import ConfigError, DataError
from ...datasets.images import read_infrared, read_visible
from ...datasets.records import Pair
from ..chroma import luminance
from .labels import Labels
from .options import TrainingOptions
from .recipe import Batch

CACHE_BYTES = 2 * 1024**3

# Epoch (from 0), position of the pair in the list, number of the draw within the epoch.
Draw = tuple[int, int, int]
# Visible H x W x 3 RGB, infrared H x W and, where there are labels, the label's luminance H x W.
Images = tuple[np.ndarray, ...]

# The images of one draw, and the pair's target where it has one.
Sample = tuple[Images, float | None]

# A patch that a recipe finds too flat is drawn again at most this often.
REDRAWS = 10


class DecodedPairs:
    """Pairs as 8-bit arrays, kept in memory once decoded as long as they fit.

    Decoding a PNG takes longer than a small network's step on a patch of it, and every epoch needs it again.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        limit: int = CACHE_BYTES,
        labels: Labels | None = None,
        targets: Sequence[float] | None = None,
    ) -> None:
        self.pairs = tuple(pairs)
        self.labels = labels or Labels()
        self.targets = targets
        self.room = limit
        self._kept: dict[int, Images] = {}

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Images:
        """Return visible (``H x W x 3`` RGB), infrared (``H x W``) and, if there is one, the label, uint8."""
        if index in self._kept:
            return self._kept[index]
        pair = self.pairs[index]
        images: Images = _to_bytes(read_visible(pair.visible)), _to_bytes(read_infrared(pair.infrared))
        if images[0].shape[:2] != images[1].shape:
            raise DataError(
                f"{pair.visible} is {images[0].shape[1]} x {images[0].shape[0]} but {pair.infrared} is "
                f"{images[1].shape[1]} x {images[1].shape[0]}; a pair must be registered to one size"
            )
        label = self.labels.read(pair)
        if label is not None:
            images = (*images, label)
        size = sum(image.nbytes for image in images)
        if size <= self.room:
            self.room -= size
            self._kept[index] = images
        return images

    def target(self, index: int) -> float | None:
        """Return what the recipe says of a pair, see :meth:`~.recipe.Recipe.targets`."""
        return None if self.targets is None else self.targets[index]

    def batch(self, index: int, side: int | None = None) -> Batch:
        """Return one pair as a batch of one, cropped about the centre to at most ``side`` x ``side``."""
        images = self[index]
        height, width = images[1].shape
        if side is not None:
            top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
            images = tuple(image[top : top + side, left : left + side] for image in images)
        return collate([(tuple(map(_to_floats, images)), self.target(index))])


class Patches(Dataset[Sample]):
    """Random patches of decoded pairs; item (epoch, index, draw) is always the same patch.

    Args:
        decoded: the pairs.
        patch: side in pixels.
        seed: of the training.
        least_contrast: flatter patches, in either image, are drawn again, up to :data:`REDRAWS` times.
    """

    def __init__(self, decoded: DecodedPairs, patch: int, seed: int, least_contrast: float = 0.0) -> None:
        self.decoded, self.least_contrast = decoded, least_contrast
        self.augment: Callable[..., tuple[np.ndarray, np.ndarray]] = PairedAugmentation(patch, seed)

    def __len__(self) -> int:
        return len(self.decoded)

    def __getitem__(self, item: Draw) -> Sample:
        """Return visible ``P x P x 3``, infrared and label, if any, ``P x P``, in [0, 1]; and the target."""
        epoch, index, draw = item
        visible, infrared, *label = self.decoded[index]
        if label:  # travels as a fourth channel: the same crop, flip and turn
            visible = np.dstack([visible, *label])
        for attempt in range(REDRAWS if self.least_contrast else 1):
            # Crops, flips and turns do not care about the type, and bytes are four times quicker to move.
            seen = draw + (attempt << 40)
            warm, patch = self.augment(infrared, visible, epoch=epoch, index=seen)
            if (
                not self.least_contrast
                or min(contrast(warm), contrast(patch[..., :3])) >= self.least_contrast
            ):
                break
        images = (patch[..., :3], warm, *([patch[..., 3]] if label else []))
        return tuple(map(_to_floats, images)), self.decoded.target(index)


class EpochOrder(Sampler[list[Draw]]):
    """The batches of an epoch: shuffled passes over the pairs, cut into batches, one share per process.

    The last batch is filled from the next pass, so that every batch has the same size; the union of the
    shares is the same for any number of processes.
    """

    def __init__(
        self, pairs: int, options: TrainingOptions, rank: int = 0, size: int = 1, patches: int | None = None
    ) -> None:
        """Lay out the epochs; ``patches`` are drawn in each, one a pair by default, unless options say."""
        if options.batch_size % size:
            lower, upper = options.batch_size // size * size, -(-options.batch_size // size) * size
            raise ConfigError(
                f"batch_size {options.batch_size} cannot be shared evenly by {size} processes; "
                f"use {f'{lower} or ' if lower else ''}{upper}"
            )
        self.pairs, self.seed, self.batch_size = pairs, options.seed, options.batch_size
        self.steps = options.steps_per_epoch or -(-(patches or pairs) // options.batch_size)
        self.rank, self.size = rank, size
        self.epoch = 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[Draw]]:
        draws = epoch_draws(self.pairs, self.steps * self.batch_size, self.seed, self.epoch)
        for start in range(0, len(draws), self.batch_size):
            yield draws[start + self.rank : start + self.batch_size : self.size]


def epoch_draws(pairs: int, count: int, seed: int, epoch: int) -> list[Draw]:
    """Return ``count`` draws of ``pairs`` pairs: whole shuffled passes, the last one cut."""
    draws: list[Draw] = []
    for number in range(-(-count // pairs)):
        order = np.random.default_rng([seed, epoch, number]).permutation(pairs)
        draws.extend((epoch, int(index), int(index) + number * pairs) for index in order)
    return draws[:count]


def patch_loader(
    decoded: DecodedPairs,
    order: EpochOrder,
    options: TrainingOptions,
    workers: int,
    pin: bool,
    least_contrast: float = 0.0,
) -> DataLoader[Sample]:
    """Return the loader of one process; set ``order.epoch`` before each pass over it."""
    if workers:  # every worker process keeps images of its own
        decoded.room //= workers
    return DataLoader(
        Patches(decoded, options.patch, options.seed, least_contrast),
        batch_sampler=order,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin,
        persistent_workers=workers > 0,
        worker_init_fn=_single_threaded if workers else None,
    )


def collate(items: Sequence[Sample]) -> Batch:
    """Stack visible ``H x W x 3`` RGB, infrared ``H x W`` and labels, float32 in [0, 1], into a batch."""
    samples, numbers = zip(*items, strict=True)
    visible, *planes = (torch.from_numpy(np.stack(images)) for images in zip(*samples, strict=True))
    rgb = visible.permute(0, 3, 1, 2).contiguous()
    infrared, *label = (plane[:, None] for plane in planes)
    target = None if None in numbers else torch.tensor(numbers, dtype=torch.float32)
    return Batch(luminance(rgb), infrared, rgb, label[0] if label else None, target)


def contrast(image: np.ndarray) -> float:
    """Return ``(p90 - p10) / p90`` of a patch's grey levels (CDDFuse's measure); 0 for a black one.

    Args:
        image: uint8, ``H x W`` or ``H x W x 3`` RGB, of which the luminance counts.
    """
    low, high = np.percentile(luminance(image.astype(np.float32)) if image.ndim == 3 else image, (10, 90))
    return float((high - low) / high) if high > 0 else 0.0


def hash_pairs(pairs: Sequence[Pair], labels: Labels | None = None) -> tuple[str, list[str]]:
    """Hash the training data, to recognise them again and to find training images among test images.

    Returns:
        SHA-256 over stems and file contents of all pairs, labels included, sorted by stem; and the first 16
        hexadecimal digits of the SHA-256 of every visible file, sorted.
    """
    rows, visible = [], []
    for pair in sorted(pairs, key=lambda pair: pair.stem):
        digests = []
        for path in (pair.visible, pair.infrared):
            try:
                digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
            except OSError as error:
                raise DataError(f"{path}: cannot read the training image: {error.strerror}") from error
        rows.append([pair.stem, *digests, *(labels.digest(pair) if labels else ())])
        visible.append(digests[0][:16])
    canonical = json.dumps(rows, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest(), sorted(visible)


def _to_bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(image * 255).astype(np.uint8)


def _to_floats(image: np.ndarray) -> np.ndarray:
    return np.multiply(image, np.float32(1 / 255), dtype=np.float32)


def _single_threaded(_worker: int) -> None:
    import cv2

    cv2.setNumThreads(0)
