"""Separable filters in any precision, as sums of shifted images.

On a CPU this is several times faster than a convolution of one channel and as fast as OpenCV's; on a GPU it
is the same arithmetic.
"""

from __future__ import annotations

import torch

_STRIP = 64  # Rows at a time on a CPU: the strip and its sums stay in the second-level cache.


def gaussian(size: int, sigma: float) -> tuple[float, ...]:
    """Return ``size`` (odd) samples of exp(-x^2 / 2 sigma^2) around zero, divided by their sum."""
    position = torch.arange(size, dtype=torch.float64) - size // 2
    weights = torch.exp(-(position**2) / (2 * sigma**2))
    return tuple((weights / weights.sum()).tolist())


def filter_valid(images: torch.Tensor, kernel: tuple[float, ...], step: int = 1) -> torch.Tensor:
    """Filter rows and columns with ``kernel``, only where it fits inside the image.

    Args:
        images: floating point ``... x H x W`` with H and W at least the length of the kernel.
        kernel: symmetric weights, applied along both axes.
        step: keep every ``step``-th row and column of the result; only these are computed.

    Returns:
        ``... x H' x W'`` with ``H' = (H - len(kernel)) // step + 1``, likewise W'.
    """
    planes = images.reshape(-1, *images.shape[-2:])
    height, width = ((side - len(kernel)) // step + 1 for side in images.shape[-2:])
    if images.device.type != "cpu":
        result = _along(_along(planes, kernel, 1, step), kernel, 2, step)
        return result.view(*images.shape[:-2], height, width)
    result = images.new_empty(len(planes), height, width)
    for plane, target in zip(planes, result, strict=True):
        for top in range(0, height, _STRIP):
            bottom = min(top + _STRIP, height)
            rows = plane[top * step : (bottom - 1) * step + len(kernel)]
            target[top:bottom] = _along(_along(rows, kernel, 0, step), kernel, 1, step)
    return result.view(*images.shape[:-2], height, width)


def _along(images: torch.Tensor, kernel: tuple[float, ...], dim: int, step: int) -> torch.Tensor:
    span = images.shape[dim] - len(kernel) + 1

    def shifted(offset: int) -> torch.Tensor:
        part = images.narrow(dim, offset, span)
        return part if step == 1 else part[(slice(None),) * dim + (slice(None, None, step),)]

    total = shifted(0) * kernel[0]
    for offset, weight in enumerate(kernel[1:], start=1):
        total.add_(shifted(offset), alpha=weight)
    return total
