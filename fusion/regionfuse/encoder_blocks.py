"""Blocks that stand in for X-Restormer blocks in ablations."""

from __future__ import annotations

import torch
from torch import nn

from .layers import ChannelNorm
from .xrestormer import ChannelAttention, GatedFeedForward


class RestormerBlock(nn.Module):
    """Restormer block (Zamir et al., CVPR 2022): transposed attention, gated feed-forward; both residual.

    It is the channel half of an X-Restormer block: no attention among pixels.
    """

    def __init__(self, width: int, heads: int, expansion: float) -> None:
        super().__init__()
        self.attention_norm = ChannelNorm(width)
        self.attention = ChannelAttention(width, heads)
        self.feed_norm = ChannelNorm(width)
        self.feed = GatedFeedForward(width, expansion)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed(self.feed_norm(x))


class ConvolutionBlock(nn.Module):
    """Two 3x3 convolutions with LeakyReLU, residual as all other blocks are: no attention of any kind."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        return x + self.activation(self.second(self.activation(self.first(x))))
