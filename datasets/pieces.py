"""What the search for a split moves: pieces of chains, tied in groups, parted by a guard gap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .blocks import connected, links_between, numbered
from .similarity import Near


@dataclass(frozen=True)
class Piece:
    """Successive images that the search moves together.

    Attributes:
        stems: stems, in the order of their numbers.
        chain: number of the chain of images that the piece was cut from.
        scenes: names of the scenes in it.
    """

    stems: tuple[str, ...]
    chain: int
    scenes: frozenset[str] = frozenset()


def pieces(
    chained: Sequence[Sequence[str]],
    changes: Sequence[tuple[set[int], list[float]]],
    least: int,
    most: int,
    scenes: Mapping[str, str | None],
) -> list[Piece]:
    """Cut chains into pieces of ``least`` to ``most`` images.

    Cuts are made where the scene changes. Only a longer stretch without any change is cut inside, where its
    content changes most.

    Args:
        chained: stems of each chain, in the order of their numbers.
        changes: of each chain, see :func:`~regionfuse.datasets.blocks.scene_changes`.
        least: smallest piece, but for chains that are smaller.
        most: size from which a stretch without a change is cut.
        scenes: stem -> name of its scene.
    """

    def piece(stems: Sequence[str], chain: int) -> Piece:
        return Piece(tuple(stems), chain, frozenset(name for stem in stems if (name := scenes[stem])))

    found = []
    for number, (chain, (breaks, weakness)) in enumerate(zip(chained, changes, strict=True)):
        start = 0
        while len(chain) - start >= 2 * least:
            window = range(start + least, min(start + most, len(chain) - least) + 1)
            borders = [position for position in window if position in breaks]
            if borders:
                cut = borders[0]
            elif len(chain) - start > most:
                parts = -(-(len(chain) - start) // most)
                even = start + -(-(len(chain) - start) // parts)
                near = [position for position in window if abs(position - even) <= most // 4] or [even]
                cut = max(near, key=lambda position: (weakness[position], -abs(position - even)))
            else:
                break
            found.append(piece(chain[start:cut], number))
            start = cut
        found.append(piece(chain[start:], number))
    return found


def groups(
    found: Sequence[Piece], near: Near | None, *, within_chains: bool, across_chains: bool
) -> list[list[int]]:
    """Return the pieces in groups that must not be divided, as lists of positions.

    Args:
        found: the pieces.
        near: near-duplicates of the set; without them only named scenes tie.
        within_chains: whether near-duplicates and names tie pieces of the same chain together.
        across_chains: whether they tie pieces of different chains together.
    """
    links: list[tuple[int, int]] = []
    if near is not None:
        place = {stem: position for position, piece in enumerate(found) for stem in piece.stems}
        links += links_between(np.array([place[stem] for stem in near.stems], dtype=np.int64), near.couples)
    named: dict[str, int] = {}
    for position, piece in enumerate(found):
        links += [(named.setdefault(scene, position), position) for scene in sorted(piece.scenes)]
    kept = (
        (one, two)
        for one, two in links
        if (within_chains if found[one].chain == found[two].chain else across_chains)
    )
    root, _ = connected([len(piece.stems) for piece in found], kept)
    members: dict[int, list[int]] = {}
    for position, first in enumerate(root):
        members.setdefault(first, []).append(position)
    return list(members.values())


def guarded(subset: dict[str, int], order: Sequence[str], gap: int) -> dict[str, int]:
    """Drop images at borders until numbers of different subsets are more than ``gap`` apart.

    The larger subset gives way, which is nearly always train.

    Args:
        subset: stem -> subset.
        order: stems of one chain, in the order of their numbers.
        gap: width of the gap.
    """
    counts = Counter(subset.values())
    kept: list[tuple[int, str]] = []
    for stem in order:
        key = numbered(stem)
        if stem not in subset:
            continue
        number = key[1] if key is not None else 0
        mine = subset[stem]
        while kept and subset[kept[-1][1]] != mine and number - kept[-1][0] <= gap:
            theirs = subset[kept[-1][1]]
            if (counts[mine], -mine) > (counts[theirs], -theirs):
                mine = -1
                break
            counts[theirs] -= 1
            kept.pop()
        if mine >= 0:
            kept.append((number, stem))
        else:
            counts[subset[stem]] -= 1
    return {stem: subset[stem] for _, stem in kept}
