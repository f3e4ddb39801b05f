"""The U-Net of guided diffusion (Dhariwal and Nichol, NeurIPS 2021), which DDFM samples from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

GROUPS = 32


@dataclass(frozen=True, slots=True)
class UNetConfig:
    """Size of the U-Net; the defaults are those of the unconditional 256 x 256 checkpoint.

    Attributes:
        width: channels of the first level.
        factors: width of every level, as a multiple of the first.
        blocks: residual blocks per level on the way down; one more on the way up.
        attention: downsampling factors at which there is attention.
        head_width: channels of an attention head.
        inputs: channels of the image.
        outputs: channels of the result: the predicted noise, then its variance.
    """

    width: int = 256
    factors: tuple[int, ...] = (1, 1, 2, 2, 4, 4)
    blocks: int = 2
    attention: tuple[int, ...] = (8, 16, 32)
    head_width: int = 64
    inputs: int = 3
    outputs: int = 6

    @property
    def stride(self) -> int:
        """Height and width of an image must be multiples of this."""
        return 2 ** (len(self.factors) - 1)


def timestep_embedding(timesteps: torch.Tensor, width: int) -> torch.Tensor:
    """Cosines, then sines, of the timesteps at ``width / 2`` frequencies: ``B`` to ``B x width``."""
    half = width // 2
    exponents = torch.arange(half, dtype=torch.float32, device=timesteps.device) / half
    angles = timesteps[:, None].float() * torch.exp(-math.log(10000.0) * exponents)
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


class ResidualBlock(nn.Module):
    """Two convolutions, scaled and shifted by the timestep, with a shortcut.

    Args:
        inputs: channels in.
        outputs: channels out.
        embedding: channels of the embedded timestep.
        resize: ``up``: twice the size by repeating pixels; ``down``: half by averaging; empty: neither.
    """

    def __init__(self, inputs: int, outputs: int, embedding: int, resize: str = "") -> None:
        super().__init__()
        self.resize = resize
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, outputs),
            nn.SiLU(),
            nn.Dropout(0.0),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        self.skip_connection = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        """``B x inputs x H x W`` and ``B x embedding`` to ``B x outputs x H' x W'``."""
        norm, activation, convolution = self.in_layers
        y = convolution(self._resized(activation(norm(x))))
        scale, shift = self.emb_layers(embedded)[:, :, None, None].chunk(2, dim=1)
        y = torch.addcmul(shift, self.out_layers[0](y), 1 + scale)
        return self.out_layers[1:](y) + self.skip_connection(self._resized(x))

    def _resized(self, x: torch.Tensor) -> torch.Tensor:
        if self.resize == "up":
            return F.interpolate(x, scale_factor=2, mode="nearest")
        return F.avg_pool2d(x, 2) if self.resize == "down" else x


class AttentionBlock(nn.Module):
    """Attention of all pixels to each other, with a shortcut; every head has its q, k and v side by side."""

    def __init__(self, width: int, head_width: int) -> None:
        super().__init__()
        self.heads = width // head_width
        self.norm = nn.GroupNorm(GROUPS, width)
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.proj_out = nn.Conv1d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        tokens = self.qkv(self.norm(x.flatten(2))).unflatten(1, (self.heads, 3, -1))  # B, heads, 3, d, HW
        q, k, v = tokens.transpose(-1, -2).unbind(dim=2)
        mixed = F.scaled_dot_product_attention(q, k, v)  # B, heads, HW, d
        return x + self.proj_out(mixed.transpose(-1, -2).flatten(1, 2)).view_as(x)


class Stage(nn.Sequential):
    """Layers in a row; the residual blocks among them see the timestep."""

    def forward(self, x: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """``B x C x H x W`` and the embedded timestep to ``B x C' x H' x W'``."""
        for layer in self:
            x = layer(x, embedded) if isinstance(layer, ResidualBlock) else layer(x)
        return x


class UNet(nn.Module):
    """Predict the noise in an image, and its variance."""

    def __init__(self, config: UNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or UNetConfig()
        embedding = 4 * config.width
        self.time_embed = nn.Sequential(
            nn.Linear(config.width, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        width = config.width * config.factors[0]
        skipped = [width]
        down: list[nn.Module] = [Stage(nn.Conv2d(config.inputs, width, 3, padding=1))]
        for level, factor in enumerate(config.factors):
            for _ in range(config.blocks):
                down.append(Stage(*self._block(width, factor * config.width, level)))
                width = factor * config.width
                skipped.append(width)
            if level < len(config.factors) - 1:
                down.append(Stage(ResidualBlock(width, width, embedding, "down")))
                skipped.append(width)
        self.input_blocks = nn.ModuleList(down)
        self.middle_block = Stage(
            ResidualBlock(width, width, embedding),
            AttentionBlock(width, config.head_width),
            ResidualBlock(width, width, embedding),
        )
        up: list[nn.Module] = []
        for level, factor in reversed(list(enumerate(config.factors))):
            for block in range(config.blocks + 1):
                layers = self._block(width + skipped.pop(), factor * config.width, level)
                width = factor * config.width
                if level > 0 and block == config.blocks:
                    layers.append(ResidualBlock(width, width, embedding, "up"))
                up.append(Stage(*layers))
        self.output_blocks = nn.ModuleList(up)
        self.out = nn.Sequential(
            nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, config.outputs, 3, padding=1)
        )

    def _block(self, inputs: int, outputs: int, level: int) -> list[nn.Module]:
        layers: list[nn.Module] = [ResidualBlock(inputs, outputs, 4 * self.config.width)]
        if 2**level in self.config.attention:
            layers.append(AttentionBlock(outputs, self.config.head_width))
        return layers

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Predict noise.

        Args:
            x: noisy image, ``B x 3 x H x W``, sides multiples of the stride; 0 is mid-grey.
            timesteps: ``B``, 0 (no noise) to 999.

        Returns:
            ``B x 6 x H x W``: noise, then variance.
        """
        embedded = self.time_embed(timestep_embedding(timesteps, self.config.width))
        skipped = []
        for stage in self.input_blocks:
            x = stage(x, embedded)
            skipped.append(x)
        x = self.middle_block(x, embedded)
        for stage in self.output_blocks:
            x = stage(torch.cat((x, skipped.pop()), dim=1), embedded)
        return self.out(x)
