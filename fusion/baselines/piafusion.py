"""PIAFusion (Tang et al., Information Fusion 2022) in the layout of its PyTorch port, with its classifier.

The port, not the TensorFlow original, is what published tables count (1.18 M parameters): it keeps separate
encoder weights for the two modalities.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..padding import crop, pad_to_stride
from ..regionfuse.layers import Pointwise
from ..regionfuse.xrestormer import XRestormerBlock
from .layers import ReflectConv, mean_over_pixels

WIDTHS = (16, 16, 32, 64, 128)


def differential_fusion(visible: torch.Tensor, infrared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-modality differential aware fusion: each modality takes what the other has more of.

    Args:
        visible: features ``B x C x H x W``.
        infrared: features of the same shape.
    """
    lacking = infrared - visible  # what the visible features lack
    to_visible = visible + lacking * torch.sigmoid(mean_over_pixels(lacking))
    to_infrared = infrared - lacking * torch.sigmoid(mean_over_pixels(-lacking))
    return to_visible, to_infrared


class Encoder(nn.Module):
    """Five convolutions per modality, exchanging differences after the second, third and fourth."""

    def __init__(self) -> None:
        super().__init__()
        for source in ("vi", "ir"):
            setattr(self, f"{source}_conv1", nn.Conv2d(1, WIDTHS[0], 1))
            for level in range(2, 6):
                setattr(self, f"{source}_conv{level}", ReflectConv(WIDTHS[level - 2], WIDTHS[level - 1]))

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Y and infrared, ``B x 1 x H x W``, to features ``B x 256 x H x W``."""
        for level in range(1, 6):
            visible = F.leaky_relu(getattr(self, f"vi_conv{level}")(visible))
            infrared = F.leaky_relu(getattr(self, f"ir_conv{level}")(infrared))
            if 2 <= level <= 4:
                visible, infrared = differential_fusion(visible, infrared)
        return torch.cat((visible, infrared), dim=1)


class XRestormerEncoder(nn.Module):
    """The encoder with X-Restormer blocks, for the comparison in Table 5 of the supplement.

    The supplement does not say how the blocks replace the encoder. Here: the 1x1 stems, the separate weights
    of the modalities, the widths and the exchanges of differences stay; every 3x3 convolution with its
    activation becomes one X-Restormer block at full resolution, after a 1x1 convolution where the width
    grows. Heads are 16 channels wide (1, 2, 4 and 8 of them, X-Restormer's own numbers); window, overlap and
    expansion are X-Restormer's.
    """

    vi_stem: nn.Conv2d
    ir_stem: nn.Conv2d

    def __init__(self) -> None:
        super().__init__()
        for source in ("vi", "ir"):
            setattr(self, f"{source}_stem", nn.Conv2d(1, WIDTHS[0], 1))
            for level in range(2, 6):
                before, width = WIDTHS[level - 2], WIDTHS[level - 1]
                block = XRestormerBlock(
                    width,
                    channel_heads=width // 16,
                    spatial_heads=width // 16,
                    head_width=16,
                    window=8,
                    overlap=0.5,
                    expansion=2.66,
                )
                widen = nn.Identity() if before == width else Pointwise(before, width)
                setattr(self, f"{source}_level{level}", nn.Sequential(widen, block))

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Y and infrared, ``B x 1 x H x W``, any size, to features ``B x 256 x H x W``."""
        height, width = visible.shape[-2:]
        visible = F.leaky_relu(self.vi_stem(pad_to_stride(visible, 8)))
        infrared = F.leaky_relu(self.ir_stem(pad_to_stride(infrared, 8)))
        for level in range(2, 6):
            visible = getattr(self, f"vi_level{level}")(visible)
            infrared = getattr(self, f"ir_level{level}")(infrared)
            if level <= 4:
                visible, infrared = differential_fusion(visible, infrared)
        return crop(torch.cat((visible, infrared), dim=1), height, width)


class Decoder(nn.Module):
    """Five convolutions from the features of both modalities to one image."""

    def __init__(self) -> None:
        super().__init__()
        widths = (2 * WIDTHS[-1], 256, 128, 64, 32)
        for level in range(1, 5):
            setattr(self, f"conv{level}", ReflectConv(widths[level - 1], widths[level]))
        self.conv5 = nn.Conv2d(widths[-1], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x 256 x H x W`` to ``B x 1 x H x W`` in [0, 1]."""
        for level in range(1, 5):
            x = F.leaky_relu(getattr(self, f"conv{level}")(x))
        return torch.tanh(self.conv5(x)) / 2 + 0.5


class PIAFusion(nn.Module):
    """The fusion network.

    Args:
        encoder: from Y and infrared to 256 features; None: the published one (:class:`Encoder`).
        decoder: from 256 features to the fused Y; None: the published one (:class:`Decoder`).
    """

    def __init__(self, encoder: nn.Module | None = None, decoder: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = Encoder() if encoder is None else encoder
        self.decoder = Decoder() if decoder is None else decoder

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Fuse Y and infrared, both ``B x 1 x H x W`` in [0, 1], into Y of the same shape."""
        return self.decoder(self.encoder(visible, infrared))


class PIAFusionXRestormer(PIAFusion):
    """PIAFusion with :class:`XRestormerEncoder`."""

    def __init__(self) -> None:
        super().__init__(encoder=XRestormerEncoder())


class IlluminationClassifier(nn.Module):
    """Day or night? Weighs the two intensity terms of PIAFusion's loss; not needed for fusing."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 128)
        for level in range(1, 5):
            layer = ReflectConv(widths[level - 1], widths[level], kernel=4, stride=2)
            setattr(self, f"conv{level}", layer)
            convolution = layer.conv[1]
            assert isinstance(convolution, nn.Conv2d)
            nn.init.normal_(convolution.weight, std=math.sqrt(2 / (4 * 4 * widths[level])))
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        self.linear1, self.linear2 = nn.Linear(128, 128), nn.Linear(128, 2)
        for linear in (self.linear1, self.linear2):
            nn.init.normal_(linear.weight, std=0.01)
            nn.init.zeros_(linear.bias)

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        """RGB ``B x 3 x H x W`` in [0, 1] to scores ``B x 2`` of (day, night), not negative."""
        return F.relu(self.linear2(self.features(rgb)))

    def features(self, rgb: torch.Tensor) -> torch.Tensor:
        """RGB ``B x 3 x H x W`` in [0, 1] to what the scores are a linear function of, ``B x 128``."""
        for level in range(1, 5):
            rgb = F.leaky_relu(getattr(self, f"conv{level}")(rgb))
        features: torch.Tensor = self.linear1(rgb.mean(dim=(2, 3)))
        return features

    def visible_weight(self, rgb: torch.Tensor) -> torch.Tensor:
        """Weight of the visible image, day / (day + night): ``B`` values in [0, 1]; 0.5 where both are 0."""
        day, night = self(rgb).unbind(dim=1)
        total = day + night
        return torch.where(total > 0, day / total.clamp_min(1e-12), torch.full_like(total, 0.5))
