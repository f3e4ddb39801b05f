"""Visual saliency by histogram contrast: grey levels that are rare and far from the others stand out."""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 256


def saliency(image: Tensor) -> Tensor:
    """Return ``S(p) = sum over levels j of h(j) |I(p) - j|``, stretched to [0, 1] in every image.

    Zhai and Shah, ACM Multimedia 2006, on 256 levels; h is the image's own histogram. A flat image has none.

    Args:
        image: ``B x 1 x H x W`` in [0, 1].
    """
    levels = (image.detach() * (LEVELS - 1)).round().clamp(0, LEVELS - 1).long().flatten(1)
    histogram = image.new_zeros(len(levels), LEVELS)
    histogram.scatter_add_(1, levels, image.new_ones(()).expand_as(levels))
    positions = torch.arange(LEVELS, device=image.device, dtype=image.dtype)
    distance = (positions[:, None] - positions[None]).abs()
    values = (histogram @ distance).gather(1, levels)
    low, high = values.amin(dim=1, keepdim=True), values.amax(dim=1, keepdim=True)
    return ((values - low) / (high - low).clamp_min(1e-12)).view_as(image)


def visible_mask(visible: Tensor, infrared: Tensor) -> Tensor:
    """Return 0 where the infrared image is the more salient one, else 1; ``B x 1 x H x W``."""
    return (saliency(infrared) <= saliency(visible)).to(visible.dtype)
