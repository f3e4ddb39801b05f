"""Groups of images -> train, val and test: the seeded search behind the ``scenes`` split."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .blocks import chains, scene_changes
from .pieces import Piece, groups, guarded, pieces
from .records import PairSet
from .similarity import Near, Signatures

SUBSETS = ("train", "val", "test")
# What a rule is worth, in units of "share of images in the wrong subset". Sizes give way first, then the tie
# between near-duplicates, then the guard gap; a class missing from train is worst.
_DROPPED, _TIE, _GUARD, _NO_TRAIN, _NO_TEST, _MIX = 0.5, 0.3, 0.5, 1.0, 0.1, 0.2
_GOOD = 0.12  # a division this good ends the search
_TRIES = 60_000  # pieces times restarts
_NEAR_DROP = 0.1  # at most this share of the images is dropped for being near-duplicates across a cut
_GIVEN_UP = (
    "",
    "near-duplicates and named scenes inside one run of images are not kept together (only the guard gap "
    "parts them): the set is too small or too uniform",
    "near-duplicates and named scenes are not kept together: the set is too small or too uniform",
)


@dataclass(frozen=True)
class Division:
    """A candidate split and what is wrong with it.

    Attributes:
        subset: stem -> 0 train, 1 val, 2 test; dropped images are missing.
        guard: guard gap that it keeps.
        cost: see the weights above; smaller is better.
        given_up: what it could not keep, in words.
    """

    subset: dict[str, int]
    guard: int
    cost: float
    given_up: tuple[str, ...] = ()


def divide(
    pairs: PairSet,
    fractions: tuple[float, float, float],
    seed: int,
    guard: int,
    signatures: Signatures | None,
    near: Near | None,
) -> Division:
    """Divide a set by scenes.

    Everything that must stay together is tried first: long runs, named scenes, near-duplicates, the full
    guard gap. Small sets and single long videos cannot have all of it; the search then cuts runs shorter,
    lets go of near-duplicates and names within one run (the guard still parts them), then of all, and
    narrows the guard last. What was let go is in :attr:`Division.given_up`.
    """
    smallest = min(fraction for fraction in fractions if fraction > 0)
    most = max(4 * guard, math.ceil(len(pairs) * smallest / 5), 1)
    stems = [pair.stem for pair in pairs]
    scenes = {pair.stem: pair.scene for pair in pairs}
    tied_at_all = near is not None or any(scene is not None for scene in scenes.values())
    best: Division | None = None
    for gap in range(guard, -1, -1):
        chained = chains(stems, gap)
        changes = [scene_changes(chain, scenes, signatures) for chain in chained]
        size = most
        while True:
            cut = pieces(chained, changes, max(1, min(4 * gap, size // 2)), size, scenes)
            for level in range(3 if tied_at_all else 1):
                tied = groups(cut, near, within_chains=level < 1, across_chains=level < 2)
                malus = level * _TIE + (guard - gap) * _GUARD
                if best is not None and malus >= best.cost:
                    continue
                said: tuple[str, ...] = (_GIVEN_UP[level],) if level else ()
                if gap < guard:
                    said += (f"{len(pairs)} pairs are too few for a guard gap of {guard}: it is {gap}",)
                blank = Division({}, gap, malus, said)
                found = _search(pairs, cut, tied, fractions, seed, blank, near)
                if found is not None and (best is None or found.cost < best.cost):
                    best = found
            if (best is not None and best.cost <= _GOOD) or size == 1:
                break
            size //= 2
        if best is not None and best.cost <= _GOOD + (guard - gap + 1) * _GUARD:
            break
    assert best is not None  # with three images or more, single images without a guard always work
    return best


def _search(
    pairs: PairSet,
    cut: Sequence[Piece],
    tied: Sequence[Sequence[int]],
    fractions: tuple[float, float, float],
    seed: int,
    blank: Division,
    near: Near | None,
) -> Division | None:
    """Fill the subsets in random orders; return the best filling, or None when a subset stays empty.

    Args:
        blank: the division before any image: its guard, and cost and words of what is given up already.
    """
    gap = blank.guard
    if len(tied) < sum(fraction > 0 for fraction in fractions):
        return None
    rng = random.Random(seed)
    sizes = [sum(len(cut[position].stems) for position in group) for group in tied]
    order = list(range(len(tied)))
    candidates: dict[tuple[int, ...], float] = {}
    for _ in range(max(8, min(400, _TRIES // len(cut)))):
        rng.shuffle(order)
        filling = _fill(order, sizes, fractions)
        if filling not in candidates:
            candidates[filling] = _rough_cost(cut, tied, filling, fractions, gap, len(pairs))
    best: Division | None = None
    for filling in sorted(candidates, key=lambda key: (candidates[key], key))[:12]:
        subset = {
            stem: filling[number]
            for number, group in enumerate(tied)
            for position in group
            for stem in cut[position].stems
        }
        if gap > 0:
            kept: dict[str, int] = {}
            for chain in chains([pair.stem for pair in pairs], gap):
                kept |= guarded(subset, chain, gap)
            subset = kept
        subset, said = without_near(subset, near)
        cost = blank.cost + _cost(pairs, subset, fractions)
        if best is None or cost < best.cost:
            best = Division(subset, gap, cost, blank.given_up + said)
    return best if best is not None and math.isfinite(best.cost) else None


def _fill(order: Sequence[int], sizes: Sequence[int], fractions: Sequence[float]) -> tuple[int, ...]:
    """Give each group, in turn, to the subset that lacks the largest share of its target."""
    total = sum(sizes)
    filled = [0.0, 0.0, 0.0]
    filling = [0] * len(order)
    for group in order:
        lack = [
            1 - filled[each] / (fraction * total) if fraction > 0 else -math.inf
            for each, fraction in enumerate(fractions)
        ]
        chosen = max(range(3), key=lambda each: lack[each])
        filling[group] = chosen
        filled[chosen] += sizes[group]
    return tuple(filling)


def _rough_cost(
    cut: Sequence[Piece],
    tied: Sequence[Sequence[int]],
    filling: Sequence[int],
    fractions: Sequence[float],
    gap: int,
    total: int,
) -> float:
    """Cost of sizes and borders alone, without touching single images."""
    chosen = [0] * len(cut)
    for number, group in enumerate(tied):
        for position in group:
            chosen[position] = filling[number]
    counts = [0, 0, 0]
    for position, piece in enumerate(cut):
        counts[chosen[position]] += len(piece.stems)
    borders = sum(
        first.chain == second.chain and chosen[position] != chosen[position + 1]
        for position, (first, second) in enumerate(pairwise(cut))
    )
    sizes = sum(abs(count / total - fraction) for count, fraction in zip(counts, fractions, strict=True))
    return sizes + _DROPPED * borders * gap / total


def without_near(subset: dict[str, int], near: Near | None) -> tuple[dict[str, int], tuple[str, ...]]:
    """Drop near-duplicates across subsets: train images of val and test ones, then val images of test ones.

    They stay, and words say so, where that would take more than a tenth of the set or half of the subset.
    """
    said: list[str] = []
    if near is None:
        return subset, ()
    for giving, others, names in ((0, (1, 2), "val or test"), (1, (2,), "test")):
        homes = np.array([subset.get(stem, -1) for stem in near.stems])
        first, second = near.couples.T
        leaking = np.concatenate(
            [
                first[(homes[first] == giving) & np.isin(homes[second], others)],
                second[(homes[second] == giving) & np.isin(homes[first], others)],
            ]
        )
        rows = np.flatnonzero(np.bincount(leaking, minlength=len(near.stems)))
        if len(rows) > min(_NEAR_DROP * len(near.stems), int((homes == giving).sum()) / 2):
            said.append(
                f"{len(rows)} {SUBSETS[giving]} image(s) are near-duplicates of {names} images and stay: "
                "without them too little would be left"
            )
            continue
        found = {near.stems[row] for row in rows}
        subset = {stem: number for stem, number in subset.items() if stem not in found}
    return subset, tuple(said)


def _cost(pairs: PairSet, subset: dict[str, int], fractions: Sequence[float]) -> float:
    counts = Counter(subset.values())
    if any(fraction > 0 and counts[each] == 0 for each, fraction in enumerate(fractions)):
        return math.inf
    kept = max(1, len(subset))
    cost = sum(abs(counts[each] / kept - fraction) for each, fraction in enumerate(fractions))
    cost += _DROPPED * (1 - kept / len(pairs))
    objects = {name: [0, 0, 0] for name in pairs.classes}
    for pair in pairs:
        if pair.stem in subset:
            for box in pair.objects:
                objects[box.label][subset[pair.stem]] += 1
    present = {name for pair in pairs for name in {box.label for box in pair.objects}}
    for name in sorted(present):
        found = objects[name]
        if found[0] == 0:
            cost += _NO_TRAIN
        if found[2] == 0 and fractions[2] > 0:
            cost += _NO_TEST
        if sum(found):
            mix = sum(abs(count / sum(found) - part) for count, part in zip(found, fractions, strict=True))
            cost += _MIX * mix / len(present)
    return cost
