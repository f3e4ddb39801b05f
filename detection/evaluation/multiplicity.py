"""Many sources compared at once: Holm's p-values, the level of simultaneous intervals, the sign-flip test."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
from scipy import special

_NORMAL_DRAWS: Final = 1_500
_ITERATIONS: Final = 4  # to the level of simultaneous intervals; it settles within three
_EXACT_BLOCKS: Final = 14  # 2^13 = 8,192 sign patterns up to the global sign; beyond, random ones
_RANDOM_FLIPS: Final = 9_999


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values adjusted by Holm's step-down method; NaN stays NaN and is not counted."""
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def level_of_largest(weights: np.ndarray, alpha: float) -> float:
    """Return the p-value that the smallest of n correlated ones undercuts with probability ``alpha``.

    Args:
        weights: shape (n, F), rows of length 1: statistics are ``weights @ normal numbers``.

    The probability of a union is ``n a E[1 / N]``: draw which of the n p-values lies below a, then the
    others given that one, and count the N that lie below. It scatters far less than the share of draws
    below a.
    """
    count = len(weights)
    free, tail, which = _normal_draws(weights.shape[1], count)
    statistics = weights.astype(np.float32) @ free  # (n, draws)
    along = (weights @ weights.T).astype(np.float32)[:, which]
    own = statistics[which, np.arange(len(which))]
    level = alpha / np.sqrt(count)
    for _ in range(_ITERATIONS):
        limit = -special.ndtri(level / 2)
        forced = -special.ndtri(tail * level / 2).astype(np.float32)
        below = (np.abs(statistics + along * (forced - own)) >= np.float32(limit)).sum(axis=0)
        level = float(np.clip(alpha / (count * (1 / np.maximum(below, 1)).mean()), alpha / count, alpha))
    return level


def sign_flip(contributions: np.ndarray) -> np.ndarray:
    """Return p-values (n,): how often, with flipped signs, the largest statistic reaches a source's own.

    If there is no difference, each block is as likely to favour the source as the reference. A source's
    statistic is the sum of its contributions over the root of the sum of their squares, which flipping
    leaves alone; comparing with the largest of all sources adjusts for their number (single-step max-T).

    Args:
        contributions: shape (n, B), of each block to the difference of each source. Up to 14 blocks are
            flipped in every way, more in 9,999 random ones and none.
    """
    scale = np.sqrt((contributions**2).sum(axis=1, keepdims=True))
    unit = contributions / np.maximum(scale, np.finfo(np.float64).tiny)
    flipped = unit.astype(np.float32) @ _signs(unit.shape[1])  # (n, F)
    largest = np.sort(np.abs(flipped, out=flipped).max(axis=0))
    reached = np.searchsorted(largest, flipped[:, 0] - 1e-5, side="left")  # ties are equal but for rounding
    return (len(largest) - reached) / len(largest)


@functools.lru_cache(maxsize=8)
def _normal_draws(features: int, sources: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return normal numbers (features, draws), float32, uniform ones (draws,), and a source for each draw."""
    generator = np.random.default_rng(0)
    normal = generator.standard_normal((features, _NORMAL_DRAWS), dtype=np.float32)
    return normal, generator.random(_NORMAL_DRAWS), np.arange(_NORMAL_DRAWS) % sources


@functools.lru_cache(maxsize=8)
def _signs(blocks: int) -> np.ndarray:
    """Return patterns of signs, shape (blocks, F), float32: all but for the global sign, or random ones."""
    if blocks <= _EXACT_BLOCKS:
        patterns = np.arange(1 << (blocks - 1)) >> np.arange(blocks)[:, None] & 1
    else:
        patterns = np.random.default_rng(0).integers(0, 2, size=(blocks, _RANDOM_FLIPS + 1))
        patterns[:, 0] = 0
    return (1 - 2 * patterns).astype(np.float32)
