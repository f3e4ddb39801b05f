"""Stand-ins for the region router in ablations: one decision an image, or no decision at all."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .layers import Pointwise
from .regions import RegionGrid
from .router import Router, Routing


class SampleRouter(nn.Module):
    """Sample-level routing: the image is one region, and all its tokens share experts and responsibilities.

    A learnt 1x1 convolution makes one channel of the features, and adaptive average pooling makes R x R cells
    of it, whatever the size of the image: one token of the length that the router takes. (The plain mean over
    channels would not do: behind a fresh LayerNorm it is 0 everywhere.)
    """

    def __init__(self, width: int, size: int, hidden: int, experts: int, top_k: int) -> None:
        super().__init__()
        self.size = size
        self.summary = Pointwise(width, 1)
        self.router = Router(size * size, hidden, experts, top_k)

    def route(
        self, x: torch.Tensor, grid: RegionGrid, with_load_loss: bool
    ) -> tuple[Routing, torch.Tensor | None]:
        """Route ``B x C x H x W``; the routing of all its region tokens, and the load loss or None."""
        token = F.adaptive_avg_pool2d(self.summary(x), self.size)  # B, 1, R, R
        routing, load_loss = self.router(token[:, :, None, None].flatten(-2), with_load_loss)
        shape = (-1, x.shape[1], grid.rows, grid.columns, -1)
        return Routing(routing.responsibilities.expand(shape), routing.chosen.expand(shape)), load_loss


class NoRouter(nn.Module):
    """Plain attention: a single expert that every token keeps with responsibility 1; nothing to learn."""

    def route(
        self, x: torch.Tensor, grid: RegionGrid, with_load_loss: bool
    ) -> tuple[Routing, torch.Tensor | None]:
        """Route ``B x C x H x W``; the load loss is 0."""
        shape = (*x.shape[:2], grid.rows, grid.columns, 1)
        ones = torch.ones(shape, device=x.device)
        return Routing(ones, ones.bool()), x.new_zeros((), dtype=torch.float32) if with_load_loss else None
