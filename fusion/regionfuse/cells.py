"""Scores between overlapping regions, each pixel multiplied once.

Neighbouring regions share pixels, so the products of regions i and j and those of their neighbours to the
right share terms: the score of two regions is the sum over the cells that make them up. Cells do not overlap.
A product for every pair of cells and a few sums of small matrices give the scores of all pairs of regions,
with about ``(R_o / R)^2`` of the multiplications and of the copies (at R = 2 R_o a quarter).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .precision import at_least_single


@dataclass(frozen=True)
class _Piece:
    """Cells of one kind along one axis.

    Attributes:
        start: first pixel of the first cell.
        length: pixels of a cell.
        count: cells.
        shifts: region i contains the cells i + shift of this kind.
    """

    start: int
    length: int
    count: int
    shifts: tuple[int, ...]


def has_cells(stride: int, size: int) -> bool:
    """Tell whether regions overlap with their direct neighbours only."""
    return size <= 2 * stride


def region_scores(
    q: torch.Tensor, k: torch.Tensor, heads: int, rows: int, columns: int, stride: int, size: int
) -> torch.Tensor:
    """Scores of all pairs of regions within each group of channels.

    Args:
        q: ``c x H' x W'`` planes that the regions cover exactly, ``H' = (rows - 1) stride + size``.
        k: the same.
        heads: groups of channels.
        rows: regions from top to bottom.
        columns: regions from left to right.
        stride: distance of the regions.
        size: side of a region, at most twice the stride.

    Returns:
        ``heads x n x n`` with ``n = c / heads * rows * columns``: for tokens in the order channel, row,
        column, what their product over all pixels would be.
    """
    total: torch.Tensor | None = None
    for down in _pieces(rows, stride, size):
        for across in _pieces(columns, stride, size):
            shape = (heads, -1, down.length * across.length)
            q_cells, k_cells = (_Cells.apply(x, down, across, stride).reshape(shape) for x in (q, k))
            scores = at_least_single(q_cells @ k_cells.transpose(1, 2))  # sums of them must not be rounded
            grid = (q.shape[0] // heads, down.count, across.count)
            scores = scores.view(heads, *grid, *grid)
            for top in down.shifts:
                for left in across.shifts:
                    part = scores[:, :, top : top + rows, left : left + columns]
                    part = part[..., top : top + rows, left : left + columns]
                    total = part.contiguous() if total is None else total.add_(part)
    assert total is not None
    tokens = q.shape[0] // heads * rows * columns
    return total.view(heads, tokens, tokens)


def _pieces(count: int, stride: int, size: int) -> list[_Piece]:
    """Kinds of cells along an axis of ``count`` regions: what one region has alone, what two share."""
    shared = size - stride
    pieces = [_Piece(shared, stride - shared, count, (0,)), _Piece(0, shared, count + 1, (0, 1))]
    return [piece for piece in pieces if piece.length]


class _Cells(torch.autograd.Function):
    """:func:`_cells`; going back, every pixel takes the gradient of its cell, faster than by ``unfold``."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, down: _Piece, across: _Piece, stride: int) -> torch.Tensor:
        ctx.shape, ctx.cells = x.shape, (down, across, stride)
        return _cells(x, down, across, stride)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        whole = gradients[0].new_zeros(ctx.shape)
        _cells(whole, *ctx.cells).copy_(gradients[0])
        return whole, None, None, None


def _cells(x: torch.Tensor, down: _Piece, across: _Piece, stride: int) -> torch.Tensor:
    """Cells of one kind, ``c x rows x columns x height x width``, a view."""
    x = x.narrow(1, down.start, (down.count - 1) * stride + down.length)
    x = x.narrow(2, across.start, (across.count - 1) * stride + across.length)
    return x.unfold(1, down.length, stride).unfold(2, across.length, stride)
