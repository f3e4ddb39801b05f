"""Correlation of features, and the decomposition loss that CDDFuse builds on it."""

from __future__ import annotations

import torch
from torch import Tensor

_EPSILON = torch.finfo(torch.float32).eps


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Pearson's correlation over the pixels of each channel, clamped to [-1, 1], mean over all channels.

    Args:
        first: ``B x C x H x W``.
        second: same shape.
    """
    first, second = first.flatten(2), second.flatten(2)
    first = first - first.mean(dim=-1, keepdim=True)
    second = second - second.mean(dim=-1, keepdim=True)
    # The floor keeps the gradient of the root finite where a channel is flat.
    lengths = [channel.square().sum(dim=-1).clamp_min(1e-30).sqrt() for channel in (first, second)]
    return ((first * second).sum(dim=-1) / (_EPSILON + lengths[0] * lengths[1])).clamp(-1, 1).mean()


def decomposition_loss(base: tuple[Tensor, Tensor], detail: tuple[Tensor, Tensor]) -> Tensor:
    """``cc(D_v, D_i)^2 / (1.01 + cc(B_v, B_i))``: details apart, bases alike.

    Args:
        base: base features of the visible and of the infrared image.
        detail: detail features of both.
    """
    return correlation(*detail).square() / (1.01 + correlation(*base))
