"""MoRA, the mixture of region attention.

What the paper says: ``ATTN_e = Softmax(M_e * Q K^T / alpha) V`` with ``m^e_ij = 1`` when tokens i and j both
chose expert e, else 0, and output ``sum_e S(e) * ATTN_e``. Read literally the mask multiplies the scores
before the softmax, so that a masked pair keeps the weight ``exp(0) = 1``. What we do: the softmax runs over
the pairs with ``m = 1`` only, which is what "masked attention" says and what makes the mask block-structured.
See :mod:`.attention` for the forms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from .attention import mora_auto, mora_dense, mora_folded, mora_literal, mora_packed
from .layers import Pointwise
from .regions import RegionGrid
from .router import Router, Routing

Form = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
FORMS: dict[str, Form] = {
    "packed": mora_packed,
    "folded": mora_folded,
    "dense": mora_dense,
    "literal": mora_literal,
}
"""Ways to compute MoRA; ``auto`` chooses between the first two."""


class MixtureOfRegionAttention(nn.Module):
    """Attention among region tokens that chose the same expert.

    Every channel's R x R region is one token of length R^2. Tokens attend to each other within one image, one
    group of channels (``heads``) and one tile of regions (``reach`` regions a side at most).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        region: int,
        size: int,
        reach: int,
        experts: int,
        top_k: int,
        router_hidden: int,
    ) -> None:
        super().__init__()
        self.heads, self.region, self.size, self.reach = heads, region, size, reach
        self.qkv = Pointwise(width, 3 * width, bias=False)
        self.depthwise = nn.Conv2d(3 * width, 3 * width, 3, padding=1, groups=3 * width, bias=False)
        self.router = Router(size * size, router_hidden, experts, top_k)
        self.log_alpha = nn.Parameter(torch.zeros(heads))
        self.project = Pointwise(width, width, bias=False)
        self.form = "auto"

    def forward(
        self, x: torch.Tensor, with_load_loss: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None, Routing]:
        """Mix the regions of ``B x C x H x W``.

        Returns:
            The mixed features, same shape; the load loss or None; the routing.
        """
        grid = RegionGrid(x.shape[-2], x.shape[-1], self.region, self.size)
        # a token is a patch of one channel: from here to the projection, channels come first in memory
        routing, load_loss = self.router(grid.split(x.contiguous()).flatten(-2), with_load_loss)
        q, k, v = grid.split(self._qkv(x).contiguous()).chunk(3, dim=1)
        mixed = self._attend(q, k, v, routing)
        merged = grid.merge(mixed).contiguous(memory_format=torch.channels_last)
        return self.project(merged), load_loss, routing

    def _qkv(self, x: torch.Tensor) -> torch.Tensor:
        """Q / alpha, K and V, ``B x 3C x H x W``; the division is done on the weights, for nothing."""
        width = x.shape[1]
        alpha = (self.size * self.log_alpha.exp()).repeat_interleave(width // self.heads)
        kernels = self.depthwise.weight
        kernels = torch.cat([kernels[:width] / alpha[:, None, None, None], kernels[width:]])
        return F.conv2d(self.qkv(x), kernels, padding=1, groups=3 * width)

    def _attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, routing: Routing) -> torch.Tensor:
        """Attention of all tiles; regions ``B x C x rows x columns x R x R`` in and out."""
        form: Callable[..., torch.Tensor] = (
            partial(mora_auto, top_k=self.router.top_k) if self.form == "auto" else FORMS[self.form]
        )
        rows, columns = _tiles(q.shape[2], self.reach), _tiles(q.shape[3], self.reach)
        whole = (q, k, v, routing.responsibilities, routing.chosen)
        bands = []
        for band, tall in zip(_split(whole, rows, 2), rows, strict=True):
            strips = []
            for strip, wide in zip(_split(band, columns, 3), columns, strict=True):
                mixed = form(*(_to_groups(x, self.heads, tall.side, wide.side) for x in strip))
                strips.append(_from_groups(mixed, strip[0].shape[:4], self.heads, tall.side, wide.side))
            bands.append(torch.cat(strips, dim=3) if len(strips) > 1 else strips[0])
        mixed = torch.cat(bands, dim=2) if len(bands) > 1 else bands[0]
        return mixed.unflatten(-1, (self.size, self.size))


class Tiles(NamedTuple):
    """A run of equal tiles along one axis, in regions."""

    length: int
    side: int


def _tiles(count: int, reach: int) -> list[Tiles]:
    """Cut ``count`` regions into the fewest tiles of at most ``reach``, as equal as can be: 1 or 2 runs."""
    tiles = -(-count // reach)
    side, longer = divmod(count, tiles)
    runs = [Tiles(longer * (side + 1), side + 1), Tiles((tiles - longer) * side, side)]
    return [run for run in runs if run.length]


def _split(tensors: Sequence[torch.Tensor], runs: list[Tiles], axis: int) -> list[tuple[torch.Tensor, ...]]:
    """Split all ``tensors`` alike along ``axis`` into the runs."""
    if len(runs) == 1:
        return [tuple(tensors)]
    lengths = [run.length for run in runs]
    return list(zip(*(x.split(lengths, dim=axis) for x in tensors), strict=True))


def _to_groups(x: torch.Tensor, heads: int, tall: int, wide: int) -> torch.Tensor:
    """``B x C x rows x columns x ...`` to groups ``(B heads tiles) x (C/heads tall wide) x D``: one copy."""
    x = x.unflatten(3, (-1, wide)).unflatten(2, (-1, tall)).unflatten(1, (heads, -1))
    tokens = x.shape[2] * tall * wide
    x = x.permute(0, 1, 3, 5, 2, 4, 6, *range(7, x.ndim))
    return x.reshape(-1, tokens, math.prod(x.shape[7:]))


def _from_groups(x: torch.Tensor, shape: torch.Size, heads: int, tall: int, wide: int) -> torch.Tensor:
    """Inverse of :func:`_to_groups`; ``shape`` is ``B, C, rows, columns``."""
    batch, width, rows, columns = shape
    x = x.reshape(batch, heads, rows // tall, columns // wide, width // heads, tall, wide, -1)
    return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(batch, width, rows, columns, -1)
