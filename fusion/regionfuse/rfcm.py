"""RFCM, the region feature compression module: per-region channel attention, then fewer channels."""

from __future__ import annotations

import torch
from torch import nn

from .layers import Pointwise
from .regions import RegionGrid


class RegionFeatureCompression(nn.Module):
    """Global average pooling of each region, 1x1 convolution, sigmoid, multiply; 1x1 convolution C -> C',
    LeakyReLU.

    The figure splits before and merges after; as the convolution acts on single pixels, only the gates depend
    on the region. They are blended where regions overlap, so that no border shows.
    """

    def __init__(self, width: int, narrow: int, region: int, size: int) -> None:
        super().__init__()
        self.region, self.size = region, size
        self.gate = Pointwise(width, width)
        self.compress = Pointwise(width, narrow)
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to ``B x C' x H x W``."""
        grid = RegionGrid(x.shape[-2], x.shape[-1], self.region, self.size)
        gates = torch.sigmoid(self.gate(grid.means(x)))  # B, C, rows, columns
        return self.activation(self.compress(x * grid.spread(gates).to(x.dtype)))


class PlainCompression(nn.Module):
    """RFCM without its region gates, for an ablation: 1x1 convolution C -> C', LeakyReLU.

    1x1 as in RFCM, so that the gates are all that is missing and the view of a pixel stays as wide.
    """

    def __init__(self, width: int, narrow: int) -> None:
        super().__init__()
        self.compress = Pointwise(width, narrow)
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to ``B x C' x H x W``."""
        compressed: torch.Tensor = self.activation(self.compress(x))
        return compressed
