"""oLRP: cases worked out by hand, the definition as loops, weighted copies against real copies."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regionfuse.detection.evaluation.lrp import optimal_lrp, weighted_optimal_lrp
from regionfuse.detection.evaluation.matching import Matches

sys.path.append(str(Path(__file__).resolve().parents[1]))
from evaluation_cases import match, random_set


def matches_of(rows: list[tuple], positives: list[list[int]]) -> Matches:
    """Matching from rows (image, class, score, IoU or None for a false positive)."""
    rows = sorted(rows, key=lambda row: -row[2])
    iou = np.array([np.nan if row[3] is None else row[3] for row in rows], dtype=float)
    correct = ~np.isnan(iou)
    return Matches(
        image=np.array([row[0] for row in rows], dtype=np.int64),
        category=np.array([row[1] for row in rows], dtype=np.int64),
        scores=np.array([row[2] for row in rows], dtype=float),
        row=np.arange(len(rows)),
        correct=correct[None],
        ignored=np.zeros((1, len(rows)), dtype=bool),
        object=np.where(correct, np.arange(len(rows)), -1),
        iou=iou,
        positives=np.array(positives, dtype=np.int64),
    )


def test_by_hand() -> None:
    # 4 objects. Cut at 0.9: (0.2 + 0 + 3) / 4 = 0.8. At 0.7: (0.2 + 0.4 + 1 FP + 2 FN) / 5 = 0.72. At 0.5 the
    # same, as IoU 0.5 is worth nothing: (0.2 + 0.4 + 1 + 1 FP + 1 FN) / 5. At 0.3 another FP.
    rows = [(0, 0, 0.9, 0.9), (0, 0, 0.8, None), (0, 0, 0.7, 0.8), (0, 0, 0.5, 0.5), (0, 0, 0.3, None)]
    found = optimal_lrp(matches_of(rows, [[4]]))
    assert found.value[0] == pytest.approx(0.72)
    assert found.threshold[0] == 0.7  # of two equally good thresholds the higher
    assert found.localisation[0] == pytest.approx((0.1 + 0.2) / 2)
    assert found.false_positive[0] == pytest.approx(1 / 3)
    assert found.false_negative[0] == pytest.approx(2 / 4)


def test_of_equally_good_thresholds_rounding_does_not_choose() -> None:
    # 3 objects: (0.7 + 2) / 3 = (0.7 + 0.9 + 1 + 1) / 4 = 0.9, of which the second is rounded to less.
    rows = [(0, 0, 0.9, 0.65), (0, 0, 0.8, None), (0, 0, 0.7, 0.55)]
    assert optimal_lrp(matches_of(rows, [[3]])).threshold[0] == 0.9


def test_a_threshold_takes_all_predictions_with_its_score() -> None:
    rows = [(0, 0, 0.9, 1.0), (0, 0, 0.9, None), (0, 0, 0.9, None)]
    found = optimal_lrp(matches_of(rows, [[1]]))
    assert found.value[0] == pytest.approx(2 / 3)
    assert found.false_positive[0] == pytest.approx(2 / 3)


def test_perfect_nothing_found_and_no_objects() -> None:
    found = optimal_lrp(matches_of([(0, 0, 0.6, 1.0), (0, 1, 0.9, None), (0, 2, 0.9, None)], [[1, 3, 0]]))
    np.testing.assert_array_equal(found.value, [0, 1, np.nan])
    np.testing.assert_array_equal(found.localisation, [0, np.nan, np.nan])
    np.testing.assert_array_equal(found.false_positive, [0, np.nan, np.nan])
    np.testing.assert_array_equal(found.false_negative, [0, 1, np.nan])
    np.testing.assert_array_equal(found.threshold, [0.6, np.nan, np.nan])
    assert np.isnan(optimal_lrp(matches_of([], [[0]])).value).all()


def by_definition(matches: Matches, category: int) -> tuple[float, float]:
    """Minimum of LRP over every score, and the highest score that reaches it."""
    objects = int(matches.positives[:, category].sum())
    best = (np.inf, np.nan)
    for threshold in sorted({float(score) for score in matches.scores}, reverse=True):
        error = true = false = 0.0
        for i in range(len(matches.scores)):
            passes = matches.category[i] == category and matches.scores[i] >= threshold
            if not passes or matches.ignored[0, i]:
                continue
            if matches.correct[0, i]:
                true += 1
                error += (1 - matches.iou[i]) / 0.5
            else:
                false += 1
        value = (error + false + objects - true) / (true + false + objects - true)
        if value < best[0] - 1e-12:
            best = (value, threshold)
    return best


@pytest.mark.parametrize("seed", range(3))
def test_is_the_definition(seed: int) -> None:
    truth, predictions = random_set(seed, images=6, regions=True)
    predictions = replace(predictions, scores=predictions.scores.round(1))  # many ties
    matches = match(truth, predictions)
    found = optimal_lrp(matches)
    for c in range(len(truth.classes)):
        value, threshold = by_definition(matches, c)
        assert found.value[c] == pytest.approx(value)
        assert found.threshold[c] == threshold


def copies(matches: Matches, times: np.ndarray) -> Matches:
    """Really repeat each image ``times`` (I,) times."""
    rows = np.repeat(np.arange(len(matches.scores)), times[matches.image])
    return Matches(
        *(getattr(matches, name)[rows] for name in ("row", "image", "category", "scores")),
        matches.correct[:, rows],
        matches.ignored[:, rows],
        matches.object[rows],
        matches.iou[rows],
        matches.positives * times[:, None],
    )


def test_weighted_copies_are_real_copies() -> None:
    truth, predictions = random_set(7, images=30, regions=True)
    matches = match(truth, predictions)
    block = np.arange(30) * 6 // 30
    weights = np.concatenate(
        [np.ones((1, 6)), 1 - np.eye(6), np.random.default_rng(0).integers(0, 4, (5, 6)), np.zeros((1, 6))]
    )
    found = weighted_optimal_lrp(matches, block, weights)
    for i, row in enumerate(weights.astype(int)):
        expected = optimal_lrp(copies(matches, row[block])).value
        np.testing.assert_allclose(found[i], expected, atol=1e-12)
    assert np.isnan(found[-1]).all() and not np.isnan(found[:-1]).any()
    assert np.ptp(found[:-1], axis=0).min() > 0.01
