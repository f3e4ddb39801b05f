"""How numbers are printed."""

from __future__ import annotations

from regionfuse.reports.differences import QUANTITIES
from regionfuse.reports.numbers import join, magnitude, mean_count, points, seconds, shorten, signed, some


def test_points_are_hundredfold_with_one_decimal() -> None:
    assert points(0.4567) == "45.7"
    assert points(float("nan")) == "–"
    assert points(None) == "–"


def test_differences_carry_a_sign_unless_they_print_as_zero() -> None:
    signs = QUANTITIES["mAP50"].signed
    assert [signs(value) for value in (0.031, -0.031, -0.0004, float("nan"), None)] == [
        *("+3.1", "−3.1", "0.0", "–", "–")
    ]
    assert signed(-0.04, 1) == "0.0"
    objects = QUANTITIES["balance"].signed
    assert [objects(value) for value in (19.0, -0.5, 0.0)] == ["+19", "−0.5", "0"]


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


def test_words() -> None:
    assert join(["a", "b", "c"]) == "a, b and c"
    assert join(["a"]) == "a"
    assert some(list("abcde")) == "a, b, c, d and e"
    assert some(list("abcdef")) == "a, b, c, d and 2 more"
    assert shorten("a very long name", 8) == "a very…"
