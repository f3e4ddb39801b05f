"""SHIP (Zheng et al., CVPR 2024): high-order interaction of the two modalities in space and channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..regionfuse.precision import full_precision
from .layers import PixelNorm, conv, mean_over_pixels

WIDTH = 16
THETA = 0.8
CROSS, DIAGONAL = (1, 3, 4, 5, 7), (0, 2, 4, 6, 8)
"""Where the five taps of a central-difference kernel sit in a 3x3 one, row by row."""


class TapConv(nn.Module):
    """Central-difference convolution: a 3x3 kernel of five taps, less theta times their sum at the centre."""

    def __init__(self, width: int, taps: tuple[int, ...]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, (1, 5), bias=False)  # holds the taps; is never called itself
        self.taps = list(taps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        weight = self.conv.weight[:, :, 0]
        kernel = weight.new_zeros(*weight.shape[:2], 9)
        kernel[:, :, self.taps] = weight
        centre = weight.sum(dim=-1)[:, :, None, None]
        return F.conv2d(x, kernel.unflatten(-1, (3, 3)), padding=1) - THETA * F.conv2d(x, centre)


class CentralDifference(nn.Module):
    """A learnt mixture of the cross-shaped and the diagonal central-difference convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.HP_branch = nn.Parameter(torch.zeros(1))
        self.h_conv, self.d_conv = TapConv(width, CROSS), TapConv(width, DIAGONAL)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        share = torch.sigmoid(self.HP_branch)
        return share * self.h_conv(x) + (1 - share) * self.d_conv(x) + x


class EdgeBlock(nn.Module):
    """Residual branch and edge branch, added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.process = conv(width, width, 3, bias=True)
        self.Res = _two(width)
        self.CDC = CentralDifference(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        x = self.process(x)
        return self.Res(x) + self.CDC(x)


class FeatureExtract(nn.Module):
    """One image to features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = conv(1, width, 1, bias=True)
        self.block1, self.block2 = EdgeBlock(width), EdgeBlock(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x 1 x H x W`` to ``B x C x H x W``."""
        return self.block2(self.block1(self.conv(x)))


class SpatialInteraction(nn.Module):
    """Multiply features over and over: interactions of the modalities up to fourth order, at each pixel."""

    norm1: PixelNorm

    def __init__(self, width: int) -> None:
        super().__init__()
        for order in (1, 2, 3):
            setattr(self, f"reflashFused{order}", _two(width))
            setattr(self, f"reflashInfrared{order}", _two(width))
        for order in (1, 2, 3, 4):
            setattr(self, f"norm{order}", PixelNorm(width))

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features ``B x C x H x W`` of both; returns new ones of both."""
        fused = self.norm1(_circular(visible, infrared)) * infrared
        for order in (1, 2, 3):
            fused = getattr(self, f"norm{order + 1}")(getattr(self, f"reflashFused{order}")(fused))
            infrared = getattr(self, f"reflashInfrared{order}")(infrared)
            fused = fused * infrared
        return fused + visible, infrared


class ChannelInteraction(nn.Module):
    """The same among channels, by attention over the channels of both modalities."""

    def __init__(self, width: int) -> None:
        super().__init__()
        both = 2 * width
        self.chaAtten = _squeeze(both)
        for order in (1, 2, 3):
            setattr(self, f"reflashChaAtten{order}", _squeeze(both))
            setattr(self, f"reflashFused{order}", _two(both))
        self.postprocess = nn.Sequential(InvertibleBlock(both), conv(both, width, 1, bias=True))

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features ``B x C x H x W`` of both; returns new ones of visible, infrared as is."""
        both = torch.cat((visible, infrared), dim=1)
        attention = self.chaAtten(mean_over_pixels(both)).softmax(dim=1)
        fused = both * attention
        for order in (1, 2, 3):
            fused = getattr(self, f"reflashFused{order}")(fused)
            attention = getattr(self, f"reflashChaAtten{order}")(attention).softmax(dim=1)
            fused = fused * attention
        return self.postprocess(fused) + visible, infrared


class Interaction(nn.Module):
    """Interaction in space, then among channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial, self.channel = SpatialInteraction(width), ChannelInteraction(width)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features ``B x C x H x W`` of both to new ones."""
        return self.channel(*self.spatial(visible, infrared))


class InvertibleMix(nn.Module):
    """Invertible 1x1 convolution; its matrix is kept as permutation, triangles and diagonal."""

    p: torch.Tensor
    sign_s: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        start, _ = torch.linalg.qr(torch.randn(width, width))
        p, lower, upper = torch.linalg.lu(start)
        diagonal = upper.diagonal()
        self.lower = nn.Parameter(lower.contiguous())
        self.log_s = nn.Parameter(diagonal.abs().log())
        self.upper = nn.Parameter(upper.triu(1))
        self.register_buffer("p", p.contiguous())
        self.register_buffer("sign_s", diagonal.sign())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        lower = self.lower.tril(-1) + torch.eye(len(self.log_s), dtype=x.dtype, device=x.device)
        upper = self.upper.triu(1) + torch.diag(self.sign_s * self.log_s.exp())
        return F.conv2d(x, (self.p @ (lower @ upper))[:, :, None, None])


class HalfInstanceBlock(nn.Module):
    """Two convolutions, instance norm on half of the channels between them, and a 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.identity = conv(inputs, outputs, 1, bias=True)
        self.conv_1 = conv(inputs, outputs, 3, bias=True)
        self.conv_2 = conv(outputs, outputs, 3, bias=True)
        self.norm = nn.InstanceNorm2d(outputs // 2, affine=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x inputs x H x W`` to ``B x outputs x H x W``."""
        normed, plain = self.conv_1(x).chunk(2, dim=1)
        y = F.leaky_relu(torch.cat((self._normalise(normed), plain), dim=1), 0.1)
        return F.leaky_relu(self.conv_2(y), 0.1) + self.identity(x)

    def _normalise(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-2:].numel() > 1:
            return self.norm(x)
        return self.norm.bias[:, None, None].expand_as(x)  # one pixel has no spread; torch refuses it


class DenseBlock(nn.Module):
    """Three convolutions; the last sees what all before it saw."""

    def __init__(self, inputs: int, outputs: int, growth: int = 16) -> None:
        super().__init__()
        self.conv1 = HalfInstanceBlock(inputs, growth)
        self.conv2 = HalfInstanceBlock(growth, growth)
        self.conv3 = conv(inputs + 2 * growth, outputs, 3, bias=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x inputs x H x W`` to ``B x outputs x H x W``."""
        first = F.leaky_relu(self.conv1(x), 0.2)
        second = F.leaky_relu(self.conv2(first), 0.2)
        return F.leaky_relu(self.conv3(torch.cat((x, first, second), dim=1)), 0.2)


class InvertibleBlock(nn.Module):
    """Affine coupling after an invertible mix of the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.F, self.G, self.H = DenseBlock(half, half), DenseBlock(half, half), DenseBlock(half, half)
        self.invconv = InvertibleMix(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        first, second = self.invconv(x).chunk(2, dim=1)
        first = first + self.F(second)
        scale = 0.8 * (2 * torch.sigmoid(self.H(first)) - 1)
        return torch.cat((first, second * scale.exp() + self.G(first)), dim=1)


class ChannelGate(nn.Module):
    """Pooled features, gated, added to every pixel."""

    def __init__(self, width: int, reduction: int = 4) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            conv(width, width // reduction, 1, bias=True),
            nn.ReLU(inplace=True),
            conv(width // reduction, width, 1, bias=True),
            nn.Sigmoid(),
        )
        self.process = _two(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        pooled = mean_over_pixels(self.process(x))
        return self.conv_du(pooled) * pooled + x


class Reconstruction(nn.Module):
    """Features to one image."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_in = conv(width, width, 3, bias=True)
        self.process = nn.Sequential(ChannelGate(width), ChannelGate(width))
        self.conv_last = conv(width, 1, 3, bias=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to ``B x 1 x H x W``."""
        return self.conv_last(self.process(self.conv_in(x)))


class SHIP(nn.Module):
    """The fusion network."""

    uncounted = ("native_layer_norm",)

    def __init__(self) -> None:
        super().__init__()
        self.vis, self.inf = FeatureExtract(WIDTH), FeatureExtract(WIDTH)
        self.interaction1, self.interaction2 = Interaction(WIDTH), Interaction(WIDTH)
        self.interaction3 = Interaction(WIDTH)
        self.postprocess = nn.Sequential(InvertibleBlock(3 * WIDTH), conv(3 * WIDTH, WIDTH, 1, bias=True))
        self.reconstruction = Reconstruction(WIDTH)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Fuse Y and infrared, both ``B x 1 x H x W`` in [0, 1], into Y, about -0.2 to 1.5, to be clamped."""
        seen, warm = self.vis(visible[:, :1]), self.inf(infrared)
        stages = []
        for interaction in (self.interaction1, self.interaction2, self.interaction3):
            seen, warm = interaction(seen, warm)
            stages.append(seen)
        return self.reconstruction(self.postprocess(torch.cat(stages, dim=1)))


def _circular(visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
    """Circular convolution of two feature maps by way of their Fourier transforms, in single precision."""
    with full_precision(visible.device):
        product = torch.fft.rfft2(visible.float()) * torch.fft.rfft2(infrared.float())
        return torch.fft.irfft2(product, s=visible.shape[-2:])


def _two(width: int) -> nn.Sequential:
    return nn.Sequential(
        conv(width, width, 3, bias=True), nn.ReLU(inplace=True), conv(width, width, 3, bias=True)
    )


def _squeeze(width: int) -> nn.Sequential:
    return nn.Sequential(
        conv(width, width // 2, 1, bias=True), nn.ReLU(inplace=True), conv(width // 2, width, 1, bias=True)
    )
