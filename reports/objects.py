"""Counts of objects behind the verdict and the tables: one class called another, fixed and broken."""

from __future__ import annotations

from .context import Context
from .differences import HEADLINE_POINT, Difference
from .results import Results

FIRST, SECOND = "truck", "car"


def chosen_pairs(results: Results, most: int = 3) -> tuple[tuple[str, str], ...]:
    """The unordered pairs of classes to look at, the first one being the report's example.

    Truck and Car come first when the data set has both; then the pairs that are confused most often by top
    label over all sources and protocols, the first of equals in class order. Pairs never confused are left
    out, but for the first.
    """
    names = {name.lower(): name for name in results.classes}
    pairs = [(names[FIRST], names[SECOND])] if FIRST in names and SECOND in names else []
    frame = results.table("misclassifications")
    if frame is None or frame.empty:
        return tuple(pairs[:most]) if frame is not None else ()
    frame = frame[frame["operating_point"] == HEADLINE_POINT]
    order = {name: index for index, name in enumerate(results.classes)}
    totals: dict[tuple[str, str], float] = {}
    for true, predicted, count in zip(frame["true"], frame["predicted"], frame["top_label"], strict=True):
        first, second = sorted(
            (str(true), str(predicted)), key=lambda name: (order.get(name, len(order)), name)
        )
        totals[first, second] = totals.get((first, second), 0.0) + float(count)
    ranked = sorted(totals, key=lambda pair: (-totals[pair], *(order.get(name, 0) for name in pair), pair))
    known = {frozenset(pair) for pair in pairs}
    ranked = [pair for pair in ranked if frozenset(pair) not in known]
    pairs += [pair for pair in ranked if totals[pair] > 0 or not pairs]
    return tuple(pairs[:most])


def called(
    context: Context, protocol: str, true: str, predicted: str, point: str = HEADLINE_POINT
) -> dict[str, dict[str, float]]:
    """Objects of class ``true`` called ``predicted``: ``top_label``, ``same_class_first``, ``objects``."""
    return context.means(
        "misclassifications", protocol, operating_point=point, true=true, predicted=predicted
    )


def called_gap(context: Context, protocol: str, source: str, true: str, predicted: str) -> Difference | None:
    """Difference of the rate of ``true`` called ``predicted`` by top label at the headline point."""
    return context.gap(protocol, source, "misclassification", f"{true}>{predicted}", HEADLINE_POINT)


def balances(
    context: Context, protocol: str, point: str = HEADLINE_POINT, label: str = "all"
) -> dict[str, dict[str, float]]:
    """Fixed and broken objects against the reference by source, with precision and false alarms of both."""
    where = {"operating_point": point, "class": label, "reference": context.results.reference}
    return context.means("balance", protocol, **where)
