"""TIDE errors: cases worked out by hand, pycocotools' mAP50, and the package of the method's authors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from regionfuse.detection.evaluation import curves
from regionfuse.detection.evaluation.coco import coco_scores
from regionfuse.detection.evaluation.records import GroundTruth, Predictions
from regionfuse.detection.evaluation.tide import ERRORS, tide_errors

sys.path.append(str(Path(__file__).resolve().parents[1]))
from evaluation_cases import match, predictions_of, random_set, truth_of


def errors(truth: GroundTruth, predictions: Predictions) -> tuple[float, dict[str, float], dict[str, int]]:
    found = tide_errors(truth, predictions, match(truth, predictions))
    gains = dict(zip(ERRORS, found.dap.tolist(), strict=True))
    return found.ap50, gains, dict(zip(ERRORS, found.count.tolist(), strict=True))


def nonzero(values: dict) -> dict:
    return {name: value for name, value in values.items() if value}


def recalls(value: float) -> float:
    """Share of the 101 recall thresholds that a recall reaches."""
    return (int(value * 100) + 1) / 101


SQUARE = (0, 0, 0, 0, 10, 10)  # image 0, class 0


@pytest.mark.parametrize(
    ("prediction", "error"),
    [
        ((0, 0, 0, 0, 10, 20, 0.9), None),  # IoU exactly 0.5: correct
        ((0, 0, 0, 0, 10, 21, 0.9), "localisation"),
        ((0, 0, 0, 0, 10, 100, 0.9), "localisation"),  # IoU exactly 0.1
        ((0, 0, 0, 0, 10, 101, 0.9), "background"),
        ((0, 1, 0, 0, 10, 20, 0.9), "classification"),
        ((0, 1, 0, 0, 10, 21, 0.9), "both"),
        ((0, 1, 0, 0, 10, 100, 0.9), "both"),  # IoU exactly 0.1
        ((0, 1, 0, 0, 10, 101, 0.9), "background"),
        ((1, 0, 0, 0, 10, 10, 0.9), "background"),  # on an image without objects
    ],
)
def test_one_prediction_on_one_object(prediction: tuple, error: str | None) -> None:
    ap50, gains, counts = errors(truth_of(2, 2, [SQUARE]), predictions_of([prediction]))
    if error is None:
        assert ap50 == 1 and not nonzero(gains) and not nonzero(counts)
        return
    missed = error in ("both", "background")
    special = {"false_positive": 1, "false_negative": 1}
    assert nonzero(counts) == {error: 1, **({"missed": 1} if missed else {}), **special}
    # Only an error that can become the object gains anything: without a prediction there is no recall.
    assert ap50 == 0
    assert nonzero(gains) == ({} if missed else {error: pytest.approx(1)})


def test_a_duplicate_and_a_prediction_at_half_of_a_taken_object() -> None:
    truth = truth_of(1, 1, [SQUARE, (0, 0, 100, 0, 10, 10)])
    for second in ((0, 0, 0, 0, 10, 11), (0, 0, 0, 0, 10, 20)):
        predictions = predictions_of([(*SQUARE, 0.9), (*second, 0.8), (0, 0, 100, 0, 10, 10, 0.7)])
        ap50, gains, counts = errors(truth, predictions)
        # Precision 1 up to recall 0.5 (51 thresholds), then 2 hits of 3.
        assert ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)
        assert nonzero(gains) == {
            "duplicate": pytest.approx(1 - ap50),
            "false_positive": pytest.approx(1 - ap50),
        }
        assert nonzero(counts) == {"duplicate": 1, "false_positive": 1}


def test_the_truck_called_a_car() -> None:
    car, truck = (0, 0, 0, 0, 10, 10), (0, 1, 50, 0, 10, 10)
    truth = truth_of(1, 2, [car, truck])
    predictions = predictions_of([(*car, 0.5), (0, 0, 50, 0, 10, 10, 0.9)])
    ap50, gains, counts = errors(truth, predictions)
    assert ap50 == pytest.approx(0.25)  # car: the hit comes second, precision 1/2; truck: nothing
    # Renamed, it leaves the cars at AP 1 and gives the trucks AP 1.
    assert gains["classification"] == pytest.approx(0.75)
    assert gains["false_positive"] == pytest.approx(0.25)
    assert gains["missed"] == 0 and counts["missed"] == 0
    assert nonzero(counts) == {"classification": 1, "false_positive": 1, "false_negative": 1}


def test_of_two_errors_on_one_object_the_better_one_is_fixed() -> None:
    truth = truth_of(1, 2, [SQUARE])
    placed, named = (0, 0, 0, 0, 10, 25), (0, 1, 0, 0, 10, 10)
    _, gains, counts = errors(truth, predictions_of([(*placed, 0.9), (*named, 0.8)]))
    assert (counts["localisation"], counts["classification"], counts["missed"]) == (1, 1, 0)
    assert (gains["localisation"], gains["classification"]) == (pytest.approx(1), 0)
    _, gains, _ = errors(truth, predictions_of([(*placed, 0.7), (*named, 0.8)]))
    assert (gains["localisation"], gains["classification"]) == (0, pytest.approx(1))


def test_an_error_on_an_object_that_was_found_is_only_removed() -> None:
    truth = truth_of(1, 1, [SQUARE, (0, 0, 100, 0, 10, 10)])
    predictions = predictions_of([(0, 0, 0, 0, 10, 25, 0.9), (*SQUARE, 0.8)])
    ap50, gains, counts = errors(truth, predictions)
    assert ap50 == pytest.approx(51 / 101 / 2)
    assert gains["localisation"] == pytest.approx(51 / 101 / 2)  # precision 1 up to recall 0.5
    assert gains["missed"] == pytest.approx(0.5 - ap50)  # one hit of one object, at precision 1/2
    assert nonzero(counts) == {"localisation": 1, "missed": 1, "false_positive": 1, "false_negative": 1}


def test_missed_objects_cost_recall() -> None:
    truth = truth_of(1, 1, [SQUARE, *[(0, 0, 100 * i, 0, 10, 10) for i in range(1, 4)]])
    ap50, gains, counts = errors(truth, predictions_of([(*SQUARE, 0.5)]))
    assert ap50 == pytest.approx(recalls(0.25))
    assert nonzero(gains) == {"missed": pytest.approx(1 - ap50), "false_negative": pytest.approx(1 - ap50)}
    assert nonzero(counts) == {"missed": 3, "false_negative": 3}


def test_an_object_that_an_error_could_become_is_not_missed() -> None:
    truth = truth_of(1, 1, [SQUARE, (0, 0, 100, 0, 10, 10)])
    ap50, gains, counts = errors(truth, predictions_of([(*SQUARE, 0.9), (0, 0, 100, 0, 10, 25, 0.8)]))
    assert ap50 == pytest.approx(recalls(0.5))
    rest = pytest.approx(1 - ap50)
    assert nonzero(gains) == {"localisation": rest, "false_negative": rest}
    assert nonzero(counts) == {"localisation": 1, "false_positive": 1, "false_negative": 1}


def test_regions_to_be_ignored_are_no_errors() -> None:
    truth = truth_of(1, 1, [SQUARE, (0, 0, 100, 0, 100, 100)], ignored=(1,))
    on_region = [(0, 0, 110 + 10 * i, 20, 9, 9, 0.95) for i in range(5)]
    ap50, gains, counts = errors(truth, predictions_of([(*SQUARE, 0.5), *on_region]))
    assert ap50 == 1 and not nonzero(gains) and not nonzero(counts)


@pytest.mark.parametrize("objects", [[], [SQUARE]])
@pytest.mark.parametrize("predictions", [[], [(*SQUARE, 0.9)]])
def test_empty_input(objects: list, predictions: list) -> None:
    ap50, gains, counts = errors(truth_of(2, 2, objects), predictions_of(predictions))
    if not objects:
        assert np.isnan(ap50) and np.isnan(list(gains.values())).all()
        assert counts["background"] == counts["false_positive"] == len(predictions)
    else:
        assert ap50 == (1 if predictions else 0)
        assert counts["missed"] == (0 if predictions else 1)


@pytest.mark.parametrize("seed", range(6))
def test_ap50_is_that_of_pycocotools(seed: int) -> None:
    truth, predictions = random_set(seed, extra=400 if seed == 0 else 12, regions=seed % 2 == 1)
    found = tide_errors(truth, predictions, match(truth, predictions))
    official = coco_scores(truth, predictions, fast=False).summary["mAP50"]
    assert found.ap50 == pytest.approx(official, abs=1e-12)


class TestAgainstTheAuthorsPackage:
    """``tidecv``, without its limit on the number of predictions and with its recall thresholds for both."""

    @pytest.fixture(autouse=True)
    def _thresholds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("tidecv", reason="the package of TIDE's authors is not installed")
        monkeypatch.setattr(curves, "_LEVELS", np.arange(101) / 100)
        monkeypatch.setattr(curves, "_needed", curves._needed.__wrapped__)  # which remembers the levels

    @staticmethod
    def official(truth: GroundTruth, predictions: Predictions) -> tuple[float, np.ndarray, np.ndarray]:
        from tidecv import TIDE, Data

        objects, found = Data("truth", max_dets=10**6), Data("found", max_dets=10**6)
        for image in range(len(truth.images)):
            objects.add_image(image, str(image))
        for image, category, box, ignore in zip(
            truth.image.tolist(),
            truth.category.tolist(),
            truth.boxes.tolist(),
            truth.ignore.tolist(),
            strict=True,
        ):
            (objects.add_ignore_region if ignore else objects.add_ground_truth)(image, category, box)
        for image, category, box, score in zip(
            predictions.image.tolist(),
            predictions.category.tolist(),
            predictions.boxes.tolist(),
            predictions.scores.tolist(),
            strict=True,
        ):
            found.add_detection(image, category, score, box)
        run = TIDE().evaluate(objects, found)
        main, special, counts = run.fix_main_errors(), run.fix_special_errors(), run.count_errors()
        gains = {error.short_name: value / 100 for error, value in (main | special).items()}
        names = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss", "FalsePos", "FalseNeg")
        number = {error.short_name: value for error, value in counts.items()}
        return run.ap / 100, np.array([gains[n] for n in names]), np.array([number[n] for n in names[:6]])

    @pytest.mark.parametrize("seed", range(12))
    def test_random_sets(self, seed: int) -> None:
        truth, predictions = random_set(100 + seed, images=10 + 10 * (seed % 4), classes=2 + seed % 4)
        found = tide_errors(truth, predictions, match(truth, predictions))
        ap, gains, counts = self.official(truth, predictions)
        np.testing.assert_array_equal(found.count[:6], counts)
        assert found.ap50 == pytest.approx(ap, abs=1e-12)
        np.testing.assert_allclose(found.dap, gains, atol=1e-12)
        assert np.count_nonzero(gains) >= 7 and (counts > 0).all()  # all errors occur

    @pytest.mark.parametrize("seed", range(4))
    def test_regions(self, seed: int) -> None:
        """AP agrees; errors agree once tidecv is not shown what lies on the regions (see the module)."""
        truth, predictions = random_set(200 + seed, regions=True)
        matches = match(truth, predictions)
        found = tide_errors(truth, predictions, matches)
        assert found.ap50 == pytest.approx(self.official(truth, predictions)[0], abs=1e-12)
        assert matches.ignored.any()
        seen = np.sort(matches.row[~matches.ignored[0]])
        columns = (getattr(predictions, name)[seen] for name in ("image", "category", "boxes", "scores"))
        _, gains, counts = self.official(truth, Predictions(predictions.path, *columns))
        np.testing.assert_array_equal(found.count[:6], counts)
        np.testing.assert_allclose(found.dap, gains, atol=1e-12)
