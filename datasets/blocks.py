"""Blocks: images that are not independent of one another, for every kind of split and over the whole set.

A block is one contiguous scene. Stems that end in successive numbers form a chain; the chain is broken into
stretches where the scene changes, by its name (:attr:`Pair.scene`) where there is one, else by content where
there are signatures. Stretches that show near-identical framing, or bear the same name, are merged.

A standing camera, or numbers that run through a set of which nothing else is known, would make one block of
everything: an unnamed stretch of more than :data:`LONGEST` numbers is cut at its weakest points, and merging
stops at :data:`LONGEST` images. Images on both sides of such a cut are not independent, so it is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .records import Pair

if TYPE_CHECKING:
    from .similarity import Near, Signatures

LONGEST = 250
"""Numbers that an unnamed stretch may span before it is cut (M3FD's longest contiguous scene has 208)."""
SCENE_BREAK = 0.4
"""A scene changes where no image just before resembles one just after by that much (frames reach 0.7)."""
_WINDOW = 3  # images looked at before and after: one odd frame is no change of scene
_MANY = 20  # images from which it is odd that most are blocks of their own
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)
_REACH, _FARTHEST = 5, 20  # numbers apart that images of a chain may be: least, and most in sparse sets


@dataclass(frozen=True)
class Blocks:
    """The blocks of a set.

    Attributes:
        block: stem -> name of its block.
        stretch: stem -> number of the unbroken stretch it belongs to, before cuts for length and merging.
        notes: what keeps the blocks from being independent, in words.
    """

    block: dict[str, str]
    stretch: dict[str, int]
    notes: tuple[str, ...] = ()


def blocks_by_number(stems: Iterable[str]) -> dict[str, str]:
    """Return stem -> name of its block by numbers alone, for images of which nothing else is known.

    Where the stems are an interleaved part of a set, the gaps between their numbers are wide everywhere and
    prove nothing, so that wider ones are bridged. The blocks are then coarser than scenes rather than finer.
    """
    everything = sorted(stems)
    return _assembled(*_stretches(everything, {}, None), {}, None).block


def find_blocks(
    pairs: Iterable[Pair], signatures: Signatures | None = None, near: Near | None = None
) -> Blocks:
    """Find the blocks of a set.

    Args:
        pairs: the whole set: what lies between two images tells whether they belong together.
        signatures: of all pairs; without them only numbers and named scenes tell.
        near: near-duplicates of the set, where they are at hand; default: found from the signatures.
    """
    scenes = {pair.stem: pair.scene for pair in pairs}
    if near is None and signatures is not None:
        from .similarity import near_duplicates  # evaluation finds blocks by numbers, without OpenCV

        near = near_duplicates(signatures)
    return _assembled(*_stretches(sorted(scenes), scenes, signatures), scenes, near)


def numbered(stem: str) -> tuple[str, int, str] | None:
    """Split a stem into what stands before, in and after its last number; None without a number.

    Only stems that agree before and after can be neighbours: ``FLIR_00018`` and ``FLIR_00019``.
    """
    found = _NUMBERED.fullmatch(stem)
    return (found[1], int(found[2]), found[3]) if found else None


def chains(stems: Iterable[str], reach: int | None = None) -> list[list[str]]:
    """Return the stems in chains: the same text around numbers that are at most ``reach`` apart.

    Args:
        stems: the stems; one without a number is a chain of its own.
        reach: greatest difference of successive numbers; default: four times the usual one, at least 5 (a
            few frames that were sorted out) and at most 20.
    """
    series: dict[tuple[str, str], list[tuple[int, str]]] = {}
    found = []
    for stem in sorted(stems):
        key = numbered(stem)
        if key is None:
            found.append([stem])
        else:
            series.setdefault((key[0], key[2]), []).append((key[1], stem))
    for members in (sorted(series[key]) for key in sorted(series)):
        gaps = [second[0] - first[0] for first, second in pairwise(members)]
        usual = 4 * median_low(gaps) if gaps else 0
        far = min(max(_REACH, usual), _FARTHEST) if reach is None else max(1, reach)
        found.append([members[0][1]])
        for gap, (_, stem) in zip(gaps, members[1:], strict=True):
            if gap > far:
                found.append([])
            found[-1].append(stem)
    return found


def scene_changes(
    chain: Sequence[str], scenes: dict[str, str | None], signatures: Signatures | None
) -> tuple[set[int], list[float]]:
    """Find where a new scene starts in a chain.

    Args:
        chain: stems in the order of their numbers.
        scenes: stem -> name of the scene; None or missing where it has none.
        signatures: of the chain; without them only names tell.

    Returns:
        The positions of first images of scenes, and for every position how unlike the images before and
        after it are, 0..2 (0 without signatures).
    """
    names = [scenes.get(stem) for stem in chain]
    breaks = {at for at in range(1, len(chain)) if names[at] != names[at - 1]}
    if signatures is None or len(chain) < 2:
        return breaks, [0.0] * len(chain)
    rows = signatures.rows(chain)
    similar = np.full(len(chain), -1.0)
    for lag in range(1, 2 * _WINDOW):
        values = signatures.couples(rows[:-lag], rows[lag:])
        for before in range(max(1, lag - _WINDOW + 1), min(lag, _WINDOW) + 1):
            at = np.arange(len(values)) + before  # the image `lag - before` places after it is compared
            similar[at] = np.maximum(similar[at], values)
    same = {at for at in range(1, len(chain)) if names[at] is not None and names[at] == names[at - 1]}
    breaks |= {at for at in range(1, len(chain)) if similar[at] < SCENE_BREAK} - same
    return breaks, [0.0, *(round(1 - float(value), 3) for value in similar[1:])]


def connected(
    sizes: Sequence[int], links: Iterable[tuple[int, int]], most: int | None = None
) -> tuple[list[int], int]:
    """Join linked items into groups, in the order of the links.

    Args:
        sizes: images in each item.
        links: positions of two items that belong together.
        most: images in a group beyond which a link is refused; None: no limit.

    Returns:
        For each item the first item of its group, and the number of refused links.
    """
    parent, held, refused = list(range(len(sizes))), list(sizes), 0

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for one, two in links:
        first, second = sorted((root(one), root(two)))
        if first == second:
            continue
        if most is not None and held[first] + held[second] > most:
            refused += 1
            continue
        parent[second] = first
        held[first] += held[second]
    return [root(item) for item in range(len(sizes))], refused


def links_between(home: NDArray[np.int64], couples: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Return the couples of different items, each once, that couples of images tie; sorted.

    Args:
        home: ``N`` positions of items, one per image.
        couples: ``E x 2`` positions of images.
    """
    ends = np.sort(home[couples.astype(np.int64)].reshape(-1, 2), axis=1)
    ends = np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)
    return [(int(one), int(two)) for one, two in ends]


def _stretches(
    stems: Sequence[str], scenes: dict[str, str | None], signatures: Signatures | None
) -> tuple[list[list[str]], list[list[float]]]:
    """Return the unbroken stretches, and how unlike its predecessors each of their images is."""
    found, unlike = [], []
    for chain in chains(stems):
        breaks, weakness = scene_changes(chain, scenes, signatures)
        borders = [0, *sorted(breaks), len(chain)]
        for start, end in pairwise(borders):
            found.append(chain[start:end])
            unlike.append(weakness[start:end])
    return found, unlike


def _assembled(
    stretches: Sequence[list[str]],
    unlike: Sequence[list[float]],
    scenes: dict[str, str | None],
    near: Near | None,
) -> Blocks:
    notes = []
    pieces: list[list[str]] = []
    origin: list[int] = []
    for number, (stretch, weakness) in enumerate(zip(stretches, unlike, strict=True)):
        starts = [0] if scenes.get(stretch[0]) is not None else _cuts(stretch, weakness)
        for start, end in zip(starts, [*starts[1:], len(stretch)], strict=True):
            pieces.append(stretch[start:end])
            origin.append(number)
    long = sum(origin[at] == origin[at - 1] for at in range(1, len(origin)))
    if long:
        notes.append(
            f"{long} cut(s) inside stretches of more than {LONGEST} numbers without a change of scene: the "
            "blocks on both sides are not fully independent"
        )
    stretch_of = {stem: number for number, stretch in enumerate(stretches) for stem in stretch}
    root, _ = connected([len(piece) for piece in pieces], _same_name(pieces, scenes))
    if near is not None:
        place = {stem: position for position, piece in enumerate(pieces) for stem in piece}
        home = np.array([place[stem] for stem in near.stems], dtype=np.int64)
        ties = [
            (root[one], root[two])
            for one, two in links_between(home, near.couples)
            if origin[one] != origin[two]  # not across a cut that was made for length
        ]
        sizes = np.bincount(root, [len(piece) for piece in pieces], len(pieces)).astype(int)
        merged, refused = connected(sizes.tolist(), ties, LONGEST)
        root = [merged[position] for position in root]
        if refused:
            notes.append(
                f"{refused} tie(s) of near-identical framing not followed, since the block would hold more "
                f"than {LONGEST} images: these blocks are not fully independent"
            )
    if len(stretch_of) >= _MANY and len(set(root)) > len(stretch_of) / 2:
        notes.append(
            f"{len(set(root))} blocks for {len(stretch_of)} images: hardly anything ties them; if they are "
            "frames of videos, name their scenes (dataset.conditions), else intervals come out too narrow"
        )
    names = [_name(piece, scenes) for piece in pieces]
    block = {stem: names[root[at]] for at, piece in enumerate(pieces) for stem in piece}
    return Blocks(block, stretch_of, tuple(notes))


def _same_name(pieces: Sequence[list[str]], scenes: dict[str, str | None]) -> list[tuple[int, int]]:
    first: dict[str, int] = {}
    links = []
    for position, piece in enumerate(pieces):
        scene = scenes.get(piece[0])
        if scene is not None:
            links.append((first.setdefault(scene, position), position))
    return links


def _cuts(stretch: Sequence[str], weakness: Sequence[float]) -> list[int]:
    """Return where the pieces of a stretch start, each of at most :data:`LONGEST` numbers."""
    keys = [numbered(stem) for stem in stretch]
    numbers = [key[1] if key is not None else 0 for key in keys]
    starts = [0]
    while (span := numbers[-1] + 1 - numbers[starts[-1]]) > LONGEST:
        first = numbers[starts[-1]]
        even = span / -(-span // LONGEST)
        window = [
            at
            for at in range(starts[-1] + 1, len(numbers))
            if numbers[at] - first >= even / 2 and numbers[at - 1] - first < LONGEST
        ]
        starts.append(
            max(
                window,
                key=lambda at: (
                    weakness[at],
                    numbers[at] - numbers[at - 1],
                    -abs(numbers[at] - first - even),
                ),
            )
        )
    return starts


def _name(piece: Sequence[str], scenes: dict[str, str | None]) -> str:
    scene = scenes.get(piece[0])
    if scene is not None:
        return scene
    return piece[0] if len(piece) == 1 else f"{piece[0]}..{piece[-1]}"
