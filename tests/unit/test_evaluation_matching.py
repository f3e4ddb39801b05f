"""What became of each object: cases worked out by hand, and properties that must hold for any boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regionfuse.detection.evaluation.matching import (
    OBJECT_OUTCOMES,
    PREDICTION_OUTCOMES,
    Matching,
    match_image,
)

PERSON, CAR, BUS, TRUCK = range(4)


def box(left: float, top: float, right: float, bottom: float) -> list[float]:
    return [left, top, right - left, bottom - top]


def match(
    objects: list[tuple[int, list[float]]],
    predictions: list[tuple[int, float, list[float]]],
    crowd: list[bool] | None = None,
) -> Matching:
    return match_image(
        np.array([b for _, b in objects], dtype=float).reshape(-1, 4),
        np.array([c for c, _ in objects], dtype=int),
        np.array([b for *_, b in predictions], dtype=float).reshape(-1, 4),
        np.array([c for c, *_ in predictions], dtype=int),
        np.array([s for _, s, _ in predictions], dtype=float),
        None if crowd is None else np.array(crowd),
    )


def names(found: Matching) -> tuple[list[str], list[str]]:
    return (
        [OBJECT_OUTCOMES[i] for i in found.outcome],
        [PREDICTION_OUTCOMES[i] for i in found.prediction_outcome],
    )


def test_a_perfect_prediction_is_correct() -> None:
    found = match([(CAR, box(0, 0, 10, 10))], [(CAR, 0.9, box(0, 0, 10, 10))])
    assert names(found) == (["correct"], ["matched"])
    assert found.iou[0] == 1 and found.prediction[0] == 0


def test_a_duplicate_car_box_does_not_turn_a_correct_truck_into_a_car() -> None:
    # The car box is more confident and fits the truck better (IoU 0.9 against 0.6).
    truck = box(0, 0, 100, 100)
    found = match([(TRUCK, truck)], [(CAR, 0.9, box(0, 0, 90, 100)), (TRUCK, 0.3, box(0, 0, 60, 100))])
    assert names(found) == (["correct"], ["background", "matched"])
    assert found.prediction[0] == 1
    assert found.iou[0] == pytest.approx(0.6)


def test_a_truck_found_only_as_a_car_is_misclassified() -> None:
    found = match([(TRUCK, box(0, 0, 100, 100))], [(CAR, 0.9, box(0, 0, 90, 100))])
    assert names(found) == (["misclassified"], ["matched"])
    assert found.iou[0] == pytest.approx(0.9)


def test_an_overlap_of_exactly_one_half_counts_and_just_below_does_not() -> None:
    half = match([(CAR, box(0, 0, 10, 10))], [(CAR, 0.9, box(0, 0, 10, 5))])
    assert names(half) == (["correct"], ["matched"])
    below = match([(CAR, box(0, 0, 10, 10))], [(CAR, 0.9, box(0, 0, 10, 4.999))])
    assert names(below) == (["poorly_localised"], ["matched"])
    assert below.iou[0] == pytest.approx(0.4999)


def test_poor_localisation_begins_at_one_tenth() -> None:
    at = match([(CAR, box(0, 0, 10, 10))], [(CAR, 0.9, box(0, 0, 10, 1))])
    assert names(at) == (["poorly_localised"], ["matched"])
    below = match([(CAR, box(0, 0, 10, 10))], [(CAR, 0.9, box(0, 0, 10, 0.99))])
    assert names(below) == (["missed"], ["background"])


def test_a_poor_box_of_another_class_explains_nothing() -> None:
    found = match([(CAR, box(0, 0, 10, 10))], [(BUS, 0.9, box(0, 0, 10, 4))])
    assert names(found) == (["missed"], ["background"])


def test_the_more_confident_prediction_takes_the_object_and_the_better_box_is_a_duplicate() -> None:
    found = match([(CAR, box(0, 0, 10, 10))], [(CAR, 0.4, box(0, 0, 10, 10)), (CAR, 0.8, box(0, 0, 10, 8))])
    assert names(found) == (["correct"], ["duplicate", "matched"])
    assert found.prediction_iou.tolist() == pytest.approx([1.0, 0.8])


def test_a_prediction_takes_the_object_it_overlaps_best() -> None:
    objects = [(CAR, box(0, 0, 10, 10)), (CAR, box(2, 0, 12, 10))]
    found = match(objects, [(CAR, 0.9, box(2, 0, 11, 10))])
    assert names(found) == (["missed", "correct"], ["matched"])


def test_misclassified_comes_before_poorly_localised() -> None:
    found = match(
        [(TRUCK, box(0, 0, 10, 10))], [(TRUCK, 0.9, box(0, 0, 10, 4)), (CAR, 0.3, box(0, 0, 10, 9))]
    )
    assert names(found) == (["misclassified"], ["background", "matched"])
    assert found.prediction[0] == 1


def test_the_box_of_a_found_neighbour_does_not_make_an_object_poorly_localised() -> None:
    # The neighbour's box overlaps the second car by 2/18.
    objects = [(CAR, box(0, 0, 10, 10)), (CAR, box(8, 0, 18, 10))]
    found = match(objects, [(CAR, 0.9, box(0, 0, 10, 10))])
    assert names(found) == (["correct", "missed"], ["matched"])


def test_a_duplicate_does_not_make_a_neighbour_poorly_localised() -> None:
    objects = [(CAR, box(0, 0, 10, 10)), (CAR, box(8, 0, 18, 10))]
    found = match(objects, [(CAR, 0.9, box(0, 0, 10, 10)), (CAR, 0.8, box(1, 0, 10, 10))])
    assert names(found) == (["correct", "missed"], ["matched", "duplicate"])


def test_one_prediction_explains_one_object_only() -> None:
    objects = [(TRUCK, box(0, 0, 10, 10)), (BUS, box(0, 0, 10, 9))]
    found = match(objects, [(CAR, 0.9, box(0, 0, 10, 10))])
    assert names(found) == (["misclassified", "missed"], ["matched"])


def test_nothing_at_all() -> None:
    assert names(match([], [])) == ([], [])
    assert names(match([(CAR, box(0, 0, 1, 1))], [])) == (["missed"], [])
    assert names(match([], [(CAR, 0.5, box(0, 0, 1, 1))])) == ([], ["background"])


def test_predictions_on_a_crowd_region_of_their_class_are_ignored() -> None:
    objects = [(PERSON, box(0, 0, 100, 100)), (PERSON, box(0, 0, 10, 10))]
    predictions = [
        (PERSON, 0.9, box(0, 0, 10, 10)),
        (PERSON, 0.8, box(40, 40, 50, 50)),
        (CAR, 0.7, box(60, 60, 70, 70)),
    ]
    found = match(objects, predictions, crowd=[True, False])
    assert names(found) == (["ignored", "correct"], ["matched", "ignored", "background"])


@st.composite
def scenes(draw: st.DrawFn) -> tuple[np.ndarray, ...]:
    """Crowded scenes of few classes; real-valued, so that no two overlaps or confidences are equal."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    objects, predictions, classes = (draw(st.integers(0, n)) for n in (8, 14, 3))
    size = draw(st.sampled_from([30, 100]))

    def boxes(n: int) -> np.ndarray:
        return np.concatenate([generator.uniform(0, size, (n, 2)), generator.uniform(5, 60, (n, 2))], axis=1)

    shaken = boxes(predictions)
    for i in range(min(objects, predictions)):
        shaken[i] = -1  # replaced below by a shaken object
    truth = boxes(objects)
    near = min(objects, predictions)
    shaken[:near] = truth[:near] + generator.normal(0, 4, (near, 4))
    shaken[:, 2:] = np.maximum(shaken[:, 2:], 1)
    return (
        truth,
        generator.integers(0, classes + 1, objects),
        shaken,
        generator.integers(0, classes + 1, predictions),
        generator.random(predictions),
    )


@settings(max_examples=300, deadline=None)
@given(scenes())
def test_every_object_and_prediction_has_one_outcome_and_they_add_up(scene: tuple[np.ndarray, ...]) -> None:
    objects, object_classes, boxes, classes, _ = scene
    found = match_image(*scene)
    object_names, prediction_names = map(np.array, names(found))
    assert len(object_names) == len(objects) and len(prediction_names) == len(boxes)
    explained = object_names != "missed"
    # A one-to-one relation between explained objects and matched predictions.
    assert (found.prediction >= 0).tolist() == explained.tolist()
    assert sorted(found.prediction[explained]) == np.flatnonzero(prediction_names == "matched").tolist()
    assert np.isnan(found.iou[~explained]).all()
    used = found.prediction[explained]
    same = classes[used] == object_classes[explained]
    assert (same == (object_names[explained] != "misclassified")).all()
    good = found.iou[explained] >= 0.5
    assert (good == (object_names[explained] != "poorly_localised")).all()
    assert (found.iou[explained] >= 0.1).all()


@settings(max_examples=200, deadline=None)
@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_in_the_file_does_not_matter(scene: tuple[np.ndarray, ...], random: object) -> None:
    objects, object_classes, boxes, classes, scores = scene
    first = list(range(len(objects)))
    second = list(range(len(boxes)))
    random.shuffle(first)  # type: ignore[attr-defined]
    random.shuffle(second)  # type: ignore[attr-defined]
    found = match_image(*scene)
    i, j = np.array(first, dtype=int), np.array(second, dtype=int)
    again = match_image(objects[i], object_classes[i], boxes[j], classes[j], scores[j])
    assert again.outcome.tolist() == found.outcome[i].tolist()
    assert again.prediction_outcome.tolist() == found.prediction_outcome[j].tolist()


@settings(max_examples=200, deadline=None)
@given(scenes())
def test_wrong_labels_never_change_what_is_correct(scene: tuple[np.ndarray, ...]) -> None:
    objects, object_classes, boxes, classes, scores = scene
    found = match_image(*scene)
    foreign = ~np.isin(classes, object_classes)
    without = match_image(objects, object_classes, boxes[~foreign], classes[~foreign], scores[~foreign])
    assert (found.outcome == 1).tolist() == (without.outcome == 1).tolist()
