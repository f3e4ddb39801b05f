"""Operating points: chosen by hand, and against every possible threshold."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from regionfuse.detection.evaluation.matching import IOUS, Matches
from regionfuse.detection.evaluation.operating import (
    FALLBACK,
    Goal,
    Thresholds,
    best_f1,
    equal_false_alarms,
    equal_precision,
    kept,
    reference_goal,
)

sys.path.append(str(Path(__file__).resolve().parents[1]))
from evaluation_made import random_case

Row = tuple[int, int, float, bool]


def matches_of(
    rows: Sequence[Row], positives: Sequence[Sequence[int]], ignored: Sequence[int] = ()
) -> Matches:
    """Return a matching of (image, class, score, correct) with objects by image and class."""
    order = sorted(range(len(rows)), key=lambda i: (-rows[i][2], rows[i][0], i))
    image, category, scores, correct = (np.array([rows[i][k] for i in order]) for k in range(4))
    excused = np.isin(order, ignored)
    shape = (len(IOUS), len(rows))
    return Matches(
        row=np.array(order, dtype=np.int64),
        image=image.astype(np.int64),
        category=category.astype(np.int64),
        scores=scores.astype(np.float64),
        correct=np.broadcast_to(correct.astype(bool), shape),
        ignored=np.broadcast_to(excused, shape),
        object=np.full(len(rows), -1),
        iou=np.full(len(rows), np.nan),
        positives=np.array(positives, dtype=np.int64),
    )


def ladder(text: str, objects: int, step: float = 0.1) -> Matches:
    """Return hits ('+') and false alarms ('-') of falling confidence, from 0.9 on, in one image."""
    rows = [(0, 0, round(0.9 - step * k, 6), sign == "+") for k, sign in enumerate(text)]
    return matches_of(rows, [[objects]])


ONE = np.zeros(1, dtype=np.int64)


def goal_of(precision: float, threshold: float = 0.5, classes: int = 1) -> Goal:
    """Return what a reference sets, on one block."""
    values = np.full((2, classes), threshold)
    return Goal(Thresholds(values[0], values[1:]), np.full((2, classes), precision))


def test_best_f1_by_hand() -> None:
    # F1 at the hits 0.9, 0.8, 0.6, 0.3: 2/5, 4/6, 6/8, 8/11.
    chosen = best_f1(ladder("++-+--+", objects=4), ONE, 1).thresholds
    assert chosen.common == 0.6 and chosen.reached and not chosen.warning
    assert chosen.precision == 0.75 and chosen.recall == 0.75


def test_of_equal_f1_the_higher_threshold_is_chosen() -> None:
    # 2 * 1 / (1 + 2) at 0.9 and 2 * 2 / (4 + 2) at 0.6.
    assert best_f1(ladder("+--+", objects=2), ONE, 1).thresholds.common == 0.9


def test_predictions_of_equal_confidence_pass_together() -> None:
    rows = [(0, 0, 0.8, False), (0, 0, 0.8, True), (0, 0, 0.8, False), (0, 0, 0.4, True)]
    chosen = best_f1(matches_of(rows, [[2]]), ONE, 1).thresholds
    assert chosen.common == 0.4 and chosen.precision == 0.5  # 2/5 at 0.8, 4/6 at 0.4
    assert equal_precision(matches_of(rows, [[2]]), ONE, 1, goal_of(0.4)).common == 0.4
    # Before the tie was broken the hit alone would have had a precision of one half.
    alone = equal_precision(matches_of(rows[:3], [[2]]), ONE, 1, goal_of(0.5))
    assert not alone.reached and alone.common == 0.8 and alone.precision == pytest.approx(1 / 3)


def test_predictions_on_regions_to_ignore_choose_nothing() -> None:
    rows = [(0, 0, 0.9, False), (0, 0, 0.8, True)]
    assert best_f1(matches_of(rows, [[1]], ignored=[0]), ONE, 1).thresholds.precision == 1


def test_equal_precision_takes_the_lowest_threshold_that_reaches_it() -> None:
    # Precision at the hits 0.9, 0.7, 0.6, 0.2: 1, 2/3, 3/4, 4/8.
    detector = ladder("+-++---+", objects=4)
    for aim, threshold in ((0.7, 0.6), (0.75, 0.6), (0.76, 0.9), (0.5, 0.2), (0.1, 0.2)):
        chosen = equal_precision(detector, ONE, 1, goal_of(aim))
        assert chosen.common == threshold and chosen.reached
        assert chosen.precision >= aim


def test_a_precision_that_cannot_be_reached_gives_the_best_there_is() -> None:
    # 1/2, 2/3, 2/4.
    chosen = equal_precision(ladder("-++-", objects=2), ONE, 1, goal_of(0.9))
    assert chosen.common == 0.7 and not chosen.reached and chosen.precision == pytest.approx(2 / 3)


def test_false_alarms_per_image_by_hand() -> None:
    rows = [(i, 0, s, ok) for i, s, ok in [(0, 0.9, True), (1, 0.8, False), (2, 0.7, True), (3, 0.6, False)]]
    detector, block = matches_of(rows, [[1]] * 10), np.zeros(10, dtype=np.int64)
    one_in_ten = equal_false_alarms(detector, block, 1, 0.1)
    assert one_in_ten.common == 0.600001 and one_in_ten.reached  # the lowest at which the second is out
    assert one_in_ten.recall == 0.2 and one_in_ten.precision == pytest.approx(2 / 3)
    assert equal_false_alarms(detector, block, 1, 0.05).common == 0.800001
    everything = equal_false_alarms(detector, block, 1, 1.0)
    assert everything.common == 0 and not everything.reached


def test_false_alarms_of_equal_confidence_are_out_together() -> None:
    rows = [(0, 0, 0.9, True), (0, 0, 0.5, False), (0, 0, 0.5, False), (0, 0, 0.5, True)]
    chosen = equal_false_alarms(matches_of(rows, [[2]]), ONE, 1, 1.0)
    assert chosen.common == 0.500001 and chosen.recall == 0.5


def test_the_goal_is_the_middle_of_the_flat_top_and_the_reference_follows_it_itself() -> None:
    # F1 at 11, 12, ... 16 hits: 0.71, 0.75, 0.743, 0.737, 0.732, 0.627; 0.95 of the best is 0.7125.
    detector = ladder("+" * 12 + "--" + "+" + "--" + "+" + "--" + "+" + "-" * 9 + "+", objects=20)
    best = best_f1(detector, ONE, 1)
    assert best.thresholds.recall == 12 / 20 and best.thresholds.precision == 1
    goal = reference_goal(detector, ONE, 1)
    assert goal.precision[0, 0] == pytest.approx(13 / 15)
    assert goal.thresholds.recall == 13 / 20
    again = equal_precision(detector, ONE, 1, goal)
    np.testing.assert_array_equal(again.value, goal.thresholds.value)


def test_a_second_peak_of_f1_is_another_operating_point() -> None:
    # 6 of 6 at F1 0.75, then false alarms, then 4 more hits at F1 0.74: the middle lies before the gap.
    detector = ladder("++++++" + "-" * 7 + "++++", objects=10)
    goal = reference_goal(detector, ONE, 1)
    assert goal.precision[0, 0] == 1 and goal.thresholds.recall == 0.6


def test_the_kept_threshold_is_the_reference_s_with_the_source_s_own_numbers() -> None:
    reference = best_f1(ladder("++-+--+", objects=4), ONE, 1)
    chosen = kept(reference.thresholds, ladder("+++---", objects=4))
    assert chosen.common == 0.6 and chosen.precision == 0.75 and chosen.recall == 0.75
    np.testing.assert_array_equal(chosen.without, reference.thresholds.without)


def test_classes_may_have_their_own_thresholds() -> None:
    rows = [(0, 0, 0.9, True), (0, 0, 0.8, False), (0, 1, 0.4, True), (0, 1, 0.3, True), (0, 1, 0.2, False)]
    detector = matches_of(rows, [[1, 2, 1]])
    goal = best_f1(detector, ONE, 1, per_class=True)
    # The third class has an object and no prediction: nothing to choose from.
    assert goal.thresholds.value.tolist() == [0.9, 0.3, FALLBACK]
    assert math.isnan(goal.thresholds.common) and not goal.thresholds.reached
    assert goal.precision[0].tolist()[:2] == [1, 1] and math.isnan(goal.precision[0, 2])
    other = matches_of([(0, 0, 0.7, False), (0, 0, 0.6, True), (0, 2, 0.5, True)], [[1, 2, 1]])
    chosen = equal_precision(other, ONE, 1, goal, per_class=True)
    assert chosen.value.tolist() == [0.6, FALLBACK, 0.5] and not chosen.reached
    alarms = equal_false_alarms(detector, ONE, 1, 0.0, per_class=True)
    assert alarms.value.tolist() == [0.800001, 0.200001, 0]


@pytest.mark.parametrize(
    ("detector", "reason"),
    [(ladder("--", objects=3), "no prediction is correct"), (ladder("--", objects=0), "there are no objects"),
     (matches_of([], [[3]]), "no prediction is correct"), (matches_of([], [[0]]), "there are no objects")],
)  # fmt: skip
def test_without_anything_to_choose_from_the_fallback_is_taken_and_said(
    detector: Matches, reason: str
) -> None:
    for chosen in (best_f1(detector, ONE, 1).thresholds, equal_precision(detector, ONE, 1, goal_of(0.5))):
        assert chosen.common == FALLBACK and chosen.warning == reason and not chosen.reached
        assert chosen.without.tolist() == [[FALLBACK]]


def best_of_all(matches: Matches, images: np.ndarray, aim: float | None) -> float:
    """Try every score as threshold: best F1, or most recall at a precision of at least ``aim``."""
    counted = images[matches.image] & ~matches.ignored[0]
    scores, correct = matches.scores[counted], matches.correct[0][counted]
    objects = matches.positives[images].sum()
    tried = []
    for threshold in np.unique(scores):
        passing = scores >= threshold
        hits, shown = correct[passing].sum(), passing.sum()
        if aim is None:
            tried.append((2 * hits / (shown + objects), threshold))
        else:
            enough = hits / shown >= aim - 1e-12
            tried.append((enough, hits if enough else hits / shown, threshold))
    return float(max(tried)[-1])


@pytest.mark.parametrize("seed", range(4))
def test_choices_without_a_block_are_choices_on_the_other_blocks(seed: int, tmp_path: Path) -> None:
    _, reference = random_case(seed, images=8, per_block=2).match(tmp_path)
    case = random_case(seed + 50, images=8, per_block=2, truth=random_case(seed, images=8, per_block=2).truth)
    found, source = case.match(tmp_path)
    block = found.truth.block
    goal = best_f1(reference, block, 4)
    own = best_f1(source, block, 4).thresholds
    equal = equal_precision(source, block, 4, goal)
    alarms = equal_false_alarms(source, block, 4, 0.5)
    for v in range(-1, 4):
        images = block != v
        at = goal.thresholds.value[0] if v < 0 else goal.thresholds.without[v, 0]
        assert at == best_of_all(reference, images, None)
        assert (own.value if v < 0 else own.without[v])[0] == best_of_all(source, images, None)
        passing = images[reference.image] & ~reference.ignored[0] & (reference.scores >= at)
        aim = reference.correct[0][passing].mean()
        assert goal.precision[v + 1, 0] == pytest.approx(aim)
        assert (equal.value if v < 0 else equal.without[v])[0] == best_of_all(source, images, aim)
        limit = (alarms.value if v < 0 else alarms.without[v])[0]
        wrong = images[source.image] & ~source.ignored[0] & ~source.correct[0]
        assert (wrong & (source.scores >= limit)).sum() <= 0.5 * images.sum()
        assert (wrong & (source.scores >= limit - 1.5e-6)).sum() > 0.5 * images.sum()


def test_a_block_that_holds_all_hits_leaves_the_choice_as_it_was() -> None:
    rows = [(0, 0, 0.8, True), (1, 0, 0.6, False)]
    chosen = best_f1(matches_of(rows, [[1], [1]]), np.array([0, 1]), 2)
    assert chosen.thresholds.without.tolist() == [[0.8], [0.8]]
    assert chosen.precision[:, 0].tolist() == [1, 1, 1]


@pytest.mark.parametrize("score", [0.12345649, 0.1234565, 0.99999999, 1.0, 0.3, 0.1 + 0.2, 5e-7])
def test_the_threshold_has_six_decimals_and_keeps_the_prediction_that_set_it(score: float) -> None:
    detector = matches_of([(0, 0, score, True)], [[1]])
    chosen = best_f1(detector, ONE, 1).thresholds
    assert chosen.recall == 1 and score - 1.1e-6 < chosen.common <= score
    assert float(f"{chosen.common:.6f}") == chosen.common
    assert float(f"{chosen.common:.6g}") == chosen.common
