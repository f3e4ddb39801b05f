"""Splits of a data set: by scenes, at random, from lists, as published; JSON files with their SHA-256."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .blocks import find_blocks
from .errors import DataError
from .leakage import Leakage, leakage
from .official import official_lists
from .partition import SUBSETS, divide
from .records import PairSet
from .similarity import Signatures, near_duplicates
from .split_list import read_split_list
from .storage import write_json

SCHEMA = 2
KINDS = ("scenes", "random", "list", "official")
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
        leakage: how near the subsets are to one another.
        blocks: stem -> name of its block, for every stem of the set; the unit of resampling.
        given_up: what the split could not keep apart or together, in words.
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
    blocks: Mapping[str, str] = field(default_factory=dict)
    given_up: tuple[str, ...] = ()

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
            "blocks": dict(self.blocks),
            "given_up": list(self.given_up),
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
                raise DataError(
                    f"{path}: split file of schema {schema}, this version reads schema {SCHEMA}: "
                    "divide the set anew, or take its lists as split.file with kind: list"
                )
            lists = {name: tuple(map(str, content[name])) for name in ("train", "val", "test", "dropped")}
            split = cls(
                kind=str(content["kind"]),
                seed=int(content["seed"]),
                dataset=str(content["dataset"]),
                guard=int(content["guard"]),
                leakage=Leakage.from_dict(content["leakage"]),
                blocks={str(stem): str(block) for stem, block in content["blocks"].items()},
                given_up=tuple(map(str, content["given_up"])),
                **lists,
            )
            stored = content["sha256"]
        except OSError as error:
            raise DataError(f"{path}: the split file cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
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

    ``scenes`` keeps runs of successive images, named scenes and near-duplicates together, and drops ``guard``
    images where runs of different subsets touch; sets too small or too uniform for that lose some of it.
    ``random`` ignores scenes, as much published work does. ``list`` takes a file's lists, ``official`` the
    published ones: folders or lists beside the images, or a file. Val is carved out of train by blocks where
    these have none. Blocks and leakage are measured for every kind; what was given up is recorded and warned
    of.

    Args:
        pairs: the set.
        kind: one of :data:`KINDS`.
        fractions: wanted shares of train, val and test; they sum to 1. Of lists only val's share of train and
            val together counts, where val is carved out; 0: no val.
        seed: seed of the search or the shuffle.
        guard: images dropped at borders that the search makes.
        file: list file, see :func:`~regionfuse.datasets.split_list.read_split_list`; ``list`` needs it.
        signatures: image signatures; without them near-duplicates are neither kept together nor counted, and
            only numbers and named scenes make blocks.

    Raises:
        DataError: fewer than three pairs, bad fractions, an unknown kind, or a bad list file.
    """
    if kind not in KINDS:
        raise DataError(f"unknown kind of split {kind!r}; known: {', '.join(KINDS)}")
    if len(pairs) < 3:
        raise DataError(
            f"{pairs.root}: a split into train, val and test needs at least 3 pairs, found {len(pairs)}"
        )
    shares = _checked(fractions)
    near = near_duplicates(signatures) if signatures is not None else None
    kept_guard = 0
    given_up: tuple[str, ...] = ()
    if kind == "random":
        subsets = _random(pairs, shares, seed)
    elif kind == "scenes":
        division = divide(pairs, shares, seed, max(0, guard), signatures, near)
        kept_guard, given_up = division.guard, division.given_up
        subsets = _named(division.subset)
    else:
        subsets, given_up = _listed(pairs, kind, file, shares, seed, max(0, guard), signatures)
    blocks = find_blocks(pairs, signatures, near)
    given_up += blocks.notes
    for text in given_up:
        _log.warning("%s: split: %s", pairs.root, text)
    used = {stem for stems in subsets.values() for stem in stems}
    return Split(
        kind=kind,
        seed=seed,
        dataset=pairs.name,
        guard=kept_guard,
        **subsets,
        dropped=tuple(sorted(pair.stem for pair in pairs if pair.stem not in used)),
        leakage=leakage(subsets, blocks, {pair.stem: pair.scene for pair in pairs}, near),
        blocks=blocks.block,
        given_up=given_up,
    )


def _listed(
    pairs: PairSet,
    kind: str,
    file: Path | str | None,
    fractions: tuple[float, float, float],
    seed: int,
    guard: int,
    signatures: Signatures | None,
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return the subsets of lists, with val carved out of train where there is none, and what to say."""
    said: tuple[str, ...] = ()
    if kind == "official":
        lists, said = official_lists(pairs, file)
    elif file is None:
        raise DataError("a split of kind 'list' needs a file with the lists train, val and test")
    else:
        lists = read_split_list(file, pairs)
    train, val, _ = fractions
    if "val" in lists or val == 0:
        return {"val": (), **lists}, said
    whole = pairs.select(lists["train"])
    if len(whole) < 2:
        raise DataError(f"{file or pairs.root}: no val list, and too few train images to take some for val")
    part = signatures.select(lists["train"]) if signatures is not None else None
    near = near_duplicates(part) if part is not None else None
    division = divide(whole, (train / (train + val), val / (train + val), 0.0), seed, guard, part, near)
    carved = _named(division.subset)
    lost = len(whole) - len(division.subset)
    said += (
        f"the lists have no val: {len(carved['val'])} of {len(whole)} train images are val now, by blocks"
        + (f", and {lost} more left out at the borders" if lost else ""),
        *(f"val out of train: {text}" for text in division.given_up),
    )
    return {**carved, "test": lists["test"]}, said


def _named(subset: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(sorted(stem for stem, each in subset.items() if each == number))
        for number, name in enumerate(SUBSETS)
    }


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
