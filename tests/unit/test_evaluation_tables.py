"""The tables from one small run whose every number is worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regionfuse.detection.evaluation.evaluate import Evaluation, evaluate
from regionfuse.detection.evaluation.records import FailedSource, PredictionKey
from regionfuse.detection.evaluation.swaps import wilson

CAR, TRUCK, BUS = 1, 2, 3
# Two test images; object 4 is small, object 1 large; no bus anywhere.
OBJECTS = [
    (1, 1, CAR, [0, 0, 100, 100]),
    (2, 1, TRUCK, [200, 0, 50, 50]),
    (3, 1, TRUCK, [400, 0, 50, 50]),
    (4, 2, CAR, [0, 0, 20, 20]),
]
# Confidence 0.5 is the best threshold on validation: 0.4 is wrong there.
VALIDATION_OBJECTS = [(1, 9, CAR, [0, 0, 50, 50])]
VALIDATION = [(9, CAR, 0.5, [0, 0, 50, 50]), (9, CAR, 0.4, [300, 0, 50, 50])]
VISIBLE = [
    (1, CAR, 0.9, [0, 0, 100, 100]),  # correct
    (1, CAR, 0.8, [0, 0, 100, 90]),  # duplicate
    (1, CAR, 0.7, [200, 0, 50, 50]),  # truck 2 taken for a car
    (1, TRUCK, 0.6, [400, 0, 50, 20]),  # truck 3 poorly localised, IoU 0.4
    (2, BUS, 0.55, [500, 500, 50, 50]),  # background
    (2, CAR, 0.45, [0, 0, 20, 20]),  # below the threshold
]
FUSED = [
    (1, CAR, 0.7, [0, 0, 100, 100]),  # correct, less confident
    (1, TRUCK, 0.6, [200, 0, 50, 50]),  # fixed
    (2, CAR, 0.95, [0, 0, 20, 20]),  # fixed
]
WEAK = [(1, TRUCK, 0.5, [400, 0, 50, 50])]  # fixes truck 3, breaks car 1


def truth(path: Path, objects: list[tuple[int, int, int, list[int]]]) -> Path:
    images = {image for _, image, *_ in objects} or {1}
    content = {
        "images": [
            {
                "id": i,
                "file_name": f"{i:05d}.png",
                "stem": f"{i:05d}",
                "scene": None,
                "tags": ["night", "smoke"],
            }
            for i in sorted(images)
        ],
        "annotations": [
            {"id": i, "image_id": image, "category_id": c, "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
            for i, image, c, b in objects
        ],
        "categories": [
            {"id": CAR, "name": "Car"},
            {"id": TRUCK, "name": "Truck"},
            {"id": BUS, "name": "Bus"},
        ],
    }
    path.write_text(json.dumps(content))
    return path


def results(path: Path, predictions: list[tuple[int, int, float, list[int]]]) -> Path:
    items = [{"image_id": i, "category_id": c, "score": s, "bbox": b} for i, c, s, b in predictions]
    path.write_text(json.dumps(items))
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    predictions = {}
    for name, test in (("visible", VISIBLE), ("fused", FUSED), ("weak", WEAK)):
        for split, items in (("test", test), ("val", VALIDATION)):
            key = PredictionKey("retrained", name, 0, split)
            predictions[key] = results(tmp_path / f"{name}-{split}.json", items)
    ground_truth = {
        "test": truth(tmp_path / "gt-test.json", OBJECTS),
        "val": truth(tmp_path / "gt-val.json", VALIDATION_OBJECTS),
    }
    failed = [FailedSource("retrained", "broken", 0, "out of\nmemory")]
    return {
        "predictions": predictions,
        "ground_truth": ground_truth,
        "out": tmp_path / "tables",
        "failed": failed,
    }


@pytest.fixture
def tables(files: dict[str, Any]) -> Evaluation:
    return evaluate(**files)


def one(table: pd.DataFrame, **where: object) -> pd.Series:
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_detection_has_a_row_per_split_and_one_for_the_failed_source(tables: Evaluation) -> None:
    table = tables.detection
    columns = (
        "source protocol seed split mAP50 mAP75 mAP50_95 mAP_small mAP_medium mAP_large mAR100 "
        "images objects threshold precision recall f1 status reason"
    )
    assert list(table.columns) == columns.split()
    assert len(table) == 7
    row = one(table, source="visible", split="test")
    assert (row.images, row.objects, row.threshold, row.status, row.reason) == (2, 4, 0.5, "ok", "")
    assert (row.precision, row.recall, row.f1) == pytest.approx((1 / 5, 1 / 4, 2 / 9))
    failed = one(table, source="broken")
    assert (failed.split, failed.status, failed.reason) == ("test", "failed", "out of memory")
    assert math.isnan(failed.mAP50) and math.isnan(failed.images)


def test_the_threshold_comes_from_validation_and_never_from_test(files: dict[str, Any]) -> None:
    before = evaluate(**files).detection
    key = PredictionKey("retrained", "fused", 0, "test")
    results(files["predictions"][key], [(1, CAR, 0.31, [0, 0, 100, 100])])
    after = evaluate(**files).detection
    for table in (before, after):
        assert one(table, source="fused", split="test").threshold == 0.5
    results(
        files["predictions"][PredictionKey("retrained", "fused", 0, "val")], [(9, CAR, 0.3, [0, 0, 50, 50])]
    )
    table = evaluate(**files).detection
    assert one(table, source="fused", split="test").threshold == 0.3
    assert one(table, source="visible", split="test").threshold == 0.5


def test_per_class_has_every_class(tables: Evaluation) -> None:
    table = tables.per_class
    columns = "source protocol seed split class AP50 AP75 AP50_95 objects"
    assert list(table.columns) == columns.split()
    assert len(table) == 3 * 2 * 3
    car = one(table, **{"source": "fused", "split": "test", "class": "Car"})
    assert (car.AP50, car.objects) == (pytest.approx(1), 2)
    bus = one(table, **{"source": "fused", "split": "test", "class": "Bus"})
    assert bus.objects == 0 and math.isnan(bus.AP50)


def test_outcomes_of_the_objects(tables: Evaluation) -> None:
    visible = tables.objects[(tables.objects.source == "visible")].reset_index(drop=True)
    columns = (
        "protocol source seed split kind image_id stem object_id class outcome predicted confidence "
        "iou x1 y1 x2 y2 px1 py1 px2 py2 area size scene tags"
    )
    assert list(visible.columns) == columns.split()
    assert visible.outcome.tolist() == [
        "correct", "misclassified", "poorly_localised", "missed", "duplicate", "background",
    ]  # fmt: skip
    assert visible.object_id.tolist() == [1, 2, 3, 4, -1, -1]
    assert visible.predicted.tolist() == ["Car", "Car", "Truck", "", "Car", "Bus"]
    assert visible["class"].tolist() == ["Car", "Truck", "Truck", "Car", "Car", "Bus"]
    assert visible["size"].tolist() == ["large", "medium", "medium", "small", "medium", "medium"]
    assert visible.iou.tolist() == pytest.approx([1, 1, 0.4, math.nan, 0.9, math.nan], nan_ok=True)
    poor = visible.iloc[2]
    assert poor[["x1", "y1", "x2", "y2"]].tolist() == [400, 0, 450, 50]
    assert poor[["px1", "py1", "px2", "py2"]].tolist() == [400, 0, 450, 20]
    assert visible.iloc[3][["confidence", "px1"]].isna().all()
    assert visible.stem[3] == "00002" and visible.tags[3] == "night,smoke" and visible.scene[3] == ""


def test_confusion_rows_add_up_to_objects_and_columns_to_predictions(tables: Evaluation) -> None:
    visible = tables.confusion[tables.confusion.source == "visible"]
    columns = "source protocol seed split true predicted count"
    assert list(visible.columns) == columns.split()
    matrix = visible.pivot(index="true", columns="predicted", values="count").fillna(0).astype(int)
    order = ["Car", "Truck", "Bus", "background"]
    assert matrix.loc[order, order].to_numpy().tolist() == [
        [1, 0, 0, 1],
        [1, 0, 0, 1],
        [0, 0, 0, 0],
        [1, 1, 1, 0],
    ]
    assert len(visible) == 15


def test_swaps_stand_in_both_directions_for_every_source(tables: Evaluation) -> None:
    table = tables.swaps
    columns = "protocol source seed split true predicted count objects rate low high"
    assert list(table.columns) == columns.split()
    assert len(table) == 3 * 2
    taken = one(table, source="visible", true="Truck")
    assert (taken.predicted, taken["count"], taken.objects, taken.rate) == ("Car", 1, 2, 0.5)
    # Wilson's interval of 1 in 2.
    assert (taken.low, taken.high) == pytest.approx((0.094531, 0.905469), abs=1e-6)
    assert one(table, source="fused", true="Car")["count"] == 0


@pytest.mark.parametrize(
    ("count", "objects", "low", "high"),
    # scipy.stats.binomtest(count, objects).proportion_ci(method="wilson")
    [
        (0, 10, 0.0, 0.2775328),
        (10, 10, 0.7224672, 1.0),
        (19, 192, 0.0642704, 0.1493792),
        (1, 1, 0.2065493, 1.0),
    ],
)
def test_wilson(count: int, objects: int, low: float, high: float) -> None:
    assert wilson(count, objects) == pytest.approx((low, high), abs=1e-6)


def test_wilson_without_objects_is_undefined() -> None:
    assert all(map(math.isnan, wilson(0, 0)))


def test_confidence_is_compared_on_objects_that_all_found(files: dict[str, Any]) -> None:
    everything = evaluate(**files).confidence
    assert everything.objects.tolist() == [0, 0, 0]  # the weak source found another object than the rest
    for split in ("test", "val"):
        del files["predictions"][PredictionKey("retrained", "weak", 0, split)]
    table = evaluate(**files).confidence
    columns = "protocol source seed split objects mean median q25 q75 delta_visible share_higher"
    assert list(table.columns) == columns.split()
    assert table.source.tolist() == ["fused", "visible"] and table.objects.tolist() == [1, 1]
    assert table["mean"].tolist() == pytest.approx([0.7, 0.9])
    assert table.delta_visible.tolist() == pytest.approx([-0.2, 0.0])
    assert table.share_higher.tolist() == [0, 0]


def test_changes_list_what_is_fixed_and_what_is_broken(tables: Evaluation) -> None:
    table = tables.changes
    columns = (
        "protocol source seed split change object_id image_id stem class size visible_outcome "
        "visible_predicted visible_confidence source_outcome source_predicted source_confidence x1 "
        "y1 x2 y2"
    )
    assert list(table.columns) == columns.split()
    assert list(zip(table.source, table.change, table.object_id, strict=True)) == [
        ("fused", "fixed", 2), ("fused", "fixed", 4), ("weak", "fixed", 3), ("weak", "broken", 1),
    ]  # fmt: skip
    first = table.iloc[0]
    assert (first.visible_outcome, first.visible_predicted, first.visible_confidence) == (
        "misclassified",
        "Car",
        0.7,
    )
    assert (first.source_outcome, first.source_predicted, first.source_confidence) == (
        "correct",
        "Truck",
        0.6,
    )
    assert first[["x1", "y1", "x2", "y2"]].tolist() == [200, 0, 250, 50]
    assert table.iloc[3].source_outcome == "missed" and math.isnan(table.iloc[3].source_confidence)


def test_seeds_are_summarised_and_paired(files: dict[str, Any], tmp_path: Path) -> None:
    perfect = results(tmp_path / "perfect.json", [(image, c, 0.9, b) for _, image, c, b in OBJECTS])
    empty = results(tmp_path / "empty.json", [])
    files["predictions"] = {
        PredictionKey("retrained", "visible", 0, "test"): perfect,
        PredictionKey("retrained", "visible", 1, "test"): empty,
        PredictionKey("retrained", "fused", 1, "test"): perfect,
        PredictionKey("retrained", "fused", 2, "test"): empty,
        PredictionKey("frozen", "fused", 1, "test"): perfect,
    }
    table = evaluate(**files).detection_summary
    fused = one(table, protocol="retrained", source="fused")
    assert fused.seeds == 2 and fused.mAP50_mean == pytest.approx(0.5)
    assert fused.mAP50_std == pytest.approx(math.sqrt(0.5))
    assert fused.mAP50_delta == pytest.approx(1.0)  # seed 1 alone is in both
    assert one(table, source="visible").mAP50_delta == 0
    alone = one(table, protocol="frozen")
    assert math.isnan(alone.mAP50_delta) and math.isnan(alone.mAP50_std)


def test_warnings_say_what_is_missing(files: dict[str, Any], tmp_path: Path) -> None:
    del files["predictions"][PredictionKey("retrained", "weak", 0, "val")]
    files["failed"].append(FailedSource("retrained", "fused", 0, "no space"))
    results(files["predictions"][PredictionKey("retrained", "weak", 0, "test")], [])
    warnings = evaluate(**files).warnings
    assert json.loads((tmp_path / "tables" / "warnings.json").read_text()) == list(warnings)
    text = "\n".join(warnings)
    assert "test has no object of Bus" in text and "val has no object of Truck, Bus" in text
    assert "retrained/fused/seed0 failed; the predictions it left behind are not used" in text
    assert "retrained/weak/seed0 predicts nothing on test" in text
    assert "threshold 0.25 is used for retrained/weak/seed0" in text and "no validation predictions" in text
    assert "1 scene block(s)" in text
