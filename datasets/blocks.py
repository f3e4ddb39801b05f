"""Blocks of images that are not independent of one another: the unit of resampling."""

from __future__ import annotations

from collections.abc import Sequence

from .leakage import numbered


def blocks_by_number(stems: Sequence[str]) -> dict[str, str]:
    """Return stem -> block: stems whose numbers follow each other without a gap share one."""
    keyed = sorted((key[0], key[2], key[1], stem) for stem in stems if (key := numbered(stem)))
    blocks = {stem: stem for stem in stems}
    last: tuple[str, str, int, str] | None = None
    for before, after, number, stem in keyed:
        if last is not None and last[:2] == (before, after) and number - last[2] <= 1:
            blocks[stem] = blocks[last[3]]
        last = (before, after, number, stem)
    return blocks
