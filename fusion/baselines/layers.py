"""Layers that several of the baselines share; names of parameters are those of the published checkpoints."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class ReflectConv(nn.Module):
    """Convolution after reflecting the border."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, pad: int = 1) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.ReflectionPad2d(pad), nn.Conv2d(inputs, outputs, kernel, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to ``B x C' x H' x W'``."""
        return self.conv(x)


class PixelNorm(nn.Module):
    """LayerNorm over the channels of every pixel, in a sub-module ``body`` as Restormer has it.

    Args:
        width: channels.
        affine: ``both``: scale and shift; ``bias``: shift only.
    """

    def __init__(self, width: int, affine: str = "both") -> None:
        super().__init__()
        self.body = nn.LayerNorm(width)
        if affine == "bias":
            self.body.weight = None  # type: ignore[assignment]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        return self.body(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Pointwise(nn.Conv2d):
    """1x1 convolution as one product of matrices, which counters see as such, not as a batch of them."""

    def __init__(self, inputs: int, outputs: int, bias: bool) -> None:
        super().__init__(inputs, outputs, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to ``B x C' x H x W``, channels-last memory."""
        batch, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(-1, channels)
        y = F.linear(rows, self.weight.flatten(1), self.bias)
        return y.view(batch, height, width, -1).permute(0, 3, 1, 2)


def conv(
    inputs: int, outputs: int, kernel: int, *, groups: int = 1, bias: bool = False, pad: int | None = None
) -> nn.Conv2d:
    """Convolution of stride 1 that keeps the size by zero padding; without bias unless asked for.

    One of 1x1 comes as a matrix product, which is faster on CPUs and leaves channels-last memory behind.
    """
    if kernel == 1:
        return Pointwise(inputs, outputs, bias)
    padding = kernel // 2 if pad is None else pad
    return nn.Conv2d(inputs, outputs, kernel, padding=padding, groups=groups, bias=bias)


def channels_last_on_cpu(x: torch.Tensor) -> torch.Tensor:
    """Put features into the memory order in which convolutions on CPUs are faster; elsewhere leave them."""
    return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x


def mean_over_pixels(x: torch.Tensor) -> torch.Tensor:
    """Global average pooling: ``B x C x H x W`` to ``B x C x 1 x 1``."""
    return F.adaptive_avg_pool2d(x, 1)
