"""Structural similarity as a loss (Wang et al., IEEE Trans. Image Processing 13(4), 2004)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, SIGMA = 11, 1.5


def ssim(first: Tensor, second: Tensor, *, data_range: float = 1.0, padded: bool = True) -> Tensor:
    """SSIM at every pixel in an 11 x 11 Gaussian window of standard deviation 1.5; K1 = 0.01, K2 = 0.03.

    Args:
        first: ``B x 1 x H x W``.
        second: same shape.
        data_range: what the constants take the range of the values for.
        padded: zeros beyond the border, same size out; otherwise only windows that fit.

    Returns:
        ``B x 1 x H' x W'``, at most 1.
    """
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    images = torch.cat((first, second, first * first, second * second, first * second), dim=1)
    a, b, aa, bb, ab = _blur(images, padded).chunk(5, dim=1)
    above = (2 * a * b + c1) * (2 * (ab - a * b) + c2)
    return above / ((a * a + b * b + c1) * (aa - a * a + bb - b * b + c2))


def ssim_loss(first: Tensor, second: Tensor) -> Tensor:
    """Mean of ``(1 - SSIM) / 2`` over all pixels, SSIM below 0 counting as 0."""
    return ((1 - ssim(first, second)).clamp(0, 1) / 2).mean()


def _blur(images: Tensor, padded: bool) -> Tensor:
    """Gaussian means of every channel, rows first: a separable window costs 22 products instead of 121."""
    offsets = torch.arange(WINDOW, device=images.device, dtype=images.dtype) - WINDOW // 2
    bell = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    bell = (bell / bell.sum()).expand(images.shape[1], 1, 1, -1)
    pad = WINDOW // 2 if padded else 0
    across = F.conv2d(images, bell, padding=(0, pad), groups=images.shape[1])
    return F.conv2d(across, bell.transpose(2, 3), padding=(pad, 0), groups=images.shape[1])
