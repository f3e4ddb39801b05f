"""Two-scale fusion by guided filtering (Li, Kang and Hu, 2013)."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..card import MethodCard
from ..contract import FusionMethod

# Values of the paper, section IV-B.
BASE_WINDOW = 31
SALIENCY_RADIUS, SALIENCY_SIGMA = 5, 5.0
BASE_RADIUS, BASE_EPS = 45, 0.3
DETAIL_RADIUS, DETAIL_EPS = 7, 1e-6
# Saliencies closer than this tie; in flat parts both are zero but for rounding, which must not decide.
TIE = 1e-7


def window_sum(image: torch.Tensor, radius: int) -> torch.Tensor:
    """Sum over ``(2 radius + 1)``-wide windows cut off at the border, in time independent of the radius."""
    for dim in (-2, -1):
        size = image.shape[dim]
        running = image.cumsum(dim)
        last = running.narrow(dim, size - 1, 1)
        inner = max(size - radius, 0)
        ends = [-1] * image.ndim
        ends[dim] = size - inner
        image = torch.cat((running.narrow(dim, size - inner, inner), last.expand(ends)), dim)
        if size > radius + 1:
            rest = size - radius - 1
            image.narrow(dim, radius + 1, rest).sub_(running.narrow(dim, 0, rest))
    return image


def window_mean(image: torch.Tensor, radius: int) -> torch.Tensor:
    """Mean over the part of each window that lies in the image."""
    counts = []
    for size in image.shape[-2:]:
        at = torch.arange(size, device=image.device)
        counts.append((at + radius).clamp(max=size - 1) - (at - radius).clamp(min=0) + 1)
    return window_sum(image, radius).div_(counts[0][:, None] * counts[1])


def guided_filter(guide: torch.Tensor, image: torch.Tensor, radius: int, eps: float) -> torch.Tensor:
    """Filter ``image`` by ``guide`` (He, Sun and Tang, TPAMI 2013, equations 5 to 8).

    Args:
        guide: ``B x 1 x H x W`` in [0, 1]; float64, or the variance of smooth parts drowns in rounding.
        image: same shape and type.
        radius: window radius in pixels.
        eps: regularisation, in squared grey values of [0, 1].
    """
    mean_guide, mean_image = window_mean(guide, radius), window_mean(image, radius)
    covariance = window_mean(guide * image, radius) - mean_guide * mean_image
    variance = window_mean(guide * guide, radius) - mean_guide * mean_guide
    slope = covariance / (variance + eps)
    offset = mean_image - slope * mean_guide
    return window_mean(slope, radius) * guide + window_mean(offset, radius)


def base_layer(image: torch.Tensor) -> torch.Tensor:
    """Mean filter of 31 x 31, edges repeated (equation 8)."""
    half = BASE_WINDOW // 2
    padded = F.pad(image, (half, half, half, half), mode="replicate")
    return window_sum(padded, half)[..., half:-half, half:-half] / BASE_WINDOW**2


def saliency(image: torch.Tensor) -> torch.Tensor:
    """Gaussian-weighted magnitude of the 3 x 3 Laplacian, edges repeated (equations 10 and 11)."""
    laplacian = image.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).view(1, 1, 3, 3)
    strength = F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), laplacian).abs()
    offsets = torch.arange(-SALIENCY_RADIUS, SALIENCY_RADIUS + 1, dtype=image.dtype, device=image.device)
    gauss = torch.exp(-(offsets**2) / (2 * SALIENCY_SIGMA**2))
    gauss = gauss / gauss.sum()
    pad = (SALIENCY_RADIUS,) * 4
    strength = F.conv2d(F.pad(strength, pad, mode="replicate"), gauss.view(1, 1, 1, -1))
    return F.conv2d(strength, gauss.view(1, 1, -1, 1))


def blend(
    layers: tuple[torch.Tensor, torch.Tensor], weights: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """Weighted mean of two layers (equations 15 to 17); where both weights vanish, the plain mean."""
    # Filtered weights leave [0, 1] by a little; cut, they stay a mean and cannot overshoot.
    first, second = (weight.clamp(0.0, 1.0) + 1e-12 for weight in weights)
    return (first * layers[0] + second * layers[1]) / (first + second)


class Guided(FusionMethod):
    """Base and detail layers, weighed by saliency maps that the guided filter fits to the image's edges."""

    card = MethodCard(
        name="guided",
        title="Guided filter",
        kind="classical",
        citation=(
            "S. Li, X. Kang and J. Hu, Image Fusion With Guided Filtering, "
            "IEEE Transactions on Image Processing 22(7), 2864-2875, 2013"
        ),
        bibtex=(
            "@article{li2013guided,\n"
            "  author = {Li, Shutao and Kang, Xudong and Hu, Jianwen},\n"
            "  title = {Image Fusion With Guided Filtering},\n"
            "  journal = {IEEE Transactions on Image Processing},\n"
            "  volume = {22},\n  number = {7},\n  pages = {2864--2875},\n  year = {2013},\n}"
        ),
        year=2013,
        notes="Two scales; mean filter 31, guided filters r=45 eps=0.3 and r=7 eps=1e-6.",
    )

    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Return the fused luminance, ``B x 1 x H x W``."""
        warm, seen = infrared.double(), visible.double()
        warm_base, seen_base = base_layer(warm), base_layer(seen)
        warm_saliency, seen_saliency = saliency(warm), saliency(seen)
        # Equation 12: 1 where the image is the most salient one; on a tie both are.
        warm_map = (warm_saliency >= seen_saliency - TIE).double()
        seen_map = (seen_saliency >= warm_saliency - TIE).double()

        def weights(radius: int, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
            return guided_filter(warm, warm_map, radius, eps), guided_filter(seen, seen_map, radius, eps)

        base = blend((warm_base, seen_base), weights(BASE_RADIUS, BASE_EPS))
        detail = blend((warm - warm_base, seen - seen_base), weights(DETAIL_RADIUS, DETAIL_EPS))
        return (base + detail).float()
