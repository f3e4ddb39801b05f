"""The operating threshold: best F1 on validation, worked out by hand and against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regionfuse.detection.evaluation.coco import MatchArrays
from regionfuse.detection.evaluation.threshold import FALLBACK, best_f1


def arrays(scores: list[float], correct: list[bool], objects: int) -> MatchArrays:
    zeros = np.zeros(len(scores), dtype=np.int64)
    return MatchArrays(zeros, zeros, np.array(scores), np.array(correct, dtype=bool), np.array([[objects]]))


def test_best_f1_by_hand() -> None:
    # At 0.8: 2 of 2 correct, 3 objects: F1 = 4/5. At 0.5: 3 of 4: 6/7. At 0.3: 3 of 5: 6/8.
    found = best_f1(arrays([0.9, 0.8, 0.6, 0.5, 0.3], [True, True, False, True, False], 3))
    assert found.value == 0.5 and found.f1 == pytest.approx(6 / 7) and not found.warning


def test_of_equal_f1_the_higher_threshold_is_taken() -> None:
    # At 0.9: 1 of 1 of 2 objects: 2/3. At 0.4: 2 of 4: 4/6.
    found = best_f1(arrays([0.9, 0.7, 0.6, 0.4], [True, False, False, True], 2))
    assert found.value == 0.9


def test_equal_confidences_pass_together() -> None:
    # Taking only the correct one of the two at 0.5 would give a perfect F1, but no threshold does that.
    found = best_f1(arrays([0.5, 0.5], [True, False], 1))
    assert found.value == 0.5 and found.f1 == pytest.approx(2 / 3)


@pytest.mark.parametrize("score", [0.123456789, 0.29, 0.9999999, 1.0, 1e-7, 0.7])
def test_the_published_value_has_six_decimals_and_keeps_the_prediction(score: float) -> None:
    value = best_f1(arrays([score], [True], 1)).value
    assert value <= score < value + 2e-6
    assert float(f"{value:.6f}") == value and value >= 0


@pytest.mark.parametrize(
    ("matches", "warning"),
    [
        (None, "no validation predictions"),
        (arrays([0.9], [False], 0), "no objects"),
        (arrays([], [], 3), "no validation prediction is correct"),
        (arrays([0.9], [False], 3), "no validation prediction is correct"),
    ],
)
def test_without_evidence_the_fallback_says_why(matches: MatchArrays | None, warning: str) -> None:
    found = best_f1(matches)
    assert found.value == FALLBACK and math.isnan(found.f1) and warning in found.warning


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=30),
    st.integers(0, 10),
)
def test_no_other_threshold_is_better(predictions: list[tuple[int, bool]], missed: int) -> None:
    scores = [score / 20 for score, _ in predictions]
    correct = [hit for _, hit in predictions]
    objects = sum(correct) + missed
    if not any(correct):
        return
    found = best_f1(arrays(scores, correct, objects))

    def f1(threshold: float) -> float:
        shown = [hit for score, hit in zip(scores, correct, strict=True) if score >= threshold]
        return 2 * sum(shown) / (len(shown) + objects)

    best = max(f1(score) for score in scores)
    assert found.f1 == pytest.approx(best) == pytest.approx(f1(found.value))
    assert found.value == max(score for score in scores if math.isclose(f1(score), best))
