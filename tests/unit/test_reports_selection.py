"""The rules that choose objects for the panels, and the pairs of classes that are looked at."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from regionfuse.reports.context import Context, make_context
from regionfuse.reports.crops import Window, window_around
from regionfuse.reports.objects import chosen_pairs
from regionfuse.reports.selection import Choice, choose_objects
from regionfuse.reports.stored import load_results

sys.path.append(str(Path(__file__).resolve().parents[1]))
from reports_fake_run import Fake, make_objects, write_fake_run

FAKE = Fake(
    images=6,
    objects_per_image=6,
    sources=("visible", "infrared", "average", "regionfuse"),
    protocols=("retrained",),
    pictures=False,
    quality=False,
)
MISSED = ("missed", "", float("nan"))


def choices_with(folder: Path, wanted: dict[tuple[int, str], tuple[str, str, float]]) -> tuple[Choice, ...]:
    """Choices where every object is right everywhere but for the given (object, source) pairs."""
    context = make_context(load_results(write_fake_run(folder / "run", FAKE)))
    frame = context.results.objects("retrained", 0)
    assert frame is not None
    frame = frame[frame["kind"] == "object"].copy()
    frame["outcome"], frame["predicted"], frame["confidence"] = "correct", frame["class"], 0.5
    for (object_id, source), values in wanted.items():
        rows = (frame["object_id"] == object_id) & (frame["source"] == source)
        assert rows.sum() == 1
        frame.loc[rows, ["outcome", "predicted", "confidence"]] = values
    return choose_objects(context, "retrained", frame)


def ids(label: str) -> list[int]:
    """Annotation ids of a class, lowest first."""
    objects = make_objects(FAKE, np.random.default_rng(FAKE.random_seed))
    return [item["id"] for item in objects if item["class"] == label]


def test_truck_for_car_takes_the_largest_margin(tmp_path: Path) -> None:
    first, second = ids("Truck")[:2]
    choice = choices_with(
        tmp_path,
        {
            (first, "visible"): ("misclassified", "Car", 0.60),
            (first, "regionfuse"): ("correct", "Truck", 0.70),
            (second, "visible"): ("misclassified", "Car", 0.40),
            (second, "average"): ("correct", "Truck", 0.90),
            (second, "regionfuse"): ("misclassified", "Car", 0.99),
        },
    )[0]
    assert choice.object_id == second
    assert f"2 of {len(ids('Truck'))} objects meet it" in choice.rule and "class Truck" in choice.rule


def test_a_truck_whose_top_label_is_car_counts_though_it_was_found_as_a_truck_too(tmp_path: Path) -> None:
    truck = ids("Truck")[0]
    choice = choices_with(tmp_path, {(truck, "visible"): ("ambiguous", "Car", 0.6)})[0]
    assert choice.object_id == truck and choice.title == "Truck taken for Car"


def test_infrared_alone_does_not_rescue_a_truck_nor_does_an_ambiguous_one(tmp_path: Path) -> None:
    truck = ids("Truck")[0]
    wrong = ("misclassified", "Car", 0.6)
    wanted = {(truck, s): wrong for s in ("visible", "average")}
    choice = choices_with(tmp_path, {**wanted, (truck, "regionfuse"): ("ambiguous", "Car", 0.6)})[0]
    assert choice.object_id is None
    assert choice.rule.count("No such object in this test set") == 2


def test_fallback_is_any_misclassification_and_says_so(tmp_path: Path) -> None:
    car = ids("Car")[0]
    choice = choices_with(tmp_path, {(car, "visible"): ("misclassified", "Truck", 0.6)})[0]
    assert choice.object_id == car
    assert "Fallback rule" in choice.rule and choice.title == "Truck taken for Car: none; any class"


def test_lost_person_takes_most_finders_then_the_lower_id(tmp_path: Path) -> None:
    first, second, third = ids("People")[:3]
    wanted = {(person, "visible"): MISSED for person in (first, second, third)}
    assert choices_with(tmp_path, {**wanted, (first, "average"): MISSED})[1].object_id == second


def test_reverse_rule_takes_the_object_most_sources_lose(tmp_path: Path) -> None:
    car, person = ids("Car")[0], ids("People")[0]
    choice = choices_with(
        tmp_path, {(car, "average"): MISSED, (person, "average"): MISSED, (person, "regionfuse"): MISSED}
    )[2]
    assert choice.object_id == person
    assert "2 of 36 objects" in choice.rule


def test_without_a_fused_source_there_is_no_choice(tmp_path: Path) -> None:
    context = make_context(load_results(write_fake_run(tmp_path / "run", FAKE)))
    frame = context.results.objects("retrained", 0)
    assert frame is not None
    single = Context(context.results, {"retrained": context.scores["retrained"][:2]}, context.differences, {})
    assert choose_objects(single, "retrained", frame) == ()


def test_truck_and_car_come_first_whatever_the_case_then_what_is_confused_most(tmp_path: Path) -> None:
    fake = Fake(images=2, classes=("person", "car", "truck"), protocols=("retrained",), pictures=False)
    assert chosen_pairs(load_results(write_fake_run(tmp_path / "a", fake)))[0] == ("truck", "car")
    fake = Fake(images=2, classes=("cat", "dog", "cow"), protocols=("retrained",), pictures=False)
    run = write_fake_run(tmp_path / "b", fake)
    path = run / "tables/misclassifications.csv"
    row = {"protocol": "retrained", "source": "visible", "seed": 0, "split": "test"}
    names = ["operating_point", "true", "predicted", "top_label", "same_class_first", "objects", "rate"]
    rows = [
        ("equal_precision", "cow", "dog", 3, 0, 9, 0.3),
        ("equal_precision", "dog", "cow", 1, 0, 9, 0.1),
        ("equal_precision", "cat", "dog", 2, 9, 9, 0.2),  # by the permissive count it would come first
        ("own_best_f1", "cat", "cow", 9, 9, 9, 1.0),  # at the wrong operating point
    ]
    pd.DataFrame([{**row, **dict(zip(names, values, strict=True))} for values in rows]).to_csv(
        path, index=False
    )
    assert chosen_pairs(load_results(run)) == (("dog", "cow"), ("cat", "dog"))


def test_window_stays_inside_and_shows_the_object() -> None:
    for box in ((0, 0, 10, 20), (1000, 700, 1024, 768), (400, 300, 700, 420), (0, 0, 1024, 768)):
        window = window_around(box, 1024, 768)
        assert window.left >= 0
        assert window.top >= 0
        assert window.left + window.width <= 1024 + 1e-9
        assert window.top + window.height <= 768 + 1e-9
        assert window.overlaps(box)
    assert Window(10, 20, 100, 50).relative((10, 20, 60, 45)) == (0.0, 0.0, 0.5, 0.5)
