"""Affine coupling of two halves of the channels: the detail branch of CDDFuse and DCEvo."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .layers import conv


class DetailNode(nn.Module):
    """One step: mix the channels, then let each half change the other.

    Args:
        width: channels of both halves together.
        bottleneck: makes the three small networks from half of the channels to as many.
        after: applied to both halves at the end; None: nothing.
    """

    def __init__(
        self,
        width: int,
        bottleneck: Callable[[int], nn.Module],
        after: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        half = width // 2
        self.theta_phi, self.theta_rho = bottleneck(half), bottleneck(half)
        self.theta_eta = bottleneck(half)
        self.shffleconv = conv(width, width, 1, bias=True)
        self.after = after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        first, second = self.shffleconv(x).chunk(2, dim=1)
        second = second + self.theta_phi(first)
        first = first * self.theta_rho(second).exp() + self.theta_eta(second)
        if self.after is not None:
            first, second = self.after(first), self.after(second)
        return torch.cat((first, second), dim=1)


class DetailFeatureExtraction(nn.Module):
    """A chain of nodes."""

    def __init__(
        self,
        nodes: int,
        width: int,
        bottleneck: Callable[[int], nn.Module],
        after: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.net = nn.Sequential(*(DetailNode(width, bottleneck, after) for _ in range(nodes)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        return self.net(x)
