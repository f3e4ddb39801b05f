"""How near the subsets of a split are to one another: what its scores are worth."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .blocks import Blocks, numbered
from .similarity import Near
from .similarity_quality import near_duplicate_quality

DISTANCES = (1, 2, 5, 10, 20, 50)
"""Differences of image numbers at which neighbours are counted."""
RELATIONS = (("test", "train"), ("val", "train"), ("test", "val"))
EXAMPLES = 5


@dataclass(frozen=True)
class Relation:
    """How near the images of one subset are to those of another; shares are fractions of the former, 0..1.

    Attributes:
        images: the subset looked at: ``test`` or ``val``.
        against: the subset it is compared with.
        count: number of its images; all shares are 0 where there are none.
        within: distance -> share with an image at most so many numbers away in the same unbroken stretch (a
            run of numbers without a change of scene; what lies beyond a change is no neighbour).
        same_block: share whose block has images in the other subset.
        same_scene: share whose named scene has images there; None where the set names no scenes.
        near_duplicates: share with an image of near-identical framing there; None when not looked for.
        examples: a few (stem, other stem, reason) with reason ``near-duplicate`` or ``neighbour``.
    """

    images: str
    against: str
    count: int
    within: dict[int, float]
    same_block: float
    same_scene: float | None = None
    near_duplicates: float | None = None
    examples: tuple[tuple[str, str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-serialisable values."""
        within = {str(distance): share for distance, share in self.within.items()}
        return {**asdict(self), "within": within, "examples": [list(example) for example in self.examples]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Relation:
        """Make a relation from the result of :meth:`to_dict`."""
        same_scene, near = values["same_scene"], values["near_duplicates"]
        return cls(
            str(values["images"]),
            str(values["against"]),
            int(values["count"]),
            {int(distance): float(share) for distance, share in values["within"].items()},
            float(values["same_block"]),
            None if same_scene is None else float(same_scene),
            None if near is None else float(near),
            tuple((str(one), str(other), str(reason)) for one, other, reason in values["examples"]),
        )


@dataclass(frozen=True)
class Leakage:
    """The relations of a split, one each for :data:`RELATIONS`, and what the word near-duplicate is worth."""

    relations: tuple[Relation, ...]

    def relation(self, images: str, against: str) -> Relation:
        """Return one of the relations.

        Raises:
            KeyError: there is no such relation.
        """
        for each in self.relations:
            if (each.images, each.against) == (images, against):
                return each
        raise KeyError(f"no relation of {images} to {against}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-serialisable values."""
        return {
            "relations": [each.to_dict() for each in self.relations],
            "near_duplicate_quality": near_duplicate_quality(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Leakage:
        """Make a leakage from the result of :meth:`to_dict`."""
        return cls(tuple(Relation.from_dict(each) for each in values["relations"]))


def leakage(
    subsets: Mapping[str, Collection[str]],
    blocks: Blocks,
    scenes: Mapping[str, str | None],
    near: Near | None = None,
) -> Leakage:
    """Measure how near the subsets are to one another.

    Args:
        subsets: stems of ``train``, ``val`` and ``test``.
        blocks: of the whole set.
        scenes: stem -> name of its scene.
        near: near-duplicates of the set; without them they are not counted.
    """
    stems = {name: sorted(subset) for name, subset in subsets.items()}
    return Leakage(
        tuple(
            _relation((one, other), stems[one], stems[other], blocks, scenes, near)
            for one, other in RELATIONS
        )
    )


def _relation(
    names: tuple[str, str],
    stems: list[str],
    others: list[str],
    blocks: Blocks,
    scenes: Mapping[str, str | None],
    near: Near | None,
) -> Relation:
    count = max(1, len(stems))
    nearest = _nearest(stems, others, blocks)
    alike = _alike(stems, others, near) if near is not None else {}
    held = {blocks.block[stem] for stem in others}
    told = {scenes.get(stem) for stem in others} - {None}
    named = any(scene is not None for scene in scenes.values())
    examples = [(stem, other, "near-duplicate") for stem, other in alike.items()]
    order = sorted(nearest, key=lambda stem: (nearest[stem][0], stem))
    examples += [(stem, nearest[stem][1], "neighbour") for stem in order if stem not in alike]
    return Relation(
        images=names[0],
        against=names[1],
        count=len(stems),
        within={
            distance: sum(away <= distance for away, _ in nearest.values()) / count for distance in DISTANCES
        },
        same_block=sum(blocks.block[stem] in held for stem in stems) / count,
        same_scene=sum(scenes.get(stem) in told for stem in stems) / count if named else None,
        near_duplicates=len(alike) / count if near is not None else None,
        examples=tuple(examples[:EXAMPLES]),
    )


def _nearest(stems: list[str], others: list[str], blocks: Blocks) -> dict[str, tuple[int, str]]:
    """Return stem -> (distance in numbers, other stem) of the nearest one in the same stretch."""
    there: dict[int, list[tuple[int, str]]] = {}
    for stem in others:
        key = numbered(stem)
        if key is not None:
            there.setdefault(blocks.stretch[stem], []).append((key[1], stem))
    for members in there.values():
        members.sort()
    found = {}
    for stem in stems:
        key, members = numbered(stem), there.get(blocks.stretch[stem], [])
        if key is None or not members:
            continue
        at = bisect_left(members, (key[1], ""))
        found[stem] = min((abs(number - key[1]), other) for number, other in members[max(0, at - 1) : at + 1])
    return {stem: each for stem, each in found.items() if each[0] <= max(DISTANCES)}


def _alike(stems: list[str], others: list[str], near: Near) -> dict[str, str]:
    """Return stem -> most similar near-duplicate among the others, most similar first."""
    position = {stem: row for row, stem in enumerate(near.stems)}
    mine, theirs = np.zeros((2, len(near.stems)), dtype=bool)
    mine[[position[stem] for stem in stems]] = True
    theirs[[position[stem] for stem in others]] = True
    both = np.concatenate([near.couples, near.couples[:, ::-1]])
    similar = np.concatenate([near.similar, near.similar])
    wanted = mine[both[:, 0]] & theirs[both[:, 1]]
    both, similar = both[wanted], similar[wanted]
    found: dict[str, str] = {}
    for row in np.lexsort((both[:, 1], both[:, 0], -similar)):
        found.setdefault(near.stems[both[row, 0]], near.stems[both[row, 1]])
    return found
