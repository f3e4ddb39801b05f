"""Laplacian pyramid fusion: the stronger detail of the two at every scale, the mean of what is left."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..card import MethodCard
from ..contract import FusionMethod

# Burt and Adelson (1983), section II, with a = 3/8: the binomial generating kernel.
KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
COARSEST = 8
# Magnitudes closer than this tie. Coefficients of 8-bit images tie often (finest scale: steps of 1.5e-5), and
# rounding, which differs between machines, must not decide.
TIE = 1e-6


def pyramid_levels(height: int, width: int) -> int:
    """Return how often an image can be halved before its shorter side falls below ``COARSEST`` pixels."""
    levels, side = 0, min(height, width)
    while (side + 1) // 2 >= COARSEST:
        side, levels = (side + 1) // 2, levels + 1
    return levels


def smooth(image: torch.Tensor) -> torch.Tensor:
    """Filter ``B x 1 x H x W`` (H, W >= 3) with the separable kernel, mirrored at the border."""
    image = F.pad(image, (2, 2, 2, 2), mode="reflect")
    # Sums of shifted images: on a CPU several times faster than a convolution of one channel.
    for dim in (-2, -1):
        size = image.shape[dim] - 4
        total = image.narrow(dim, 0, size) * KERNEL[0]
        for shift, weight in enumerate(KERNEL[1:], start=1):
            total = total.add_(image.narrow(dim, shift, size), alpha=weight)
        image = total
    return image


def reduce(image: torch.Tensor) -> torch.Tensor:
    """REDUCE of Burt and Adelson (1983), equation 1: smooth, then keep every second pixel."""
    return smooth(image)[..., ::2, ::2]


def expand(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """EXPAND of Burt and Adelson (1983), equation 2: zeros between the pixels, then smooth times four."""
    spread = image.new_zeros(*image.shape[:-2], height, width)
    spread[..., ::2, ::2] = image
    return 4.0 * smooth(spread)


def decompose(image: torch.Tensor, levels: int) -> list[torch.Tensor]:
    """Return ``levels`` detail images, finest first, and the base."""
    pyramid = []
    for _ in range(levels):
        smaller = reduce(image)
        pyramid.append(image - expand(smaller, *image.shape[-2:]))
        image = smaller
    return [*pyramid, image]


def reconstruct(pyramid: list[torch.Tensor]) -> torch.Tensor:
    """Invert :func:`decompose` exactly, but for rounding."""
    image = pyramid[-1]
    for detail in reversed(pyramid[:-1]):
        image = detail + expand(image, *detail.shape[-2:])
    return image


class Laplacian(FusionMethod):
    """Fusion in the Laplacian pyramid.

    The detail coefficient of larger magnitude is kept (the visible one when they tie), the two bases are
    averaged. The number of levels follows from the size: halved while the shorter side stays >= 8 pixels.
    """

    card = MethodCard(
        name="laplacian",
        title="Laplacian pyramid",
        kind="classical",
        citation=(
            "P. J. Burt and E. H. Adelson, The Laplacian Pyramid as a Compact Image Code, "
            "IEEE Transactions on Communications 31(4), 532-540, 1983"
        ),
        bibtex=(
            "@article{burt1983laplacian,\n"
            "  author = {Burt, Peter J. and Adelson, Edward H.},\n"
            "  title = {The {Laplacian} Pyramid as a Compact Image Code},\n"
            "  journal = {IEEE Transactions on Communications},\n"
            "  volume = {31},\n  number = {4},\n  pages = {532--540},\n  year = {1983},\n}"
        ),
        year=1983,
        notes="Detail of larger magnitude, mean of the bases; levels by image size.",
    )

    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Return the fused luminance, ``B x 1 x H x W``."""
        levels = pyramid_levels(*visible.shape[-2:])
        *warm_details, warm_base = decompose(infrared, levels)
        *seen_details, seen_base = decompose(visible, levels)
        fused = [
            torch.where(warm.abs() > seen.abs() + TIE, warm, seen)
            for warm, seen in zip(warm_details, seen_details, strict=True)
        ]
        return reconstruct([*fused, 0.5 * (warm_base + seen_base)])
