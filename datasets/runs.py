"""Contiguous runs of images, and the groups of them that a split must not tear apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .leakage import numbered
from .records import Pair
from .similarity import Signatures

SCENE_BREAK = 0.4
"""Two successive images less similar than this show different scenes (frames of one scene reach 0.7)."""


@dataclass(frozen=True, eq=False)
class Near:
    """Near-duplicates of a set.

    Attributes:
        stems: stems of the set.
        couples: ``E x 2`` integers, positions in ``stems``; each couple once.
    """

    stems: tuple[str, ...]
    couples: NDArray[np.int32]


@dataclass(frozen=True)
class Block:
    """Successive images that stay together.

    Attributes:
        stems: stems, in the order of their numbers.
        chain: number of the gapless chain of images that the block was cut from.
    """

    stems: tuple[str, ...]
    chain: int


def chains(pairs: Sequence[Pair], reach: int) -> list[list[Pair]]:
    """Return the pairs in gapless chains: successive numbers at most ``reach`` apart, same name around them.

    A pair whose stem has no number is a chain of its own.
    """
    keyed = [(numbered(pair.stem), pair) for pair in pairs]
    order = sorted(
        ((key[0], key[2], key[1], pair.stem, pair) for key, pair in keyed if key is not None),
        key=lambda item: item[:4],
    )
    found: list[list[Pair]] = []
    last: tuple[str, str, int] | None = None
    for before, after, number, _, pair in order:
        if last is None or last[:2] != (before, after) or number - last[2] > max(1, reach):
            found.append([])
        found[-1].append(pair)
        last = (before, after, number)
    return found + [[pair] for key, pair in keyed if key is None]


def blocks(
    chained: Sequence[Sequence[Pair]], least: int, most: int, signatures: Signatures | None
) -> list[Block]:
    """Cut chains into blocks of ``least`` to ``most`` images.

    Cuts are made where the scene changes: by name (:attr:`Pair.scene`) or, with signatures, by content.
    Only a longer stretch without any change is cut inside, where its content changes most.
    """
    found = []
    for number, chain in enumerate(chained):
        breaks, weakness = _breaks(chain, signatures)
        start = 0
        while len(chain) - start >= 2 * least:
            window = range(start + least, min(start + most, len(chain) - least) + 1)
            changes = [position for position in window if position in breaks]
            if changes:
                cut = changes[0]
            elif len(chain) - start > most:
                parts = -(-(len(chain) - start) // most)
                even = start + -(-(len(chain) - start) // parts)
                near = [position for position in window if abs(position - even) <= most // 4] or [even]
                cut = max(near, key=lambda position: (weakness[position], -abs(position - even)))
            else:
                break
            found.append(Block(tuple(pair.stem for pair in chain[start:cut]), number))
            start = cut
        found.append(Block(tuple(pair.stem for pair in chain[start:]), number))
    return found


def groups(
    found: Sequence[Block], near: Near | None, *, within_chains: bool, across_chains: bool
) -> list[list[int]]:
    """Return the blocks in groups that must not be divided, as lists of positions.

    Args:
        found: the blocks.
        near: near-duplicates of the set; without them every block is a group of its own.
        within_chains: whether near-duplicates tie blocks of the same chain together.
        across_chains: whether near-duplicates tie blocks of different chains together.
    """
    parent = list(range(len(found)))

    def root(position: int) -> int:
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    if near is not None and (within_chains or across_chains):
        place = {stem: position for position, block in enumerate(found) for stem in block.stems}
        home = np.array([place[stem] for stem in near.stems], dtype=np.int64)
        chain = np.array([block.chain for block in found])
        linked = np.zeros((len(found), len(found)), dtype=bool)
        linked[home[near.couples[:, 0]], home[near.couples[:, 1]]] = True
        for one, two in np.argwhere(linked):
            if one != two and (within_chains if chain[one] == chain[two] else across_chains):
                parent[root(int(one))] = root(int(two))
    members: dict[int, list[int]] = {}
    for position in range(len(found)):
        members.setdefault(root(position), []).append(position)
    return list(members.values())


def _breaks(chain: Sequence[Pair], signatures: Signatures | None) -> tuple[set[int], list[float]]:
    """Return the positions where a new scene starts, and how unlike its predecessor each image is."""
    weakness = [0.0] * len(chain)
    breaks = {at for at in range(1, len(chain)) if chain[at].scene != chain[at - 1].scene}
    if signatures is not None and len(chain) > 1:
        vectors = signatures.vectors[signatures.rows([pair.stem for pair in chain])]
        similar = np.einsum("nmd,nmd->nm", vectors[1:], vectors[:-1]).min(axis=1)
        weakness[1:] = [float(1 - value) for value in similar]
        breaks |= {at + 1 for at, value in enumerate(similar) if value < SCENE_BREAK}
    return breaks, weakness
