"""Replicates are the values on test sets that lack a block, and the values are what plain counting says."""

from __future__ import annotations

import functools
import math
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from regionfuse.detection.evaluation.calibration import fit_temperature, object_confidence
from regionfuse.detection.evaluation.detector import Settings, _confidence, _points
from regionfuse.detection.evaluation.matching import Matches
from regionfuse.detection.evaluation.operating import (
    EQUAL_PRECISION,
    POINTS,
    Thresholds,
    best_f1,
    equal_precision,
)
from regionfuse.detection.evaluation.outcomes import Detections, confusion_matrix, margins
from regionfuse.detection.evaluation.quantities import (
    ALL,
    Quantity,
    Replicates,
    Stratum,
    detector_quantities,
    strata,
)

sys.path.append(str(Path(__file__).resolve().parents[1]))
from evaluation_made import CAR, CLASSES, TRUCK, Case, official, random_case, results_of, truth_of

BLOCKS = 5
IMAGE_SIZE = 320
SETTINGS = Settings(image_size=IMAGE_SIZE)


@functools.cache
def made() -> dict[str, Case]:
    test = random_case(1, images=15, per_block=3, quality=0.6)
    val = random_case(2, images=12, per_block=3)
    return {
        "test": test,
        "val": val,
        "reference on test": random_case(3, truth=test.truth),
        "reference on val": random_case(4, truth=val.truth),
    }


def match(case: Case) -> tuple[Detections, Matches]:
    with TemporaryDirectory() as folder:
        return case.match(Path(folder))


def thresholds(val: Case, reference: Case) -> dict[str, Thresholds]:
    found, matches = match(val)
    block, blocks = found.truth.block, len(found.truth.blocks)
    goal = best_f1(match(reference)[1], block, blocks)
    return _points(matches, found.truth, goal, SETTINGS)


def quantities(
    case: Case, points: dict[str, Thresholds], chosen_here: bool = False
) -> dict[Quantity, Replicates]:
    found, matches = match(case)
    parts = list(strata(found, IMAGE_SIZE))
    return detector_quantities(found, matches, points, parts, chosen_here=chosen_here)


@functools.cache
def chosen_on_val() -> tuple[dict[str, Thresholds], dict[Quantity, Replicates]]:
    points = thresholds(made()["val"], made()["reference on val"])
    return points, quantities(made()["test"], points)


def agree(
    expected: dict[Quantity, Replicates], replicates: dict[Quantity, float], objects: dict[str, float]
) -> None:
    """Check that ``replicates`` are the values of a reduced set."""
    for quantity, value in replicates.items():
        wanted = expected.get(quantity)
        other = math.nan if wanted is None else wanted.value
        if wanted is None and quantity.name == "misclassification":
            other = 0.0 if objects.get(quantity.stratum.split(">")[0], 0) else math.nan
        assert value == pytest.approx(other, abs=1e-9, nan_ok=True), quantity


def counted(case: Case) -> dict[str, float]:
    names = {c["id"]: c["name"] for c in case.truth["categories"]}
    real = [a for a in case.truth["annotations"] if not a["iscrowd"]]
    return {ALL: len(real)} | {name: sum(a["category_id"] == c for a in real) for c, name in names.items()}


def per_object(quantity: Quantity, value: float, objects: dict[str, float]) -> float:
    """Return a balance as a rate per object, everything else as it is."""
    if quantity.name != "balance":
        return value
    number = objects[quantity.stratum.removeprefix("class:")]
    return value / number if number else math.nan


def test_every_kind_of_quantity_and_stratum_is_there() -> None:
    _, found = chosen_on_val()
    assert {quantity.name for quantity in found} == {
        "mAP50", "mAP75", "mAP50_95", "AP50", "log_average_miss_rate", "oLRP", "margin", "recall",
        "precision", "false_alarms_per_image", "balance", "misclassification",
    }  # fmt: skip
    kinds = {quantity.stratum.split(":")[0] for quantity in found if ">" not in quantity.stratum}
    assert kinds == {ALL, "class", "condition", "visibility", "size", "network_size", "class_size"}
    assert {quantity.point for quantity in found} == {"", *POINTS}


@pytest.mark.parametrize("b", range(BLOCKS))
def test_without_a_block_is_the_test_set_without_its_images(b: int) -> None:
    points, full = chosen_on_val()
    case = made()["test"]
    reduced = case.without_block(f"block {b}")
    everything, left = counted(case), counted(reduced)
    expected = {
        quantity: Replicates(per_object(quantity, found.value, left), found.without, found.sizes)
        for quantity, found in quantities(reduced, points).items()
    }
    replicates = {q: per_object(q, r.without[b], everything) for q, r in full.items()}
    agree(expected, replicates, left)


@pytest.mark.parametrize("v", range(4))
def test_without_a_val_block_is_the_threshold_chosen_without_it(v: int) -> None:
    _, full = chosen_on_val()
    val, reference = (made()[name].without_block(f"block {v}") for name in ("val", "reference on val"))
    expected = quantities(made()["test"], thresholds(val, reference))
    replicates = {q: r.without_val[v] for q, r in full.items() if q.point}
    agree(expected, replicates, counted(made()["test"]))
    assert all(not len(r.without_val) for q, r in full.items() if not q.point)


@pytest.mark.parametrize("b", range(BLOCKS))
def test_thresholds_chosen_on_test_are_chosen_again_without_the_block(b: int) -> None:
    case, reference = made()["test"], made()["reference on test"]
    full = quantities(case, thresholds(case, reference), chosen_here=True)
    reduced = case.without_block(f"block {b}")
    again = quantities(reduced, thresholds(reduced, reference.without_block(f"block {b}")))
    everything, left = counted(case), counted(reduced)
    expected = {
        quantity: Replicates(per_object(quantity, found.value, left), found.without, found.sizes)
        for quantity, found in again.items()
    }
    agree(expected, {q: per_object(q, r.without[b], everything) for q, r in full.items()}, left)
    assert all(not len(r.without_val) for r in full.values())


@pytest.mark.parametrize("here", [False, True])
def test_confidence_without_a_block(here: bool) -> None:
    found, matches = match(made()["test"])
    val_found, val = (found, matches) if here else match(made()["val"])
    temperature = fit_temperature(val, val_found.truth.block)
    full = _confidence(found, val, val_found.truth, temperature, here)
    real = ~found.truth.ignore
    measured = object_confidence(found.evidence.true_score, val, val_found.truth.block, temperature)
    block = found.truth.block[found.truth.image]
    for name in ("raw", "calibrated", "rank"):
        values, replicates = getattr(measured, name), full[Quantity(f"confidence_{name}")]
        variants = getattr(measured, f"{name}_without_val", None)
        assert replicates.value == pytest.approx(values[real].mean())
        for b in range(BLOCKS):
            kept = real & (block != b)
            chosen = variants[b] if here and variants is not None else values
            assert replicates.without[b] == pytest.approx(chosen[kept].mean())
        if here or variants is None:
            assert not len(replicates.without_val)
        else:
            np.testing.assert_allclose(replicates.without_val, variants[:, real].mean(axis=1))


def test_values_against_plain_counting() -> None:
    case, (points, full) = made()["test"], chosen_on_val()
    found, _ = match(case)
    evaluator = official(case)
    matched = {}  # annotation id -> score of the prediction that COCO matches to it, at IoU 0.5
    alarms = []
    for image in evaluator.evalImgs:
        if image is None or image["aRng"] != evaluator.params.areaRng[0]:
            continue
        rows = zip(image["dtMatches"][0], image["dtIgnore"][0], image["dtScores"], strict=True)
        for target, ignored, score in rows:
            if target and not ignored:
                matched[int(target)] = score
            elif not ignored:
                alarms.append(score)
    real = {a["id"]: a for a in case.truth["annotations"] if not a["iscrowd"]}
    for point, chosen in points.items():
        threshold = chosen.common
        hits = {i for i, score in matched.items() if score >= threshold}
        wrong = sum(score >= threshold for score in alarms)
        assert full[Quantity("recall", ALL, point)].value == pytest.approx(len(hits) / len(real))
        assert full[Quantity("precision", ALL, point)].value == pytest.approx(len(hits) / (len(hits) + wrong))
        assert full[Quantity("false_alarms_per_image", ALL, point)].value == pytest.approx(wrong / 15)
        for seen in ("both", "infrared", "visible", "neither"):
            mine = {i for i, a in real.items() if a["visibility"] == seen}
            value = full[Quantity("recall", f"visibility:{seen}", point)].value
            assert value == pytest.approx(len(mine & hits) / len(mine))
        night = {i for i, a in real.items() if a["image_id"] % 3 == 0}
        value = full[Quantity("recall", "condition:night", point)].value
        assert value == pytest.approx(len(night & hits) / len(night))
        matrix = confusion_matrix(found, chosen.value, "top_label")
        assert full[Quantity("balance", ALL, point)].value == pytest.approx(np.trace(matrix))
        for t, true in enumerate(CLASSES):
            assert full[Quantity("balance", f"class:{true}", point)].value == pytest.approx(matrix[t, t])
            for p, predicted in enumerate(CLASSES):
                key = Quantity("misclassification", f"{true}>{predicted}", point)
                if t != p:
                    rate = matrix[t, p] / matrix[t].sum()
                    assert (full[key].value if key in full else 0) == pytest.approx(rate)
    stats = evaluator.stats
    for name, value in (("mAP50", stats[1]), ("mAP75", stats[2]), ("mAP50_95", stats[0])):
        assert full[Quantity(name)].value == pytest.approx(value, abs=1e-9)
    assert full[Quantity("margin")].value == pytest.approx(
        margins(found.evidence)[~found.truth.ignore].mean()
    )


def named(found: Detections, image_size: int | None = None) -> dict[str, Stratum]:
    return {part.name: part for part in strata(found, image_size)}


def test_strata_by_hand(tmp_path: Path) -> None:
    """Sides of 32 and 96 belong to the smaller size; at half scale these are 64 and 192."""
    objects = [(1, CAR, [0, 0, 32, 32]), (1, CAR, [0, 0, 33, 32]), (2, TRUCK, [0, 0, 96, 96]),
               (2, TRUCK, [0, 0, 97, 96]), (2, CAR, [0, 0, 10, 10])]  # fmt: skip
    truth = truth_of(objects, 2, ignored=[4])
    for image, tags in zip(truth["images"], (["night"], ["night", "rain"]), strict=True):
        image |= {"width": 1000, "height": 500, "tags": tags}
    truth["annotations"][0]["visibility"] = "infrared"
    results = results_of([(1, CAR, 0.9, [0, 0, 20, 20]), (2, TRUCK, 0.8, [200, 200, 150, 150])])
    parts = named(Case(truth, results).match(tmp_path)[0], 500)

    def objects_of(name: str) -> list[int]:
        return np.flatnonzero(parts[name].objects).tolist()

    assert objects_of("class:Car") == [0, 1] and objects_of("class:Truck") == [2, 3]
    assert objects_of("condition:night") == [0, 1, 2, 3] and objects_of("condition:rain") == [2, 3]
    assert objects_of("visibility:infrared") == [0] and "visibility:visible" not in parts
    assert objects_of("size:small") == [0] and objects_of("size:medium") == [1, 2]
    assert objects_of("size:large") == [3]
    assert objects_of("network_size:small") == [0, 1] and objects_of("network_size:medium") == [2, 3]
    assert objects_of("class_size:Truck/medium") == [2] and "class_size:Car/large" not in parts
    assert "class:Person" not in parts
    # Which false alarms count: of the class, of the size, on the images; all in a part by visibility.
    assert parts["class:Car"].predictions.tolist() == [True, False]
    assert parts["size:small"].predictions.tolist() == [True, False]
    assert parts["network_size:medium"].predictions.tolist() == [False, True]
    assert parts["condition:rain"].predictions.tolist() == [False, True]
    assert parts["visibility:infrared"].predictions.tolist() == [True, True]


@pytest.mark.parametrize("side", [None, 0, "wide", float("nan")])
def test_sizes_at_the_network_need_the_size_of_the_images(side: object, tmp_path: Path) -> None:
    truth = truth_of([(1, CAR, [0, 0, 30, 30])])
    if side is not None:
        truth["images"][0] |= {"width": side, "height": side}
    parts = named(Case(truth, []).match(tmp_path)[0], 500)
    assert "size:small" in parts and not any(name.startswith("network_size") for name in parts)


def test_sizes_at_the_network_need_the_size_of_every_image(tmp_path: Path) -> None:
    """Also of those without objects, whose false alarms would not count."""
    truth = truth_of([(1, CAR, [0, 0, 30, 30])], 2)
    truth["images"][0] |= {"width": 640, "height": 480}
    case = Case(truth, results_of([(2, CAR, 0.9, [0, 0, 30, 30])]))
    assert not any(name.startswith("network_size") for name in named(case.match(tmp_path)[0], 640))


def test_map_of_a_condition_is_that_of_its_images_alone() -> None:
    case = made()["test"]
    night = case.with_images({i: 0 for i in range(1, 16) if i % 3})
    _, full = chosen_on_val()
    value = full[Quantity("mAP50", "condition:night")].value
    assert value == pytest.approx(official(night).stats[1], abs=1e-9)


def test_map_of_a_part_by_hand(tmp_path: Path) -> None:
    """A prediction that finds an object of another part is neither right nor wrong."""
    truth = truth_of([(1, CAR, [0, 0, 50, 50]), (1, CAR, [100, 0, 50, 50])])
    for entry, seen in zip(truth["annotations"], ("infrared", "visible"), strict=True):
        entry["visibility"] = seen
    rows = [(1, CAR, 0.9, [100, 0, 50, 50]), (1, CAR, 0.8, [0, 300, 50, 50]), (1, CAR, 0.7, [0, 0, 50, 50])]
    found, matches = Case(truth, results_of(rows)).match(tmp_path)
    points = {EQUAL_PRECISION: best_f1(matches, found.truth.block, 1).thresholds}
    full = detector_quantities(found, matches, points, list(strata(found, None)), chosen_here=True)
    assert full[Quantity("mAP50", "visibility:infrared")].value == pytest.approx(0.5)
    assert full[Quantity("mAP50", "visibility:visible")].value == pytest.approx(1)
    assert math.isnan(full[Quantity("mAP50")].without[0])


def test_equal_precision_on_the_same_detector_is_its_own_point() -> None:
    found, matches = match(made()["val"])
    goal = best_f1(matches, found.truth.block, 4)
    same = equal_precision(matches, found.truth.block, 4, goal)
    assert same.precision >= goal.thresholds.precision and same.recall >= goal.thresholds.recall
