"""Layers that work pixel by pixel, on ``B x C x H x W`` in channels-last memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of every pixel of ``B x C x H x W``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise ``x``; same shape, channels-last memory."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Pointwise(nn.Conv2d):
    """1x1 convolution, computed as one matrix product: in channels-last memory that needs no copy.

    On CPUs, PyTorch's own 1x1 convolution takes a slow path for few channels, above all backwards.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to ``B x C' x H x W``, channels-last memory."""
        return pointwise(x, self.weight, self.bias)


def pointwise(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Apply one matrix to the channels of every pixel.

    Args:
        x: ``B x C x H x W``; free of copies in channels-last memory.
        weight: ``C' x C`` or, as convolutions keep it, ``C' x C x 1 x 1``.
        bias: ``C'`` values or None.

    Returns:
        ``B x C' x H x W``, channels-last memory.
    """
    return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)
