"""The rules that choose objects for the panels, and the counts behind the verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regionfuse.reports.context import Context, make_context
from regionfuse.reports.crops import Window, window_around
from regionfuse.reports.selection import choose_objects
from regionfuse.reports.stored import load_results
from regionfuse.reports.swaps import chosen_pair, swap_rate
from regionfuse.reports.verdict import make_verdict

sys.path.append(str(Path(__file__).resolve().parents[1]))
from reports_fake_run import Fake, count_tables, make_objects, write_fake_run

FAKE = Fake(
    images=6,
    objects_per_image=6,
    sources=("visible", "infrared", "average", "regionfuse"),
    protocols=("retrained",),
    pictures=False,
)


def with_outcomes(
    folder: Path, wanted: dict[tuple[int, str], tuple[str, str, float]], **facts: Any
) -> Context:
    """A run in which every object is right everywhere but for the given (object, source) pairs."""
    fake = Fake(**{**FAKE.__dict__, **facts})
    run = write_fake_run(folder / "run", fake)
    path = run / "tables/objects.parquet"
    frame = pd.read_parquet(path)
    real = frame["kind"] == "object"
    frame = frame[real].copy()
    frame["outcome"], frame["predicted"], frame["confidence"] = "correct", frame["class"], 0.5
    for (object_id, source), (outcome, predicted, confidence) in wanted.items():
        rows = (frame["object_id"] == object_id) & (frame["source"] == source)
        frame.loc[rows, ["outcome", "predicted"]] = [outcome, predicted]
        frame.loc[rows, "confidence"] = confidence
    frame.to_parquet(path, index=False)
    for name, table in count_tables(fake, frame).items():
        table.to_csv(run / "tables" / f"{name}.csv", index=False)
    return make_context(load_results(run))


def ids(label: str) -> list[int]:
    """Annotation ids of a class, lowest first."""
    objects = make_objects(FAKE, np.random.default_rng(FAKE.random_seed))
    return [item["id"] for item in objects if item["class"] == label]


def test_truck_for_car_takes_the_largest_margin(tmp_path: Path) -> None:
    first, second = ids("Truck")[:2]
    context = with_outcomes(
        tmp_path,
        {
            (first, "visible"): ("misclassified", "Car", 0.60),
            (first, "regionfuse"): ("correct", "Truck", 0.70),
            (second, "visible"): ("misclassified", "Car", 0.40),
            (second, "average"): ("correct", "Truck", 0.90),
            (second, "regionfuse"): ("misclassified", "Car", 0.99),
        },
    )
    choice = choose_objects(context, "retrained")[0]
    assert choice.object_id == second
    assert "2 of" in choice.rule
    assert "class Truck" in choice.rule


def test_infrared_alone_does_not_rescue_a_truck(tmp_path: Path) -> None:
    truck = ids("Truck")[0]
    wrong = ("misclassified", "Car", 0.6)
    context = with_outcomes(tmp_path, {(truck, s): wrong for s in ("visible", "average", "regionfuse")})
    choice = choose_objects(context, "retrained")[0]
    assert choice.object_id is None
    assert "No such object in this test set" in choice.rule


def test_fallback_is_any_swap_and_says_so(tmp_path: Path) -> None:
    car = ids("Car")[0]
    context = with_outcomes(tmp_path, {(car, "visible"): ("misclassified", "Truck", 0.6)})
    choice = choose_objects(context, "retrained")[0]
    assert choice.object_id == car
    assert "Fallback rule" in choice.rule


def test_lost_person_takes_most_finders_then_the_lower_id(tmp_path: Path) -> None:
    first, second, third = ids("People")[:3]
    missed = ("missed", "", float("nan"))
    context = with_outcomes(
        tmp_path,
        {
            **{(person, "visible"): missed for person in (first, second, third)},
            (first, "average"): missed,
        },
    )
    assert choose_objects(context, "retrained")[1].object_id == second


def test_reverse_rule_takes_the_object_most_sources_lose(tmp_path: Path) -> None:
    car, person = ids("Car")[0], ids("People")[0]
    missed = ("missed", "", float("nan"))
    context = with_outcomes(
        tmp_path, {(car, "average"): missed, (person, "average"): missed, (person, "regionfuse"): missed}
    )
    choice = choose_objects(context, "retrained")[2]
    assert choice.object_id == person
    assert "2 of 36 objects" in choice.rule


def test_no_fused_source_no_choice(tmp_path: Path) -> None:
    context = with_outcomes(tmp_path, {}, sources=("visible", "infrared"))
    assert choose_objects(context, "retrained") == ()


def test_pair_is_truck_and_car_whatever_the_case_and_else_the_most_frequent_swap(tmp_path: Path) -> None:
    lower = write_fake_run(tmp_path / "a", Fake(images=2, classes=("person", "car", "truck"), pictures=False))
    assert chosen_pair(load_results(lower)) == ("truck", "car")
    other = write_fake_run(tmp_path / "b", Fake(images=2, classes=("cat", "dog", "cow"), pictures=False))
    path = other / "tables/swaps.csv"
    frame = pd.read_csv(path)
    frame["count"] = ((frame["true"] == "cow") & (frame["predicted"] == "dog")).astype(int)
    frame.to_csv(path, index=False)
    assert chosen_pair(load_results(other)) == ("dog", "cow")


def test_swap_rate_over_seeds_is_a_mean_on_the_objects_of_one(tmp_path: Path) -> None:
    run = write_fake_run(
        tmp_path / "run", Fake(images=4, seeds=(0, 1), sources=("visible", "average"), pictures=False)
    )
    path = run / "tables/swaps.csv"
    frame = pd.read_csv(path)
    row = (frame["true"] == "Truck") & (frame["predicted"] == "Car") & (frame["source"] == "average")
    frame.loc[row, "objects"] = 10
    frame.loc[row & (frame["seed"] == 0), "count"] = 1
    frame.loc[row & (frame["seed"] == 1), "count"] = 4
    frame.to_csv(path, index=False)
    rate = swap_rate(load_results(run), "retrained", "average", "Truck", "Car")
    assert rate is not None
    assert (rate.count, rate.objects, rate.rate) == (2.5, 10, 0.25)
    assert rate.low < 0.25 < rate.high


def verdict_with(folder: Path, delta: float, low: float, high: float) -> tuple[str, str]:
    run = write_fake_run(
        folder, Fake(images=6, sources=("visible", "regionfuse"), protocols=("retrained",), pictures=False)
    )
    detection = pd.read_csv(run / "tables/detection.csv")
    detection["mAP50"] = [0.5, 0.5 + delta]
    detection.to_csv(run / "tables/detection.csv", index=False)
    intervals = pd.read_csv(run / "tables/intervals.csv").assign(delta=delta, low=low, high=high)
    intervals.to_csv(run / "tables/intervals.csv", index=False)
    return make_verdict(make_context(load_results(run)))


def test_verdict_does_not_claim_what_the_interval_denies(tmp_path: Path) -> None:
    first, second = verdict_with(tmp_path / "a", 0.02, -0.01, 0.05)
    assert "RegionFuse scores highest" in first
    assert "+2.0" in first
    assert "includes zero, so this is no established difference" in first
    assert "one seed" in first
    assert "only 6 test images" in first
    assert "Truck is called Car" in second
    assert "gets" in second


def test_verdict_when_the_interval_excludes_zero(tmp_path: Path) -> None:
    first, _ = verdict_with(tmp_path / "a", 0.06, 0.01, 0.1)
    assert "excludes zero" in first


def test_verdict_when_visible_is_best(tmp_path: Path) -> None:
    first, _ = verdict_with(tmp_path / "a", -0.03, -0.06, 0.01)
    assert "no source scores higher than visible-only" in first
    assert "−3.0" in first


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"failed": ("visible", "regionfuse")}, "all of them failed"),
        ({"absent": Fake().classes}, "no score is defined"),
        ({"sources": ("visible",)}, "no other source was evaluated"),
        ({"failed": ("visible",)}, "no other source was evaluated"),
        ({"failed": ("visible",), "sources": ("visible", "average", "guided")}, "visible-only has no result"),
    ],
)
def test_verdict_of_runs_that_show_nothing(tmp_path: Path, facts: dict[str, Any], words: str) -> None:
    fake = Fake(
        **{
            "images": 3,
            "sources": ("visible", "regionfuse"),
            "protocols": ("retrained",),
            "pictures": False,
            **facts,
        }
    )
    first, second = make_verdict(make_context(load_results(write_fake_run(tmp_path / "run", fake))))
    assert words in first
    assert second.endswith(".")


def test_window_stays_inside_and_shows_the_object() -> None:
    for box in ((0, 0, 10, 20), (1000, 700, 1024, 768), (400, 300, 700, 420), (0, 0, 1024, 768)):
        window = window_around(box, 1024, 768)
        assert window.left >= 0
        assert window.top >= 0
        assert window.left + window.width <= 1024 + 1e-9
        assert window.top + window.height <= 768 + 1e-9
        assert window.overlaps(box)
    assert Window(10, 20, 100, 50).relative((10, 20, 60, 45)) == (0.0, 0.0, 0.5, 0.5)
