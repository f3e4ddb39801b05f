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
    inner, heads = channels // 3, temperature.shape[0]
    tokens = qkv.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
    q, k, v = tokens.chunk(3, dim=-1)  # each B, HW, C
    with full_precision(qkv.device):
        # sums over all pixels would overflow half precision
        # (sums of squares: torch's norm over any but the last dimension is slow on CPUs)
        lengths = tokens[..., : 2 * inner].float().square().sum(dim=1).sqrt().clamp_min(1e-12)
        products = _products(q.float(), k.float(), heads)  # B, heads, C/heads, C/heads
        rows, columns = lengths.unflatten(-1, (2, heads, -1)).unbind(1)
        cosines = products / (rows[..., :, None] * columns[..., None, :])
        weights = (cosines * temperature).softmax(dim=-1)
    mixed = _mixture(v, weights.to(v.dtype))
    return mixed.reshape(batch, height, width, inner).permute(0, 3, 1, 2)


# On CPUs, one product of all channels with all is several times faster than thin ones head by head, although
# it does more. The meta device, where work is only counted, sees them head by head, as published figures do.


def _products(q: torch.Tensor, k: torch.Tensor, heads: int) -> torch.Tensor:
    """Scalar products of the channels of each head: ``B x HW x C`` twice to ``B x heads x d x d``."""
    if q.is_meta:
        q, k = (x.unflatten(-1, (heads, -1)).permute(0, 2, 3, 1) for x in (q, k))
        return q @ k.transpose(-1, -2)
    everything = (q.transpose(1, 2) @ k).unflatten(2, (heads, -1)).unflatten(1, (heads, -1))
    return everything.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)


def _mixture(v: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mix the channels of each head: ``B x HW x C`` and ``B x heads x d x d`` to ``B x HW x C``."""
    heads = weights.shape[1]
    if v.is_meta:
        return (v.unflatten(-1, (heads, -1)).transpose(1, 2) @ weights.transpose(-1, -2)).transpose(1, 2)
    own = torch.eye(heads, dtype=weights.dtype, device=weights.device)[:, None, :, None]
    joined = (weights.unsqueeze(3) * own).flatten(3, 4).flatten(1, 2)  # B, C, C: the heads on the diagonal
    return v @ joined.transpose(1, 2)


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
