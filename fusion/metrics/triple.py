"""The three images that a metric compares, checked once, with the work that several metrics share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...datasets.errors import DataError

LEVELS = 256
SMALLEST_SIDE = 3
Image = torch.Tensor | NDArray[Any]


@dataclass(frozen=True, eq=False)
class Triple:
    """A batch of registered grey images: two sources and what a method made of them.

    Attributes:
        infrared: float32 ``B x H x W``, grey levels in 0..255.
        visible: as ``infrared``.
        fused: as ``infrared``.
    """

    infrared: torch.Tensor
    visible: torch.Tensor
    fused: torch.Tensor

    @classmethod
    def of(cls, infrared: Image, visible: Image, fused: Image) -> Triple:
        """Check three images, or three batches of them, and make a triple of them.

        Args:
            infrared: ``H x W``, ``B x H x W`` or ``B x 1 x H x W`` grey levels in 0..255, an array or
            tensor of
                any real type; tensors stay on their device.
            visible: as ``infrared``, of the same size.
            fused: as ``infrared``, of the same size.

        Raises:
            DataError: sizes differ or are below 3 x 3, a value is NaN or infinite or outside 0..255.
        """
        given = {"infrared": infrared, "visible": visible, "fused": fused}
        images = {name: _batch(name, image) for name, image in given.items()}
        sizes = {name: tuple(image.shape) for name, image in images.items()}
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{name} {_size(size)}" for name, size in sizes.items())
            raise DataError(
                f"expected three images of one size, found {listed}; metrics compare pixel by pixel"
            )
        for name, image in images.items():
            _require_grey_levels(name, image)
        return cls(**images)

    @property
    def sources(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The infrared and the visible image."""
        return self.infrared, self.visible

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.fused.shape[-2:]
        return height, width

    @cached_property
    def double(self) -> torch.Tensor:
        """Fused, infrared and visible in double precision: float64 ``3 x B x H x W``."""
        return torch.stack([self.fused, self.infrared, self.visible]).double()

    @cached_property
    def infrared_joint(self) -> torch.Tensor:
        """How often F has level i where infrared has level j: float64 ``B x 256 x 256``, i first.

        Levels are rounded to whole numbers, halves to even.
        """
        return _joint(self.fused, self.infrared)

    @cached_property
    def visible_joint(self) -> torch.Tensor:
        """As :attr:`infrared_joint`, for the visible image."""
        return _joint(self.fused, self.visible)

    def undefined(self) -> torch.Tensor:
        """Return NaN for every image of the batch, float64 ``B``: the metric is not defined at this size."""
        return torch.full(self.fused.shape[:1], torch.nan, dtype=torch.float64, device=self.fused.device)


def _batch(name: str, image: Image) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(image)) if isinstance(image, np.ndarray) else image
    shape = tuple(tensor.shape)
    if tensor.ndim == 2:
        tensor = tensor[None]
    elif tensor.ndim == 4 and shape[1] == 1:
        tensor = tensor[:, 0]
    if tensor.ndim != 3 or tensor.is_complex():
        raise DataError(
            f"{name}: expected a grey image H x W, B x H x W or B x 1 x H x W, found shape {shape}"
        )
    if not len(tensor) or min(tensor.shape[-2:]) < SMALLEST_SIDE:
        raise DataError(
            f"{name}: expected at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels, found shape {shape}"
        )
    return tensor.detach().to(torch.float32).contiguous()


def _require_grey_levels(name: str, image: torch.Tensor) -> None:
    low, high = (float(value) for value in torch.aminmax(image))
    if not np.isfinite([low, high]).all():  # aminmax hands NaN on
        wrong = int((~torch.isfinite(image)).sum())
        raise DataError(
            f"{name}: {wrong} of {image.numel()} pixels are NaN or infinite; expected grey levels 0..255"
        )
    if low < 0 or high > LEVELS - 1:
        raise DataError(
            f"{name}: expected grey levels in 0..255, found {low:g} to {high:g}; scale or clip it first"
        )


def _joint(fused: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    batch = len(fused)
    cells = fused.round().long().mul_(LEVELS).add_(source.round().long())
    cells += torch.arange(batch, device=fused.device).view(-1, 1, 1) * LEVELS**2
    counts = torch.bincount(cells.flatten(), minlength=batch * LEVELS**2)
    return counts.view(batch, LEVELS, LEVELS).double()


def _size(shape: tuple[int, ...]) -> str:
    batch, height, width = shape
    return f"{height} x {width}" + (f" (batch of {batch})" if batch > 1 else "")
