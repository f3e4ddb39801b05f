"""Our mAP is pycocotools' mAP: the same number, not a similar one."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from regionfuse.detection.evaluation.benchmark import synthetic_predictions, synthetic_truth
from regionfuse.detection.evaluation.bootstrap import weighted_map50
from regionfuse.detection.evaluation.coco import SUMMARY, CocoScores, coco_scores
from regionfuse.detection.evaluation.load import load_ground_truth, load_predictions
from regionfuse.detection.evaluation.matching import CORRECT, match_split


def official(truth: Path, predictions: Path) -> COCOeval:
    """Call pycocotools on the files, by its own loaders and by nothing of ours."""
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO(str(truth))
        evaluator = COCOeval(index, index.loadRes(str(predictions)), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def ours(truth: Path, predictions: Path) -> CocoScores:
    loaded = load_ground_truth(truth)
    return coco_scores(loaded, load_predictions(predictions, loaded))


@pytest.fixture(params=[(1, 1, 5), (2, 12, 30), (3, 40, 8), (4, 3, 150)], ids=str)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    seed, images, predictions = request.param
    truth, found = tmp_path / "truth.json", tmp_path / "predictions.json"
    annotations = synthetic_truth(truth, images, seed)
    synthetic_predictions(found, annotations, images, predictions, seed)
    return truth, found


def test_every_number_is_pycocotools_own(files: tuple[Path, Path]) -> None:
    expected, scores = official(*files), ours(*files)
    for name, position in SUMMARY.items():
        number = expected.stats[position]
        assert scores.summary[name] == number or (number == -1 and np.isnan(scores.summary[name])), name
    assert 0 < scores.summary["mAP50"] < 1


def test_numbers_per_class_are_those_of_pycocotools_on_that_class_alone(files: tuple[Path, Path]) -> None:
    scores = ours(*files)
    expected = official(*files)
    for c, category in enumerate(expected.params.catIds):
        with contextlib.redirect_stdout(io.StringIO()):
            alone = COCOeval(expected.cocoGt, expected.cocoDt, "bbox")
            alone.params.catIds = [category]
            alone.evaluate()
            alone.accumulate()
            alone.summarize()
        numbers = np.where(alone.stats[[1, 2, 0]] == -1, np.nan, alone.stats[[1, 2, 0]])
        np.testing.assert_allclose(scores.per_class[c], numbers, rtol=0, atol=1e-12)


def test_correct_objects_are_those_that_pycocotools_matches(files: tuple[Path, Path]) -> None:
    truth = load_ground_truth(files[0])
    matching = match_split(truth, load_predictions(files[1], truth), threshold=0.0)
    expected = official(*files)
    matched = {
        object_id: prediction_id
        for found in expected.evalImgs
        if found is not None and found["aRng"] == expected.params.areaRng[0]
        for object_id, prediction_id in zip(found["gtIds"], found["gtMatches"][0].astype(int), strict=True)
        if prediction_id > 0
    }
    correct = matching.outcome == CORRECT
    # pycocotools numbers the predictions from 1 in the order of the file.
    pairs = zip(truth.ids[correct].tolist(), (matching.prediction[correct] + 1).tolist(), strict=True)
    assert dict(pairs) == matched


def test_the_full_sample_of_the_bootstrap_is_pycocotools_map50(files: tuple[Path, Path]) -> None:
    truth = load_ground_truth(files[0])
    scores = coco_scores(truth, load_predictions(files[1], truth))
    block = np.arange(len(truth.images))
    found = weighted_map50(scores.matches, block, np.ones((1, len(block)), dtype=np.int64))
    assert found[0] == pytest.approx(official(*files).stats[1], abs=1e-9)


def test_a_resample_scores_like_pycocotools_on_the_copied_images(tmp_path: Path) -> None:
    """Weights 0, 1, 2, 3 on four blocks against a data set in which the blocks really are repeated."""
    truth_path, found_path = tmp_path / "truth.json", tmp_path / "found.json"
    synthetic_predictions(found_path, synthetic_truth(truth_path, 12, 5), 12, 12, 5)
    data, results = json.loads(truth_path.read_text()), json.loads(found_path.read_text())
    weights = np.array([[0, 1, 2, 3], [4, 0, 0, 0]])
    block = np.arange(12) % 4
    truth = load_ground_truth(truth_path)
    scores = weighted_map50(coco_scores(truth, load_predictions(found_path, truth)).matches, block, weights)
    for row, weight in enumerate(weights):
        copies: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "results": []}
        for image in data["images"]:
            for copy in range(weight[block[image["id"] - 1]]):
                new = 100 * image["id"] + copy
                copies["images"].append(image | {"id": new})
                copies["annotations"] += [
                    item | {"image_id": new, "id": 10 * item["id"] + copy}
                    for item in data["annotations"]
                    if item["image_id"] == image["id"]
                ]
                copies["results"] += [r | {"image_id": new} for r in results if r["image_id"] == image["id"]]
        repeated, again = tmp_path / f"truth{row}.json", tmp_path / f"found{row}.json"
        again.write_text(json.dumps(copies.pop("results")))
        repeated.write_text(json.dumps(data | copies))
        assert scores[row] == pytest.approx(official(repeated, again).stats[1], abs=1e-9)


def test_crowd_regions_are_scored_as_pycocotools_does(tmp_path: Path) -> None:
    truth_path, found_path = tmp_path / "truth.json", tmp_path / "found.json"
    synthetic_predictions(found_path, synthetic_truth(truth_path, 10, 6), 10, 30, 6)
    data = json.loads(truth_path.read_text())
    for item in data["annotations"][::4]:
        item["iscrowd"] = 1
    truth_path.write_text(json.dumps(data))
    expected, scores = official(truth_path, found_path), ours(truth_path, found_path)
    assert scores.summary["mAP50"] == expected.stats[1]
    found = weighted_map50(scores.matches, np.arange(10), np.ones((1, 10), dtype=np.int64))
    assert found[0] == pytest.approx(expected.stats[1], abs=1e-9)


# Cases worked out by hand: two classes, boxes of 50 x 50 pixels (COCO-medium).
CAR = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50]}
BUS = {"image_id": 1, "category_id": 2, "bbox": [100, 100, 50, 50]}
FALSE = {"image_id": 1, "category_id": 1, "bbox": [500, 500, 50, 50]}


def tiny(tmp_path: Path, objects: list[dict[str, Any]], results: list[dict[str, Any]]) -> CocoScores:
    truth, found = tmp_path / "truth.json", tmp_path / "found.json"
    annotations = [item | {"id": i, "area": 2500, "iscrowd": 0} for i, item in enumerate(objects, start=1)]
    categories = [{"id": 1, "name": "Car"}, {"id": 2, "name": "Bus"}]
    images = [{"id": 1, "file_name": "1.png"}]
    truth.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    found.write_text(json.dumps(results))
    return ours(truth, found)


def test_perfect(tmp_path: Path) -> None:
    scores = tiny(tmp_path, [CAR, BUS], [CAR | {"score": 0.9}, BUS | {"score": 0.2}])
    for name in ("mAP50", "mAP75", "mAP50_95", "mAP_medium", "mAR100"):
        assert scores.summary[name] == pytest.approx(1), name
    assert np.isnan(scores.summary["mAP_small"]) and np.isnan(scores.summary["mAP_large"])
    assert scores.per_class == pytest.approx(np.ones((2, 3)))


def test_empty_predictions_score_zero(tmp_path: Path) -> None:
    scores = tiny(tmp_path, [CAR, BUS], [])
    assert scores.summary["mAP50"] == 0 and scores.summary["mAR100"] == 0
    assert (scores.per_class == 0).all()


def test_without_objects_everything_is_undefined(tmp_path: Path) -> None:
    scores = tiny(tmp_path, [], [CAR | {"score": 0.9}])
    assert all(np.isnan(value) for value in scores.summary.values())
    assert np.isnan(scores.per_class).all()


def test_without_objects_and_predictions_everything_is_undefined(tmp_path: Path) -> None:
    assert all(np.isnan(value) for value in tiny(tmp_path, [], []).summary.values())


def test_an_absent_class_is_undefined_and_left_out_of_the_mean(tmp_path: Path) -> None:
    scores = tiny(tmp_path, [CAR], [CAR | {"score": 0.9}, BUS | {"score": 0.8}])
    assert scores.summary["mAP50"] == pytest.approx(1)
    assert np.isnan(scores.per_class[1]).all() and scores.per_class[0] == pytest.approx([1, 1, 1])


def test_one_false_positive_above_the_true_one_halves_the_precision(tmp_path: Path) -> None:
    scores = tiny(tmp_path, [CAR], [CAR | {"score": 0.4}, FALSE | {"score": 0.9}])
    assert scores.summary["mAP50"] == pytest.approx(0.5)
    assert scores.matches.correct.tolist() == [False, True]


def test_one_false_positive_below_the_true_one_costs_nothing(tmp_path: Path) -> None:
    scores = tiny(tmp_path, [CAR], [CAR | {"score": 0.9}, FALSE | {"score": 0.4}])
    assert scores.summary["mAP50"] == pytest.approx(1)


def test_iou_06_counts_at_three_of_ten_thresholds(tmp_path: Path) -> None:
    # IoU 0.6 with the object: found at 0.50, 0.55 and (30 / 50 exactly) 0.60.
    loose = CAR | {"bbox": [0, 0, 50, 30], "score": 0.9}
    scores = tiny(tmp_path, [CAR], [loose])
    assert scores.summary["mAP50"] == pytest.approx(1) and scores.summary["mAP75"] == 0
    assert scores.summary["mAP50_95"] == pytest.approx(0.3) and scores.summary["mAR100"] == pytest.approx(0.3)


def test_pycocotools_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tiny(tmp_path, [CAR], [CAR | {"score": 0.9}])
    assert capfd.readouterr() == ("", "")
