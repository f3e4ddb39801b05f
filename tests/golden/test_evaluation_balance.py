"""A source that only runs at another threshold gains nothing, and one that is better does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regionfuse.detection.evaluation.detector import Settings
from regionfuse.detection.evaluation.evaluate import Evaluation, evaluate
from regionfuse.detection.evaluation.operating import POINTS
from regionfuse.detection.evaluation.records import PredictionKey

sys.path.append(str(Path(__file__).resolve().parents[1]))
from evaluation_made import CAR, TRUCK, Case, results_of, truth_of

OBJECTS = 10  # of an image, which is a block


@dataclass(frozen=True)
class Made:
    """What a detector does on images of ten objects: scores fall from hits to more and more false alarms.

    Attributes:
        high: hits of an image above 0.6; their mean, where images differ.
        high_wrong: false alarms above 0.6.
        low_wrong: false alarms between 0.4 and 0.5.
        low: hits between 0.2 and 0.3, of image i.
    """

    high: int = 6
    high_wrong: int = 2
    low_wrong: int = 5
    low: Callable[[int], int] = lambda _: 2

    def results(self, images: int, seed: int, *, differ: bool = False) -> list[dict]:
        rng = np.random.default_rng(seed)
        rows = []
        for image in range(1, images + 1):
            order = rng.permutation(OBJECTS)
            high = int(rng.binomial(OBJECTS, self.high / OBJECTS)) if differ else self.high
            low = min(self.low(image), OBJECTS - high)
            wrong = [int(rng.poisson(n)) if differ else n for n in (self.high_wrong, self.low_wrong)]
            hits = [(0.6, k) for k in order[:high]] + [(0.2, k) for k in order[high : high + low]]
            rows += [(image, CAR, least + 0.1 * rng.random(), [60.0 * k, 0, 40, 40]) for least, k in hits]
            alarms = [(0.6, 100)] * wrong[0] + [(0.4, 200)] * wrong[1]
            rows += [
                (image, CAR, least + 0.1 * rng.random(), [60.0 * k, top, 40, 40])
                for k, (least, top) in enumerate(alarms)
            ]
        return results_of(rows)


def truth(images: int) -> dict:
    places = [[60.0 * k, 0, 40, 40] for k in range(OBJECTS)]
    return truth_of([(i, CAR, place) for i in range(1, images + 1) for place in places], images)


VAL, TEST = 10, 20
# 60 hits of 80 shown: F1 = 120 / 180. With all: 2 * 82 / (152 + 100) = 0.651, so 0.6 is its threshold.
REFERENCE = Made()
# 2 * 86 / (156 + 100) = 0.672 on val: its F1 is best when everything is shown.
ON_VAL = Made(low=lambda image: 3 if image <= 6 else 2)


@pytest.fixture
def compare(tmp_path: Path) -> Callable[..., Evaluation]:
    def run(**sources: tuple[list[dict], list[dict]]) -> Evaluation:
        keys, truths = {}, {}
        for split, images, position in (("val", VAL, 0), ("test", TEST, 1)):
            for source, results in sources.items():
                paths = Case(truth(images), results[position]).save(tmp_path, f"{source}-{split}")
                keys[PredictionKey("frozen", source, 0, split)] = paths[1]
                truths[split] = paths[0]
        return evaluate(keys, truths, settings=Settings(draws=200))

    return run


def balance(result: Evaluation, source: str, point: str) -> pd.Series:
    row = result.difference(source, "visible", "balance", operating_point=point)
    table = result.balance
    rows = table[(table.source == source) & (table.operating_point == point) & (table["class"] == "all")]
    assert len(rows) == 1
    assert rows.balance.iloc[0] == rows.fixed.iloc[0] - rows.broken.iloc[0]
    assert row.value == pytest.approx(rows.balance.iloc[0])
    return row


def rescaled(results: list[dict], power: float) -> list[dict]:
    return [r | {"score": r["score"] ** power} for r in results]


def test_a_source_that_only_lowers_its_threshold_gains_nothing(compare) -> None:
    reference = REFERENCE.results(TEST, 1, differ=True)
    result = compare(
        visible=(REFERENCE.results(VAL, 0), reference), lower=(ON_VAL.results(VAL, 0), reference)
    )
    own = balance(result, "lower", "own_best_f1")
    assert own.value > TEST  # nearly every low hit counts as fixed, and none as broken
    assert own.low > 0  # and it would even be called sure
    for point in ("equal_precision", "kept_threshold"):
        equal = balance(result, "lower", point)
        assert equal.value == 0 and equal.low == 0 and equal.high == 0
    operating = result.operating.set_index(["source", "operating_point"])
    assert operating.loc[("lower", "own_best_f1"), "threshold"] < 0.3
    assert operating.loc[("lower", "own_best_f1"), "precision"] < 0.6
    assert operating.loc[("lower", "equal_precision"), "val_precision"] == pytest.approx(0.75)


def test_a_source_with_other_scores_in_the_same_order_gains_nothing(compare) -> None:
    val, test = REFERENCE.results(VAL, 0), REFERENCE.results(TEST, 1, differ=True)
    result = compare(visible=(val, test), higher=(rescaled(val, 0.5), rescaled(test, 0.5)))
    thresholds = result.operating.set_index(["source", "operating_point"]).threshold
    for point in POINTS:
        row = balance(result, "higher", point)
        if point == "kept_threshold":  # 0.6 lets everything from 0.36 on pass, but only wrong ones are there
            assert thresholds["higher", point] == thresholds["visible", point]
            continue
        assert thresholds["higher", point] == pytest.approx(thresholds["visible", point] ** 0.5, abs=1e-5)
        assert row.value == row.low == row.high == 0
        assert row.p == 1 and row.se_blocks == 0
    assert result.difference("higher", "visible").value == 0
    alarms = result.operating.set_index(["source", "operating_point"]).false_alarms_per_image
    assert alarms["higher", "kept_threshold"] > 2 * alarms["visible", "kept_threshold"]


def test_another_detector_of_the_same_kind_is_within_its_interval(compare) -> None:
    result = compare(
        visible=(REFERENCE.results(VAL, 0), REFERENCE.results(TEST, 1, differ=True)),
        twin=(REFERENCE.results(VAL, 2), REFERENCE.results(TEST, 3, differ=True)),
    )
    row = balance(result, "twin", "equal_precision")
    assert row.low <= 0 <= row.high


def test_a_better_detector_has_a_positive_balance(compare) -> None:
    better = Made(high=8, high_wrong=2)
    result = compare(
        visible=(REFERENCE.results(VAL, 0), REFERENCE.results(TEST, 1, differ=True)),
        better=(better.results(VAL, 2), better.results(TEST, 3, differ=True)),
    )
    row = balance(result, "better", "equal_precision")
    assert row.value > TEST and row.low > 0 and row.simultaneous_low > 0
    changes = result.changes[result.changes.source == "better"].change.value_counts()
    table = result.balance[(result.balance.operating_point == "equal_precision")]
    for kind in ("fixed", "broken"):
        assert changes[kind] == table[table["class"] == "all"][kind].iloc[0] > 0
    operating = result.operating.set_index(["source", "operating_point"])
    for column, source in (("precision", "better"), ("reference_precision", "visible")):
        assert set(table[column]) == {operating.loc[(source, "equal_precision"), "precision"]}


def test_confusion_that_is_alike_in_every_block_has_no_interval(compare) -> None:
    """Nothing is known of how much a rare event varies when it never does."""
    splits = [
        results_of(
            [
                (image, TRUCK if k == 0 else CAR, 0.9, [60.0 * k, 0, 40, 40])
                for image in range(1, images + 1)
                for k in range(OBJECTS)
            ]
        )
        for images in (VAL, TEST)
    ]
    result = compare(visible=tuple(splits), alike=tuple(splits))
    row = result.difference("alike", "visible", "misclassification", stratum="Car>Truck")
    assert row.value == 0 and row[["low", "high", "simultaneous_low", "p", "detectable"]].isna().all()
    assert result.difference("alike", "visible", "recall").high == 0
