"""Calibration: by hand, on a simulated detector of known calibration, and under changes of scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from regionfuse.detection.evaluation.calibration import (
    Temperature,
    calibration,
    fit_temperature,
    object_confidence,
    with_temperature,
)
from regionfuse.detection.evaluation.matching import Matches


def rows_of(
    scores: np.ndarray,
    correct: np.ndarray,
    iou: np.ndarray | float = 0.8,
    image: np.ndarray | int = 0,
    category: np.ndarray | int = 0,
) -> Matches:
    order = np.argsort(-np.asarray(scores), kind="stable")
    shape = len(order)
    correct = np.asarray(correct, dtype=bool)[order]
    image = np.broadcast_to(image, shape)[order]
    return Matches(
        image=image,
        category=np.broadcast_to(category, shape)[order],
        scores=np.asarray(scores, dtype=float)[order],
        row=order,
        correct=correct[None],
        ignored=np.zeros((1, shape), dtype=bool),
        object=np.where(correct, 0, -1),
        iou=np.where(correct, np.broadcast_to(iou, shape)[order], np.nan),
        positives=np.ones((int(image.max(initial=0)) + 1, 3), dtype=np.int64),
    )


def simulated(seed: int, number: int = 20_000, temperature: float = 1.0, images: int = 40) -> Matches:
    """A detector whose scores, divided by ``temperature`` on the logit scale, are true probabilities."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-0.5, 1.5, number)
    correct = rng.random(number) < expit(truth)
    return rows_of(expit(truth * temperature), correct, image=rng.integers(0, images, number))


def test_by_hand() -> None:
    found = calibration(
        rows_of(
            scores=np.array([0.92, 0.94, 0.31, 0.34, 0.005]),
            correct=np.array([True, False, False, True, False]),
            iou=np.array([0.9, 0, 0, 0.6, 0]),
            category=np.array([0, 0, 0, 2, 0]),
        )
    )
    assert found.detections == 4  # 0.005 is below the floor
    assert found.precision == 0.5
    assert found.mean_confidence == pytest.approx((0.92 + 0.94 + 0.31 + 0.34) / 4)
    assert found.d_ece == pytest.approx((2 * abs(0.93 - 0.5) + 2 * abs(0.325 - 0.5)) / 4)
    # Bins of 0.04, per class: 0.92 and 0.94 in one, 0.31 alone; the other class has 0.34 alone.
    class_0 = (abs(0.92 + 0.94 - 0.9) + 0.31) / 3
    assert found.laece == pytest.approx((class_0 + abs(0.34 - 0.6)) / 2)
    assert found.brier == pytest.approx((0.08**2 + 0.94**2 + 0.31**2 + 0.66**2) / 4)
    table = found.reliability
    assert table.count.sum() == 4 and table.count[18] == 2 and table.count[6] == 2
    assert (table.low[18], table.high[18]) == pytest.approx((0.9, 0.95))
    assert table.confidence[18] == pytest.approx(0.93) and table.precision[18] == 0.5
    assert table.mean_iou[18] == 0.9 and table.mean_iou[6] == 0.6
    assert np.isnan(table.confidence[0])


def test_predictions_on_ignored_regions_do_not_count() -> None:
    rows = rows_of(np.array([0.9, 0.8]), np.array([True, False]))
    ignored = replace(rows, ignored=np.array([[False, True]]))
    assert calibration(ignored).detections == 1 and calibration(ignored).precision == 1
    block = np.zeros(1, dtype=int)
    for val, rank in ((rows, 0.5), (ignored, 1.0)):
        assert object_confidence(np.array([0.7]), val, block, Temperature(1.0, np.ones(1))).rank == [rank]


def test_a_calibrated_detector_is_called_so() -> None:
    found = calibration(simulated(0))
    assert found.d_ece < 0.02
    assert abs(found.mean_confidence - found.precision) < 0.01
    # IoU is 0.8 where correct: LaECE asks for confidence 0.8 times precision.
    assert found.laece == pytest.approx(0.2 * found.precision, abs=0.02)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_val_mends_test(temperature: float) -> None:
    block = np.arange(40) // 4
    fitted = fit_temperature(simulated(1, temperature=temperature), block)
    assert fitted.value == pytest.approx(temperature, rel=0.05)
    before = calibration(simulated(2, temperature=temperature))
    after = calibration(simulated(2, temperature=temperature), fitted.value)
    assert after.d_ece < 0.02
    if temperature != 1:
        assert before.d_ece > 0.05
        assert after.brier < before.brier
    assert (after.precision, after.detections) == (before.precision, before.detections)


def test_the_temperature_without_a_block_is_that_of_a_new_fit() -> None:
    block = np.arange(40) % 8
    rows = simulated(3, number=3000, temperature=1.7)
    fitted = fit_temperature(rows, block)
    for left_out in range(8):
        kept = np.flatnonzero(block[rows.image] != left_out)
        rest = rows_of(rows.scores[kept], rows.correct[0, kept])
        again = fit_temperature(rest, np.zeros(1, dtype=int)).value
        assert fitted.without_val[left_out] == pytest.approx(again, rel=2e-3)
    assert np.ptp(fitted.without_val) > 0.02


@pytest.mark.parametrize("scores", [[], [0.9, 0.5], [1.0, 0.0]])
@pytest.mark.parametrize("right", [True, False])
def test_samples_that_tell_nothing(scores: list[float], right: bool) -> None:
    rows = rows_of(np.array(scores), np.full(len(scores), right))
    fitted = fit_temperature(rows, np.zeros(1, dtype=int))
    assert fitted.value == 1 and fitted.without_val.tolist() == [1]
    found = calibration(rows, fitted.value)
    assert np.isnan(found.d_ece) == np.isnan(found.laece) == (not scores)
    confidence = object_confidence(np.array([0.0, 0.7, 1.0]), rows, np.zeros(1, dtype=int), fitted)
    assert np.isfinite(confidence.rank).all() and confidence.calibrated[0] == 0


def test_certain_and_wrong_is_finite() -> None:
    rows = rows_of(np.array([1.0, 1.0, 0.3]), np.array([True, False, True]), image=np.array([0, 1, 2]))
    fitted = fit_temperature(rows, np.arange(3))
    assert np.isfinite([fitted.value, *fitted.without_val]).all()
    # Without image 1 everything is right, and val cannot tell.
    assert fitted.without_val[1] == 1 and fitted.value > 5


def test_precision_rank_by_hand() -> None:
    val = rows_of(
        np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]), image=np.array([0, 1, 1, 0])
    )
    # Precision at 0.9, 0.8, 0.7, 0.6: 1, 1/2, 2/3, 1/2; the best at it or below: 1, 2/3, 2/3, 1/2.
    scores = np.array([0.95, 0.9, 0.85, 0.8, 0.7, 0.65, 0.6, 0.1, 0.0])
    found = object_confidence(scores, val, np.array([0, 1]), Temperature(1.0, np.ones(2)))
    np.testing.assert_allclose(found.rank, [1, 1, 1, 2 / 3, 2 / 3, 2 / 3, 0.5, 0.5, 0])
    # Without image 0: 0.8 wrong, 0.7 right. Without image 1: 0.9 right, 0.6 wrong.
    np.testing.assert_allclose(found.rank_without_val[0], [0.5] * 8 + [0])
    np.testing.assert_allclose(found.rank_without_val[1], [1, 1, 1, 1, 1, 1, 0.5, 0.5, 0])


def source(seed: int, change: float = 1.0) -> tuple[np.ndarray, Matches]:
    """Confidence in 500 test objects, a fifth not found, and val; logits are multiplied by ``change``."""
    rng = np.random.default_rng(seed)
    score = np.where(rng.random(500) < 0.2, 0.0, expit(change * rng.normal(1, 1, 500)))
    return score, simulated(seed + 1000, temperature=change)


def confidence(score: np.ndarray, val: Matches) -> dict[str, np.ndarray]:
    block = np.arange(40) // 4
    found = object_confidence(score, val, block, fit_temperature(val, block))
    return {"raw": found.raw, "calibrated": found.calibrated, "rank": found.rank}


def test_another_scale_of_the_same_scores_is_no_more_confidence() -> None:
    """The means of raw scores differ by 0.05 although not one detection does."""
    plain, changed = confidence(*source(0)), confidence(*source(0, change=2.0))
    assert abs(plain["raw"].mean() - changed["raw"].mean()) > 0.05
    np.testing.assert_allclose(plain["calibrated"], changed["calibrated"], atol=2e-3)
    np.testing.assert_allclose(plain["rank"], changed["rank"], atol=1e-12)


def test_rank_survives_any_monotone_change() -> None:
    score, val = source(0)
    plain = confidence(score, val)
    changed = confidence(score**3 * 0.4, replace(val, scores=val.scores**3 * 0.4))
    np.testing.assert_allclose(plain["rank"], changed["rank"], atol=1e-12)
    assert abs(plain["calibrated"].mean() - changed["calibrated"].mean()) > 0.02  # no temperature does this


def test_other_sources_do_not_matter() -> None:
    """The difference of a pair is a function of the two: an average over objects that all found was not."""
    scores = {name: source(seed) for seed, name in enumerate(("visible", "fused", "unrelated"))}

    def differences(names: list[str]) -> dict[str, float]:
        found = {name: confidence(*scores[name])["rank"] for name in names}
        return {name: float((found[name] - found["visible"]).mean()) for name in names}

    everything = differences(["visible", "fused", "unrelated"])
    assert differences(["visible", "fused"])["fused"] == everything["fused"] != 0


def test_confidence_without_val_blocks_follows_the_temperature() -> None:
    score, val = source(1)
    block = np.arange(40) // 4
    fitted = fit_temperature(val, block)
    found = object_confidence(score, val, block, fitted)
    assert found.calibrated_without_val.shape == found.rank_without_val.shape == (10, 500)
    np.testing.assert_array_equal(
        found.calibrated_without_val[3], with_temperature(score, float(fitted.without_val[3]))
    )
    known = score > 0
    np.testing.assert_allclose(logit(found.calibrated[known]), logit(score[known]) / fitted.value, atol=1e-9)
