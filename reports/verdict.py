"""The verdict: two sentences with numbers, and no more certainty than the numbers give."""

from __future__ import annotations

from .changes import change_counts
from .context import METRIC_TITLES, Context
from .numbers import defined, interval, mean_count, plural, points, signed_points
from .scores import FEW_BLOCKS, HEADLINE, REFERENCE, SourceScore, best_source, interval_blocks
from .swaps import chosen_pair, swap_rate

FEW_IMAGES = 50
_LEAD = {"retrained": "With a detector retrained per source", "frozen": "With one frozen detector"}


def make_verdict(context: Context) -> tuple[str, str]:
    """Say which source scores best and by how much, then what changed for objects."""
    return _scores_sentence(context) + _seen_clause(context), _objects_sentence(context)


def _scores_sentence(context: Context) -> str:
    protocol = context.headline_protocol
    best, visible, closest = context.best(protocol), context.visible(protocol), context.closest(protocol)
    lead = _LEAD.get(protocol, f"Under the protocol {protocol}")
    if best is None:
        if context.finished(protocol):
            return f"{lead}, no score is defined: the test set has no objects that could be found."
        return f"{lead}, no source could be evaluated: all of them failed."
    images, objects = context.results.extent()
    few = "only " if images < FEW_IMAGES else ""
    where = f"on {few}{plural(images, 'test image')} with {plural(objects, 'object')}"
    score = f"{points(best.value())} {METRIC_TITLES[HEADLINE]} (AP points)"
    number = len(context.finished(protocol))
    if _nothing_found(context):
        return (
            f"{lead}, every source scores 0.0 mAP50 {where}: no detector found anything, so none is better."
        )
    if number == 1:
        return (
            f"{lead}, {best.title} scores {score} {where}; no other source was evaluated to compare it with."
        )
    if visible is None:
        return (
            f"{lead}, {best.title} scores highest of {number} sources, {score} {where}; visible-only has no "
            "result, so nothing is said about what fusion adds."
        )
    if best.source == REFERENCE and closest is not None:
        return (
            f"{lead}, no source scores higher than visible-only, {score} {where}; the closest is "
            f"{closest.title}, {signed_points(closest.delta.get(HEADLINE))}: {_certainty(context, closest)}."
        )
    fused = best_source(context.fused(protocol))
    ahead = ""
    if fused is not None and fused.source != best.source and best not in context.fused(protocol):
        level = "level with" if points(fused.value()) == points(best.value()) else "ahead of"
        ahead = f", {level} the best fused source, {fused.title}, at {points(fused.value())}"
    return (
        f"{lead}, {best.title} scores highest of {number} sources, {score} {where}{ahead}; against "
        f"visible-only that is {signed_points(best.delta.get(HEADLINE))}: {_certainty(context, best)}."
    )


def _seen_clause(context: Context) -> str:
    """Return a sentence when the best source owes its place to images that it may have seen in training."""
    best = context.best(context.headline_protocol)
    known = context.results.contamination.get(best.source, "") if best is not None else ""
    if best is None or not known or _nothing_found(context):
        return ""
    return f" But {best.title} may have seen these images before: {known}."


def _nothing_found(context: Context) -> bool:
    best = context.best(context.headline_protocol)
    return best is not None and points(best.value()) == points(0.0)


def _certainty(context: Context, score: SourceScore) -> str:
    """What is known about the difference of ``score`` to visible-only."""
    seeds = "one seed" if score.seeds == 1 else f"the mean of {score.seeds} seeds"
    bounds = score.interval.get(HEADLINE)
    if bounds is None or not defined(score.delta.get(HEADLINE)):
        return f"it comes from {seeds} and has no interval, so chance is not ruled out"
    low, high = bounds
    blocks = interval_blocks(context.results, context.headline_protocol)
    if blocks is not None and blocks < FEW_BLOCKS:
        seeds += f" and only {plural(blocks, 'block')} of images, too few to be sure of the interval"
    shown = f"the 95 % interval, {interval(low, high)},"
    if low <= 0 <= high:
        return f"{shown} includes zero, so this is no established difference (from {seeds})"
    return f"{shown} excludes zero (from {seeds})"


def _objects_sentence(context: Context) -> str:
    protocol = context.headline_protocol
    visible, rival = context.visible(protocol), context.rival(protocol)
    if _nothing_found(context):
        return "Nothing can be said of single objects; train the detectors longer or start from a checkpoint."
    if visible is None or rival is None:
        return "What fusion changes for single objects cannot be said: there is nothing to compare."
    parts = [part for part in (_swap_part(context, rival), _change_part(context, rival)) if part]
    if not parts:
        return f"What {rival.title} changes for single objects is not stored in this run."
    average = " (means over seeds)" if context.several(protocol) else ""
    return f"For single objects{average}: {'; '.join(parts)}."


def _swap_part(context: Context, rival: SourceScore) -> str:
    pair = chosen_pair(context.results)
    if pair is None:
        return ""
    clauses = []
    for true, predicted in (pair, pair[::-1]):
        before = swap_rate(context.results, context.headline_protocol, REFERENCE, true, predicted)
        after = swap_rate(context.results, context.headline_protocol, rival.source, true, predicted)
        if before is None or after is None:
            return ""
        if not after.objects:
            clauses.append(f"the test set has no {true} to be called {predicted}")
            continue
        clauses.append(
            f"{true} is called {predicted} for {mean_count(before.count)} of {after.objects} with "
            f"visible-only and {mean_count(after.count)} with {rival.title}"
        )
    return ", and ".join(clauses)


def _change_part(context: Context, rival: SourceScore) -> str:
    counts = change_counts(context.results, context.headline_protocol, rival.source)
    if counts is None:
        return ""
    return (
        f"in all, {rival.title} gets {mean_count(counts.fixed)} right that visible-only gets wrong, and "
        f"{mean_count(counts.broken)} wrong that visible-only gets right"
    )
