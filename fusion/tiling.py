"""Large images in overlapping tiles, blended so that no seam shows.

Neighbouring tiles share at least a quarter of a tile. Within the shared band the weight of a tile rises from
nearly 0 at its own border to 1 by a raised cosine, and the weighted sum is divided by the sum of weights. So
a method whose output depends on each pixel alone gives the same image with and without tiles, and a
difference in brightness between two tiles becomes a slow ramp.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from .padding import padded_size

Fuse = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

OVERLAP = 0.25


def tile_starts(size: int, tile: int, overlap: int, stride: int) -> list[int]:
    """Return the first pixels of tiles of length ``tile`` that cover ``size`` pixels.

    Args:
        size: length to cover, a multiple of ``stride``.
        tile: length of a tile, a multiple of ``stride``.
        overlap: pixels that neighbours share at least.
        stride: every start is a multiple of it, so that a network sees its own grid in every tile.
    """
    if size <= tile:
        return [0]
    step = max((tile - overlap) // stride * stride, stride)
    count = math.ceil((size - tile) / step) + 1
    # Spread evenly: no sliver at the end, and every overlap is about the same.
    starts = [round(i * (size - tile) / (count - 1) / stride) * stride for i in range(count)]
    return sorted(set(starts))


def ramp(length: int, overlap: int, rises: bool, falls: bool, like: torch.Tensor) -> torch.Tensor:
    """Return weights of ``length`` pixels in (0, 1] that rise and fall over ``overlap`` pixels."""
    weights = torch.ones(length, dtype=torch.float32, device=like.device)
    phase = (torch.arange(overlap, dtype=torch.float32, device=like.device) + 0.5) / overlap
    edge = 0.5 - 0.5 * torch.cos(torch.pi * phase)
    if rises:
        weights[:overlap] *= edge
    if falls:
        weights[-overlap:] *= edge.flip(0)
    return weights


def fuse_tiled(
    fuse: Fuse,
    infrared: torch.Tensor,
    visible: torch.Tensor,
    tile: int | tuple[int, int],
    stride: int = 1,
) -> torch.Tensor:
    """Call ``fuse`` on overlapping tiles and blend what it returns.

    Args:
        fuse: takes and returns tensors as :meth:`FusionMethod.fuse` does.
        infrared: ``B x 1 x H x W``; H and W are multiples of ``stride``.
        visible: ``B x C x H x W``.
        tile: side of a tile in pixels, or its height and width; rounded up to multiples of ``stride``.
        stride: the method's stride.

    Returns:
        float32 ``B x C x H x W``.
    """
    sides = (tile, tile) if isinstance(tile, int) else tile
    high, wide = (padded_size(max(side, 1), stride) for side in sides)
    height, width = infrared.shape[-2:]
    if height <= high and width <= wide:
        return fuse(infrared, visible)
    rows_shared, columns_shared = (max(int(side * OVERLAP), 1) for side in (high, wide))
    rows = tile_starts(height, high, rows_shared, stride)
    columns = tile_starts(width, wide, columns_shared, stride)
    total = torch.zeros_like(visible, dtype=torch.float32)
    norm = torch.zeros(height, width, dtype=torch.float32, device=visible.device)
    for top in rows:
        bottom = min(top + high, height)
        down = ramp(bottom - top, min(rows_shared, bottom - top), top > 0, bottom < height, visible)
        for left in columns:
            right = min(left + wide, width)
            across = ramp(right - left, min(columns_shared, right - left), left > 0, right < width, visible)
            weight = down[:, None] * across[None, :]
            window = (..., slice(top, bottom), slice(left, right))
            # Own memory for every tile: a method that works in place must not touch its neighbours.
            total[window] += weight * fuse(infrared[window].clone(), visible[window].clone())
            norm[window[1:]] += weight
    return total / norm
