"""X-Restormer blocks (Chen et al., ECCV Workshops 2024): the multi-granularity Transformer of the encoders.

A block attends twice: among channels over the whole image (transposed attention: coarse interaction across
regions) and among pixels of overlapping windows (fine features inside a region). Each attention is followed
by a gated depth-wise feed-forward network; all four are residual and see a normalised input.

Features are ``B x C x H x W`` in channels-last memory: there the norms, the 1x1 and depth-wise convolutions
and the windows need no copies, and depth-wise convolutions on CPUs are several times faster.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .layers import ChannelNorm, Pointwise
from .precision import full_precision


class GatedFeedForward(nn.Module):
    """Gated depth-wise feed-forward network: one half of the hidden channels gates the other."""

    def __init__(self, width: int, expansion: float) -> None:
        super().__init__()
        hidden = int(width * expansion)
        self.inner = Pointwise(width, 2 * hidden, bias=False)
        self.depthwise = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.outer = Pointwise(hidden, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        gate, value = self.depthwise(self.inner(x)).chunk(2, dim=1)
        return self.outer(F.gelu(gate) * value)


class ChannelAttention(nn.Module):
    """Transposed attention: channels attend to channels, a C/heads x C/heads map over all pixels."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = Pointwise(width, 3 * width, bias=False)
        self.depthwise = nn.Conv2d(3 * width, 3 * width, 3, padding=1, groups=3 * width, bias=False)
        self.project = Pointwise(width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        batch, width, height, columns = x.shape
        qkv = (
            self.depthwise(self.qkv(x))
            .permute(0, 2, 3, 1)
            .reshape(batch, height * columns, 3, self.heads, -1)
        )
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each B, heads, HW, C/heads
        with full_precision(x.device):
            # cosine similarity of channels; sums over all pixels would overflow half precision
            q, k = q.float(), k.float()
            norms = _lengths(q).transpose(-1, -2) * _lengths(k)
            weights = (q.transpose(-1, -2) @ k / norms * self.temperature).softmax(dim=-1)
        mixed = v @ weights.transpose(-1, -2).to(v.dtype)  # B, heads, HW, C/heads
        mixed = mixed.transpose(1, 2).reshape(batch, height, columns, width)
        return self.project(mixed.permute(0, 3, 1, 2))


def _lengths(x: torch.Tensor) -> torch.Tensor:
    """Euclidean length of every channel over all pixels: ``B x heads x HW x d`` to ``B x heads x 1 x d``."""
    return torch.linalg.vector_norm(x, dim=-2, keepdim=True).clamp_min(1e-12)


class WindowAttention(nn.Module):
    """Overlapping-window attention: pixels of a window attend to a larger window around it.

    Learnt vectors for the relative row and column offset are added to the keys' scores. Keys outside the
    image are zero vectors.
    """

    offset: torch.Tensor

    def __init__(self, width: int, heads: int, head_width: int, window: int, overlap: float) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.margin = round(window * overlap / 2)
        self.reach = window + 2 * self.margin
        inner = heads * head_width
        self.qkv = Pointwise(width, 3 * inner, bias=False)
        self.project = Pointwise(inner, width, bias=False)
        self.scale = head_width**-0.5
        self.row_offsets = nn.Parameter(torch.randn(2 * self.reach - 1, head_width) * self.scale)
        self.column_offsets = nn.Parameter(torch.randn(2 * self.reach - 1, head_width) * self.scale)
        # offset of key row (or column) r from query row w, shifted to be an index >= 0
        offset = torch.arange(self.reach)[None, :] - torch.arange(window)[:, None] + self.reach - 1
        self.register_buffer("offset", offset, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W``, sides multiples of the window, to the same shape."""
        batch, _, height, width = x.shape
        w, heads = self.window, self.heads
        rows, columns = height // w, width // w
        q, k, v = self.qkv(x).permute(0, 2, 3, 1).chunk(3, dim=-1)  # each B, H, W, heads * d
        q = q.reshape(batch, rows, w, columns, w, heads, -1).permute(0, 1, 3, 5, 2, 4, 6)
        q = q.reshape(batch * rows * columns, heads, w * w, -1) * self.scale
        k, v = self._windows(k), self._windows(v)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=self._relative(q), scale=1.0)
        mixed = mixed.reshape(batch, rows, columns, heads, w, w, -1).permute(0, 1, 4, 2, 5, 3, 6)
        return self.project(mixed.reshape(batch, height, width, -1).permute(0, 3, 1, 2))

    def _windows(self, x: torch.Tensor) -> torch.Tensor:
        """Overlapping windows of keys or values: ``B x H x W x heads*d`` to ``windows x heads x r*r x d``."""
        r, m = self.reach, self.margin
        windows = F.pad(x, (0, 0, m, m, m, m)).unfold(1, r, self.window).unfold(2, r, self.window)
        batch, rows, columns = windows.shape[:3]
        windows = windows.reshape(batch, rows, columns, self.heads, -1, r, r).permute(0, 1, 2, 3, 5, 6, 4)
        return windows.reshape(batch * rows * columns, self.heads, r * r, -1)

    def _relative(self, q: torch.Tensor) -> torch.Tensor:
        """Scores of the relative offsets: ``windows x heads x w*w x r*r``."""
        w, r = self.window, self.reach
        grid = q.reshape(*q.shape[:2], w, w, -1)  # windows, heads, row, column, d
        by_row = torch.einsum("nhxyd,xrd->nhxyr", grid, self.row_offsets[self.offset].to(q.dtype))
        by_column = torch.einsum("nhxyd,yrd->nhxyr", grid, self.column_offsets[self.offset].to(q.dtype))
        by_row, by_column = by_row.contiguous(), by_column.contiguous()  # else the sum comes out transposed
        both = by_row[..., :, None] + by_column[..., None, :]  # windows, heads, w, w, r, r
        return both.view(*q.shape[:2], w * w, r * r).to(q.dtype)


class XRestormerBlock(nn.Module):
    """Transposed attention, feed-forward, overlapping-window attention, feed-forward; all residual."""

    def __init__(
        self,
        width: int,
        channel_heads: int,
        spatial_heads: int,
        head_width: int,
        window: int,
        overlap: float,
        expansion: float,
    ) -> None:
        super().__init__()
        self.channel_norm = ChannelNorm(width)
        self.channel_attention = ChannelAttention(width, channel_heads)
        self.channel_feed_norm = ChannelNorm(width)
        self.channel_feed = GatedFeedForward(width, expansion)
        self.window_norm = ChannelNorm(width)
        self.window_attention = WindowAttention(width, spatial_heads, head_width, window, overlap)
        self.window_feed_norm = ChannelNorm(width)
        self.window_feed = GatedFeedForward(width, expansion)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W``, sides multiples of the window, to the same shape."""
        x = x + self.channel_attention(self.channel_norm(x))
        x = x + self.channel_feed(self.channel_feed_norm(x))
        x = x + self.window_attention(self.window_norm(x))
        return x + self.window_feed(self.window_feed_norm(x))
