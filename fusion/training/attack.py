"""Projected gradient descent: the small disturbance that hurts most (Madry et al., ICLR 2018)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def projected_gradient(
    loss: Callable[[Tensor, Tensor], Tensor],
    first: Tensor,
    second: Tensor,
    *,
    steps: int,
    step: float,
    radius: float,
) -> tuple[Tensor, Tensor]:
    """Return disturbed images: a random start, then steps up the sign of the loss's gradient.

    Args:
        loss: of two images, a scalar to be made large. No gradient of the network's parameters is kept.
        first: an image in [0, 1].
        second: another one.
        steps: number of steps.
        step: length of a step in every pixel.
        radius: largest change of a pixel.

    Returns:
        Both images, in [0, 1], without a gradient.
    """
    clean = first.detach(), second.detach()
    starts = [image + torch.empty_like(image).uniform_(-radius, radius) for image in clean]
    disturbed = [_near(start, image, radius) for start, image in zip(starts, clean, strict=True)]
    for _ in range(steps):
        for image in disturbed:
            image.requires_grad_(True)
        with torch.enable_grad():
            gradients = torch.autograd.grad(loss(*disturbed), disturbed)
        disturbed = [
            _near(image.detach() + step * gradient.sign(), original, radius)
            for image, gradient, original in zip(disturbed, gradients, clean, strict=True)
        ]
    return disturbed[0].detach(), disturbed[1].detach()


def _near(image: Tensor, original: Tensor, radius: float) -> Tensor:
    return torch.clamp(torch.maximum(torch.minimum(image, original + radius), original - radius), 0, 1)
