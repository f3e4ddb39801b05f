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


def conv(
    inputs: int, outputs: int, kernel: int, *, groups: int = 1, bias: bool = False, pad: int | None = None
) -> nn.Conv2d:
    """Convolution of stride 1 that keeps the size by zero padding; without bias unless asked for."""
    padding = kernel // 2 if pad is None else pad
    return nn.Conv2d(inputs, outputs, kernel, padding=padding, groups=groups, bias=bias)


def mean_over_pixels(x: torch.Tensor) -> torch.Tensor:
    """Global average pooling: ``B x C x H x W`` to ``B x C x 1 x 1``."""
    return F.adaptive_avg_pool2d(x, 1)
