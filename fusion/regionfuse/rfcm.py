"""RFCM, the region feature compression module: per-region channel attention, then fewer channels."""

from __future__ import annotations

import torch
from torch import nn

from .layers import Pointwise
from .regions import RegionGrid
from .strips import in_strips, strips


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
        if not in_strips(x):
            return self._compressed(x, grid.spread(gates))
        out: torch.Tensor | None = None
        for strip in strips(x):
            part = self._compressed(strip(x), grid.spread(gates[strip.image], strip.rows))
            out = strip.room(out, part, x)
            strip.into(out).copy_(part)
        assert out is not None
        return out

    def _compressed(self, x: torch.Tensor, gates: torch.Tensor) -> torch.Tensor:
        compressed: torch.Tensor = self.activation(self.compress(x * gates.to(x.dtype)))
        return compressed


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
