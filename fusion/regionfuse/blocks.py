"""RegionFormer block and one stage of the region-aware dynamic fusion."""

from __future__ import annotations

import torch
from torch import nn

from .config import RegionFuseConfig
from .layers import ChannelNorm, Pointwise
from .mora import MixtureOfRegionAttention
from .rfcm import PlainCompression, RegionFeatureCompression
from .router import Routing
from .strips import by_strips


class RegionFormerBlock(nn.Module):
    """``x + MoRA(Norm(x))``, then ``x + MLP(Norm(x))``."""

    def __init__(self, config: RegionFuseConfig, stage: int) -> None:
        super().__init__()
        width = 2 * config.width
        hidden = int(width * config.mlp_expansion)
        self.attention_norm = ChannelNorm(width)
        self.attention = MixtureOfRegionAttention(
            width,
            config.heads,
            config.region,
            config.region_sizes[stage],
            config.reach_regions,
            config.experts,
            config.top_k,
            config.router_hidden,
            "none" if config.attention == "plain" else config.routing,
        )
        if config.mask == "literal" and config.attention == "mora":
            self.attention.form = "literal"
        self.mlp_norm = ChannelNorm(width)
        self.mlp = nn.Sequential(Pointwise(width, hidden), nn.GELU(), Pointwise(hidden, width))

    def forward(
        self, x: torch.Tensor, with_load_loss: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None, Routing]:
        """``B x 2C x H x W`` to the same shape; the load loss or None; the routing."""
        mixed, load_loss, routing = self.attention(self.attention_norm(x), with_load_loss)
        return by_strips(self._feed, x, mixed), load_loss, routing

    def _feed(self, x: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
        x = x + mixed
        return x + self.mlp(self.mlp_norm(x))


class FusionStage(nn.Module):
    """``Fuse([F_v + F, F_r + F])``: concatenation, RegionFormer block, RFCM back to C channels.

    In ablations a plain convolution takes the place of RFCM, and plain attention or an image-wide router that
    of the region router.
    """

    def __init__(self, config: RegionFuseConfig, stage: int) -> None:
        super().__init__()
        self.former = RegionFormerBlock(config, stage)
        wide, narrow, size = 2 * config.width, config.width, config.region_sizes[stage]
        self.compression: RegionFeatureCompression | PlainCompression = (
            RegionFeatureCompression(wide, narrow, config.region, size)
            if config.compression == "rfcm"
            else PlainCompression(wide, narrow)
        )

    def forward(
        self,
        visible: torch.Tensor,
        infrared: torch.Tensor,
        fused: torch.Tensor | None,
        with_load_loss: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None, Routing]:
        """One stage.

        Args:
            visible: features of the visible image, ``B x C x H x W``.
            infrared: features of the infrared image, same shape.
            fused: result of the stage before, same shape; None in the first stage.
            with_load_loss: also return the load loss.

        Returns:
            Fused features, same shape; the load loss or None; the routing.
        """
        features = (visible, infrared) if fused is None else (visible, infrared, fused)
        x, load_loss, routing = self.former(by_strips(_joined, *features), with_load_loss)
        return self.compression(x), load_loss, routing


def _joined(visible: torch.Tensor, infrared: torch.Tensor, fused: torch.Tensor | None = None) -> torch.Tensor:
    if fused is not None:
        visible, infrared = visible + fused, infrared + fused
    return torch.cat([visible, infrared], dim=1)
