"""Overlapping regions: cut a feature map into them (embedding), blend them back without seams (reshaping)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from .padding import mirror_pad


@dataclass(frozen=True)
class RegionGrid:
    """Regions of ``size`` pixels a side, placed every ``stride`` pixels over an image of ``height x width``.

    The core of region (i, j) covers rows ``[i * stride, (i + 1) * stride)`` and columns likewise; the region
    reaches ``(size - stride) / 2`` pixels beyond its core on all four sides. Cores cover the image; the last
    ones may reach beyond it, where the image is mirrored.
    """

    height: int
    width: int
    stride: int
    size: int

    @property
    def rows(self) -> int:
        """Number of regions from top to bottom."""
        return -(-self.height // self.stride)

    @property
    def columns(self) -> int:
        """Number of regions from left to right."""
        return -(-self.width // self.stride)

    @property
    def margin(self) -> int:
        """Pixels by which a region exceeds its core on each side."""
        return (self.size - self.stride) // 2

    def pad(self, x: torch.Tensor) -> torch.Tensor:
        """Mirror-pad ``B x C x H x W`` to what the regions cover."""
        right = self.columns * self.stride - self.width + self.margin
        bottom = self.rows * self.stride - self.height + self.margin
        return mirror_pad(x, self.margin, right, self.margin, bottom)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """Cut ``B x C x H x W`` into regions.

        Returns:
            ``B x C x rows x columns x size x size``, a view of the padded image: no pixel is copied twice.
        """
        regions: torch.Tensor = _Split.apply(self.pad(x), self.size, self.stride)
        return regions

    def merge(self, regions: torch.Tensor) -> torch.Tensor:
        """Blend ``B x C x rows x columns x size x size`` back to ``B x C x H x W``; ``merge(split(x)) == x``.

        In an overlap the regions are mixed by a raised-cosine ramp, normalised so that the weights of every
        pixel sum to one.
        """
        if self.size == self.stride:
            blended = regions.permute(0, 1, 2, 4, 3, 5).flatten(4, 5).flatten(2, 3)
            return blended[..., : self.height, : self.width]
        ramp = self.window(regions.device, regions.dtype)
        lined = _overlap_add(regions * (ramp[:, None] * ramp), self.stride, axis=-1)
        blended = _overlap_add(lined, self.stride, axis=-2)
        inner_rows = slice(self.margin, self.margin + self.height)
        inner_columns = slice(self.margin, self.margin + self.width)
        blended = blended[..., inner_rows, inner_columns]
        rows_sum = self._weight_sum(self.rows, regions)[inner_rows]
        columns_sum = self._weight_sum(self.columns, regions)[inner_columns]
        return blended / rows_sum[:, None] / columns_sum

    def window(self, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """Blending weights along one side, length ``size``, positive, before normalisation."""
        overlap = min(self.size - self.stride, self.size // 2)
        ramp = torch.ones(self.size, device=device)
        if overlap:
            steps = (torch.arange(overlap, device=device) + 0.5) / overlap
            rise = 0.5 - 0.5 * torch.cos(math.pi * steps)
            ramp[:overlap] = rise
            ramp[self.size - overlap :] = rise.flip(0)
        return ramp.to(dtype)

    def _weight_sum(self, count: int, like: torch.Tensor) -> torch.Tensor:
        window = self.window(like.device, like.dtype)
        return _overlap_add(window.expand(count, 1, -1), self.stride, axis=-1)[0]

    def means(self, x: torch.Tensor) -> torch.Tensor:
        """Mean of every region, ``B x C x rows x columns`` (global average pooling of each region)."""
        return F.avg_pool2d(self.pad(x), self.size, self.stride)

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """Give every region one value and blend: ``B x C x rows x columns`` to ``B x C x H x W``.

        Channels-last memory. Equals ``merge`` of regions that are constant, at a fraction of its cost.
        """
        across = self._shares(self.columns, self.width, values)  # W x columns
        down = self._shares(self.rows, self.height, values)  # H x rows
        rows = torch.einsum("yr,bcrk->bykc", down, values)
        return (across @ rows).permute(0, 3, 1, 2)

    def _shares(self, count: int, length: int, like: torch.Tensor) -> torch.Tensor:
        """Share of each of ``count`` regions in each of ``length`` pixels of one axis, ``length x count``."""
        window = self.window(like.device, like.dtype)
        shares = like.new_zeros(count, count * self.stride + 2 * self.margin)
        for index in range(count):
            shares[index, index * self.stride : index * self.stride + self.size] = window
        shares = shares[:, self.margin : self.margin + length]
        return (shares / shares.sum(dim=0, keepdim=True)).transpose(0, 1).contiguous()


class _Split(torch.autograd.Function):
    """Overlapping regions as a view; going back they are added up, much faster than ``unfold`` does it."""

    @staticmethod
    def forward(ctx: Any, padded: torch.Tensor, size: int, stride: int) -> torch.Tensor:
        ctx.stride = stride
        return padded.unfold(2, size, stride).unfold(3, size, stride)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        lined = _overlap_add(gradients[0], ctx.stride, axis=-1)
        return _overlap_add(lined, ctx.stride, axis=-2), None, None


def _overlap_add(pieces: torch.Tensor, stride: int, axis: int) -> torch.Tensor:
    """Add overlapping pieces up along one axis.

    Args:
        pieces: ``... x count x height x width``.
        stride: distance between the starts of consecutive pieces.
        axis: -2 to pile the pieces up downwards, -1 to line them up rightwards.

    Returns:
        ``... x ((count - 1) * stride + height) x width`` or ``... x height x ((count - 1) * stride +
        width)``.
    """
    count, size = pieces.shape[-3], pieces.shape[axis]
    parts = -(-size // stride)
    total: torch.Tensor | None = None
    for part in range(parts):
        start = part * stride
        piece = pieces.narrow(axis, start, min(stride, size - start))
        short = stride - piece.shape[axis]
        fill = (0, 0, 0, short) if axis == -2 else (0, short, 0, 0)
        shifted = F.pad(piece, (*fill, part, parts - 1 - part))
        total = shifted if total is None else total + shifted
    assert total is not None
    if axis == -1:
        total = total.transpose(-3, -2)
        return total.flatten(-2)[..., : (count - 1) * stride + size]
    return total.flatten(-3, -2)[..., : (count - 1) * stride + size, :]
