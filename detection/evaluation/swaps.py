"""Which class is taken for which, in both directions, as a rate with its uncertainty."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from .records import BACKGROUND

COLUMNS: Final = (
    "protocol", "source", "seed", "split", "true", "predicted", "count", "objects", "rate", "low", "high",
)  # fmt: skip
_DETECTOR = ["protocol", "source", "seed", "split"]
# The pair that the method's authors argue with; compared without regard to case.
_ALWAYS = (("truck", "car"), ("car", "truck"))
_Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


def wilson(count: int, objects: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a proportion (JASA 22, 1927); NaN without objects."""
    if not objects:
        return math.nan, math.nan
    rate, z2 = count / objects, _Z95**2
    centre = (rate + z2 / (2 * objects)) / (1 + z2 / objects)
    half = _Z95 * math.sqrt(rate * (1 - rate) / objects + z2 / (4 * objects**2)) / (1 + z2 / objects)
    # At the ends the formula gives 0 and 1 exactly, floating point almost.
    return (0.0 if count == 0 else centre - half), (1.0 if count == objects else centre + half)


def swaps_table(confusion: pd.DataFrame) -> pd.DataFrame:
    """Return ordered pairs of classes with how often the first is taken for the second.

    Listed for every detector of a protocol and split: truck as car and car as truck when those classes exist,
    and each pair that any of these detectors confuses at least once, the most frequent first; so that a zero
    of one source stands beside the count of another.

    Args:
        confusion: table of :func:`confusion.confusion_table` for any number of detectors.
    """
    rows = []
    for _, group in confusion.groupby(["protocol", "split"], sort=True):
        classes = group[(group.true != BACKGROUND) & (group.predicted != BACKGROUND)]
        swapped = classes[classes.true != classes.predicted].groupby(["true", "predicted"], sort=False)[
            "count"
        ]
        totals = swapped.sum().sort_values(ascending=False, kind="stable")
        always = [
            pair for wanted in _ALWAYS for pair in totals.index if tuple(map(str.lower, pair)) == wanted
        ]
        pairs = always + [pair for pair, total in totals.items() if total and pair not in always]
        for detector, matrix in group[group.true != BACKGROUND].groupby(_DETECTOR, sort=True):
            objects = matrix.groupby("true")["count"].sum()
            counts = matrix.set_index(["true", "predicted"])["count"]
            for true, predicted in pairs:
                count, of = int(counts[true, predicted]), int(objects[true])
                rate = count / of if of else math.nan
                rows.append((*detector, true, predicted, count, of, rate, *wilson(count, of)))
    return pd.DataFrame(rows, columns=list(COLUMNS))
