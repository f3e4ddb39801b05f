"""Results read as numbers: the same as by a JSON parser, or left to it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from regionfuse.detection.evaluation.result_numbers import result_numbers

ROW = {"image_id": 3, "category_id": 1, "bbox": [1.5, -2, 30.25, 4], "score": 0.12345}


def random_rows(seed: int, number: int = 200) -> list[dict[str, object]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "image_id": int(rng.integers(0, 2**50)),
            "category_id": int(rng.integers(1, 90)),
            "bbox": [float(value) for value in rng.normal(0, 10.0 ** rng.integers(-12, 12), 4)],
            "score": float(rng.random()),
        }
        for _ in range(number)
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}, {"sort_keys": True}])
def test_every_bit_is_what_the_parser_gives(seed: int, layout: dict[str, object]) -> None:
    rows = random_rows(seed)
    found = result_numbers(json.dumps(rows, **layout).encode())  # type: ignore[arg-type]
    assert found is not None
    for name in ROW:
        np.testing.assert_array_equal(getattr(found, name), [row[name] for row in rows])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[[1, 2]]",
        '[{"image_id": 3}]',
        json.dumps([ROW, {**ROW, "image_id": "3"}]),
        json.dumps([ROW, {**ROW, "bbox": [1, 2, 3]}]),
        json.dumps([{**ROW, "bbox": [1, 2, 3]}, ROW]),
        json.dumps([ROW, {**ROW, "score": None}]),
        json.dumps([ROW, {**ROW, "score": True}]),
        json.dumps([ROW, {**ROW, "score": float("nan")}]),
        json.dumps([ROW, {**ROW, "file_name": "a.png"}]),
        json.dumps([{**ROW, "file_name": "a.png"}, {**ROW, "file_name": "b.png"}]),
        json.dumps([ROW, dict(reversed(ROW.items()))]),
        json.dumps([ROW])[:-1],
        json.dumps([ROW]).replace("0.12345", "0.1 2345"),
        json.dumps([ROW]).replace("0.12345", "0.1.2345"),
        json.dumps([ROW]).replace("0.12345", "-"),
        json.dumps([ROW]).replace("0.12345", ""),
        json.dumps([ROW, ROW]).replace("}, {", "} {"),
        json.dumps([ROW]) + "[]",
    ],
)
def test_whatever_looks_different_is_left_to_the_parser(text: str) -> None:
    assert result_numbers(text.encode()) is None
