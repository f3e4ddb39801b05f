"""Padding to a network's stride by reflection, and the crop that undoes it."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def padded_size(size: int, stride: int) -> int:
    """Return the smallest multiple of ``stride`` that is not below ``size``."""
    return -(-size // stride) * stride


def pad_to_stride(image: torch.Tensor, stride: int) -> torch.Tensor:
    """Extend an image at the right and bottom to multiples of ``stride`` by reflection.

    Args:
        image: ``B x C x H x W``, any H and W from 1 on.
        stride: 1 leaves the image as it is.

    Returns:
        ``B x C x H' x W'``; ``[..., :H, :W]`` is the image itself.
    """
    height, width = image.shape[-2:]
    return reflect(image, padded_size(height, stride) - height, padded_size(width, stride) - width)


def crop(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Undo :func:`pad_to_stride`: the top left ``height x width`` of ``... x H' x W'``."""
    return image[..., :height, :width]


def reflect(image: torch.Tensor, bottom: int, right: int) -> torch.Tensor:
    """Reflect ``bottom`` rows and ``right`` columns without repeating the edge.

    Torch refuses to reflect more than the image holds; a small image is reflected several times instead, and
    a single row or column, which has nothing to reflect, is repeated.
    """
    while bottom > 0 or right > 0:
        height, width = image.shape[-2:]
        if height == 1 and bottom > 0:
            image, bottom = image.expand(-1, -1, bottom + 1, -1), 0
            continue
        if width == 1 and right > 0:
            image, right = image.expand(-1, -1, -1, right + 1), 0
            continue
        rows, columns = min(bottom, height - 1), min(right, width - 1)
        image = F.pad(image, (0, columns, 0, rows), mode="reflect")
        bottom, right = bottom - rows, right - columns
    return image
