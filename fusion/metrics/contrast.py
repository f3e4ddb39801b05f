"""Metrics of the fused image alone: how much contrast and detail it shows, wherever that came from."""

from __future__ import annotations

import torch

from .triple import Triple


def standard_deviation(images: Triple) -> torch.Tensor:
    """SD: standard deviation of the fused image's grey levels (of the population, no Bessel correction).

    ``SD = sqrt(mean((F - mean F)^2))``. Range 0..127.5, higher is better. Source: Rao, Meas. Sci. Technol. 8,
    1997.

    Returns:
        float64 ``B``.
    """
    fused = images.fused.double()
    fused -= fused.mean(dim=(1, 2), keepdim=True)
    return fused.square_().mean(dim=(1, 2)).sqrt()


def spatial_frequency(images: Triple) -> torch.Tensor:
    """SF: root mean square step between neighbouring pixels.

    ``SF = sqrt(RF^2 + CF^2)``, RF^2 the mean of ``(F[y, x] - F[y, x-1])^2`` over the H (W - 1) horizontal
    neighbours and CF^2 that of the (H - 1) W vertical ones. Range 0..361, higher is better: more detail,
    noise included. Source: Eskicioglu and Fisher, IEEE Trans. Communications 43(12), 1995.

    Returns:
        float64 ``B``.
    """
    fused = images.fused
    return (_mean_square(fused.diff(dim=2)) + _mean_square(fused.diff(dim=1))).sqrt()


def average_gradient(images: Triple) -> torch.Tensor:
    """AG: mean length of the grey-level gradient.

    ``AG = mean sqrt((gx^2 + gy^2) / 2)``; gx, gy are central differences divided by 2 inside and one-sided
    differences at the border. Range 0..255, higher is better. Source: Cui et al., Optics Communications 341,
    2015.

    Returns:
        float64 ``B``.
    """
    down, across = torch.gradient(images.fused, dim=(1, 2))
    length = down.square_().add_(across.square_()).div_(2).sqrt_()
    return length.sum(dim=(1, 2), dtype=torch.float64) / length[0].numel()


def _mean_square(steps: torch.Tensor) -> torch.Tensor:
    return steps.square().sum(dim=(1, 2), dtype=torch.float64) / steps[0].numel()
