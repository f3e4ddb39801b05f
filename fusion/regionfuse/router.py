"""Pixel-distribution-aware router: noisy top-k gating of region tokens (Shazeer et al., ICLR 2017)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

NOISE_FLOOR = 0.01
"""Least standard deviation of the routing noise; keeps the smooth load differentiable."""


@dataclass(frozen=True)
class Routing:
    """Where the tokens of one MoRA layer went.

    Attributes:
        responsibilities: float32 ``B x C x rows x columns x E``, softmax over the experts, before the top-k.
        chosen: bool, same shape; True for the k experts that the token keeps.
    """

    responsibilities: torch.Tensor
    chosen: torch.Tensor

    @property
    def weights(self) -> torch.Tensor:
        """Responsibilities of the chosen experts, 0 for the others; same shape."""
        return self.responsibilities * self.chosen

    @property
    def shares(self) -> torch.Tensor:
        """Share of all choices that fell on each expert, ``E`` values that sum to one."""
        counts = self.chosen.flatten(0, -2).sum(dim=0).float()
        return counts / counts.sum()


class Router(nn.Module):
    """Give every region token its responsibilities and its k best experts.

    One MLP yields the clean logits; a second one, through SoftPlus, scales Gaussian noise that is added in
    training.
    """

    def __init__(self, token_length: int, hidden: int, experts: int, top_k: int) -> None:
        super().__init__()
        self.top_k = top_k
        self.clean = _mlp(token_length, hidden, experts)
        self.noise = _mlp(token_length, hidden, experts)

    def forward(
        self, tokens: torch.Tensor, with_load_loss: bool = False
    ) -> tuple[Routing, torch.Tensor | None]:
        """Route tokens.

        Args:
            tokens: ``B x C x rows x columns x R^2``.
            with_load_loss: also return the load-balancing loss (needs training mode, where there is noise).

        Returns:
            The routing, and the scalar loss or None.
        """
        clean = self.clean(tokens).float()
        noisy, deviation = clean, None
        if self.training:
            deviation = F.softplus(self.noise(tokens).float()) + NOISE_FLOOR
            noisy = clean + torch.randn_like(clean) * deviation
        responsibilities = noisy.softmax(dim=-1)
        best = noisy.topk(self.top_k, dim=-1).indices
        chosen = torch.zeros_like(noisy, dtype=torch.bool).scatter(-1, best, True)
        routing = Routing(responsibilities, chosen)
        if not with_load_loss:
            return routing, None
        importance = routing.weights.flatten(0, -2).sum(dim=0)
        loss = squared_variation(importance)
        if deviation is not None:
            load = smooth_load(clean, noisy, deviation, self.top_k).flatten(0, -2).sum(dim=0)
            loss = loss + squared_variation(load)
        return routing, loss


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))


def squared_variation(values: torch.Tensor) -> torch.Tensor:
    """Squared coefficient of variation, (standard deviation / mean)^2, of a vector (population variance)."""
    values = values.float()
    return values.var(unbiased=False) / (values.mean() ** 2 + 1e-10)


def smooth_load(
    clean: torch.Tensor, noisy: torch.Tensor, deviation: torch.Tensor, top_k: int
) -> torch.Tensor:
    """Probability that an expert stays among the k best when its own noise is drawn anew (eq. 8 and 9).

    Args:
        clean: logits without noise, ``... x E``.
        noisy: logits with noise, same shape.
        deviation: standard deviation of the noise, same shape.
        top_k: k.

    Returns:
        Probabilities, same shape; summed over the tokens they are the smooth load (eq. 10).
    """
    experts = clean.shape[-1]
    if top_k >= experts:
        return torch.ones_like(clean)
    ranked = noisy.topk(top_k + 1, dim=-1).values
    kth, next_best = ranked[..., -2:-1], ranked[..., -1:]
    # the k-th largest of the *other* experts: for one that is in, the (k+1)-th of all; for one that is out,
    # the k-th
    threshold = torch.where(noisy > next_best, next_best, kth)
    return 0.5 * (1 + torch.erf((clean - threshold) / (deviation * math.sqrt(2))))
