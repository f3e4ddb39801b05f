"""Sobel gradients, and how well the fused image keeps those of a source (Xydeas and Petrovic)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True, eq=False)
class Gradient:
    """Sobel gradient of an image.

    Attributes:
        strength: length of the gradient, float32 ``B x H x W``.
        angle: orientation ``atan(vertical / horizontal)`` in -pi/2..pi/2; pi/2 where the horizontal part is
        0.
    """

    strength: torch.Tensor
    angle: torch.Tensor


def sobel(image: torch.Tensor, *, border: str, scale: float = 1.0) -> Gradient:
    """Return the gradient of ``B x H x W`` by Sobel's two 3 x 3 masks.

    Args:
        image: float32 ``B x H x W``; whole grey levels give exact sums.
        border: ``constant`` surrounds the image with zeros, ``replicate`` repeats its border.
        scale: factor on both components.
    """
    padded = F.pad(image[:, None], (1, 1, 1, 1), mode=border)[:, 0]
    down = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    across = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    horizontal = (down[:, :, 2:] - down[:, :, :-2]).mul_(scale)
    vertical = (across[:, :-2] - across[:, 2:]).mul_(scale)
    angle = torch.where(horizontal == 0, math.pi / 2, torch.atan(vertical / horizontal))
    strength = horizontal.square_().add_(vertical.square_()).sqrt_()
    return Gradient(strength, angle)


def sigmoid_loss(value: torch.Tensor, height: float, slope: float, centre: float) -> torch.Tensor:
    """Return ``height / (1 + exp(-slope (value - centre)))``: the eye's sense of what was kept."""
    return torch.sigmoid((value - centre).mul_(slope)).mul_(height)
