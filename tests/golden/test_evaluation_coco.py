"""Our matching and mAP are pycocotools': the same numbers, not similar ones, also on resampled images."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval

from regionfuse.detection.evaluation import coco
from regionfuse.detection.evaluation.coco import SUMMARY, coco_scores
from regionfuse.detection.evaluation.curves import average_precision, leave_one_out, mean_over_classes

sys.path.append(str(Path(__file__).resolve().parents[1]))
from evaluation_made import CAR, CLASSES, Case, official, official_ap, random_case, results_of, truth_of


def crowded(seed: int) -> Case:
    """Return images with more than a hundred objects and predictions of one class."""
    rng = np.random.default_rng(seed)
    objects = [(image, CAR, [12 * k, 50 * image, 10, 10]) for image in (1, 2) for k in range(120 + image)]
    rows = [
        (image, CAR, float(rng.random()), [box[0] + float(rng.integers(-4, 5)), *box[1:]])
        for image, _, box in objects
        for _ in range(2)
    ]
    return Case(truth_of(objects, 3), results_of(rows))


def with_texts(case: Case) -> Case:
    """Return the same case with texts as image ids, in another order in the file."""
    names = {image["id"]: f"{'zyxwvuts'[image['id'] - 1]}{image['id']:03d}" for image in case.truth["images"]}
    truth = case.truth | {
        "images": [image | {"id": names[image["id"]]} for image in case.truth["images"]],
        "annotations": [a | {"image_id": names[a["image_id"]]} for a in case.truth["annotations"]],
    }
    return Case(truth, [r | {"image_id": names[r["image_id"]]} for r in case.results])


def with_large_ids(case: Case) -> Case:
    """Return the same case with ids that float64 cannot tell from each other, and with 0 among them."""
    big = 2**60
    truth = case.truth | {
        "images": [image | {"id": big + image["id"]} for image in case.truth["images"]],
        "annotations": [
            a | {"image_id": big + a["image_id"], "id": a["id"] - 1} for a in case.truth["annotations"]
        ],
    }
    return Case(truth, [r | {"image_id": big + r["image_id"]} for r in case.results])


def no_predictions(case: Case) -> Case:
    return Case(case.truth, [])


def no_objects(case: Case) -> Case:
    return Case(case.truth | {"annotations": []}, case.results)


CASES = {
    **{f"random {seed}": random_case(seed) for seed in range(6)},
    **{f"ties {seed}": random_case(seed, images=4, ties=True, ignored=0.3, most=9) for seed in range(12)},
    "one image": random_case(40, images=1, most=20),
    "one class": random_case(41, classes=("Car",), ties=True),
    "eighty classes": random_case(42, classes=tuple(f"class {c}" for c in range(80)), images=5),
    "only regions to ignore": random_case(43, ignored=1.0),
    "more than a hundred": crowded(0),
    "texts as ids": with_texts(random_case(44)),
    "large ids": with_large_ids(random_case(45, ties=True)),
    "no predictions": no_predictions(random_case(46)),
    "no objects": no_objects(random_case(47)),
    "a class without objects": Case(
        truth_of([(1, CAR, [0, 0, 50, 50])], 2), random_case(48, images=2).results
    ),
    "nothing at all": Case(truth_of([], 1), []),
}


@functools.cache
def judged(name: str) -> COCOeval:
    return official(CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_every_published_number_is_that_of_pycocotools(name: str, tmp_path: Path) -> None:
    truth, predictions = CASES[name].load(tmp_path)
    expected = judged(name)
    per_class = official_ap(expected)
    for fast in (True, False):
        scores = coco_scores(truth, predictions, fast=fast)
        for metric, position in SUMMARY.items():
            number = expected.stats[position]
            found = scores.summary[metric]
            assert found == number or (number == -1 and np.isnan(found)), (metric, fast)
        wanted = np.stack([per_class[:, 0], per_class[:, 5], per_class.mean(axis=1)], axis=1)
        np.testing.assert_allclose(scores.per_class, wanted, rtol=0, atol=1e-12)
        assert scores.classes == np.count_nonzero(~np.isnan(per_class[:, 0]))


@pytest.mark.parametrize("name", CASES)
def test_every_match_at_every_overlap_is_that_of_pycocotools(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    found, matches = case.match(tmp_path)
    expected = judged(name)
    number = dict.fromkeys(range(1, len(case.results) + 1))
    for image in expected.evalImgs:
        if image is not None and image["aRng"] == expected.params.areaRng[0]:
            for k, row in enumerate(image["dtIds"]):
                number[row] = image["dtMatches"][:, k], image["dtIgnore"][:, k].astype(bool)
    looked_at = {row - 1: value for row, value in number.items() if value is not None}
    assert sorted(matches.row.tolist()) == sorted(looked_at)
    for k, row in enumerate(matches.row.tolist()):
        objects, ignored = looked_at[row]
        assert matches.ignored[:, k].tolist() == ignored.tolist()
        assert matches.correct[:, k].tolist() == ((objects > 0) & ~ignored).tolist()
        wanted = int(objects[0]) - 1 if objects[0] > 0 and not ignored[0] else -1
        assert matches.object[k] == wanted
        assert np.isnan(matches.iou[k]) == (wanted < 0)
    assert (np.diff(matches.scores) <= 0).all()
    assert matches.positives.sum() == found.truth.objects


@pytest.mark.parametrize("name", CASES)
def test_average_precision_with_weight_one_is_that_of_pycocotools(name: str, tmp_path: Path) -> None:
    found, matches = CASES[name].match(tmp_path)
    block = np.zeros(len(found.truth.images), dtype=np.int64)
    ours = average_precision(matches, block, np.ones((1, 1)))[0]
    np.testing.assert_allclose(ours, official_ap(judged(name)), rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_weights_are_images_that_stand_more_than_once(seed: int, tmp_path: Path) -> None:
    case = random_case(seed, images=9, per_block=2)
    found, matches = case.match(tmp_path)
    weights = np.random.default_rng(seed).integers(0, 4, size=(3, 5))
    ours = average_precision(matches, found.truth.block, weights.astype(np.float64))
    rough = average_precision(matches, found.truth.block, weights.astype(np.float32))
    for row, drawn in enumerate(weights.tolist()):
        expected = official_ap(official(case.with_images({i: drawn[(i - 1) // 2] for i in range(1, 10)})))
        np.testing.assert_allclose(ours[row], expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(rough[row], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("ties", [False, True])
def test_leaving_out_a_block_is_leaving_out_its_images(ties: bool, tmp_path: Path) -> None:
    case = random_case(3, images=10, per_block=3, ties=ties)
    found, matches = case.match(tmp_path)
    ours = average_precision(matches, found.truth.block, leave_one_out(4))
    np.testing.assert_allclose(ours[0], official_ap(official(case)), rtol=0, atol=1e-9)
    for b in range(4):
        reduced = official(case.without_block(f"block {b}"))
        np.testing.assert_allclose(ours[1 + b], official_ap(reduced), rtol=0, atol=1e-9)
        mean = mean_over_classes(ours[1 + b : 2 + b, :, 0])[0]
        assert mean == pytest.approx(reduced.stats[1], abs=1e-9)


def test_a_class_that_vanishes_with_a_block_is_undefined_there(tmp_path: Path) -> None:
    objects = [(1, CAR, [0, 0, 10, 10]), (2, 1, [0, 0, 10, 10])]
    results = results_of([(1, CAR, 0.9, [0, 0, 10, 10]), (2, 1, 0.8, [0, 0, 10, 4])])
    found, matches = Case(truth_of(objects, 2), results).match(tmp_path)
    ap = average_precision(matches, found.truth.block, leave_one_out(2))[:, :, 0]
    np.testing.assert_array_equal(ap, [[0, 1, np.nan], [0, np.nan, np.nan], [np.nan, 1, np.nan]])
    np.testing.assert_array_equal(mean_over_classes(ap), [0.5, 0, 1])


def test_every_number_of_objects_reaches_the_levels_of_recall_as_in_pycocotools(tmp_path: Path) -> None:
    """Levels such as 0.29 are not what a division gives in floating point; each count has its own traps."""
    for count in (7, 29, 100, 107):
        objects = [(1 + k // 40, CAR, [12 * (k % 40), 0, 10, 10]) for k in range(count)]
        hits = [(image, CAR, 0.99 - k / 1000, box) for k, (image, _, box) in enumerate(objects)]
        wrong = [(1, CAR, 0.9905 - k / 1000, [0, 300, 10, 10]) for k in range(0, count, 3)]
        case = Case(truth_of(objects, 3), results_of([*hits, *wrong]))
        _, matches = case.match(tmp_path)
        ours = average_precision(matches, np.zeros(3, dtype=np.int64), np.ones((1, 1)))[0]
        np.testing.assert_allclose(ours[1], official_ap(official(case))[1], rtol=0, atol=1e-12)


def test_without_hotcoco_pycocotools_does_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, predictions = CASES["ties 3"].load(tmp_path)
    before = coco_scores(truth, predictions)
    monkeypatch.setattr(coco, "hotcoco", None)
    called = []
    original = coco._pycocotools
    monkeypatch.setattr(coco, "_pycocotools", lambda *a: called.append(1) or original(*a))
    after = coco_scores(truth, predictions)
    assert called == [1]
    assert after.summary == before.summary
    np.testing.assert_array_equal(after.per_class, before.per_class)
    assert len(CLASSES) == len(after.per_class)
