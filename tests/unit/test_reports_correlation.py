"""Correlation over few points: known values, and intervals that hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from regionfuse.reports.correlation import FEW, spearman

X = [3.1, 2.0, 5.5, 4.4, 1.2, 6.0]
Y = [0.3, 0.1, 0.4, 0.4, 0.2, 0.1]


def test_values_are_those_of_pandas_ties_included() -> None:
    first, second = pd.Series(X), pd.Series(Y)
    assert spearman(X, Y).value == pytest.approx(first.corr(second, method="spearman"), abs=1e-12)
    assert spearman(X, Y).number == 6


def test_nothing_is_said_of_too_few_points_or_of_a_constant() -> None:
    for found in (spearman(X[: FEW - 1], Y[: FEW - 1]), spearman([2.5] * 6, Y), spearman(X, [0.1] * 6)):
        assert math.isnan(found.value) and math.isnan(found.low) and not found.sure
    assert spearman([], []).number == 0


def test_a_perfect_order_of_four_is_no_proof_of_five_it_is() -> None:
    # By chance alone: 1 in 24 on this side, and 1 in 120.
    four, five = spearman(X[:4], X[:4]), spearman(X[:5], X[:5])
    assert four.value == five.value == 1 == four.high
    assert not four.sure and five.sure


def test_turning_the_metric_round_turns_the_interval_round() -> None:
    one, other = spearman(X, Y), spearman([-value for value in X], Y)
    assert (one.low, one.high) == (-other.high, -other.low)


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    random, rho, held = np.random.default_rng(7), 0.6, 0
    truth = 6 / math.pi * math.asin(rho / 2)
    for _ in range(300):
        first, noise = random.standard_normal((2, 7))
        found = spearman(list(first), list(rho * first + math.sqrt(1 - rho**2) * noise))
        held += found.low <= truth <= found.high
    assert 0.91 <= held / 300 <= 0.995
