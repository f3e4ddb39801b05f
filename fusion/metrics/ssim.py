"""SSIM and MS-SSIM: structural similarity with the sources."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .filters import filter_valid, gaussian
from .triple import Triple

WINDOW = 7
_COVARIANCE = WINDOW**2 / (WINDOW**2 - 1)  # Sample covariance.
# K1 = 0.01, K2 = 0.03 and a data range of 2: what the usual library assumes of floating-point images when
# it is not told otherwise. On 0..255 data that makes both constants tiny, and published values are on this
# scale.
_C1, _C2 = (0.01 * 2.0) ** 2, (0.03 * 2.0) ** 2

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales of MS-SSIM, finest first."""
_GAUSSIAN = 11
SMALLEST_SIDE_MULTISCALE = _GAUSSIAN * 2 ** (len(WEIGHTS) - 1)
"""Below this height or width MS-SSIM is not defined (NaN)."""
_M1, _M2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2


def structural_similarity(images: Triple) -> torch.Tensor:
    """SSIM: likeness of luminance, contrast and structure in 7 x 7 windows, summed over the sources.

    ``SSIM = s(A, F) + s(B, F)``, s the mean over all windows inside the image of ``(2 m_A m_F + C1) (2 c_AF
    + C2) / ((m_A^2 + m_F^2 + C1) (v_A + v_F + C2))`` with window means m, sample variances v and covariance
    c, C1 = 0.0004 and C2 = 0.0036. The constants belong to a data range of 2 though the data reach 255;
    published values of this sum are on that scale. All in single precision, step by step as the evaluators
    in common use round: C2 is so small that rounding shows in flat areas. Range -2..2, higher is better.
    NaN when a side is below 7 pixels. Source: Wang et al., IEEE Trans. Image Processing 13(4), 2004.

    Returns:
        float64 ``B``.
    """
    if min(images.size) < WINDOW:
        return images.undefined()
    fused = images.fused
    fused_mean = _box(fused)
    fused_variance = _covariance(_box(fused * fused), fused_mean, fused_mean)
    total = torch.zeros(len(fused), dtype=torch.float64, device=fused.device)
    for source in images.sources:
        mean = _box(source)
        variance = _covariance(_box(source * source), mean, mean)
        covariance = _covariance(_box(fused * source), fused_mean, mean)
        above = (2 * fused_mean * mean + _C1) * (2 * covariance + _C2)
        below = (fused_mean * fused_mean + mean * mean + _C1) * (fused_variance + variance + _C2)
        total += above.div_(below).sum(dim=(1, 2), dtype=torch.float64) / above[0].numel()
    return total


def multiscale_structural_similarity(images: Triple) -> torch.Tensor:
    """MS_SSIM: structural similarity over five scales, mean of the two sources.

    ``MS_SSIM = (m(A, F) + m(B, F)) / 2``, ``m = l_5^w5 prod_j cs_j^wj`` with the exponents 0.0448, 0.2856,
    0.3001, 0.2363, 0.1333. cs_j is the mean over scale j of ``(2 c_AF + C2) / (v_A + v_F + C2)``, and at
    the coarsest scale l cs the mean of the full index; 11 x 11 Gaussian window of standard deviation 1.5
    only where it fits, C1 = 6.5025, C2 = 58.5225 (data range 255), scales by 2 x 2 means. Negative means
    count as 0. Range 0..1, higher is better. NaN when a side is below 176 pixels. Source: Wang, Simoncelli
    and Bovik, Asilomar Conference, 2003.

    Returns:
        float64 ``B``.
    """
    if min(images.size) < SMALLEST_SIDE_MULTISCALE:
        return images.undefined()
    window = gaussian(_GAUSSIAN, 1.5)
    pyramid = images.double
    result = pyramid.new_ones(2, pyramid.shape[1])
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            pyramid = F.avg_pool2d(pyramid, 2)
        fused, *sources = pyramid
        fused_mean = filter_valid(fused, window)
        fused_variance = filter_valid(fused * fused, window) - fused_mean**2
        for i, source in enumerate(sources):
            mean = filter_valid(source, window)
            variance = filter_valid(source * source, window) - mean**2
            covariance = filter_valid(source * fused, window) - mean * fused_mean
            likeness = (2 * covariance + _M2) / (variance + fused_variance + _M2)
            if scale == len(WEIGHTS) - 1:
                likeness *= (2 * mean * fused_mean + _M1) / (mean**2 + fused_mean**2 + _M1)
            result[i] *= likeness.mean(dim=(1, 2)).clamp(min=0.0) ** weight
    return result.mean(dim=0)


def _box(image: torch.Tensor) -> torch.Tensor:
    """Mean of every 7 x 7 window inside the image: columns first, each step rounded to float32.

    Vertical sums of whole grey levels and of their products are exact in float32; the horizontal ones, of
    rounded means, are taken in double precision.
    """
    columns = _sum_of_seven(image, 1) / WINDOW
    return (_sum_of_seven(columns.double(), 2) / WINDOW).float()


def _sum_of_seven(image: torch.Tensor, dim: int) -> torch.Tensor:
    size = image.shape[dim]
    two = image.narrow(dim, 0, size - 1) + image.narrow(dim, 1, size - 1)
    four = two.narrow(dim, 0, size - 3) + two.narrow(dim, 2, size - 3)
    count = size - WINDOW + 1
    seven = four.narrow(dim, 0, count) + two.narrow(dim, 4, count)
    return seven.add_(image.narrow(dim, 6, count))


def _covariance(mean_of_products: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return _COVARIANCE * (mean_of_products - first * second)
