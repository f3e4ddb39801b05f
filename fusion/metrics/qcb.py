"""Qcb: the perceptual metric of Chen and Blum, in the two variants that are in use."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .filters import filter_valid
from .triple import LEVELS, Triple

_WINDOW = 31
_NARROW, _WIDE = 2.0, 4.0
_MASKING = 1e-4


def chen_blum(images: Triple) -> torch.Tensor:
    """Qcb: how much of the sources' contrast, as the eye sees it, the fused image keeps (MATLAB variant).

    Each image is stretched to 0..255 and rounded, then filtered in the frequency domain with the contrast
    sensitivity ``S(r) = exp(-(r / 15.3870)^2) - 0.7622 exp(-(r / 1.3456)^2)``, ``r`` the frequency in
    cycles per half sample times size / 30. Local contrast ``C = G2 * I / (G4 * I) - 1`` from un-normalised
    31 x 31 Gaussians of standard deviation 2 and 4 with their factor 1 / (2 pi s^2), zeros around the
    image; masked ``C' = |C|^3 / (C^2 + 0.0001)``. ``Qcb = mean(l_A Q_AF + l_B Q_BF)`` with ``Q_AF =
    min(C'_A, C'_F) / max(C'_A, C'_F)`` and ``l_A = C'_A^2 / (C'_A^2 + C'_B^2)``. Where the reference
    divides 0 by 0: Q_AF = 1 if neither image has contrast, l = 1/2 if no source has, C = 0 if the wide
    Gaussian gives 0; a flat image is all zeros. Range 0..1, higher is better. Source: Chen and Blum, Image
    and Vision Computing 27(10), 2009; as in the widely used toolbox by Z. Liu, 2009.

    Returns:
        float64 ``B``.
    """
    return _preserved_contrast(images, frequency_scale=2.0, rounded=True, epsilon=0.0)


def chen_blum_zoo(images: Triple) -> torch.Tensor:
    """Qcb_zoo: :func:`chen_blum` with three differences found in a recent collection of metrics.

    Frequencies are in cycles per sample, i.e. half as large; the stretched images are not rounded; 1e-10 is
    added to every denominator, so that two areas without contrast count 0, not 1. Values are up to 0.02
    higher: never compare the two variants with each other. Range 0..1, higher is better.

    Returns:
        float64 ``B``.
    """
    return _preserved_contrast(images, frequency_scale=1.0, rounded=False, epsilon=1e-10)


def _preserved_contrast(
    images: Triple, *, frequency_scale: float, rounded: bool, epsilon: float
) -> torch.Tensor:
    stretched = _stretched(images.double)
    if rounded:
        stretched = stretched.round_()
    fused, *sources = _masked_contrast(_as_seen(stretched, frequency_scale), epsilon)
    powers = [source.square() for source in sources]
    total = powers[0] + powers[1] + epsilon
    quality = torch.zeros_like(total)
    for source, power in zip(sources, powers, strict=True):
        larger = torch.maximum(source, fused) + epsilon
        kept = torch.where(larger > 0, torch.minimum(source, fused) / larger, 1.0)
        quality += torch.where(total > 0, power / total, 0.5).mul_(kept)
    return quality.mean(dim=(1, 2))


def _stretched(image: torch.Tensor) -> torch.Tensor:
    low, high = image.amin(dim=(-2, -1), keepdim=True), image.amax(dim=(-2, -1), keepdim=True)
    return torch.where(high > low, (image - low) / (high - low), 0.0).mul_(LEVELS - 1)


def _as_seen(image: torch.Tensor, frequency_scale: float) -> torch.Tensor:
    """Filter ``... x H x W`` with the eye's contrast sensitivity."""
    height, width = image.shape[-2:]
    options = {"dtype": image.dtype, "device": image.device}
    # Whole-number frequencies over 30 (at scale 2 over 15): frequency per sample times size.
    down = torch.fft.fftfreq(height, 1 / height, **options)[:, None] * (frequency_scale / 30)
    across = torch.fft.rfftfreq(width, 1 / width, **options) * (frequency_scale / 30)
    squared = down.square() + across.square()
    sensitivity = torch.exp(-squared / 15.3870**2) - 0.7622 * torch.exp(-squared / 1.3456**2)
    return torch.fft.irfft2(torch.fft.rfft2(image) * sensitivity, s=(height, width))


def _masked_contrast(image: torch.Tensor, epsilon: float) -> torch.Tensor:
    surrounded = F.pad(image, (_WINDOW // 2,) * 4)
    narrow = filter_valid(surrounded, _scaled_gaussian(_NARROW))
    wide = filter_valid(surrounded, _scaled_gaussian(_WIDE)).add_(epsilon)
    contrast = torch.where(wide != 0, narrow.div_(wide).sub_(1), 0.0)
    power = contrast.square()
    return contrast.abs_().mul_(power).div_(power.add_(_MASKING))


def _scaled_gaussian(deviation: float) -> tuple[float, ...]:
    """One axis of ``exp(-r^2 / 2 s^2) / (2 pi s^2)`` on 31 x 31 samples."""
    position = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    weights = torch.exp(-(position**2) / (2 * deviation**2)) / ((2 * torch.pi) ** 0.5 * deviation)
    return tuple(weights.tolist())
