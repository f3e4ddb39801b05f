"""How numbers are printed, and the arithmetic behind the limits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionfuse.reports.numbers import (
    interval,
    join,
    magnitude,
    mean_count,
    points,
    seconds,
    shorten,
    signed_points,
    wilson,
)
from regionfuse.reports.sections.limits import half_width, needed


def test_points_are_hundredfold_with_one_decimal() -> None:
    assert points(0.4567) == "45.7"
    assert points(float("nan")) == "–"
    assert points(None) == "–"


def test_differences_carry_a_sign_unless_they_print_as_zero() -> None:
    assert signed_points(0.031) == "+3.1"
    assert signed_points(-0.031) == "−3.1"
    assert signed_points(-0.0004) == "0.0"
    assert interval(-0.02, 0.051) == "−2.0 to +5.1"
    assert interval(float("nan"), 0.1) == "–"


def test_counts_and_magnitudes() -> None:
    assert mean_count(3.0) == "3"
    assert mean_count(2 + 1 / 3) == "2.3"
    assert magnitude(2_820_000) == "2.82 M"
    assert magnitude(455_820_000_000) == "455.8 G"
    assert magnitude(999) == "999"


def test_seconds_choose_their_unit() -> None:
    assert [seconds(value) for value in (0.00002, 0.0064, 0.25, 3.21, 300.0, 9000.0)] == [
        "20 µs",
        "6.4 ms",
        "250 ms",
        "3.2 s",
        "5.0 min",
        "2.5 h",
    ]


def test_wilson_agrees_with_the_textbook() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
    low, high = wilson(81, 263)
    assert low == pytest.approx(0.2553, abs=5e-5)
    assert high == pytest.approx(0.3662, abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500), st.data())
def test_wilson_holds_the_share(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    low, high = wilson(count, total)
    assert 0 <= low <= count / total + 1e-12
    assert count / total - 1e-12 <= high <= 1


def test_pitfall_half_width_of_192_trucks_at_ten_percent() -> None:
    low, high = wilson(19.2, 192)
    assert (high - low) / 2 == pytest.approx(0.042, abs=0.002)


def test_half_width_shrinks_and_needed_inverts_it() -> None:
    assert half_width(3) > half_width(30) > half_width(300)
    assert half_width(needed(0.05)) == pytest.approx(0.05, abs=0.001)
    assert not math.isnan(half_width(1))


def test_words() -> None:
    assert join(["a", "b", "c"]) == "a, b and c"
    assert join(["a"]) == "a"
    assert shorten("a very long name", 8) == "a very…"
