"""Checked columns out of foreign JSON; a fault is one line naming the file, the entry and what was found."""

from __future__ import annotations

import codecs
import contextlib
import gc
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from ...datasets.errors import DataError


def read_json(path: Path) -> Any:
    """Return the parsed file.

    Raises:
        DataError: there is no such file, or it holds no JSON.
    """
    collecting = gc.isenabled()
    gc.disable()  # a list of results is a million small objects, and none of them is garbage
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            return json.loads(content)  # knows NaN, which then is named with its entry
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; expected COCO JSON there") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected COCO JSON") from error
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise DataError(f"{path}: not JSON ({error}); was the file cut off while it was written?") from error
    finally:
        if collecting:
            gc.enable()


def kind(value: Any) -> str:
    """Name the kind of a JSON value, for messages."""
    if isinstance(value, dict):
        keys = ", ".join(list(map(str, value))[:5])
        return f"an object with the keys {keys}" if keys else "an empty object"
    names = {list: "a list", str: "a text", type(None): "nothing", bool: "true or false"}
    return names.get(type(value), "a number")


@dataclass(frozen=True)
class Entries:
    """A list of JSON objects of one kind, read column by column. Every method raises DataError on a fault.

    Attributes:
        path: file they come from.
        what: name of one entry, e.g. ``prediction``.
        items: the objects, in the order of the file; messages count them from 0.
    """

    path: Path
    what: str
    items: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, path: Path, what: str, value: Any, description: str) -> Entries:
        """Check that ``value`` is a list of objects; ``description`` says which list was expected."""
        if not isinstance(value, list):
            raise DataError(f"{path}: expected a list {description}, found {kind(value)}")
        for position, item in enumerate(value):
            if not isinstance(item, dict):
                found = f"entry {position} is {kind(item)}, not an object"
                raise DataError(f"{path}: expected a list {description}; its {found}")
        return cls(path, what, value)

    def column(self, field: str) -> list[Any]:
        """Return the raw values of a field that every entry must have."""
        try:
            return [item[field] for item in self.items]
        except KeyError:
            first = next(i for i, item in enumerate(self.items) if field not in item)
            keys = ", ".join(map(str, self.items[first])) or "nothing"
            raise self._fault(first, f"has no {field!r}, only {keys}") from None

    def integers(self, field: str) -> np.ndarray:
        """Return a column of whole numbers, shape (N,), int64."""
        values = self.column(field)
        if set(map(type, values)) <= {int}:
            with contextlib.suppress(OverflowError):
                return np.array(values, dtype=np.int64)
        position, value = next(
            (i, value)
            for i, value in enumerate(values)
            if type(value) is not int or not -(2**63) <= value < 2**63
        )
        raise self._fault(position, f"needs a whole number as {field!r}, found {_short(value)}")

    def unique_integers(self, field: str) -> np.ndarray:
        """Return a column of whole numbers that never repeats, shape (N,), int64."""
        values = self.integers(field)
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) < len(values):
            repeated = distinct[counts > 1][0]
            raise DataError(f"{self.path}: two {self.what} entries share the {field} {repeated}")
        return values

    def unique_texts(self, field: str) -> list[str]:
        """Return a column of texts that never repeats."""
        values = self.column(field)
        for position, value in enumerate(values):
            if not isinstance(value, str) or not value:
                raise self._fault(
                    position, f"needs a text as {field!r} like the others, found {_short(value)}"
                )
        repeated = [value for value, count in Counter(values).items() if count > 1]
        if repeated:
            raise DataError(f"{self.path}: two {self.what} entries share the {field} {_short(repeated[0])}")
        return values

    def numbers(self, field: str, lowest: float, highest: float, expected: str) -> np.ndarray:
        """Return a column of numbers within limits, shape (N,), float64; NaN is never within."""
        values = self.column(field)
        if not set(map(type, values)) <= {float}:
            for position, value in enumerate(values):
                if not _is_number(value):
                    raise self._fault(position, f"needs a number as {field!r}, found {_short(value)}")
        column = np.array(values, dtype=np.float64)
        self._reject(~((column >= lowest) & (column <= highest)), values, field, expected)
        return column

    def boxes(self) -> np.ndarray:
        """Return the ``bbox`` column, shape (N, 4), float64: left, top, width, height."""
        values = self.column("bbox")
        expected = "[x, y, width, height], finite, width and height >= 0"
        if not set(map(type, values)) <= {list} or not set(map(len, values)) <= {4}:
            position, value = next(
                (i, value) for i, value in enumerate(values) if type(value) is not list or len(value) != 4
            )
            raise self._fault(position, f"needs {expected} as 'bbox', found {_short(value)}")
        flat = list(chain.from_iterable(values))
        if not set(map(type, flat)) <= {float}:
            for position, number in enumerate(flat):
                if not _is_number(number):
                    box = values[position // 4]
                    raise self._fault(position // 4, f"needs {expected} as 'bbox', found {_short(box)}")
        boxes = np.array(flat, dtype=np.float64).reshape(-1, 4)
        good = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] >= 0).all(axis=1)
        self._reject(np.logical_not(good), values, "bbox", expected)
        return boxes

    def lookup(self, field: str, known: Mapping[str | int, int], where: str) -> np.ndarray:
        """Return the value of each id in ``known``, shape (N,), int64; an id is a text or a whole number."""
        values = self.column(field)
        found = [known.get(value) if type(value) in (str, int) else None for value in values]
        example = next(iter(known), None)
        expected = f"an id {where}" + (f", such as {_short(example)}," if known else "")
        self._reject(np.array([position is None for position in found], dtype=bool), values, field, expected)
        return np.array(found, dtype=np.int64)

    def positions(self, field: str, known: Sequence[int], where: str) -> np.ndarray:
        """Return the position of each id in the sorted ids ``known``, shape (N,), int64."""
        values, ids = self.integers(field), np.array(known, dtype=np.int64)
        positions = np.searchsorted(ids, values)
        unknown = ~np.isin(values, ids)
        listed = f" ({', '.join(map(str, known))})" if 0 < len(known) <= 12 else ""
        self._reject(unknown, values.tolist(), field, f"an id {where}{listed}")
        return positions

    def _reject(self, bad: np.ndarray, values: Sequence[Any], field: str, expected: str) -> None:
        if bad.any():
            first, count = int(np.argmax(bad)), int(np.count_nonzero(bad))
            more = f"; {count} entries are wrong in this way" if count > 1 else ""
            found = _short(values[first])
            raise self._fault(first, f"needs {expected} as {field!r}, found {found}{more}")

    def _fault(self, position: int, message: str) -> DataError:
        return DataError(f"{self.path}: {self.what} {position} {message}")


def _is_number(value: Any) -> bool:
    # True and False are whole numbers in Python; a whole number beyond float64 would not convert.
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


def _short(value: Any) -> str:
    return f"{value!r:.60}"
