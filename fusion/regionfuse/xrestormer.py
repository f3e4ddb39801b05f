"""X-Restormer blocks (Chen et al., ECCV Workshops 2024): the multi-granularity Transformer of the encoders.

A block attends twice: among channels over the whole image (transposed attention: coarse interaction across
regions) and among pixels of overlapping windows (fine features inside a region). Each attention is followed
by a gated depth-wise feed-forward network; all four are residual and see a normalised input.

Features are ``B x C x H x W`` in channels-last memory: there the norms, the 1x1 and depth-wise convolutions
and the windows need no copies, and depth-wise convolutions on CPUs are several times faster.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from .layers import ChannelNorm, Pointwise, pointwise
from .precision import at_least_single, full_precision
from .strips import by_strips, in_strips, strips


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
        # One half after the other: halves of a common result would lie in memory in short runs of channels,
        # and what follows would be up to nine times slower.
        gate, value = (
            F.conv2d(pointwise(x, inner), kernels, padding=1, groups=len(kernels))
            for inner, kernels in zip(self.inner.weight.chunk(2), self.depthwise.weight.chunk(2), strict=True)
        )
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
            q, k = at_least_single(q), at_least_single(k)
            norms = _lengths(q).transpose(-1, -2) * _lengths(k)
            weights = (q.transpose(-1, -2) @ k / norms * self.temperature).softmax(dim=-1)
        mixed = v @ weights.transpose(-1, -2).to(v.dtype)  # B, heads, HW, C/heads
        mixed = mixed.transpose(1, 2).reshape(batch, height, columns, width)
        return self.project(mixed.permute(0, 3, 1, 2))

    def in_strips(self, x: torch.Tensor, norm: nn.Module) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Compute the same for ``norm(x)`` in strips, up to one matrix per image.

        Returns:
            V, ``B x C x H x W``, and for every image the C x C matrix that makes the result of it: the
            attention is the same at all pixels, and so goes into the projection.
        """
        batch, width = x.shape[:2]
        depth = width // self.heads
        values: torch.Tensor | None = None
        products = at_least_single(x.new_zeros(batch, self.heads, depth, depth))
        squares = at_least_single(x.new_zeros(batch, 2 * width))
        for strip in strips(x, halo=1):
            q, k, v = strip.crop(self.depthwise(self.qkv(norm(strip(x))))).chunk(3, dim=1)
            if values is None:
                values = torch.empty_like(x, dtype=v.dtype, memory_format=torch.channels_last)
            strip.into(values).copy_(v)
            with full_precision(x.device):
                q, k = (at_least_single(part.permute(0, 2, 3, 1)).reshape(-1, width) for part in (q, k))
                squares[strip.image] += torch.cat([(q * q).sum(dim=0), (k * k).sum(dim=0)])
                q, k = (part.view(-1, self.heads, depth).transpose(0, 1) for part in (q, k))
                products[strip.image] += q.transpose(-1, -2) @ k
        assert values is not None
        norms = squares.sqrt().clamp_min(1e-12).view(batch, 2, self.heads, depth)
        norms = norms[:, 0, :, :, None] * norms[:, 1, :, None, :]
        weights = (products / norms * self.temperature).softmax(dim=-1)  # B, heads, C/heads, C/heads
        project = at_least_single(self.project.weight.flatten(1))
        return values, [project @ torch.block_diag(*image) for image in weights]


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

    def forward(self, x: torch.Tensor, above: int = 0, below: int = 0) -> torch.Tensor:
        """Attend within windows.

        Args:
            x: ``B x C x (above + H + below) x W``, H and W multiples of the window.
            above: rows at the top that are only looked at, at most the margin of the keys.
            below: rows at the bottom likewise.

        Returns:
            ``B x C x H x W``.
        """
        batch, _, height, width = x.shape
        height -= above + below
        w, heads = self.window, self.heads
        rows, columns = height // w, width // w
        q, k, v = self.qkv(x).permute(0, 2, 3, 1).chunk(3, dim=-1)  # each B, H, W, heads * d
        q = q[:, above : above + height]
        q = q.reshape(batch, rows, w, columns, w, heads, -1).permute(0, 1, 3, 5, 2, 4, 6)
        q = q.reshape(batch * rows * columns, heads, w * w, -1) * self.scale
        k, v = self._windows(k, above, below), self._windows(v, above, below)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=self._relative(q), scale=1.0)
        mixed = mixed.reshape(batch, rows, columns, heads, w, w, -1).permute(0, 1, 4, 2, 5, 3, 6)
        return self.project(mixed.reshape(batch, height, width, -1).permute(0, 3, 1, 2))

    def _windows(self, x: torch.Tensor, above: int, below: int) -> torch.Tensor:
        """Overlapping windows of keys or values: ``B x H x W x heads*d`` to ``windows x heads x r*r x d``."""
        r, m = self.reach, self.margin
        windows = (
            F.pad(x, (0, 0, m, m, m - above, m - below)).unfold(1, r, self.window).unfold(2, r, self.window)
        )
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
        if in_strips(x):
            return self._in_strips(x)
        x = x + self.channel_attention(self.channel_norm(x))
        x = x + self.channel_feed(self.channel_feed_norm(x))
        x = x + self.window_attention(self.window_norm(x))
        return x + self.window_feed(self.window_feed_norm(x))

    def _in_strips(self, x: torch.Tensor) -> torch.Tensor:
        values, mixings = self.channel_attention.in_strips(x, self.channel_norm)

        def channels(x: torch.Tensor, values: torch.Tensor, mixing: torch.Tensor) -> torch.Tensor:
            x = x + pointwise(values, mixing.to(values.dtype))
            return x + self.channel_feed(self.channel_feed_norm(x))

        x = torch.cat(
            [
                by_strips(partial(channels, mixing=mixing), image, value, halo=1)
                for image, value, mixing in zip(x.split(1), values.split(1), mixings, strict=True)
            ]
        )
        attended = torch.empty_like(x, memory_format=torch.channels_last)
        attention = self.window_attention
        for strip in strips(x, halo=attention.margin, step=attention.window):
            above, below = strip.rows.start - strip.outer.start, strip.outer.stop - strip.rows.stop
            part = attention(self.window_norm(strip(x)), above, below)
            torch.add(strip.crop(strip(x)), part, out=strip.into(attended))
        return by_strips(lambda x: x + self.window_feed(self.window_feed_norm(x)), attended, halo=1)
