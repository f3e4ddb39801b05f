"""What a reader of the tables must know before trusting them, one line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from .records import TEST, VALIDATION, GroundTruth
from .scoring import DetectorScore
from .threshold import FALLBACK

_FEW_BLOCKS = 5
_LISTED = 5


def find_warnings(
    scores: Mapping[tuple[str, str, int], DetectorScore],
    truths: Mapping[str, GroundTruth],
    intervals: pd.DataFrame,
    leftovers: Sequence[tuple[str, str, int]],
    reference: str,
) -> Iterator[str]:
    """Yield the warnings of an evaluation, in a fixed order.

    Args:
        scores: result of each detector (protocol, source, seed).
        truths: ground truth of each split.
        intervals: table of bootstrap intervals.
        leftovers: detectors that failed but have predictions.
        reference: source that the others are compared with.
    """
    for split, truth in truths.items():
        yield from _about_truth(split, truth)
    for detector in leftovers:
        yield f"{_name(detector)} failed; the predictions it left behind are not used"
    for detector, score in scores.items():
        for split, result in score.splits.items():
            if not len(result.predictions):
                yield f"{_name(detector)} predicts nothing on {split}"
    reasons: dict[str, list[str]] = {}
    for detector, score in scores.items():
        if score.threshold.warning:
            reasons.setdefault(score.threshold.warning, []).append(_name(detector))
    for reason, names in reasons.items():
        yield f"threshold {FALLBACK} is used for {_some(names)}, not the best F1 on {VALIDATION}: {reason}"
    tested = {(p, seed, source) for (p, source, seed), score in scores.items() if TEST in score.splits}
    for protocol, seed in sorted({(p, seed) for p, seed, _ in tested}):
        if (protocol, seed, reference) not in tested:
            yield f"{protocol}, seed {seed}: no test result of {reference!r}, so nothing is compared with it"
    if len(intervals) and int(intervals.blocks.min()) < _FEW_BLOCKS:
        blocks = int(intervals.blocks.min())
        yield f"{TEST} has {blocks} scene block(s); intervals need many more to be trusted"


def _about_truth(split: str, truth: GroundTruth) -> Iterator[str]:
    if not truth.objects:
        yield f"{split} has no objects at all; every mAP on it is undefined"
        return
    absent = [name for name, n in zip(truth.classes, truth.objects_per_class(), strict=True) if not n]
    if absent:
        yield f"{split} has no object of {', '.join(absent)}; their AP is undefined and left out of the mAP"


def _name(detector: tuple[str, str, int]) -> str:
    protocol, source, seed = detector
    return f"{protocol}/{source}/seed{seed}"


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(names[:_LISTED])
    return listed if len(names) <= _LISTED else f"{listed} and {len(names) - _LISTED} more"
