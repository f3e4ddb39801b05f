"""Correlation over a handful of methods, with an interval that claims no more than they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import pandas as pd

FEW = 4  # with fewer points even a perfect rank order is likely by chance: 1 in 3
TAIL = 0.025
_DRAWS = 10_000
_GRID = np.tanh(np.linspace(-4.0, 4.0, 81))  # population correlations that are tried, up to ±0.9993
_SAME = 1e-9


@dataclass(frozen=True)
class Correlation:
    """A correlation coefficient of ``number`` points; NaN where one side does not vary.

    Attributes:
        value: the coefficient, -1 to 1.
        low: lower end of its 95 % interval.
        high: upper end.
        number: points it comes from.
    """

    value: float
    low: float
    high: float
    number: int

    @property
    def sure(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def spearman(first: Sequence[float], second: Sequence[float]) -> Correlation:
    """Rank correlation; ties share the mean of their ranks."""
    number, unknown = len(first), float("nan")
    x, y = (pd.Series(list(values), dtype=float).rank().to_numpy() for values in (first, second))
    if number < FEW or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(unknown, unknown, unknown, number)
    x, y = x - x.mean(), y - y.mean()
    value = float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))
    return Correlation(value, *_interval(value, number), number)


def _interval(value: float, number: int) -> tuple[float, float]:
    """95 % interval by inverting the test: population values that would show ``value`` often enough.

    The population is bivariate normal, after any monotone change of the axes. Its sampling
    distribution is drawn, not approximated: Fisher's z has no interval for a perfect rank order, which few
    points show easily.
    """
    if value < 0:  # So that a metric and its negative say the same to the last digit.
        low, high = _interval(-value, number)
        return -high, -low
    # The rank correlation of a bivariate normal population (Pearson 1907).
    population = 6 / np.pi * np.arcsin(_GRID / 2)
    samples = _samples(number)
    # The share of draws with at least this value rises with the population's, that with at most it falls.
    reach = np.maximum.accumulate(_probit((samples >= value - _SAME).mean(axis=1)))
    stay = np.maximum.accumulate(-_probit((samples <= value + _SAME).mean(axis=1)))
    limit = NormalDist().inv_cdf(TAIL)
    low = -1.0 if reach[0] > limit else float(np.interp(limit, reach, population))
    high = 1.0 if stay[-1] < -limit else float(np.interp(-limit, stay, population))
    return min(low, value), max(high, value)


def _probit(share: np.ndarray) -> np.ndarray:
    """Normal quantiles of shares of draws, in which tails are straight lines and can be interpolated."""
    inside = np.clip(share, 0.5 / _DRAWS, 1 - 0.5 / _DRAWS)
    return np.array([NormalDist().inv_cdf(float(value)) for value in inside])


@lru_cache(maxsize=16)
def _samples(number: int) -> np.ndarray:
    """Sample correlations, shape (population values, draws): the same draws for every population value."""
    first, noise = np.random.default_rng(0).standard_normal((2, _DRAWS, number))
    x = _standard(_ranks(first))
    rows = []
    for rho in _GRID:
        second = rho * first + np.sqrt(1 - rho**2) * noise
        rows.append((x * _standard(_ranks(second))).sum(axis=1))
    return np.stack(rows)


def _ranks(values: np.ndarray) -> np.ndarray:
    return values.argsort(axis=1).argsort(axis=1).astype(float)


def _standard(values: np.ndarray) -> np.ndarray:
    """Rows of mean zero and length one."""
    centred = values - values.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).sum(axis=1, keepdims=True)))
