"""MoRA, the mixture of region attention.

What the paper says: ``ATTN_e = Softmax(M_e * Q K^T / alpha) V`` with ``m^e_ij = 1`` when tokens i and j both
chose expert e, else 0, and output ``sum_e S(e) * ATTN_e``. Read literally the mask multiplies the scores
before the softmax, so that a masked pair keeps the weight ``exp(0) = 1``. What we do: the softmax runs over
the pairs with ``m = 1`` only, which is what "masked attention" says and what makes the mask block-structured.
See :mod:`.attention` for the forms.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from .attention import (
    SCORE_ELEMENTS,
    Form,
    cheaper_form,
    fold,
    mora_dense,
    mora_folded,
    mora_literal,
    mora_packed,
)
from .cells import has_cells, region_scores
from .layers import Pointwise
from .plain_routing import NoRouter, SampleRouter
from .region_stream import StreamedAttention, route
from .regions import RegionGrid
from .router import Router, Routing
from .strips import by_strips, in_strips
from .tiles import Tiling

FORMS: dict[str, Form] = {
    "packed": mora_packed,
    "folded": mora_folded,
    "dense": mora_dense,
    "literal": mora_literal,
}
"""Ways to compute MoRA; ``auto`` chooses between the first two."""


class MixtureOfRegionAttention(nn.Module):
    """Attention among region tokens that chose the same expert.

    Every channel's R x R region is one token of length R^2. Tokens attend to each other within one image and
    one group of channels (``heads``); in images of more than ``reach`` regions a side, within overlapping
    tiles of that many, whose results are blended.
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
        routing: str = "region",
    ) -> None:
        """Build the layer.

        Args:
            width: C, channels.
            heads: groups of channels.
            region: R_o, stride of the regions in pixels.
            size: R, side of the regions in pixels.
            reach: regions a side that attend to each other.
            experts: E.
            top_k: experts that a token keeps.
            router_hidden: hidden units of the router.
            routing: ``region``; or, for ablations, ``sample`` (one decision an image) or ``none`` (plain
                attention).
        """
        super().__init__()
        self.heads, self.region, self.size, self.reach = heads, region, size, reach
        self.qkv = Pointwise(width, 3 * width, bias=False)
        self.depthwise = nn.Conv2d(3 * width, 3 * width, 3, padding=1, groups=3 * width, bias=False)
        self.experts, self.top_k = (1, 1) if routing == "none" else (experts, top_k)
        self.router: Router | SampleRouter | NoRouter
        if routing == "none":
            self.router = NoRouter()
        elif routing == "sample":
            self.router = SampleRouter(width, size, router_hidden, experts, top_k)
        else:
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
        if in_strips(x) and not self.training and not with_load_loss and self.form != "dense":
            return self._streamed(x, grid)
        # a token is a patch of one channel: from here to the projection, channels come first in memory
        if isinstance(self.router, Router):
            routing, load_loss = self.router(grid.split(x.contiguous()).flatten(-2), with_load_loss)
        else:
            routing, load_loss = self.router.route(x, grid, with_load_loss)
        planes = grid.pad(self._qkv(x).contiguous())
        if self._takes_cells(x.shape[0], grid):
            q, k, v = planes.chunk(3, dim=1)
            mixed = self._attend_in_cells(q, k, v, grid, routing)
        else:
            q, k, v = grid.overlapping(planes).chunk(3, dim=1)
            mixed = self._attend(q, k, v, routing)
        merged = grid.merge(mixed).contiguous(memory_format=torch.channels_last)
        return self.project(merged), load_loss, routing

    def _streamed(self, x: torch.Tensor, grid: RegionGrid) -> tuple[torch.Tensor, None, Routing]:
        """The same at inference on CPUs, without large intermediate results."""
        width = x.shape[1]
        if isinstance(self.router, Router):
            routing = route(self.router, x, grid)
        else:
            routing, _ = self.router.route(x, grid, False)
        attention = StreamedAttention(
            grid,
            self.reach,
            self.heads,
            None if self._form() is mora_folded else self._form(),
            self.qkv.weight.view(3, width, width),
            self._kernels().view(3, width, 3, 3),
        )
        mixed = attention(x, routing)
        return by_strips(self._project_planes, mixed), None, routing

    def _project_planes(self, x: torch.Tensor) -> torch.Tensor:
        """The projection of one image with channels first in memory; channels-last memory, no copy."""
        planes = x[0].flatten(1)  # C x HW
        pixels = planes.t() @ self.project.weight.flatten(1).t()
        return pixels.view(1, *x.shape[2:], -1).permute(0, 3, 1, 2)

    def _qkv(self, x: torch.Tensor) -> torch.Tensor:
        """Q / alpha, K and V, ``B x 3C x H x W``."""
        return F.conv2d(self.qkv(x), self._kernels(), padding=1, groups=3 * x.shape[1])

    def _kernels(self) -> torch.Tensor:
        """Depth-wise kernels of Q / alpha, K and V; the division is done here, for nothing."""
        kernels = self.depthwise.weight
        width = len(kernels) // 3
        alpha = (self.size * self.log_alpha.exp()).repeat_interleave(width // self.heads)
        return torch.cat([kernels[:width] / alpha[:, None, None, None], kernels[width:]])

    def _form(self) -> Form:
        return cheaper_form(self.experts, self.top_k) if self.form == "auto" else FORMS[self.form]

    def _takes_cells(self, batch: int, grid: RegionGrid) -> bool:
        """Tell whether the scores of a whole image are to be made of cells."""
        groups = batch * self.heads
        tokens = self.project.weight.shape[0] // self.heads * grid.rows * grid.columns
        one_tile = max(grid.rows, grid.columns) <= self.reach
        fits = has_cells(grid.stride, grid.size) and groups * tokens**2 <= SCORE_ELEMENTS
        return one_tile and fits and self._form() is mora_folded

    def _attend_in_cells(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, grid: RegionGrid, routing: Routing
    ) -> torch.Tensor:
        """Folded attention of whole images; padded planes in, ``B x C x rows x columns x R x R`` out."""
        groups = q.shape[0] * self.heads
        values = grid.overlapping(v)
        responsibilities, chosen, tokens = (
            _to_groups(x, self.heads) for x in (routing.responsibilities, routing.chosen, values)
        )
        scores = region_scores(
            q.flatten(0, 1), k.flatten(0, 1), groups, grid.rows, grid.columns, grid.stride, grid.size
        )
        members = chosen.to(responsibilities.dtype)
        mixed = fold(scores, responsibilities * members, members).to(tokens.dtype) @ tokens
        return _from_groups(mixed, values.shape, self.heads)

    def _attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, routing: Routing) -> torch.Tensor:
        """Attention of all tiles; regions ``B x C x rows x columns x R x R`` in and out."""
        form = self._form()
        whole = (q, k, v, routing.responsibilities, routing.chosen)
        rows, columns = Tiling.of(q.shape[2], self.reach), Tiling.of(q.shape[3], self.reach)
        if rows.alone and columns.alone:
            mixed = form(*(_to_groups(x, self.heads) for x in whole))
            return _from_groups(mixed, q.shape, self.heads)
        total = q.new_zeros(q.shape)
        for top, down in zip(rows.starts, rows.weights(q), strict=True):
            for left, across in zip(columns.starts, columns.weights(q), strict=True):
                tile = [x.narrow(2, top, rows.side).narrow(3, left, columns.side) for x in whole]
                mixed = form(*(_to_groups(x, self.heads) for x in tile))
                mixed = _from_groups(mixed, tile[0].shape, self.heads)
                share = (down[:, None] * across)[..., None, None]  # rows x columns x 1 x 1
                total.narrow(2, top, rows.side).narrow(3, left, columns.side).add_(mixed * share)
        return total


def _to_groups(x: torch.Tensor, heads: int) -> torch.Tensor:
    """``B x C x rows x columns x ...`` to groups ``(B heads) x (C/heads rows columns) x D``."""
    batch, width, rows, columns = x.shape[:4]
    return x.reshape(batch * heads, width // heads * rows * columns, math.prod(x.shape[4:]))


def _from_groups(x: torch.Tensor, shape: torch.Size, heads: int) -> torch.Tensor:
    """Inverse of :func:`_to_groups`."""
    assert x.shape[0] == shape[0] * heads
    return x.reshape(shape)
