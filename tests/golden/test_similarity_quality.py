"""The measured recall and false positives of near-duplicates, measured again on real couples."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from regionfuse.datasets.blocks import numbered
from regionfuse.datasets.conditions import read_conditions
from regionfuse.datasets.load import load_pairs
from regionfuse.datasets.similarity import THRESHOLD, Signatures, signatures
from regionfuse.datasets.similarity_quality import (
    FALSE_POSITIVES,
    RECALL,
    Measured,
    in_words,
    near_duplicate_quality,
)

Counts = dict[str, tuple[int, int]]
SETS = ("m3fd", "msrs", "roadscene", "flir", "llvip", "tno")


@pytest.fixture(scope="module")
def looks(shared: Path) -> dict[str, Signatures]:
    return {name: signatures(load_pairs(name, shared / "data" / name)) for name in SETS}


def number(stem: str) -> int:
    key = numbered(stem)
    assert key is not None
    return key[1]


def alike(one: Signatures, other: Signatures) -> np.ndarray:
    both = Signatures(
        one.stems + other.stems, np.concatenate([one.vectors, other.vectors]), one.hashes + other.hashes
    )
    rows = np.arange(len(both.stems))
    return both.similarity(rows[: len(one.stems)], rows[len(one.stems) :]) >= np.float32(THRESHOLD)


def count(look: Signatures, keep: dict[tuple[str, str], bool]) -> tuple[int, int]:
    found = alike(look, look)
    position = {stem: row for row, stem in enumerate(look.stems)}
    wanted = [couple for couple, kept in keep.items() if kept]
    return sum(bool(found[position[one], position[other]]) for one, other in wanted), len(wanted)


def wilson(found: int, of: int) -> tuple[float, float]:
    """Roots of (p - found/of)^2 = z^2 p (1 - p) / of."""
    z2 = 1.959963984540054**2
    share = found / of
    a, b, c = 1 + z2 / of, -(2 * share + z2 / of), share * share
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def test_recall_by_distance(shared: Path, looks: dict[str, Signatures]) -> None:
    look = looks["m3fd"]
    folder = shared / "data" / "m3fd_annotations"
    scene = {
        stem: each[0] for stem, each in read_conditions(folder, look.stems, folder / "scenario.json").items()
    }
    couples = list(combinations(look.stems, 2))
    for measured, distances in zip(
        RECALL, (range(1, 2), range(2, 3), range(3, 4), range(4, 11), range(11, 61)), strict=True
    ):
        keep = {
            (one, other): scene[one] == scene[other] and number(other) - number(one) in distances
            for one, other in couples
        }
        assert count(look, keep) == (measured.found, measured.of)
    keep = {(one, other): scene[one] != scene[other] for one, other in couples}
    assert count(look, keep) == (FALSE_POSITIVES[1].found, FALSE_POSITIVES[1].of)


def test_false_positives(looks: dict[str, Signatures]) -> None:
    found = [
        alike(looks[one], looks[other])
        for one, other in combinations(SETS, 2)
        if {one, other} != {"roadscene", "flir"}  # related sets
    ]
    assert (sum(int(each.sum()) for each in found), sum(each.size for each in found)) == (
        FALSE_POSITIVES[0].found,
        FALSE_POSITIVES[0].of,
    )
    for name, measured in (("msrs", FALSE_POSITIVES[2]), ("flir", FALSE_POSITIVES[3])):
        keep = {
            (one, other): abs(number(one) - number(other)) >= 100 or (name == "msrs" and one[-1] != other[-1])
            for one, other in combinations(looks[name].stems, 2)
        }
        assert count(looks[name], keep) == (measured.found, measured.of)


@pytest.mark.parametrize("measured", [*RECALL, *FALSE_POSITIVES], ids=lambda each: each.couples)
def test_intervals(measured: Measured) -> None:
    low, high = wilson(measured.found, measured.of)
    assert measured.low == pytest.approx(low, abs=0.001)
    assert measured.high == pytest.approx(high, rel=0.02)


def test_the_statement() -> None:
    assert near_duplicate_quality()["threshold"] == THRESHOLD
    assert "11 of 14 at most 3 numbers apart" in in_words() and "0 of 95,143" in in_words()
