"""One class taken for another: the pair of classes that the report looks at, and its counts."""

from __future__ import annotations

from dataclasses import dataclass

from .numbers import wilson
from .results import Results

FIRST, SECOND = "truck", "car"


@dataclass(frozen=True)
class SwapRate:
    """How often objects of one class were called another, in one source.

    Attributes:
        count: objects called the other class; a mean when there are several seeds.
        objects: objects of the true class in the test set.
        low: lower end of Wilson's 95 % interval of the rate.
        high: upper end.
    """

    count: float
    objects: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Share of the objects, NaN when there are none."""
        return self.count / self.objects if self.objects else float("nan")


def chosen_pair(results: Results) -> tuple[str, str] | None:
    """The two classes to compare: Truck and Car when the data set has both.

    Otherwise the unordered pair with the most swaps over all sources and protocols (the first of equals
    in class order); None when there are fewer than two classes or no table.
    """
    names = {name.lower(): name for name in results.classes}
    if FIRST in names and SECOND in names:
        return names[FIRST], names[SECOND]
    frame = results.table("swaps")
    if frame is None or frame.empty:
        return None
    order = {name: index for index, name in enumerate(results.classes)}
    totals: dict[tuple[str, str], float] = {}
    for true, predicted, count in zip(frame["true"], frame["predicted"], frame["count"], strict=True):
        first, second = sorted((true, predicted), key=lambda name: (order.get(name, len(order)), name))
        totals[first, second] = totals.get((first, second), 0.0) + float(count)
    return min(totals, key=lambda pair: (-totals[pair], order.get(pair[0], 0), order.get(pair[1], 0), pair))


def swap_rate(results: Results, protocol: str, source: str, true: str, predicted: str) -> SwapRate | None:
    """Objects of class ``true`` that ``source`` called ``predicted``; None when nothing is stored.

    With several seeds the count is the mean over them and the interval is Wilson's for that mean and the
    number of objects of one seed: the same objects seen by several detectors are not more objects.
    """
    frame = results.table("swaps", protocol)
    if frame is None:
        return None
    rows = frame[(frame["source"] == source) & (frame["true"] == true) & (frame["predicted"] == predicted)]
    if rows.empty:
        return None
    count, objects = float(rows["count"].mean()), int(rows["objects"].max())
    if not objects:
        return SwapRate(count, 0, float("nan"), float("nan"))
    return SwapRate(count, objects, *wilson(count, objects))
