"""Splits of a data set: made by scenes, at random or from a list; stored as JSON with their SHA-256."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import DataError
from .leakage import Leakage, leakage
from .partition import divide
from .records import PairSet
from .similarity import Signatures
from .split_list import read_split_list
from .storage import write_json

SCHEMA = 1
KINDS = ("scenes", "random", "list")
FRACTIONS = (0.7, 0.1, 0.2)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """Which pairs train, which choose, which test.

    Attributes:
        kind: one of :data:`KINDS`.
        seed: seed it was made with.
        dataset: name of the set.
        guard: guard gap kept between subsets, in image numbers (0 for other kinds than ``scenes``).
        train: sorted stems.
        val: sorted stems.
        test: sorted stems.
        dropped: sorted stems in none of them: guard gaps, or images that a list does not name.
        leakage: of test against train.
    """

    kind: str
    seed: int
    dataset: str
    guard: int
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    dropped: tuple[str, ...]
    leakage: Leakage

    @property
    def sha256(self) -> str:
        """Hash of the three lists: what another group needs to check that it uses the same split."""
        lists = {"train": sorted(self.train), "val": sorted(self.val), "test": sorted(self.test)}
        text = json.dumps(lists, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the split file."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "seed": self.seed,
            "dataset": self.dataset,
            "guard": self.guard,
            "train": list(self.train),
            "val": list(self.val),
            "test": list(self.test),
            "dropped": list(self.dropped),
            "leakage": self.leakage.to_dict(),
            "sha256": self.sha256,
        }

    def save(self, path: Path | str) -> None:
        """Write the split file.

        Raises:
            StorageError: it cannot be written.
        """
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: Path | str) -> Split:
        """Read a split file and check its hash.

        Raises:
            DataError: the file is unreadable, of another schema, or was edited after it was made.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            schema = content["schema"]
            if schema != SCHEMA:
                raise DataError(f"{path}: split file of schema {schema}, this version reads schema {SCHEMA}")
            lists = {name: tuple(map(str, content[name])) for name in ("train", "val", "test", "dropped")}
            split = cls(
                kind=str(content["kind"]),
                seed=int(content["seed"]),
                dataset=str(content["dataset"]),
                guard=int(content["guard"]),
                leakage=Leakage.from_dict(content["leakage"]),
                **lists,
            )
            stored = content["sha256"]
        except OSError as error:
            raise DataError(f"{path}: the split file cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not a split file: {type(error).__name__} {error}") from error
        if stored != split.sha256:
            raise DataError(
                f"{path}: its SHA-256 does not fit its lists, so it was edited; use it as a list file instead"
            )
        return split


def make_split(
    pairs: PairSet,
    *,
    kind: str = "scenes",
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
    guard: int = 2,
    file: Path | str | None = None,
    signatures: Signatures | None = None,
) -> Split:
    """Split a set.

    ``scenes`` keeps runs of successive images and near-duplicates together, and drops ``guard`` images where
    runs of different subsets touch; sets too small for that get shorter runs and, last, a narrower gap (a
    warning says so). ``random`` ignores scenes, as much published work does: its leakage shows what
    that means.

    Args:
        pairs: the set.
        kind: one of :data:`KINDS`.
        fractions: wanted shares of train, val and test; they sum to 1.
        seed: seed of the search or the shuffle.
        guard: images dropped at borders; ``scenes`` only.
        file: list file, see :func:`~regionfuse.datasets.split_list.read_split_list`; ``list`` only.
        signatures: image signatures; without them near-duplicates are neither kept together nor counted.

    Raises:
        DataError: fewer than three pairs, bad fractions, an unknown kind, or a bad list file.
    """
    if kind not in KINDS:
        raise DataError(f"unknown kind of split {kind!r}; known: {', '.join(KINDS)}")
    if len(pairs) < 3:
        raise DataError(
            f"{pairs.root}: a split into train, val and test needs at least 3 pairs, found {len(pairs)}"
        )
    train, val, test = _checked(fractions)
    kept_guard = 0
    if kind == "list":
        if file is None:
            raise DataError("a split of kind 'list' needs a file with the lists train, val and test")
        subsets = read_split_list(file, pairs)
    elif kind == "random":
        subsets = _random(pairs, (train, val, test), seed)
    else:
        division = divide(pairs, (train, val, test), seed, max(0, guard), signatures)
        kept_guard = division.guard
        if kept_guard < guard:
            _log.warning(
                "%s: %d pairs are too few for a guard gap of %d; the split keeps %d",
                pairs.root,
                len(pairs),
                guard,
                kept_guard,
            )
        subsets = {
            name: tuple(sorted(stem for stem, each in division.subset.items() if each == number))
            for number, name in enumerate(("train", "val", "test"))
        }
    used = {stem for stems in subsets.values() for stem in stems}
    return Split(
        kind,
        seed,
        pairs.name,
        kept_guard,
        subsets["train"],
        subsets["val"],
        subsets["test"],
        tuple(sorted(pair.stem for pair in pairs if pair.stem not in used)),
        leakage(subsets["train"], subsets["test"], signatures),
    )


def _checked(fractions: Sequence[float]) -> tuple[float, float, float]:
    if len(fractions) != 3 or not math.isclose(sum(fractions), 1, abs_tol=1e-6) or min(fractions) < 0:
        raise DataError(
            f"fractions: expected three shares of train, val and test that sum to 1, got {fractions}"
        )
    train, val, test = fractions
    if train == 0 or test == 0:
        raise DataError(f"fractions: train and test must be greater than 0, got {fractions}")
    return train, val, test


def _random(pairs: PairSet, fractions: tuple[float, float, float], seed: int) -> dict[str, tuple[str, ...]]:
    stems = [pair.stem for pair in pairs]
    random.Random(seed).shuffle(stems)
    test = max(1, round(fractions[2] * len(stems)))
    val = max(1, round(fractions[1] * len(stems))) if fractions[1] > 0 else 0
    while test + val >= len(stems):  # only with a few images
        test, val = (test - 1, val) if test >= val else (test, val - 1)
    return {
        "train": tuple(sorted(stems[test + val :])),
        "val": tuple(sorted(stems[test : test + val])),
        "test": tuple(sorted(stems[:test])),
    }
