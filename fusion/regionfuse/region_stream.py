"""Inference of MoRA region by region: a few channel groups and one tile of regions at a time.

Overlapping regions of Q, K and V, laid out as tokens, take several times the memory of the features, and on a
CPU writing them takes longer than the attention itself. Here only those of one block of groups exist, and the
blending window, the shares of the tiles and the responsibilities are multiplied in where it costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .attention import SCORE_ELEMENTS, Form, fold, mora_folded
from .cells import has_cells, region_scores
from .padding import mirror_inwards, mirrored
from .regions import RegionGrid
from .router import Router, Routing
from .strips import strips
from .tiles import Tiling

BLOCK_BYTES = 3 << 25
"""Memory for the planes of Q, K, V and the result of one block of groups."""


def route(router: Router, x: torch.Tensor, grid: RegionGrid) -> Routing:
    """Route ``B x C x H x W``, one row of regions at a time."""
    batch, width = x.shape[:2]
    rows = mirrored(grid.height, grid.margin, grid.padded_height - grid.height - grid.margin, x.device)
    band = x.new_empty(batch, width, grid.size, grid.padded_width)
    routings = []
    for first in range(0, grid.rows * grid.stride, grid.stride):
        top = first - grid.margin
        inside = top >= 0 and top + grid.size <= grid.height
        lines = x[:, :, top : top + grid.size] if inside else x[:, :, rows[first : first + grid.size]]
        band[..., grid.inner_columns].copy_(lines)
        mirror_inwards(band, grid.margin, grid.width, 0, grid.size)
        tokens = band.unfold(3, grid.size, grid.stride).transpose(2, 3)[:, :, None]
        routings.append(router(tokens.flatten(-2))[0])
    return Routing(
        torch.cat([routing.responsibilities for routing in routings], dim=2),
        torch.cat([routing.chosen for routing in routings], dim=2),
    )


@dataclass(frozen=True)
class StreamedAttention:
    """Attention of all regions.

    Attributes:
        grid: the regions.
        reach: regions a side that attend to each other.
        heads: groups of channels.
        form: one of the forms of :mod:`.attention`; None: folded, with the scores made of cells.
        pointwise: 1x1 kernels of Q / alpha, K and V, ``3 x C x C``.
        depthwise: 3x3 kernels that follow, ``3 x C x 3 x 3``.
    """

    grid: RegionGrid
    reach: int
    heads: int
    form: Form | None
    pointwise: torch.Tensor
    depthwise: torch.Tensor

    def __call__(self, x: torch.Tensor, routing: Routing) -> torch.Tensor:
        """Mix ``B x C x H x W``; same shape, in contiguous memory, not projected yet."""
        grid = self.grid
        batch, width = x.shape[:2]
        depth = width // self.heads
        mixed = torch.empty_like(x, memory_format=torch.contiguous_format)
        one = 4 * depth * grid.padded_height * grid.padded_width * x.element_size()
        heads = max(1, min(self.heads, BLOCK_BYTES // one))
        rows, columns = grid.blending(x)
        blending = rows[:, None] * columns
        for image in range(batch):
            for first in range(0, self.heads, heads):
                last = min(first + heads, self.heads)
                channels = slice(first * depth, last * depth)
                planes = self._planes(x[image : image + 1], channels)
                total = self._attend(planes, last - first, routing, image, channels)
                inside = total[:, grid.inner_rows, grid.inner_columns]
                torch.mul(inside, blending, out=mixed[image, channels])
        return mixed

    def _planes(self, x: torch.Tensor, channels: slice) -> torch.Tensor:
        """Q, K and V of some channels of one image, with mirrored border: ``3 x c x H' x W'``."""
        grid = self.grid
        weight = self.pointwise[:, channels].flatten(0, 1)
        kernels = self.depthwise[:, channels].flatten(0, 1)[:, None]
        planes = x.new_empty(len(kernels), grid.padded_height, grid.padded_width, dtype=weight.dtype)
        inside = planes[:, grid.inner_rows, grid.inner_columns]
        for strip in strips(x, halo=1):
            pixels = strip(x).permute(0, 2, 3, 1).reshape(-1, x.shape[1])
            part = (weight @ pixels.t()).view(1, len(kernels), -1, grid.width)
            part = F.conv2d(part, kernels, padding=1, groups=len(kernels))
            inside[:, strip.rows].copy_(strip.crop(part)[0])
        mirror_inwards(planes, grid.margin, grid.width, grid.margin, grid.height)
        return planes.view(3, -1, grid.padded_height, grid.padded_width)

    def _attend(
        self, planes: torch.Tensor, heads: int, routing: Routing, image: int, channels: slice
    ) -> torch.Tensor:
        """Attend in all tiles and add the regions up, weighted: ``c x H' x W'``."""
        grid = self.grid
        total = torch.zeros_like(planes[0])
        window = grid.window(planes.device, planes.dtype)
        window = window[:, None] * window
        values = grid.cut(planes[2])  # c x rows x columns x R x R
        for tile in self._tiles(planes):
            v = _tokens(tile.of(values), heads, window)
            responsibilities = tile.of(routing.responsibilities[image, channels]) * tile.share
            chosen = tile.of(routing.chosen[image, channels])
            experts = chosen.shape[-1]
            responsibilities = responsibilities.reshape(heads, -1, experts)
            chosen = chosen.reshape(heads, -1, experts)
            if self.form is None and heads * v.shape[1] ** 2 <= SCORE_ELEMENTS:
                scores = self._scores(planes, tile, heads)
                members = chosen.to(responsibilities.dtype)
                out = fold(scores, responsibilities * members, members).to(v.dtype) @ v
            else:
                q, k = (_tokens(tile.of(grid.cut(plane)), heads) for plane in planes[:2])
                out = (self.form or mora_folded)(q, k, v, responsibilities, chosen)
            grid.add(out.view(tile.of(values).shape), total, tile.rows.start, tile.columns.start)
        return total

    def _scores(self, planes: torch.Tensor, tile: _Tile, heads: int) -> torch.Tensor:
        """Scores of all tokens of a tile: ``heads x n x n``."""
        stride, size = self.grid.stride, self.grid.size
        rows, columns = tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start
        q, k = (
            plane.narrow(1, tile.rows.start * stride, (rows - 1) * stride + size).narrow(
                2, tile.columns.start * stride, (columns - 1) * stride + size
            )
            for plane in planes[:2]
        )
        if not has_cells(stride, size):
            q, k = (_tokens(tile.of(self.grid.cut(plane)), heads) for plane in planes[:2])
            return q @ k.transpose(1, 2)
        return region_scores(q, k, heads, rows, columns, stride, size)

    def _tiles(self, like: torch.Tensor) -> Iterator[_Tile]:
        rows, columns = Tiling.of(self.grid.rows, self.reach), Tiling.of(self.grid.columns, self.reach)
        for top, down in zip(rows.starts, rows.weights(like), strict=True):
            for left, across in zip(columns.starts, columns.weights(like), strict=True):
                share = (down[:, None] * across)[..., None]
                yield _Tile(slice(top, top + rows.side), slice(left, left + columns.side), share)


@dataclass(frozen=True)
class _Tile:
    """Regions that attend to each other, and the share of this tile in each: ``rows x columns x 1``."""

    rows: slice
    columns: slice
    share: torch.Tensor

    def of(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, self.rows, self.columns]


def _tokens(regions: torch.Tensor, heads: int, window: torch.Tensor | None = None) -> torch.Tensor:
    """Regions ``c x rows x columns x R x R``, times a window, as tokens ``heads x n x R^2``."""
    tokens = regions.new_empty(regions.shape)
    if window is None:
        tokens.copy_(regions)
    else:
        torch.mul(regions, window, out=tokens)
    return tokens.view(heads, -1, regions.shape[-1] ** 2)
