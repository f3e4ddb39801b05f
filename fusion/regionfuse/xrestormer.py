"""X-Restormer blocks (Chen et al., ECCV Workshops 2024): the multi-granularity Transformer of the encoders.

A block attends twice: among channels over the whole image (transposed attention: coarse interaction across regions)
and among pixels of overlapping windows (fine features inside a region). Each attention is followed by a gated
depth-wise feed-forward network; all four are residual and see a normalised input.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of every pixel of ``B x C x H x W``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise ``x``; same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class GatedFeedForward(nn.Module):
    """Gated depth-wise feed-forward network: one half of the hidden channels gates the other."""

    def __init__(self, width: int, expansion: float) -> None:
        super().__init__()
        hidden = int(width * expansion)
        self.inner = nn.Conv2d(width, 2 * hidden, 1, bias=False)
        self.depthwise = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.outer = nn.Conv2d(hidden, width, 1, bias=False)

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
        self.qkv = nn.Conv2d(width, 3 * width, 1, bias=False)
        self.depthwise = nn.Conv2d(3 * width, 3 * width, 3, padding=1, groups=3 * width, bias=False)
        self.project = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W`` to the same shape."""
        batch, width, height, columns = x.shape
        q, k, v = self.depthwise(self.qkv(x)).reshape(batch, 3, self.heads, -1, height * columns).unbind(1)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        weights = (q @ k.transpose(-1, -2) * self.temperature).softmax(dim=-1)  # B, heads, C/heads, C/heads
        mixed = weights.to(v.dtype) @ v
        return self.project(mixed.reshape(batch, width, height, columns))


class WindowAttention(nn.Module):
    """Overlapping-window attention: pixels of a window attend to a larger window around it.

    Learnt vectors for the relative row and column offset are added to the keys' scores. Keys outside the image are
    zero vectors.
    """

    def __init__(self, width: int, heads: int, head_width: int, window: int, overlap: float) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.margin = round(window * overlap / 2)
        self.reach = window + 2 * self.margin
        inner = heads * head_width
        self.qkv = nn.Conv2d(width, 3 * inner, 1, bias=False)
        self.project = nn.Conv2d(inner, width, 1, bias=False)
        self.scale = head_width**-0.5
        self.row_offsets = nn.Parameter(torch.randn(2 * self.reach - 1, head_width) * self.scale)
        self.column_offsets = nn.Parameter(torch.randn(2 * self.reach - 1, head_width) * self.scale)
        # offset of key row (or column) r from query row w, shifted to be an index >= 0
        offset = torch.arange(self.reach)[None, :] - torch.arange(window)[:, None] + self.reach - 1
        self.register_buffer("offset", offset, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``B x C x H x W``, sides multiples of the window, to the same shape."""
        batch, _, height, width = x.shape
        w, r, heads = self.window, self.reach, self.heads
        rows, columns = height // w, width // w
        q, k, v = self.qkv(x).chunk(3, dim=1)
        # windows of queries: (B rows columns) x heads x w*w x d
        q = q.reshape(batch, heads, -1, rows, w, columns, w).permute(0, 3, 5, 1, 4, 6, 2)
        q = q.reshape(batch * rows * columns, heads, w * w, -1) * self.scale
        k, v = self._windows(k, rows, columns), self._windows(v, rows, columns)
        scores = q @ k.transpose(-1, -2) + self._relative(q)
        mixed = scores.softmax(dim=-1).to(v.dtype) @ v
        mixed = mixed.reshape(batch, rows, columns, heads, w, w, -1).permute(0, 3, 6, 1, 4, 2, 5)
        return self.project(mixed.reshape(batch, -1, height, width))

    def _windows(self, x: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
        """Overlapping windows of keys or values: ``(B rows columns) x heads x r*r x d``."""
        r = self.reach
        padded = F.pad(x, (self.margin,) * 4)
        windows = padded.unfold(2, r, self.window).unfold(3, r, self.window)  # B, C, rows, columns, r, r
        windows = windows.reshape(x.shape[0], self.heads, -1, rows, columns, r, r).permute(0, 3, 4, 1, 5, 6, 2)
        return windows.reshape(x.shape[0] * rows * columns, self.heads, r * r, -1)

    def _relative(self, q: torch.Tensor) -> torch.Tensor:
        """Scores of the relative offsets: ``windows x heads x w*w x r*r``."""
        w, r = self.window, self.reach
        grid = q.reshape(*q.shape[:2], w, w, -1)  # windows, heads, row, column, d
        by_row = torch.einsum("nhxyd,xrd->nhxyr", grid, self.row_offsets[self.offset].to(q.dtype))
        by_column = torch.einsum("nhxyd,yrd->nhxyr", grid, self.column_offsets[self.offset].to(q.dtype))
        both = by_row[..., :, None] + by_column[..., None, :]  # windows, heads, w, w, r, r
        return both.reshape(*q.shape[:2], w * w, r * r)


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
