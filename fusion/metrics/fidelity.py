"""Metrics of pixel values against the sources: correlation and squared error."""

from __future__ import annotations

import torch

from .triple import Triple

_FLAT = 1e-12  # A variance below this share of the mean square is rounding: the image is flat.


def sum_of_correlations_of_differences(images: Triple) -> torch.Tensor:
    """SCD: does what the fused image adds to one source look like the other one?

    ``SCD = r(A, F - B) + r(B, F - A)``, r Pearson's correlation (0 when one of the two is flat). Range -2..2,
    higher is better. Source: Aslantas and Bendes, AEU 69(12), 2015.

    Returns:
        float64 ``B``.
    """
    fused, first, second = images.double
    return correlation(first, fused - second) + correlation(second, fused - first)


def mean_correlation(images: Triple) -> torch.Tensor:
    """CC: mean of the correlations of the fused image with its two sources.

    ``CC = (r(A, F) + r(B, F)) / 2``, r Pearson's correlation (0 when one of the two is flat). Range -1..1,
    higher is better. Source: Ma, Ma and Li, Information Fusion 45, 2019.

    Returns:
        float64 ``B``.
    """
    fused, first, second = images.double
    return (correlation(first, fused) + correlation(second, fused)) / 2


def mean_square_error(images: Triple) -> torch.Tensor:
    """MSE: mean squared difference from the sources.

    ``MSE = (mean((A - F)^2) + mean((B - F)^2)) / 2``. Range 0..65025, lower is better: the average of the two
    sources has the lowest. Source: Ma, Ma and Li, Information Fusion 45, 2019.

    Returns:
        float64 ``B``.
    """
    first, second = (
        (source - images.fused).square_().sum(dim=(1, 2), dtype=torch.float64) for source in images.sources
    )
    return (first + second) / (2 * images.fused[0].numel())


def peak_signal_to_noise_ratio(images: Triple) -> torch.Tensor:
    """PSNR: the fused image's own peak against its error, in decibels.

    ``PSNR = 10 log10(max(F)^2 / MSE)``, MSE as :func:`mean_square_error`. Range up to infinity (all three
    images equal), minus infinity for a black fused image; higher is better. Source: Ma, Ma and Li,
    Information Fusion 45, 2019; the peak is the image's maximum, not 255, as in the evaluators in common use.

    Returns:
        float64 ``B``.
    """
    peak = images.fused.amax(dim=(1, 2)).double()
    error = mean_square_error(images)
    return torch.where(error > 0, 10 * torch.log10(peak.square() / error), torch.inf)


def correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return Pearson's correlation of each image pair, 0 when one of them is flat.

    Args:
        first: float64 ``B x H x W``.
        second: as ``first``.

    Returns:
        float64 ``B``.
    """
    first, first_power = _centred(first)
    second, second_power = _centred(second)
    product = (first * second).sum(dim=(1, 2))
    scale = (first_power * second_power).sqrt()
    return torch.where(scale > 0, product / scale, 0.0)


def _centred(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the image minus its mean, and the sum of squares of that, exactly 0 for flat images."""
    mean = image.mean(dim=(1, 2), keepdim=True)
    centred = image - mean
    power = centred.square().sum(dim=(1, 2))
    flat = power <= _FLAT * image[0].numel() * mean.flatten().square()
    return centred, torch.where(flat, 0.0, power)
