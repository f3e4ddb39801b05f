"""Qabf: edge preservation, weighted by the strength of the sources' edges."""

from __future__ import annotations

import math

import torch

from .edges import Gradient, sigmoid_loss, sobel
from .triple import Triple


def edge_preservation(images: Triple) -> torch.Tensor:
    """Qabf: share of the sources' edges, weighted by their strength, that the fused image keeps.

    ``Qabf = sum(Q_AF g_A + Q_BF g_B) / sum(g_A + g_B)``, g the Sobel gradient's length (zeros around the
    image). ``Q_AF = Qg Qa`` with ``Qg = 0.9994 / (1 + exp(-15 (G - 0.5)))`` of the ratio ``G`` of the
    smaller to the larger of g_A and g_F, and ``Qa = 0.9879 / (1 + exp(-22 (D - 0.8)))`` of ``D = 1 - |a_A -
    a_F| / (pi/2)``, a the gradient's orientation. Where g_A = g_F, G is g_F itself, as in the evaluators in
    common use: flat areas that stay flat get 0 and have no weight, edges kept exactly get about 1. Range
    0..0.987, higher is better; 0 when both sources are black. The zeros make
    the border of the image an edge of its own. Source: Xydeas and Petrovic, Electronics
    Letters 36(4), 2000.

    Returns:
        float64 ``B``.
    """
    fused = sobel(images.fused, border="constant")
    kept = torch.zeros(len(images.fused), dtype=torch.float64, device=images.fused.device)
    offered = torch.zeros_like(kept)
    for source in images.sources:
        gradient = sobel(source, border="constant")
        kept += _preserved(gradient, fused).mul_(gradient.strength).sum(dim=(1, 2), dtype=torch.float64)
        offered += gradient.strength.sum(dim=(1, 2), dtype=torch.float64)
    return torch.where(offered > 0, kept / offered, 0.0)


def _preserved(source: Gradient, fused: Gradient) -> torch.Tensor:
    larger = torch.maximum(source.strength, fused.strength)
    ratio = torch.minimum(source.strength, fused.strength).div_(larger)
    ratio = torch.where(source.strength == fused.strength, fused.strength, ratio)
    likeness = (source.angle - fused.angle).abs_().mul_(-2 / math.pi).add_(1)
    return sigmoid_loss(ratio, 0.9994, 15.0, 0.5).mul_(sigmoid_loss(likeness, 0.9879, 22.0, 0.8))
