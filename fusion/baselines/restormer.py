"""Parts of Restormer (Zamir et al., CVPR 2022) as CDDFuse and DCEvo use them.

Features are ``B x C x H x W``; they flow in channels-last memory, where norms, attention and depth-wise
convolutions on CPUs need no copies.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from ..regionfuse.precision import full_precision
from .layers import PixelNorm, conv


def channel_attention(qkv: torch.Tensor, temperature: torch.Tensor) -> torch.Tensor:
    """Transposed attention: the channels of a head attend to each other by cosine similarity over all pixels.

    Args:
        qkv: queries, keys and values one after the other, ``B x 3C x H x W``.
        temperature: ``heads x 1 x 1``.

    Returns:
        ``B x C x H x W``.
    """
    batch, channels, height, width = qkv.shape
    heads = temperature.shape[0]
    tokens = qkv.permute(0, 2, 3, 1).reshape(batch, height * width, 3, heads, channels // (3 * heads))
    q, k, v = tokens.permute(2, 0, 3, 1, 4).unbind(0)  # each B, heads, HW, C/heads
    with full_precision(qkv.device):
        # sums over all pixels would overflow half precision
        q, k = q.float(), k.float()
        lengths = _length(q).transpose(-1, -2) * _length(k)
        weights = (q.transpose(-1, -2) @ k / lengths * temperature).softmax(dim=-1)
    mixed = v @ weights.transpose(-1, -2).to(v.dtype)  # B, heads, HW, C/heads
    return mixed.transpose(1, 2).reshape(batch, height, width, channels // 3).permute(0, 3, 1, 2)


def _length(x: torch.Tensor) -> torch.Tensor:
    """Euclidean length of every channel over all pixels: ``B x heads x HW x d`` to ``B x heads x 1 x d``."""
    return torch.linalg.vector_norm(x, dim=-2, keepdim=True).clamp_min(1e-12)


class TransposedAttention(nn.Module):
    """Multi-Dconv head transposed attention (MDTA)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = conv(width, 3 * width, 1)
        self.qkv_dwconv = conv(3 * width, 3 * width, 3, groups=3 * width)
        self.project_out = conv(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        return self.project_out(channel_attention(self.qkv_dwconv(self.qkv(x)), self.temperature))


class GatedFeedForward(nn.Module):
    """Gated feed-forward network (GDFN): one half of the hidden channels gates the other.

    Args:
        width: channels in and out.
        hidden: channels of each half.
        groups: groups of the 3x3 convolution over both halves; ``2 * hidden`` makes it depth-wise.
    """

    def __init__(self, width: int, hidden: int, groups: int) -> None:
        super().__init__()
        self.project_in = conv(width, 2 * hidden, 1)
        self.dwconv = conv(2 * hidden, 2 * hidden, 3, groups=groups)
        self.project_out = conv(hidden, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        return self.project_out(F.gelu(gate) * value)


class RestormerBlock(nn.Module):
    """Transposed attention, then the gated feed-forward network, both residual and normalised before.

    Args:
        width: channels.
        heads: heads of the attention.
        affine: what the norms learn, see :class:`~.layers.PixelNorm`.
        after: applied to each branch before it is added; None: nothing.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        affine: str = "both",
        after: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = PixelNorm(width, affine), PixelNorm(width, affine)
        self.attn = TransposedAttention(width, heads)
        self.ffn = GatedFeedForward(width, 2 * width, groups=4 * width)
        self.after = after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        for norm, branch in ((self.norm1, self.attn), (self.norm2, self.ffn)):
            update = branch(norm(x))
            x = x + (update if self.after is None else self.after(update))
        return x


class PatchEmbed(nn.Module):
    """One image to features, by a 3x3 convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = conv(1, width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x 1 x H x W`` to ``B x C x H x W``, channels-last memory."""
        return self.proj(x).contiguous(memory_format=torch.channels_last)
