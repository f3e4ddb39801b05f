"""A2RNet (Li et al., AAAI 2025): a U-Net with linear attention, made robust by adversarial training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..padding import crop, pad_to_stride
from ..regionfuse.precision import full_precision
from .layers import channels_last_on_cpu, conv

WIDTHS = (16, 32, 64, 128, 256)
STRIDE = 16


class Conv(nn.Module):
    """Two 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.Dropout(0.1),
            nn.LeakyReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.Dropout(0.1),
            nn.LeakyReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x inputs x H x W`` to ``B x outputs x H x W``."""
        return self.layer(x)


class LinearAttention(nn.Module):
    """Attention of all pixels to all, at a cost linear in their number: keys meet values first.

    Published: queries and keys are ``z = (x - mean x)^2`` over the channels as shares of their sum; then keys
    are divided by their length over the pixels, queries by theirs over the channels. Here whatever is one
    number a pixel or a channel is worked out first, so that the features are passed over less often.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lnqkv = nn.Linear(width, 3 * width)
        self.ln = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """``B x N x C`` to the same shape."""
        q, k, v = self._project(tokens).chunk(3, dim=-1)
        with full_precision(tokens.device):
            # squares, and sums over all pixels, are beyond half precision
            q, k = q.float().square(), k.float().square()
            q_share, k_share = (1 / (z.sum(dim=-1, keepdim=True) + 1e-7) for z in (q, k))
            k = k * k_share
            of_channel = _one_by_length(k.square().sum(dim=1)).unsqueeze(-1)  # B, C, 1
            of_pixel = q_share * _one_by_length(q_share.square() * q.square().sum(dim=-1, keepdim=True))
            summary = (k.transpose(-1, -2) @ v.float()) * (of_channel / tokens.shape[1] ** 0.5)  # B, C, C
            mixed = (q @ summary) * of_pixel
        return self.ln(v + mixed.to(v.dtype))

    def _project(self, tokens: torch.Tensor) -> torch.Tensor:
        """Project to queries, keys and values; the first two without their mean over the channels."""
        weight, bias = self.lnqkv.weight.unflatten(0, (3, -1)), self.lnqkv.bias.unflatten(0, (3, -1))
        # the mean of a linear map is linear: taken from the small weights, not from the features
        weight = torch.cat((weight[:2] - weight[:2].mean(dim=1, keepdim=True), weight[2:])).flatten(0, 1)
        bias = torch.cat((bias[:2] - bias[:2].mean(dim=1, keepdim=True), bias[2:])).flatten()
        return F.linear(tokens, weight, bias)


def _one_by_length(squares: torch.Tensor) -> torch.Tensor:
    """Invert lengths given as sums of squares; lengths below 1e-12 count as that, without a gradient."""
    return squares.clamp_min(1e-24).rsqrt()


class Step(nn.Module):
    """Attention and a small convolutional network, with a shortcut.

    Args:
        width: channels.
        name: what the published checkpoint calls the convolutions, ``convu`` or ``convd``.
    """

    def __init__(self, width: int, name: str) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attn = LinearAttention(width)
        self.drop = nn.Dropout2d(0.2)
        self.name = name
        layers = nn.Sequential(
            PairedPointwise(width, 2 * width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout2d(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout2d(0.2),
            conv(2 * width, width, 1, bias=True),
        )
        self.add_module(name, layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        tokens = self.attn(self.norm(x.flatten(2).transpose(1, 2)))
        attended = self.drop(tokens.transpose(1, 2).unflatten(2, x.shape[-2:]))
        first, *others = getattr(self, self.name)
        y = first(attended, x)
        for layer in others:
            y = layer(y)
        return y + x


class PairedPointwise(nn.Conv2d):
    """1x1 convolution of two inputs of equal width, as of their concatenation, without making that."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__(2 * width, outputs, 1)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Two of ``B x C x H x W`` to ``B x outputs x H x W``, channels-last memory."""
        batch, channels, height, width = first.shape
        rows = [x.permute(0, 2, 3, 1).reshape(-1, channels) for x in (first, second)]
        left, right = self.weight.flatten(1).split(channels, dim=1)
        y = torch.addmm(F.linear(rows[0], left, self.bias), rows[1], right.t())
        return y.view(batch, height, width, -1).permute(0, 3, 1, 2)


class Alternation(nn.Module):
    """Up and down steps in turn, the same two each time, every one seeing the sum of the two before it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convup, self.convdown = Step(width, "convu"), Step(width, "convd")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        first = self.convup(x)
        second = self.convdown(first + x)
        third = self.convup(second + first)
        fourth = self.convdown(third + second)
        return self.convup(fourth + third)


class ESSA(nn.Module):
    """The attention block: to twice the width, alternate, and back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.blockup = Alternation(2 * width)
        self.conv_last = nn.Conv2d(2 * width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        return self.conv_last(self.blockup(self.conv_first(x)))


class Up(nn.Module):
    """Twice the size by repeating pixels, half the channels; then the skipped features are joined on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.Up = nn.Conv2d(width, width // 2, 1)

    def forward(self, x: torch.Tensor, skipped: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` and ``B x C/2 x 2H x 2W`` to ``B x C x 2H x 2W``."""
        return torch.cat((self.Up(F.interpolate(x, scale_factor=2, mode="nearest")), skipped), dim=1)


class A2RNet(nn.Module):
    """The fusion network.

    ``C2_ESSA`` and ``C4_ESSA`` are in the published checkpoint and count as parameters; nothing calls them.
    """

    C1: Conv
    C2: Conv
    C3: Conv
    C4: Conv
    C5: Conv
    C1_ESSA: ESSA
    C3_ESSA: ESSA

    def __init__(self) -> None:
        super().__init__()
        widths = (2, *WIDTHS)
        for level in range(1, 6):
            setattr(self, f"C{level}", Conv(widths[level - 1], widths[level]))
        for level in range(1, 5):
            setattr(self, f"C{level}_ESSA", ESSA(widths[level]))
            setattr(self, f"U{level}", Up(widths[6 - level]))
            setattr(self, f"C{level + 5}", Conv(widths[6 - level], widths[5 - level]))
        self.pred = nn.Conv2d(WIDTHS[0], 1, 3, padding=1)

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Fuse Y and infrared, both ``B x 1 x H x W`` in [0, 1], any size, into Y in (0, 1)."""
        height, width = visible.shape[-2:]
        x = channels_last_on_cpu(pad_to_stride(torch.cat((visible[:, :1], infrared), dim=1), STRIDE))
        first = self.C1_ESSA(self.C1(x))
        second = self.C2(F.max_pool2d(first, 2))
        third = self.C3_ESSA(self.C3(F.max_pool2d(second, 2)))
        fourth = self.C4(F.max_pool2d(third, 2))
        x = self.C5(F.max_pool2d(fourth, 2))
        for level, skipped in enumerate((fourth, third, second, first), start=1):
            x = getattr(self, f"C{level + 5}")(getattr(self, f"U{level}")(x, skipped))
        return crop(torch.sigmoid(self.pred(x)), height, width)
