"""Masked attention experts of MoRA, in several forms that share one signature.

All take a batch of G independent groups of n region tokens of length D:

- ``q``, ``k``, ``v``: ``G x n x D``, ``q`` already divided by alpha;
- ``responsibilities``: float ``G x n x E``;
- ``chosen``: bool ``G x n x E``, the experts each token keeps;

and return ``G x n x D``. :func:`mora_packed` and :func:`mora_folded` are two ways to the same result without
the waste of :func:`mora_dense`, the reference that tests compare them with; :func:`cheaper_form` takes
the better of the two; :func:`mora_literal` is the paper's formula to the letter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from .precision import at_least_single, full_precision

Form = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

SCORE_ELEMENTS = 1 << 24
"""Most scores that :func:`mora_folded` holds at a time (64 MiB in single precision)."""

LEAST_SUM = 1e-12
"""Below this :func:`fold` takes another way: on the way back its square divides, and must not underflow."""

PACKED_ELEMENTS = 1 << 24
"""Most elements of q that one packed batch gathers at inference (64 MiB in single precision)."""

LEAST_FILL = 0.85
"""Blocks share a batch when the shorter ones fill at least this much of it; the rest is padding."""


def mora_dense(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    responsibilities: torch.Tensor,
    chosen: torch.Tensor,
) -> torch.Tensor:
    """Attention experts over all tokens with a mask: ``sum_e S(e) softmax_masked(q k^T) v``.

    The scores are computed once and masked per expert. A token outside expert e gets nothing from it.
    """
    scores = q @ k.transpose(-1, -2)
    total = torch.zeros_like(v)
    for expert in range(chosen.shape[-1]):
        member = chosen[..., expert]
        mask = member[:, :, None] & member[:, None, :]  # m^e_ij = 1: i and j both chose e
        weights = scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)
        # rows of tokens that did not choose e are empty: softmax of -inf only
        weights = weights.masked_fill(~member[:, :, None], 0.0)
        total = total + responsibilities[..., expert, None].to(v.dtype) * (weights.to(v.dtype) @ v)
    return total


def mora_literal(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    responsibilities: torch.Tensor,
    chosen: torch.Tensor,
) -> torch.Tensor:
    """The formula as printed: ``ATTN_e = Softmax(M_e * Q K^T / alpha) V``, with a product before the softmax.

    A masked pair has score 0 and so still the weight exp(0) = 1: unchosen tokens take part, and a token
    outside the expert receives the plain mean of all values. Kept for comparison.
    """
    scores = q @ k.transpose(-1, -2)
    total = torch.zeros_like(v)
    for expert in range(chosen.shape[-1]):
        member = chosen[..., expert].to(scores.dtype)
        weights = (scores * member[:, :, None] * member[:, None, :]).softmax(dim=-1)
        total = total + responsibilities[..., expert, None].to(v.dtype) * (weights.to(v.dtype) @ v)
    return total


def cheaper_form(experts: int, top_k: int) -> Form:
    """Return the cheaper of :func:`mora_folded` and :func:`mora_packed`, decided without looking at the data.

    With evenly used experts the packed form needs ``2 n^2 D k^2 / E`` multiply-accumulates and gathers every
    token k times; the folded one needs ``2 n^2 D`` at most and gathers nothing.
    """
    return mora_folded if top_k**2 >= experts else mora_packed


def mora_folded(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    responsibilities: torch.Tensor,
    chosen: torch.Tensor,
) -> torch.Tensor:
    """The same as :func:`mora_dense` with one product with V: ``(sum_e diag(S(e)) A_e) v``.

    Experts share Q, K and V, so their weights ``A_e`` can be summed before V is touched: two products of n x
    n by D in all, instead of 1 + E. Large groups go block of queries by block of queries, so that no more
    than :data:`SCORE_ELEMENTS` scores exist at a time; in training the scores of a block are computed anew on
    the way back.
    """
    groups, tokens = chosen.shape[:2]
    shares = responsibilities * chosen  # 0 for tokens outside the expert
    members = chosen.to(shares.dtype)
    if groups * tokens * tokens <= SCORE_ELEMENTS:
        return _folded_rows(q, k, v, shares, members)
    many = max(1, min(groups, SCORE_ELEMENTS // (tokens * tokens)))  # groups of a block
    rows = min(tokens, max(1, SCORE_ELEMENTS // (many * tokens)))  # queries of a block
    keeps_gradients = torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v, shares))
    parts = []
    for first in range(0, groups, many):
        block = slice(first, first + many)
        some = []
        for top in range(0, tokens, rows):
            queries = slice(top, top + rows)
            inputs = (q[block, queries], k[block], v[block], shares[block, queries], members[block])
            some.append(
                checkpoint(_folded_rows, *inputs, use_reentrant=False, preserve_rng_state=False)
                if keeps_gradients
                else _folded_rows(*inputs)
            )
        parts.append(torch.cat(some, dim=1))
    return torch.cat(parts)


def _folded_rows(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, shares: torch.Tensor, members: torch.Tensor
) -> torch.Tensor:
    """Folded attention of some queries: ``G x r x D`` with all keys ``G x n x D``.

    Args:
        q: some queries.
        k: all keys.
        v: all values.
        shares: ``G x r x E``, responsibilities of these queries, 0 for experts that they did not choose.
        members: ``G x n x E``, 1 for the experts that a key's token chose, else 0.
    """
    return fold(q @ k.transpose(-1, -2), shares, members).to(v.dtype) @ v


def fold(scores: torch.Tensor, shares: torch.Tensor, members: torch.Tensor) -> torch.Tensor:
    """Sum of the experts' attention weights, each times its responsibility.

    With p = exp(scores - largest of the row), expert e gives token j the weight ``p_j m_je / z_e`` with
    ``z_e = sum_j p_j m_je``. So the sum over the experts is ``p_j sum_e (S_e / z_e) m_je``: one exponential
    and two products with E columns, whatever the number of experts.

    Args:
        scores: ``G x r x n``; used up when no gradients are kept.
        shares: ``G x r x E`` as in :func:`_folded_rows`.
        members: ``G x n x E``.

    Returns:
        ``G x r x n``, single precision at least.
    """
    with full_precision(scores.device):
        scores = at_least_single(scores)
        shares, members = shares.to(scores.dtype), members.to(scores.dtype)
        keeps_gradients = torch.is_grad_enabled() and (scores.requires_grad or shares.requires_grad)
        largest = scores.detach().amax(dim=-1, keepdim=True)
        powers = (scores - largest).exp() if keeps_gradients else (scores - largest).exp_()
        sums = powers @ members  # z, G x r x E
        taken = shares > 0
        if bool((taken & (sums < LEAST_SUM)).any()):
            return _fold_apart(scores, shares, members)
        factors = torch.where(taken, shares / torch.where(taken, sums, 1.0), 0.0)
        both = factors @ members.transpose(-1, -2)
        return powers * both if keeps_gradients else powers.mul_(both)


def _fold_apart(scores: torch.Tensor, shares: torch.Tensor, members: torch.Tensor) -> torch.Tensor:
    """The same as :func:`fold`, with a softmax for every expert.

    For scores so far apart that all tokens of an expert vanish beside the largest one of a row.
    """
    weights = torch.zeros_like(scores)
    lowest = torch.finfo(scores.dtype).min  # not -inf: an expert without tokens must not yield NaN
    for expert in range(members.shape[-1]):
        outside = members[:, None, :, expert] == 0
        part = scores.masked_fill(outside, lowest).softmax(dim=-1)
        weights = weights + part * shares[..., expert, None]
    return weights


@dataclass(frozen=True)
class _Batch:
    """Blocks (a group and an expert) of about equal length that are computed together."""

    groups: list[int]
    experts: list[int]
    length: int
    ragged: bool


def mora_packed(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    responsibilities: torch.Tensor,
    chosen: torch.Tensor,
) -> torch.Tensor:
    """The same as :func:`mora_dense`, with only the tokens that meet.

    After sorting by expert the mask is block-diagonal: each (group, expert) pair is a block of the tokens
    that chose the expert. Blocks are gathered into batches of about equal length and go through
    ``scaled_dot_product_attention``, which keeps no score matrix.
    """
    groups, tokens, length = q.shape
    counts = chosen.sum(dim=1)  # G x E
    # chosen tokens first, in order, for every group and expert
    order = chosen.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
    q, k, v = (x.reshape(groups * tokens, length) for x in (q, k, v))
    total = torch.zeros_like(v)
    limit = None if torch.is_grad_enabled() else max(1, PACKED_ELEMENTS // length)
    for batch in _plan(counts.tolist(), limit):
        group = torch.tensor(batch.groups, device=q.device)
        expert = torch.tensor(batch.experts, device=q.device)
        index = order[group, : batch.length, expert]  # blocks x length
        rows = (index + group[:, None] * tokens).flatten()
        blocks = (len(batch.groups), 1, batch.length, length)
        mask = None
        weights = responsibilities[group[:, None], index, expert[:, None]]  # blocks x length
        if batch.ragged:
            inside = torch.arange(batch.length, device=q.device) < counts[group, expert][:, None]
            mask = inside[:, None, None, :]
            weights = weights * inside
        mixed = F.scaled_dot_product_attention(
            q[rows].view(blocks), k[rows].view(blocks), v[rows].view(blocks), attn_mask=mask, scale=1.0
        )
        weighted = mixed.view(-1, length) * weights.reshape(-1, 1).to(mixed.dtype)
        total = (
            total.index_add(0, rows, weighted.to(total.dtype))
            if total.requires_grad
            else total.index_add_(0, rows, weighted.to(total.dtype))
        )
    return total.view(groups, tokens, length)


def _plan(counts: list[list[int]], limit: int | None) -> list[_Batch]:
    """Put the blocks into batches of about equal length, longest first.

    Args:
        counts: chosen tokens of every group and expert.
        limit: most tokens of a batch, or None.
    """
    blocks = [
        (count, group, expert)
        for group, row in enumerate(counts)
        for expert, count in enumerate(row)
        if count
    ]
    blocks.sort(key=lambda block: (-block[0], block[1], block[2]))
    batches: list[_Batch] = []
    start = 0
    while start < len(blocks):
        longest = blocks[start][0]
        stop = start + 1
        while (
            stop < len(blocks)
            and blocks[stop][0] >= LEAST_FILL * longest
            and (limit is None or (stop + 1 - start) * longest <= limit)
        ):
            stop += 1
        part = blocks[start:stop]
        ragged = part[-1][0] != longest
        batches.append(_Batch([b[1] for b in part], [b[2] for b in part], longest, ragged))
        start = stop
    return batches


def masked_products(counts: list[list[int]], length: int) -> int:
    """Multiply-accumulates of the two products over the chosen tokens alone, without padding.

    Args:
        counts: chosen tokens of every group and expert.
        length: token length D.
    """
    return sum(2 * count * count * length for row in counts for count in row)
