"""Nabf: edges in the fused image that are in neither source."""

from __future__ import annotations

import math

import torch

from .edges import Gradient, sigmoid_loss, sobel
from .triple import Triple

_WEAK = 2.0  # Gradients below this are not seen, and weigh next to nothing.
_WEAK_WEIGHT = 0.001
_POWER = 1.5


def artefacts(images: Triple) -> torch.Tensor:
    """Nabf: share of edge information that the fusion made up: noise, halos, ringing.

    ``Nabf = sum over N of ((1 - Q_AF) w_A + (1 - Q_BF) w_B) / sum(w_A + w_B)``, N the pixels whose fused
    gradient is stronger than both sources'. Gradients g by Sobel's masks divided by 8, the border repeated;
    ``w = g^1.5``, but 0.001 where g < 2. ``Q_AF = sqrt(Qg Qa)`` with ``Qg = 0.9999 / (1 + exp(-19 (G -
    0.5)))`` of the ratio G of the smaller to the larger gradient (0 where both vanish) and ``Qa = 0.9995 /
    (1 + exp(-22 (D - 0.5)))`` of the likeness ``D = |(|a_A - a_F|) - pi/2| / (pi/2)`` of the orientations,
    which takes opposite directions as alike. Range 0..1, lower is better. With the sum of Q over all pixels
    and that of the losses outside N it adds up to 1. Source: Petrovic and Xydeas, Proc. ICCV, 2005; the
    form that adds up by Shreyamsha Kumar, Signal, Image and Video Processing 7, 2013.

    Returns:
        float64 ``B``.
    """
    fused = sobel(images.fused, border="replicate", scale=1 / 8)
    first, second = (sobel(source, border="replicate", scale=1 / 8) for source in images.sources)
    made_up = (fused.strength > first.strength) & (fused.strength > second.strength)
    lost = torch.zeros(len(images.fused), dtype=torch.float64, device=images.fused.device)
    total = torch.zeros_like(lost)
    for source in (first, second):
        weight = source.strength.pow(_POWER).masked_fill_(source.strength < _WEAK, _WEAK_WEIGHT)
        loss = (1 - _preserved(source, fused)).mul_(weight).mul_(made_up)
        lost += loss.sum(dim=(1, 2), dtype=torch.float64)
        total += weight.sum(dim=(1, 2), dtype=torch.float64)
    return lost / total


def _preserved(source: Gradient, fused: Gradient) -> torch.Tensor:
    larger = torch.maximum(source.strength, fused.strength)
    ratio = torch.minimum(source.strength, fused.strength).div_(larger).nan_to_num_(nan=0.0)
    turned = (source.angle - fused.angle).abs_().sub_(math.pi / 2).abs_().mul_(2 / math.pi)
    return sigmoid_loss(ratio, 0.9999, 19.0, 0.5).mul_(sigmoid_loss(turned, 0.9995, 22.0, 0.5)).sqrt_()
