"""FMI: feature mutual information in small windows."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .triple import Triple

WINDOW = 3
_COUNT = WINDOW**2
_TINY = 1e-30
_ROWS = 64  # Windows of this many rows at a time: 81 cells of a joint distribution each.


def feature_mutual_information(images: Triple) -> torch.Tensor:
    """FMI: what 3 x 3 windows of the fused image tell about the same windows of the sources.

    ``FMI = mean over windows of (f(A, F) + f(B, F)) / 2``, ``f = 2 I(A; F) / (H(A) + H(F))``. The feature
    is the grey level. A window is read, row by row, as a distribution over its nine positions: its pixels
    minus their minimum, divided by their sum (uniform if flat). The joint distribution of two windows is
    ``t U + (1 - t) p q``: between independence and the Frechet bound U of the same marginals p, q (the
    upper bound when the windows correlate positively, else the lower one), t in 0..1 such that the
    positions correlate as the pixels do. Two windows with equal distributions have f = 1; a flat one beside
    one that is not, f = 0. Range 0..1, higher is better. Source: Haghighat, Aghagolzadeh and Seyedarabi,
    Computers & Electrical Engineering 37(5), 2011; windows and normalisation of Haghighat and Razian, AICT,
    2014.

    Returns:
        float64 ``B``.
    """
    windows = images.size[0] - WINDOW + 1
    total = torch.zeros(len(images.fused), dtype=torch.float64, device=images.fused.device)
    for top in range(0, windows, _ROWS):
        rows = slice(top, min(top + _ROWS, windows) + WINDOW - 1)
        fused = _distributions(images.fused[:, rows])
        for source in images.sources:
            shared = _shared_information(_distributions(source[:, rows]), fused)
            total += shared.sum(dim=(1, 2), dtype=torch.float64)
    return total / (2 * windows * (images.size[1] - WINDOW + 1))


def _distributions(image: torch.Tensor) -> torch.Tensor:
    """Return every window of ``B x H x W`` as shares of its nine positions, ``9 x B x (H-2) x (W-2)``."""
    height, width = (side - WINDOW + 1 for side in image.shape[-2:])
    window = torch.stack(
        [image[:, y : y + height, x : x + width] for y in range(WINDOW) for x in range(WINDOW)]
    )
    window -= window.amin(dim=0)
    total = window.sum(dim=0)
    return torch.where(total > 0, window / total, 1 / _COUNT)


def _shared_information(source: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
    """Return ``2 I / (H + H)`` for every window of two stacks of distributions."""
    correlation = _correlation(source, fused)
    # Reversing one of the two orders turns the lower bound into the upper one and changes no entropy.
    partner = torch.where(correlation < 0, fused.flip(0), fused)
    first, second = _cumulated(source), _cumulated(partner)
    weight = _weight(correlation.abs(), source, partner, first, second)
    joint_entropy = torch.zeros_like(correlation)
    for i, j in _cells():
        bound = (
            torch.minimum(first[i + 1], second[j + 1])
            .sub_(torch.maximum(first[i], second[j]))
            .clamp_(min=0.0)
        )
        share = torch.lerp(source[i] * partner[j], bound, weight)
        joint_entropy.sub_(share.mul_((share + _TINY).log_()))
    entropies = _entropy(source) + _entropy(fused)
    shared = 2 * (entropies - joint_entropy).clamp_(min=0.0) / entropies
    equal = (source == fused).all(dim=0)
    return torch.where(equal, 1.0, torch.where(entropies > 0, shared, 0.0)).clamp_(max=1.0)


def _weight(
    correlation: torch.Tensor, p: torch.Tensor, q: torch.Tensor, first: torch.Tensor, second: torch.Tensor
) -> torch.Tensor:
    """Return the share of the bound that makes the positions correlate as much as the pixels do."""
    # Hoeffding: the covariance of two variables is the sum of their joint minus the product of the marginal
    # distribution functions.
    covariance = torch.zeros_like(correlation)
    for i, j in _cells():
        if i and j:
            covariance += torch.minimum(first[i], second[j]).addcmul_(first[i], second[j], value=-1)
    scale = (_position_variance(p) * _position_variance(q)).clamp_(min=0.0).sqrt_()
    return torch.where(covariance > 1e-7, correlation * scale / covariance, 0.0).clamp_(max=1.0)


def _position_variance(shares: torch.Tensor) -> torch.Tensor:
    position = torch.arange(_COUNT, dtype=shares.dtype, device=shares.device).view(-1, 1, 1, 1)
    mean = (shares * position).sum(dim=0)
    return (shares * (position - mean).square()).sum(dim=0)


def _correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    first, second = first - 1 / _COUNT, second - 1 / _COUNT  # The mean share.
    scale = (first.square().sum(dim=0) * second.square().sum(dim=0)).sqrt_()
    return torch.where(scale > 0, (first * second).sum(dim=0) / scale, 0.0)


def _entropy(shares: torch.Tensor) -> torch.Tensor:
    return -(shares * (shares + _TINY).log()).sum(dim=0)


def _cumulated(shares: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.zeros_like(shares[:1]), shares.cumsum(dim=0)])


def _cells() -> Iterator[tuple[int, int]]:
    return ((i, j) for i in range(_COUNT) for j in range(_COUNT))
