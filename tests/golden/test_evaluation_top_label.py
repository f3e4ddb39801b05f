"""What became of each object, worked out by hand; and the top label against a slow reference."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from regionfuse.detection.evaluation.matching import KINDS
from regionfuse.detection.evaluation.outcomes import (
    OUTCOMES,
    SAME_CLASS_FIRST,
    TOP_LABEL,
    Detections,
    confusion_matrix,
    margins,
    object_outcomes,
)

sys.path.append(str(Path(__file__).resolve().parents[1]))
from evaluation_made import CAR, PERSON, TRUCK, Case, random_case, results_of, truth_of

Box = Sequence[float]
WHOLE: Box = [0, 0, 100, 100]
BACKGROUND = 3


def width(value: float, left: float = 0) -> Box:
    """Return a box that overlaps WHOLE with an IoU of value / 100, if it starts at 0."""
    return [left, 0, value, 100]


@pytest.fixture
def look(tmp_path: Path):
    def run(
        objects: Sequence[tuple[int, Box]],
        predictions: Sequence[tuple[int, float, Box]],
        ignored: Sequence[int] = (),
    ) -> Detections:
        truth = truth_of([(1, category, box) for category, box in objects], ignored=ignored)
        case = Case(truth, results_of([(1, *row) for row in predictions]))
        return case.match(tmp_path)[0]

    return run


def outcomes(found: Detections, threshold: float = 0.25) -> list[str]:
    codes, _ = object_outcomes(found, np.full(3, threshold))
    return [OUTCOMES[code] for code in codes]


def predicted(found: Detections, threshold: float = 0.25) -> list[int]:
    """Return the row of the prediction that explains each object."""
    return object_outcomes(found, np.full(3, threshold))[1].tolist()


def counts(found: Detections, matching: str, threshold: float = 0.25) -> dict[tuple[int, int], int]:
    """Return the cells that are not zero, as (true, predicted) categories from 1; background is 4."""
    matrix = confusion_matrix(found, np.full(3, threshold), matching)
    return {(t + 1, p + 1): int(matrix[t, p]) for t, p in np.argwhere(matrix).tolist()}


NOTHING = BACKGROUND + 1


def test_a_truck_found_as_a_truck_is_correct(look) -> None:
    found = look([(TRUCK, WHOLE)], [(TRUCK, 0.9, WHOLE)])
    assert outcomes(found) == ["correct"] and predicted(found) == [0]
    assert counts(found, TOP_LABEL) == counts(found, SAME_CLASS_FIRST) == {(TRUCK, TRUCK): 1}


def test_a_truck_found_only_as_a_car_is_misclassified(look) -> None:
    found = look([(TRUCK, WHOLE)], [(CAR, 0.9, width(90))])
    assert outcomes(found) == ["misclassified"] and predicted(found) == [0]
    assert counts(found, TOP_LABEL) == counts(found, SAME_CLASS_FIRST) == {(TRUCK, CAR): 1}
    assert KINDS[found.evidence.prediction_kind[0]] == "misclassification"


def test_a_truck_that_scores_higher_as_a_car_is_ambiguous(look) -> None:
    found = look([(TRUCK, WHOLE)], [(TRUCK, 0.5, WHOLE), (CAR, 0.6, WHOLE)])
    assert outcomes(found) == ["ambiguous"] and predicted(found) == [1]
    assert counts(found, TOP_LABEL) == {(TRUCK, CAR): 1}
    # The permissive count: right, and the car is a false alarm.
    assert counts(found, SAME_CLASS_FIRST) == {(TRUCK, TRUCK): 1, (NOTHING, CAR): 1}
    # Above the truck's score but not the car's, the truck is gone and a car remains.
    assert outcomes(found, 0.55) == ["misclassified"]
    assert outcomes(found, 0.65) == ["missed"]


def test_a_weaker_label_on_the_same_object_is_no_false_alarm_to_a_user(look) -> None:
    found = look([(TRUCK, WHOLE)], [(TRUCK, 0.6, WHOLE), (CAR, 0.5, WHOLE)])
    assert outcomes(found) == ["correct"]
    assert counts(found, TOP_LABEL) == {(TRUCK, TRUCK): 1}
    assert counts(found, SAME_CLASS_FIRST) == {(TRUCK, TRUCK): 1, (NOTHING, CAR): 1}


def test_suppression_begins_above_seven_tenths(look) -> None:
    """A weaker car whose IoU with the truck's box is 0.7 is shown beside it, above that it is not."""
    shown = look([(TRUCK, WHOLE)], [(TRUCK, 0.9, WHOLE), (CAR, 0.8, width(70))])
    assert shown.evidence.shown.tolist() == [True, True]
    assert counts(shown, TOP_LABEL) == {(TRUCK, TRUCK): 1, (NOTHING, CAR): 1}
    hidden = look([(TRUCK, WHOLE)], [(TRUCK, 0.9, WHOLE), (CAR, 0.8, width(71))])
    assert hidden.evidence.shown.tolist() == [True, False]
    assert counts(hidden, TOP_LABEL) == {(TRUCK, TRUCK): 1}


def test_what_is_suppressed_suppresses_nothing(look) -> None:
    """Each box hides the next; the third is hidden only by one that is not shown itself.

    IoU of the first and second 141 / 200, of the second and third 100 / 141, of the first and third 0.5. The
    first does not touch the object at all.
    """
    target = [100, 0, 100, 100]
    rows = [(CAR, 0.9, [0, 0, 100, 100]), (CAR, 0.8, [0, 0, 141, 100]), (TRUCK, 0.7, [0, 0, 200, 100])]
    found = look([(TRUCK, target)], rows)
    assert found.evidence.shown.tolist() == [True, False, True]
    assert outcomes(found) == ["correct"] and predicted(found) == [2]


def test_two_labels_of_one_false_alarm_are_one_to_a_user(look) -> None:
    nowhere = [500, 500, 50, 50]
    found = look([(TRUCK, WHOLE)], [(CAR, 0.9, nowhere), (TRUCK, 0.8, nowhere), (PERSON, 0.7, nowhere)])
    assert counts(found, TOP_LABEL) == {(TRUCK, NOTHING): 1, (NOTHING, CAR): 1}
    permissive = {(TRUCK, NOTHING): 1, (NOTHING, CAR): 1, (NOTHING, TRUCK): 1, (NOTHING, PERSON): 1}
    assert counts(found, SAME_CLASS_FIRST) == permissive


def test_a_duplicate_car_box_does_not_steal_a_correct_truck(look) -> None:
    """The car box is more confident and fits the truck better: same class first calls it a truck anyway."""
    found = look([(TRUCK, WHOLE)], [(CAR, 0.9, width(90)), (TRUCK, 0.3, width(60))])
    assert counts(found, SAME_CLASS_FIRST) == {(TRUCK, TRUCK): 1, (NOTHING, CAR): 1}
    assert counts(found, TOP_LABEL) == {(TRUCK, CAR): 1, (NOTHING, TRUCK): 1}
    assert outcomes(found) == ["ambiguous"]


def test_trucks_called_car_none_by_same_class_first_and_three_by_top_label(look) -> None:
    places = [[300 * k, 0, 100, 100] for k in range(4)]
    rows = [(TRUCK, 0.5, place) for place in places] + [(CAR, 0.6, place) for place in places[:3]]
    found = look([(TRUCK, place) for place in places], rows)
    assert counts(found, SAME_CLASS_FIRST).get((TRUCK, CAR), 0) == 0
    assert counts(found, TOP_LABEL)[TRUCK, CAR] == 3
    assert outcomes(found) == ["ambiguous"] * 3 + ["correct"]


def test_an_overlap_of_one_half_finds_and_one_tenth_is_poorly_localised(look) -> None:
    for share, expected in ((50, "correct"), (49.99, "poorly_localised"), (10, "poorly_localised")):
        assert outcomes(look([(CAR, WHOLE)], [(CAR, 0.9, width(share))])) == [expected]
    assert outcomes(look([(CAR, WHOLE)], [(CAR, 0.9, width(9.9))])) == ["missed"]
    assert outcomes(look([(CAR, WHOLE)], [(TRUCK, 0.9, width(40))])) == ["missed"]


def test_a_poor_box_below_the_threshold_explains_nothing(look) -> None:
    found = look([(CAR, WHOLE)], [(CAR, 0.2, width(40))])
    assert outcomes(found) == ["missed"] and predicted(found) == [-1]
    assert outcomes(found, 0.2) == ["poorly_localised"] and predicted(found, 0.2) == [0]


def test_the_box_of_a_found_neighbour_is_no_poor_box(look) -> None:
    found = look([(CAR, WHOLE), (CAR, [80, 0, 100, 100])], [(CAR, 0.9, WHOLE), (CAR, 0.8, width(95))])
    assert outcomes(found) == ["correct", "missed"]
    assert [KINDS[k] for k in found.evidence.prediction_kind] == ["matched", "duplicate"]


def test_the_more_confident_of_two_boxes_takes_the_object(look) -> None:
    found = look([(CAR, WHOLE)], [(CAR, 0.4, WHOLE), (CAR, 0.8, width(60))])
    assert predicted(found) == [1]
    for matching in (TOP_LABEL, SAME_CLASS_FIRST):
        assert counts(found, matching) == {(CAR, CAR): 1, (NOTHING, CAR): 1}


def test_crowded_neighbours_each_take_the_box_that_is_left(look) -> None:
    """Two people whose boxes overlap with IoU 60 / 140; a prediction takes the one that it fits better."""
    people = [(PERSON, [0, 0, 100, 100]), (PERSON, [40, 0, 100, 100])]
    found = look(people, [(PERSON, 0.9, [15, 0, 100, 100]), (PERSON, 0.8, [0, 0, 100, 100])])
    # The stronger lies nearer to the first person (85 / 115 against 75 / 125); its box hides the other.
    assert found.evidence.shown.tolist() == [True, False]
    assert found.evidence.top_row.tolist() == [0, -1]
    apart = look(people, [(PERSON, 0.9, [15, 0, 100, 100]), (PERSON, 0.8, [35, 0, 100, 100])])
    assert apart.evidence.shown.tolist() == [True, True]  # IoU 80 / 120
    assert apart.evidence.top_row.tolist() == [0, 1]
    # The second fits only the first person (IoU 90 / 110 and 50 / 150) but that one is taken.
    taken = look(people, [(PERSON, 0.9, [0, 0, 100, 100]), (PERSON, 0.8, [0, 30, 100, 70])])
    assert taken.evidence.top_row.tolist() == [0, -1]
    assert counts(taken, TOP_LABEL) == {(PERSON, PERSON): 1, (PERSON, NOTHING): 1, (NOTHING, PERSON): 1}


def test_of_equal_scores_the_earlier_in_the_file_is_shown(look) -> None:
    found = look([(TRUCK, WHOLE)], [(CAR, 0.5, WHOLE), (TRUCK, 0.5, WHOLE)])
    assert outcomes(found) == ["ambiguous"]
    assert outcomes(look([(TRUCK, WHOLE)], [(TRUCK, 0.5, WHOLE), (CAR, 0.5, WHOLE)])) == ["correct"]


def test_predictions_on_a_region_to_ignore_count_nowhere(look) -> None:
    objects = [(PERSON, WHOLE), (PERSON, [0, 0, 10, 10])]
    rows = [(PERSON, 0.9, [0, 0, 10, 10]), (PERSON, 0.8, [40, 40, 10, 10]), (CAR, 0.7, [60, 60, 10, 10])]
    found = look(objects, rows, ignored=[0])
    for matching in (TOP_LABEL, SAME_CLASS_FIRST):
        assert counts(found, matching) == {(PERSON, PERSON): 1, (NOTHING, CAR): 1}
    assert [KINDS[k] for k in found.evidence.prediction_kind] == ["matched", "ignored", "background"]


def test_a_prediction_on_a_region_to_ignore_is_no_wrong_label_of_an_object_there(look) -> None:
    """A car among people who are not counted one by one: a person found there is not a car called person."""
    objects = [(PERSON, [0, 0, 300, 300]), (CAR, WHOLE), (PERSON, [0, 0, 100, 40])]
    rows = [(PERSON, 0.9, width(65)), (CAR, 0.8, WHOLE)]
    found = look(objects, rows, ignored=[0])
    for matching in (TOP_LABEL, SAME_CLASS_FIRST):
        assert counts(found, matching) == {(CAR, CAR): 1, (PERSON, NOTHING): 1}
    assert outcomes(found)[1:] == ["correct", "missed"]
    assert found.evidence.other_row.tolist() == [-1, -1, -1]
    alone = look(objects, rows[:1], ignored=[0])
    assert outcomes(alone)[1:] == ["missed", "missed"]
    for matching in (TOP_LABEL, SAME_CLASS_FIRST):
        assert counts(alone, matching) == {(CAR, NOTHING): 1, (PERSON, NOTHING): 1}


def test_margins_by_hand(look) -> None:
    """log(p / (1 - p)) of the true class less that of the best other; nothing found stands at 0.001."""
    objects = [(TRUCK, [300 * k, 0, 100, 100]) for k in range(4)]
    rows = [(TRUCK, 0.5, objects[0][1]), (CAR, 0.8, objects[0][1]), (PERSON, 0.7, objects[0][1])]
    rows += [(TRUCK, 0.9, objects[1][1]), (CAR, 0.2, objects[2][1])]
    floor = np.log(0.001 / 0.999)
    expected = [0 - np.log(4), np.log(9) - floor, floor - np.log(0.25), 0]
    assert margins(look(objects, rows).evidence) == pytest.approx(expected)


def test_nothing_at_all(look) -> None:
    assert outcomes(look([], [])) == []
    assert outcomes(look([(CAR, WHOLE)], [])) == ["missed"]
    assert counts(look([], [(CAR, 0.5, WHOLE)]), TOP_LABEL) == {(NOTHING, CAR): 1}


def slow_top_labels(case: Case, threshold: float) -> tuple[dict[int, int], list[int]]:
    """Return annotation id -> category called, and the categories of false alarms, as a system would run.

    Predictions below the threshold are dropped first; then suppression and matching, one prediction at a
    time. Nothing of ours is used.
    """

    def iou(a: Box, b: Box) -> float:
        w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
        h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
        both = w * h if w > 0 and h > 0 else 0.0
        return both / (a[2] * a[3] + b[2] * b[3] - both)

    called: dict[int, int] = {}
    alarms: list[int] = []
    for image in {entry["image_id"] for entry in case.results}:
        kept: list[dict] = []
        rows = [r for r in case.results if r["image_id"] == image and r["score"] >= threshold]
        for row in sorted(rows, key=lambda r: -r["score"]):
            if all(iou(row["bbox"], other["bbox"]) <= 0.7 for other in kept):
                kept.append(row)
        objects = [a for a in case.truth["annotations"] if a["image_id"] == image and not a["iscrowd"]]
        for row in kept:
            free = [(iou(row["bbox"], a["bbox"]), a["id"]) for a in objects if a["id"] not in called]
            if free and max(free)[0] >= 0.5:
                called[max(free)[1]] = row["category_id"]
            else:
                alarms.append(row["category_id"])
    return called, sorted(alarms)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6])
def test_top_labels_are_those_of_a_system_that_runs_at_the_threshold(
    seed: int, threshold: float, tmp_path: Path
) -> None:
    case = random_case(seed, images=3, most=12, ties=seed % 2 == 0, ignored=0, quality=0.6)
    found, _ = case.match(tmp_path)
    called, alarms = slow_top_labels(case, threshold)
    matrix = np.zeros((4, 4), dtype=int)
    for entry in case.truth["annotations"]:
        matrix[entry["category_id"] - 1, called.get(entry["id"], NOTHING) - 1] += 1
    for category in alarms:
        matrix[BACKGROUND, category - 1] += 1
    np.testing.assert_array_equal(confusion_matrix(found, np.full(3, threshold), TOP_LABEL), matrix)
    outcome, row = object_outcomes(found, np.full(3, threshold))
    correct = [called.get(entry["id"]) == entry["category_id"] for entry in case.truth["annotations"]]
    assert (outcome == OUTCOMES.index("correct")).tolist() == correct
    assert (row[correct] >= 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_rows_of_both_matrices_add_up_to_the_objects_and_columns_to_the_predictions(
    seed: int, tmp_path: Path
) -> None:
    case = random_case(seed, ties=seed % 2 == 1, ignored=0.2)
    found, matches = case.match(tmp_path)
    thresholds = np.array([0.2, 0.4, 0.6])
    objects = found.truth.objects_per_class()
    for matching in (TOP_LABEL, SAME_CLASS_FIRST):
        matrix = confusion_matrix(found, thresholds, matching)
        assert matrix[:3].sum(axis=1).tolist() == objects.tolist() and matrix[3, 3] == 0
    counted = ~matches.ignored[0] & (matches.scores >= thresholds[matches.category])
    shown = np.bincount(matches.category[counted], minlength=3)
    right = np.bincount(matches.category[counted & matches.correct[0]], minlength=3)
    assert matrix[:, :3].sum(axis=0).tolist() == shown.tolist()
    assert np.diagonal(matrix)[:3].tolist() == right.tolist()
