"""The RegionFuse network: two MGT encoders, region-aware dynamic fusion in N stages, image decoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, overload

import torch
from torch import nn

from .blocks import FusionStage
from .config import RegionFuseConfig
from .encoder_blocks import ConvolutionBlock, RestormerBlock
from .mora import FORMS, MixtureOfRegionAttention
from .padding import mirror_pad
from .router import Routing
from .strips import by_strips
from .xrestormer import XRestormerBlock


class Encoder(nn.Module):
    """MGT encoder of one modality: an embedding convolution, then X-Restormer blocks (or an ablation's)."""

    def __init__(self, config: RegionFuseConfig) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, config.width, 3, padding=1)
        self.blocks = nn.Sequential(*_encoder_blocks(config))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """``B x 1 x H x W`` to ``B x C x H x W``."""
        return self.blocks(by_strips(self._embedded, image, halo=1))

    def _embedded(self, image: torch.Tensor) -> torch.Tensor:
        return self.embed(image).contiguous(memory_format=torch.channels_last)


class Decoder(nn.Module):
    """Image decoder: convolution, X-Restormer blocks, two convolutions down to one channel."""

    def __init__(self, config: RegionFuseConfig) -> None:
        super().__init__()
        self.widen = nn.Conv2d(config.width, config.decoder_width, 3, padding=1)
        self.blocks = nn.Sequential(
            *(_block(config, config.decoder_width) for _ in range(config.decoder_blocks))
        )
        self.narrow = nn.Conv2d(config.decoder_width, config.width, 3, padding=1)
        self.activation = nn.LeakyReLU(0.2)
        self.image = nn.Conv2d(config.width, 1, 3, padding=1, bias=False)
        nn.init.normal_(self.image.weight, std=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to ``B x 1 x H x W``, what is to be added to the mean of the inputs."""
        return by_strips(self._narrowed, self.blocks(by_strips(self.widen, x, halo=1)), halo=2)

    def _narrowed(self, x: torch.Tensor) -> torch.Tensor:
        return self.image(self.activation(self.narrow(x)))


class RegionFuse(nn.Module):
    """RegionFuse for images of any size.

    An independent, unofficial re-implementation; ``choices.CHOICES`` lists what the paper leaves open.
    """

    def __init__(self, config: RegionFuseConfig | None = None) -> None:
        super().__init__()
        self.config = config or RegionFuseConfig()
        self.visible_encoder = Encoder(self.config)
        self.infrared_encoder = Encoder(self.config)
        self.stages = nn.ModuleList(FusionStage(self.config, stage) for stage in range(self.config.stages))
        self.decoder = Decoder(self.config)
        self._observers: list[list[Routing]] = []

    @overload
    def forward(
        self, visible: torch.Tensor, infrared: torch.Tensor, with_load_loss: Literal[False] = False
    ) -> torch.Tensor: ...
    @overload
    def forward(
        self, visible: torch.Tensor, infrared: torch.Tensor, with_load_loss: Literal[True]
    ) -> tuple[torch.Tensor, torch.Tensor]: ...
    def forward(
        self, visible: torch.Tensor, infrared: torch.Tensor, with_load_loss: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Fuse a batch.

        Args:
            visible: luminance Y of the visible image, ``B x 1 x H x W`` in [0, 1].
            infrared: infrared image, same shape and range.
            with_load_loss: also return the load-balancing loss (in training).

        Returns:
            Fused Y, float32 ``B x 1 x H x W``, in [0, 1] but for training mode, where it is not clipped; with
            the scalar load loss (mean over the stages, 0 with plain attention) if asked.
        """
        height, width = visible.shape[-2:]
        window = self.config.window
        padding = (0, -width % window, 0, -height % window)
        y, ir = mirror_pad(visible, *padding), mirror_pad(infrared, *padding)
        y_features, ir_features = self.visible_encoder(y), self.infrared_encoder(ir)
        fused: torch.Tensor | None = None
        losses, routings = [], []
        for stage in self.stages:
            fused, load_loss, routing = stage(y_features, ir_features, fused, with_load_loss)
            losses.append(load_loss)
            if self._observers and self.config.attention == "mora":
                routings.append(Routing(routing.responsibilities.detach(), routing.chosen))
        for observer in self._observers:
            observer[:] = routings
        change = self.decoder(fused)[..., :height, :width].float()
        image = 0.5 * (visible.float() + infrared.float()) + change
        if not self.training:  # In training a clipped pixel would get no gradient to come back by.
            image = image.clamp(0, 1)
        if with_load_loss:
            return image, torch.stack(losses).mean()
        return image

    @contextmanager
    def observe_routing(self) -> Iterator[list[Routing]]:
        """Record the routing of the forward calls inside the ``with`` block.

        Yields:
            A list that after each call holds one :class:`Routing` a stage, of that call; it stays empty with
            plain attention, which routes nothing.
        """
        routings: list[Routing] = []
        self._observers.append(routings)
        try:
            yield routings
        finally:
            self._observers = [other for other in self._observers if other is not routings]

    @contextmanager
    def attention_form(self, form: str) -> Iterator[None]:
        """Compute MoRA as ``auto`` (default), ``packed``, ``folded``, ``dense`` or ``literal``."""
        if form not in ("auto", *FORMS):
            raise ValueError(f"unknown form {form!r} of MoRA; known: auto, {', '.join(FORMS)}")
        layers = [module for module in self.modules() if isinstance(module, MixtureOfRegionAttention)]
        before = [layer.form for layer in layers]
        for layer in layers:
            layer.form = form
        try:
            yield
        finally:
            for layer, name in zip(layers, before, strict=True):
                layer.form = name


def expert_shares(routings: list[Routing]) -> torch.Tensor:
    """Share of all choices that fell on each expert, ``L x E`` for L stages; every row sums to one.

    ``0 x 0`` when nothing was routed.
    """
    if not routings:
        return torch.zeros(0, 0)
    return torch.stack([routing.shares for routing in routings])


def _encoder_blocks(config: RegionFuseConfig) -> Iterator[nn.Module]:
    """Blocks of an encoder; an ablation's have as many steps as the X-Restormer blocks they replace."""
    for _ in range(config.encoder_blocks):
        if config.encoder == "xrestormer":
            yield _block(config, config.width)
        elif config.encoder == "restormer":
            for _half in range(2):
                yield RestormerBlock(config.width, config.channel_heads, config.ffn_expansion)
        else:
            yield ConvolutionBlock(config.width)


def _block(config: RegionFuseConfig, width: int) -> XRestormerBlock:
    growth = max(1, width // config.width)
    return XRestormerBlock(
        width,
        config.channel_heads * growth,
        config.spatial_heads * growth,
        config.spatial_head_width,
        config.window,
        config.window_overlap,
        config.ffn_expansion,
    )
