"""Intervals: blocks of scenes, one draw for all sources, and a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from regionfuse.detection.evaluation import bootstrap
from regionfuse.detection.evaluation.bootstrap import (
    draw_weights,
    intervals_table,
    scene_blocks,
    weighted_map50,
)
from regionfuse.detection.evaluation.coco import MatchArrays
from regionfuse.detection.evaluation.records import ImageRecord, PredictionKey


def images(*stems: str, scenes: tuple[str | None, ...] | None = None) -> list[ImageRecord]:
    scenes = scenes or (None,) * len(stems)
    return [ImageRecord(i, stem, scene) for i, (stem, scene) in enumerate(zip(stems, scenes, strict=True), 1)]


def groups(records: list[ImageRecord]) -> set[frozenset[str]]:
    block = scene_blocks(records)
    assert set(block) == set(range(len(set(block))))
    return {frozenset(r.stem for r, b in zip(records, block, strict=True) if b == n) for n in set(block)}


def test_contiguous_numbers_are_a_block() -> None:
    assert groups(images("00002", "00001", "00010", "00003", "00011")) == {
        frozenset({"00001", "00002", "00003"}),
        frozenset({"00010", "00011"}),
    }


def test_named_scenes_go_before_numbers_and_other_names_stay_alone() -> None:
    records = images("1", "2", "3", "4", "left", "right", scenes=("a", "b", "a", None, None, None))
    assert groups(records) == {frozenset(g) for g in (["1", "3"], ["2"], ["4"], ["left"], ["right"])}


def test_numbers_with_different_names_around_them_are_different_runs() -> None:
    assert groups(images("01D", "02N", "03D", "FLIR_04", "FLIR_05")) == {
        frozenset(g) for g in (["01D"], ["02N"], ["03D"], ["FLIR_04", "FLIR_05"])
    }


def test_no_images() -> None:
    assert scene_blocks([]).tolist() == []


def test_a_draw_is_repeatable_and_holds_as_many_blocks_as_there_are() -> None:
    weights = draw_weights(7, 50)
    assert weights.shape == (50, 7) and (weights.sum(axis=1) == 7).all()
    assert (weights == draw_weights(7, 50)).all() and (weights != draw_weights(7, 50, seed=1)).any()


def flags(found: list[bool], scores: list[float] | None = None) -> MatchArrays:
    """One class, one object an image; ``found`` says whether the image's only prediction is correct."""
    n = len(found)
    return MatchArrays(
        np.arange(n),
        np.zeros(n, dtype=np.int64),
        np.array(scores or [0.5] * n),
        np.array(found),
        np.ones((n, 1), dtype=np.int64),
    )


def test_weights_by_hand() -> None:
    # Correct at 0.9, wrong at 0.8: AP is 51/101 (recalls 0 .. 0.50) with one of each.
    matches = flags([True, False], [0.9, 0.8])
    weights = np.array([[1, 1], [2, 0], [0, 2], [0, 0]])
    scores = weighted_map50(matches, np.arange(2), weights)
    assert scores == pytest.approx([51 / 101, 1, 0, math.nan], nan_ok=True)


def test_a_class_missing_from_a_draw_is_left_out_of_its_mean() -> None:
    matches = MatchArrays(
        np.array([0]), np.array([0]), np.array([0.9]), np.array([True]), np.array([[1, 0], [0, 1]])
    )
    scores = weighted_map50(matches, np.arange(2), np.array([[1, 1], [2, 0], [0, 2]]))
    assert scores == pytest.approx([0.5, 1, 0])


def key(source: str, seed: int = 0) -> PredictionKey:
    return PredictionKey("retrained", source, seed, "test")


def records(n: int) -> dict[str, list[ImageRecord]]:
    return {"test": images(*(f"{10 * i}" for i in range(n)))}


def test_a_source_like_the_reference_has_no_difference_in_any_draw() -> None:
    matches = flags([True, False, True, True])
    table = intervals_table({key("visible"): matches, key("twin"): matches}, records(4), resamples=100)
    row = table.iloc[0]
    assert len(table) == 1 and row.source == "twin"
    assert (row.delta, row.low, row.high, row.blocks, row.resamples) == (0, 0, 0, 4, 100)


def test_a_source_better_everywhere_has_an_interval_above_zero() -> None:
    table = intervals_table(
        {key("visible"): flags([False] * 20), key("better"): flags([True] * 20)}, records(20), resamples=100
    )
    assert table[["delta", "low", "high"]].to_numpy().tolist() == [[1, 1, 1]]


def test_the_interval_holds_the_difference_and_has_the_width_of_the_binomial() -> None:
    """All predictions wrong in the reference, 30 of 100 correct and sure in the source: AP is the share."""
    found = [i < 30 for i in range(100)]
    source = flags(found, [0.9 if hit else 0.1 for hit in found])
    matches = {key("visible"): flags([False] * 100), key("s"): source}
    row = intervals_table(matches, records(100), resamples=2000).iloc[0]
    assert row.delta == pytest.approx(0.3, abs=0.01)
    half = 1.96 * math.sqrt(0.3 * 0.7 / 100)
    assert (row.low, row.high) == pytest.approx((0.3 - half, 0.3 + half), abs=0.02)


def test_pairing_is_within_a_protocol_and_seed() -> None:
    matches = flags([True, False])
    table = intervals_table(
        {key("visible", 0): matches, key("a", 0): matches, key("a", 1): matches}, records(2)
    )
    assert table.seed.tolist() == [0]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_blocks_give_no_limits(count: int) -> None:
    matches = flags([True] * count)
    row = intervals_table({key("visible"): matches, key("a"): matches}, records(count)).iloc[0]
    assert math.isnan(row.low) and math.isnan(row.high) and row.blocks == count
    assert math.isnan(row.delta) == (count == 0)


def test_large_inputs_are_worked_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    matches = flags(list(generator.random(50) < 0.5), list(generator.random(50)))
    weights = draw_weights(50, 40)
    whole = weighted_map50(matches, np.arange(50), weights)
    monkeypatch.setattr(bootstrap, "_CELLS", 120)
    assert (weighted_map50(matches, np.arange(50), weights) == whole).all()
