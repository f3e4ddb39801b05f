"""The noise schedule of DDFM's sampler: linear, on a subset of the timesteps, deterministic (DDIM, eta 0)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

TRAINED_STEPS = 1000
FIRST_BETA, LAST_BETA = 1e-4, 2e-2


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the sampler.

    Attributes:
        timestep: what the U-Net is told, 0 to 999.
        signal: share of the image's variance at this step (alpha bar), above 0.
        next_signal: the same after the step; 1 after the last.
    """

    timestep: int
    signal: float
    next_signal: float

    def clean(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return the image that ``x`` would be without ``noise``."""
        return x / self.signal**0.5 - (1 / self.signal - 1) ** 0.5 * noise

    def advance(self, x: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        """Return the image after the step, given the present one and what it is thought to be when clean."""
        noise = (x / self.signal**0.5 - clean) / (1 / self.signal - 1) ** 0.5
        return self.next_signal**0.5 * clean + (1 - self.next_signal) ** 0.5 * noise


def schedule(steps: int) -> list[Step]:
    """Return the steps in the order of sampling, from the noisiest on.

    Args:
        steps: 2 to 1000; spread evenly over the trained timesteps, the first and the last included.
    """
    if not 2 <= steps <= TRAINED_STEPS:
        raise ValueError(f"expected 2 to {TRAINED_STEPS} sampling steps, found {steps}")
    betas = torch.linspace(FIRST_BETA, LAST_BETA, TRAINED_STEPS, dtype=torch.float64)
    signal = (1 - betas).cumprod(dim=0).tolist()
    stride = (TRAINED_STEPS - 1) / (steps - 1)
    kept = [round(index * stride) for index in range(steps)]
    return [
        Step(kept[index], signal[kept[index]], signal[kept[index - 1]] if index else 1.0)
        for index in reversed(range(steps))
    ]
