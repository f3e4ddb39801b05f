"""COCO results as numbers, read several times faster and in a fraction of the memory of a JSON parser.

Files of results are millions of entries of the same form. Where a file holds nothing else, its text is
turned into one array; whatever looks different in any way is left to :mod:`.fields`, which names faults.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np

_LETTERS: Final = {"image_id": b"I", "category_id": b"C", "bbox": b"B", "score": b"S"}
_IN_NUMBERS = b"0123456789.+-eE \n\r\t"
_BETWEEN_NUMBERS = b"ICBS[]{}"
_WIDTH: Final = {"bbox": 4}


@dataclass(frozen=True)
class ResultNumbers:
    """The columns of N results, as the file has them.

    Attributes:
        image_id: shape (N,), float64.
        category_id: shape (N,), float64.
        bbox: shape (N, 4), float64.
        score: shape (N,), float64.
    """

    image_id: np.ndarray
    category_id: np.ndarray
    bbox: np.ndarray
    score: np.ndarray


def result_numbers(content: bytes) -> ResultNumbers | None:
    """Return the columns of results; None if the entries are not all of one form and numbers only."""
    begin, end = content.find(b"{"), content.find(b"}")
    try:
        keys = list(json.loads(content[begin : end + 1])) if 0 <= begin < end else []
    except ValueError:
        return None
    if sorted(keys) != sorted(_LETTERS):
        return None
    for key, letter in _LETTERS.items():
        content = content.replace(f'"{key}":'.encode(), letter)
    # What is left without the digits must be the first entry again and again.
    form = content.translate(None, _IN_NUMBERS)
    entry = b",".join(_LETTERS[key] + (b"[,,,]" if key in _WIDTH else b"") for key in keys)
    entries = form.count(b"{")
    if form != b"[" + b",".join([b"{" + entry + b"}"] * entries) + b"]":
        return None
    content = content.translate(None, _BETWEEN_NUMBERS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # numpy's for text that stops being numbers
        numbers = np.fromstring(content, sep=",")
    if len(numbers) != entries * (len(keys) + 3):
        return None
    columns, at = {}, 0
    for key in keys:
        width = _WIDTH.get(key, 1)
        columns[key] = numbers.reshape(entries, -1)[:, at : at + width]
        at += width
    return ResultNumbers(
        columns["image_id"][:, 0].copy(),
        columns["category_id"][:, 0].copy(),
        np.ascontiguousarray(columns["bbox"]),
        columns["score"][:, 0].copy(),
    )
