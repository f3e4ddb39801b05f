"""Overlapping regions: cut a feature map into them (embedding), blend them back without seams (reshaping)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from .padding import mirror_pad, mirrored
from .strips import in_strips


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

    @property
    def padded_height(self) -> int:
        """Rows that the regions cover."""
        return self.rows * self.stride + 2 * self.margin

    @property
    def padded_width(self) -> int:
        """Columns that the regions cover."""
        return self.columns * self.stride + 2 * self.margin

    @property
    def inner_rows(self) -> slice:
        """Rows of the image in the padded one."""
        return slice(self.margin, self.margin + self.height)

    @property
    def inner_columns(self) -> slice:
        """Columns of the image in the padded one."""
        return slice(self.margin, self.margin + self.width)

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
        return self.overlapping(self.pad(x))

    def overlapping(self, padded: torch.Tensor) -> torch.Tensor:
        """What :meth:`split` returns, from ``B x C x H' x W'`` that is padded already."""
        regions: torch.Tensor = _Split.apply(padded, self.size, self.stride)
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
        rows, columns = self.blending(regions)
        return blended[..., self.inner_rows, self.inner_columns] * rows[:, None] * columns

    def cut(self, padded: torch.Tensor) -> torch.Tensor:
        """Regions of ``C x H' x W'`` that is padded already: ``C x rows x columns x size x size``, a view."""
        return padded.unfold(1, self.size, self.stride).unfold(2, self.size, self.stride)

    def add(self, regions: torch.Tensor, total: torch.Tensor, row: int = 0, column: int = 0) -> None:
        """Add regions ``C x r x c x size x size`` to where they lie in ``C x H' x W'``, in place.

        Args:
            regions: some neighbouring regions, weighted already.
            total: what they are added to.
            row: row of the first region.
            column: column of the first region.
        """
        rows, columns = regions.shape[1:3]
        starts = range(0, self.size, self.stride)
        for top in starts:
            height = min(self.stride, self.size - top)
            for left in starts:
                width = min(self.stride, self.size - left)
                # pieces that do not overlap
                place = total.narrow(1, row * self.stride + top, (rows - 1) * self.stride + height)
                place = place.narrow(2, column * self.stride + left, (columns - 1) * self.stride + width)
                place = place.unfold(1, height, self.stride).unfold(2, width, self.stride)
                place.add_(regions[..., top : top + height, left : left + width])

    def blending(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What normalises windowed regions that were added up: a factor for every row and every column."""
        rows, columns = self._weight_sum(self.rows, like), self._weight_sum(self.columns, like)
        return 1.0 / rows[self.inner_rows], 1.0 / columns[self.inner_columns]

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
        """Mean of every region, ``B x C x rows x columns`` (global average pooling of each region).

        At inference by two matrix products, which in channels-last memory need no copies.
        """
        if not in_strips(x):
            return F.avg_pool2d(self.pad(x), self.size, self.stride)
        batch, width = x.shape[:2]
        down = self._pooling(self.rows, self.height, x)
        lines = down @ x.permute(0, 2, 3, 1).reshape(batch, self.height, self.width * width)
        across = self._pooling(self.columns, self.width, x)
        means = across @ lines.view(batch, self.rows, self.width, width)  # B, rows, columns, C
        return means.permute(0, 3, 1, 2)

    def _pooling(self, count: int, length: int, like: torch.Tensor) -> torch.Tensor:
        """Share of each of ``length`` pixels of one axis in the mean of each region, ``count x length``."""
        last = count * self.stride + self.margin - length
        pixels = mirrored(length, self.margin, last, like.device).unfold(0, self.size, self.stride)
        shares = torch.zeros(count, length, device=like.device)
        shares.scatter_add_(1, pixels, torch.full(pixels.shape, 1 / self.size, device=like.device))
        return shares.to(like.dtype)

    def spread(self, values: torch.Tensor, lines: slice = slice(None)) -> torch.Tensor:
        """Give every region one value and blend: ``B x C x rows x columns`` to ``B x C x H x W``.

        Channels-last memory. Equals ``merge`` of regions that are constant, at a fraction of its cost.

        Args:
            values: one value a region.
            lines: lines of the image to return.
        """
        across = self._shares(self.columns, self.width, values)  # W x columns
        down = self._shares(self.rows, self.height, values)[lines]  # H x rows
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
