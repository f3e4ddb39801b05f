"""Random patches for fusion training: both images of a pair undergo the same geometry."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray


class PairedAugmentation:
    """Random crop, then one of the eight flips and quarter turns, alike for both images.

    A pure function of (seed, epoch, index): the order in which patches are asked for, and by how many worker
    processes, changes nothing. Grey levels are left alone, because a fusion loss compares them.
    """

    def __init__(self, patch: int, seed: int) -> None:
        """
        Args:
            patch: side of the square patches in pixels.
            seed: seed of the whole training.
        """
        if patch < 1:
            raise ValueError(f"patch must be at least 1 pixel, got {patch}")
        self.patch = patch
        self.seed = seed
        self._transforms = _transforms(patch)

    def __call__(
        self, infrared: NDArray[np.float32], visible: NDArray[np.float32], *, epoch: int, index: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return one patch of a pair; images smaller than the patch are reflect-padded first.

        Args:
            infrared: float32 ``H x W`` in [0, 1].
            visible: float32 ``H x W x 3`` RGB in [0, 1], of the same height and width.
            epoch: epoch, from 0.
            index: number of the draw within the epoch, from 0.

        Returns:
            infrared ``patch x patch`` and visible ``patch x patch x 3``, float32 in [0, 1].
        """
        if infrared.shape != visible.shape[:2]:
            raise ValueError(f"the images differ in size: infrared {infrared.shape}, visible {visible.shape}")
        images = {"image": _padded(visible, self.patch), "infrared": _padded(infrared, self.patch)}
        seeds = np.random.SeedSequence([self.seed, epoch, index]).generate_state(len(self._transforms))
        for transform, seed in zip(self._transforms, seeds, strict=True):
            # albumentations' Compose would give all transforms one seed, which ties the turn to the crop.
            transform.set_random_seed(int(seed))
            images = transform(**images)
        return np.ascontiguousarray(images["infrared"]), np.ascontiguousarray(images["image"])


def _transforms(patch: int) -> list[Any]:
    # Without this the library asks the network for a newer version of itself when it is imported.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    transforms = [albumentations.RandomCrop(height=patch, width=patch), albumentations.D4(p=1.0)]
    for transform in transforms:
        transform.add_targets({"infrared": "image"})
    return transforms


def _padded(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    missing = [max(0, side - length) for length in image.shape[:2]]
    if not any(missing):
        return image
    widths = [(lack // 2, lack - lack // 2) for lack in missing] + [(0, 0)] * (image.ndim - 2)
    return np.pad(image, widths, mode="reflect" if min(image.shape[:2]) > 1 else "edge")
