"""DCEvo (Liu et al., CVPR 2025): the pure fusion network, without its detector."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..regionfuse.precision import full_precision
from .coupling import DetailFeatureExtraction
from .layers import conv
from .restormer import PatchEmbed, RestormerBlock

WIDTH, HEADS, BLOCKS, NODES = 64, 8, 5, 3


def prominent(x: torch.Tensor) -> torch.Tensor:
    """Stress what stands out of its channel; nothing is learnt. ``B x C x H x W`` to the same shape."""
    height = torch.sigmoid(x)
    return F.silu(x * torch.sigmoid(height * height / height.mean(dim=(2, 3), keepdim=True)))


def simple_attention(x: torch.Tensor, regularisation: float = 1e-4) -> torch.Tensor:
    """SimAM (Yang et al., ICML 2021): weigh pixels by their squared distance from the channel's mean."""
    with full_precision(x.device):
        wide = x.float()
        distance = (wide - wide.mean(dim=(2, 3), keepdim=True)).square()
        others = max(x.shape[-2:].numel() - 1, 1)
        spread = distance.sum(dim=(2, 3), keepdim=True) / others
        weight = torch.sigmoid(distance / (4 * (spread + regularisation)) + 0.5)
    return x * weight.to(x.dtype)


class Unit(nn.Module):
    """Convolution and SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = conv(inputs, outputs, kernel, groups=groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x inputs x H x W`` to ``B x outputs x H x W``."""
        return F.silu(self.conv(x))


class Bottleneck(nn.Module):
    """A dense and a depth-wise convolution with a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = Unit(width, width, 3), Unit(width, width, 3, groups=width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        return x + self.cv2(self.cv1(x))


class CrossStage(nn.Module):
    """Half of the channels through a chain of bottlenecks; all the outputs on the way are joined."""

    def __init__(self, width: int, depth: int = 6) -> None:
        super().__init__()
        half = width // 2
        self.cv1, self.cv2 = Unit(width, width, 1), Unit((2 + depth) * half, width, 1)
        self.m = nn.ModuleList(Bottleneck(half) for _ in range(depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        parts = list(self.cv1(x).chunk(2, dim=1))
        for bottleneck in self.m:
            parts.append(bottleneck(parts[-1]))
        return x + prominent(self.cv2(torch.cat(parts, dim=1)))


class LowFrequency(nn.Module):
    """Two cross-stage blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.net1, self.net2 = CrossStage(WIDTH), CrossStage(WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        return self.net2(self.net1(x))


class DepthwiseBlock(nn.Module):
    """Twice a 1x1 and a depth-wise convolution, of the same width throughout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bottleneckBlock = nn.Sequential(
            conv(width, width, 1),
            nn.ReLU6(inplace=True),
            nn.ReflectionPad2d(1),
            conv(width, width, 3, groups=width, pad=0),
            nn.ReLU6(inplace=True),
            conv(width, width, 1),
            nn.ReLU6(inplace=True),
            nn.ReflectionPad2d(1),
            conv(width, width, 3, groups=width, pad=0),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        return self.bottleneckBlock(x)


def _high_frequency() -> DetailFeatureExtraction:
    return DetailFeatureExtraction(NODES, WIDTH, DepthwiseBlock, simple_attention)


class Encoder(nn.Module):
    """One image, of either modality, to low- and high-frequency features."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(WIDTH)
        self.encoder_level1 = nn.Sequential(*(LowFrequency() for _ in range(BLOCKS)))
        self.baseFeature = LowFrequency()
        self.detailFeature = _high_frequency()

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``B x 1 x H x W`` to (low, high), each ``B x 64 x H x W``."""
        shallow = self.encoder_level1(self.patch_embed(image))
        return self.baseFeature(shallow), self.detailFeature(shallow)


class Decoder(nn.Module):
    """Low- and high-frequency features to one image."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce_channel = conv(2 * WIDTH, WIDTH, 1)
        self.encoder_level2 = nn.Sequential(*(LowFrequency() for _ in range(BLOCKS)))
        self.output = nn.Sequential(
            RestormerBlock(WIDTH, HEADS, affine="bias", after=prominent),
            nn.ReflectionPad2d(1),
            conv(WIDTH, WIDTH // 2, 3, pad=0),
            nn.LeakyReLU(inplace=True),
            nn.ReflectionPad2d(1),
            conv(WIDTH // 2, 1, 3, pad=0),
        )

    def forward(
        self, base: torch.Tensor, detail: torch.Tensor, residual: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Features to ``B x 1 x H x W`` in (0, 1); ``residual``, an image, is added before the sigmoid."""
        x = self.output(self.encoder_level2(self.reduce_channel(torch.cat((base, detail), dim=1))))
        return torch.sigmoid(x if residual is None else x + residual)


class DCEvo(nn.Module):
    """The fusion network; the four parts bear the names of the published checkpoint's groups."""

    uncounted = ("native_layer_norm",)

    def __init__(self) -> None:
        super().__init__()
        self.DE_Encoder, self.DE_Decoder = Encoder(), Decoder()
        self.LowFreqExtractor = LowFrequency()
        self.HighFreqExtractor = _high_frequency()

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Fuse Y and infrared, both ``B x 1 x H x W`` in [0, 1], into Y in (0, 1)."""
        seen_low, seen_high = self.DE_Encoder(visible)
        warm_low, warm_high = self.DE_Encoder(infrared)
        low = self.LowFreqExtractor(seen_low + warm_low)
        high = self.HighFreqExtractor(seen_high + warm_high)
        return self.DE_Decoder(low, high, 0.5 * visible + 0.5 * infrared)
