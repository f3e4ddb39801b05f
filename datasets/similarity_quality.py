"""What the word near-duplicate is worth: recall and false positives on couples whose truth is known.

Recall: couples of the same contiguous scene of M3FD (27 pairs, scenes by TarDAL's published index ranges), by
how many numbers lie between them; few couples, and most of one scene. A frame's neighbour is usually met, a
frame some seconds later seldom. False positives: couples that cannot show one scene. With none found among
95,143, a set of 8.8 million couples such as M3FD's can still hold hundreds. Intervals: Wilson's, 95 %.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .similarity import THRESHOLD


@dataclass(frozen=True)
class Measured:
    """How many of some couples count as near-duplicates.

    Attributes:
        couples: which couples.
        found: number of them that reach the threshold.
        of: number of them.
        low: lower end of the 95 % interval of the share.
        high: upper end.
    """

    couples: str
    found: int
    of: int
    low: float
    high: float


RECALL = (
    Measured("M3FD, same scene, numbers 1 apart", 5, 6, 0.436, 0.97),
    Measured("M3FD, same scene, numbers 2 apart", 4, 5, 0.376, 0.964),
    Measured("M3FD, same scene, numbers 3 apart", 2, 3, 0.208, 0.939),
    Measured("M3FD, same scene, numbers 4 to 10 apart", 2, 8, 0.071, 0.591),
    Measured("M3FD, same scene, numbers 11 to 60 apart", 3, 13, 0.082, 0.503),
)
FALSE_POSITIVES = (
    Measured("different sets (M3FD, MSRS, RoadScene, FLIR, LLVIP, TNO)", 0, 72_579, 0.0, 0.000053),
    Measured("M3FD, different scenes", 0, 316, 0.0, 0.012),
    Measured("MSRS, numbers 100 or more apart, or day against night", 0, 21_491, 0.0, 0.00018),
    Measured("FLIR, numbers 100 or more apart", 0, 757, 0.0, 0.0051),
)


def near_duplicate_quality() -> dict[str, Any]:
    """Return the measurements as plain JSON-serialisable values."""
    return {
        "threshold": THRESHOLD,
        "recall": [asdict(each) for each in RECALL],
        "false_positives": [asdict(each) for each in FALSE_POSITIVES],
    }


def in_words() -> str:
    """Return the measurements in one sentence."""
    near = [each for each in RECALL if each.couples.endswith(("1 apart", "2 apart", "3 apart"))]
    found, of = sum(each.found for each in near), sum(each.of for each in near)
    wrong, apart = sum(each.found for each in FALSE_POSITIVES), sum(each.of for each in FALSE_POSITIVES)
    later = RECALL[-1]
    return (
        "near-duplicate means near-identical framing: measured on real couples, it meets "
        f"{found} of {of} at most 3 numbers apart in one scene and {later.found} of {later.of} farther apart "
        f"({later.couples.rpartition('numbers ')[2].removesuffix(' apart')}), "
        f"and {wrong} of {apart:,} that show different scenes"
    )
