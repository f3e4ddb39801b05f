"""CDDFuse (Zhao et al., CVPR 2023): base and detail features, fused apart."""

from __future__ import annotations

import torch
from torch import nn

from .coupling import DetailFeatureExtraction
from .layers import PixelNorm, conv
from .restormer import GatedFeedForward, PatchEmbed, RestormerBlock, channel_attention

WIDTH, HEADS, BLOCKS = 64, 8, 4


class DenseAttention(nn.Module):
    """Transposed attention whose queries, keys and values come from a dense 3x3 convolution."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv1 = conv(width, 3 * width, 1)
        self.qkv2 = conv(3 * width, 3 * width, 3)
        self.proj = conv(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        return self.proj(channel_attention(self.qkv2(self.qkv1(x)), self.scale))


class BaseFeatureExtraction(nn.Module):
    """Low-frequency features: long-range attention and a small gated network."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = PixelNorm(width), PixelNorm(width)
        self.attn = DenseAttention(width, heads)
        self.mlp = GatedFeedForward(width, width, groups=width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class InvertedResidual(nn.Module):
    """Widen twofold, convolve depth-wise, narrow again; without a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 2 * width
        self.bottleneckBlock = nn.Sequential(
            conv(width, hidden, 1),
            nn.ReLU6(inplace=True),
            nn.ReflectionPad2d(1),
            conv(hidden, hidden, 3, groups=hidden, pad=0),
            nn.ReLU6(inplace=True),
            conv(hidden, width, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        return self.bottleneckBlock(x)


class Encoder(nn.Module):
    """One image, of either modality, to base and detail features."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(WIDTH)
        self.encoder_level1 = nn.Sequential(*(RestormerBlock(WIDTH, HEADS) for _ in range(BLOCKS)))
        self.baseFeature = BaseFeatureExtraction(WIDTH, HEADS)
        self.detailFeature = DetailFeatureExtraction(3, WIDTH, InvertedResidual)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``B x 1 x H x W`` to (base, detail), each ``B x 64 x H x W``."""
        shallow = self.encoder_level1(self.patch_embed(image))
        return self.baseFeature(shallow), self.detailFeature(shallow)


class Decoder(nn.Module):
    """Base and detail features to one image."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce_channel = conv(2 * WIDTH, WIDTH, 1)
        self.encoder_level2 = nn.Sequential(*(RestormerBlock(WIDTH, HEADS) for _ in range(BLOCKS)))
        self.output = nn.Sequential(
            conv(WIDTH, WIDTH // 2, 3), nn.LeakyReLU(inplace=True), conv(WIDTH // 2, 1, 3)
        )

    def forward(
        self, base: torch.Tensor, detail: torch.Tensor, residual: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Features to ``B x 1 x H x W`` in (0, 1); ``residual``, an image, is added before the sigmoid."""
        x = self.output(self.encoder_level2(self.reduce_channel(torch.cat((base, detail), dim=1))))
        return torch.sigmoid(x if residual is None else x + residual)


class CDDFuse(nn.Module):
    """The fusion network; the four parts bear the names of the published checkpoint's groups."""

    uncounted = ("bmm", "native_layer_norm")

    def __init__(self) -> None:
        super().__init__()
        self.DIDF_Encoder, self.DIDF_Decoder = Encoder(), Decoder()
        self.BaseFuseLayer = BaseFeatureExtraction(WIDTH, HEADS)
        self.DetailFuseLayer = DetailFeatureExtraction(1, WIDTH, InvertedResidual)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Fuse Y and infrared, both ``B x 1 x H x W`` in [0, 1]; returns Y in (0, 1), to be stretched."""
        seen_base, seen_detail = self.DIDF_Encoder(visible)
        warm_base, warm_detail = self.DIDF_Encoder(infrared)
        base = self.BaseFuseLayer(seen_base + warm_base)
        detail = self.DetailFuseLayer(seen_detail + warm_detail)
        return self.DIDF_Decoder(base, detail, visible)
