"""What a reader of the tables must know before trusting them, one line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from .detector import Detector, DetectorScore
from .load import MOST_BLOCKS
from .matching import MOST_PER_CLASS
from .records import TEST, VALIDATION, GroundTruth
from .resample import LEAST_BLOCKS

_LISTED = 5
_MANY_BLOCKS = 0.5  # blocks per image from which the blocks are likely no blocks


def find_warnings(
    scores: Mapping[Detector, DetectorScore],
    truths: Mapping[str, GroundTruth],
    without_val: Mapping[tuple[str, int], Sequence[str]],
    leftovers: Sequence[Detector],
    reference: str,
) -> Iterator[str]:
    """Yield the warnings of an evaluation, in a fixed order.

    Args:
        scores: result of each detector.
        truths: ground truth of each split.
        without_val: protocol and seed -> sources without predictions on val.
        leftovers: detectors that failed but have predictions.
        reference: source that the others are compared with.
    """
    for split, truth in truths.items():
        yield from _about_truth(split, truth)
    for detector in leftovers:
        yield f"{'/'.join(map(str, detector))} failed; the predictions it left behind are not used"
    for (protocol, seed), sources in without_val.items():
        yield (
            f"{protocol}, seed {seed}: no predictions on {VALIDATION} for {_some(sources)}, so thresholds "
            f"and temperatures are chosen on {TEST} itself; counts at operating points are somewhat too good"
        )
    messages = [message for score in scores.values() for message in score.warnings]
    yield from messages[:_LISTED]
    if len(messages) > _LISTED:
        yield f"{len(messages) - _LISTED} more detectors have warnings of this kind"
    tested = {(p, seed, source) for (p, source, seed), score in scores.items() if score.quantities}
    for protocol, seed in sorted({(p, seed) for p, seed, _ in tested}):
        if (protocol, seed, reference) in tested:
            continue
        if any(p == protocol and source == reference for p, _, source in tested):
            yield (
                f"{protocol}, seed {seed}: no test result of {reference!r}; another of its seeds sets the "
                "operating points, and no objects are counted as fixed or broken there"
            )
        else:
            yield (
                f"{protocol}, seed {seed}: no test result of {reference!r}, so nothing is compared with it, "
                "and every source is looked at where its own F1 is best, which is not comparable"
            )


def _about_truth(split: str, truth: GroundTruth) -> Iterator[str]:
    if not truth.objects:
        yield f"{split} has no objects at all; every mAP on it is undefined"
        return
    absent = [name for name, n in zip(truth.classes, truth.objects_per_class(), strict=True) if not n]
    if absent:
        yield f"{split} has no object of {', '.join(absent)}; their AP is undefined and left out of the mAP"
    crowded = int(np.count_nonzero((truth.positives() > MOST_PER_CLASS).any(axis=1)))
    if crowded:
        yield (
            f"{split}: {crowded} image(s) have more than {MOST_PER_CLASS} objects of a class; COCO's mAP "
            f"counts the {MOST_PER_CLASS} most confident predictions of a class in an image, so it cannot "
            "reach 1"
        )
    if truth.block_origin == "numbers":
        yield (
            f"{split}: the ground truth names no blocks of dependent images; images with successive numbers "
            f"are taken for one block ({len(truth.blocks)} blocks of {len(truth.images)} images). If frames "
            "of one scene have gaps in their numbers, intervals are too narrow: give a list of blocks"
        )
    if truth.block_origin == "images" and split == VALIDATION:
        yield (
            f"{split} has fewer than {LEAST_BLOCKS} blocks of images, so how sure thresholds are is judged "
            "by single images; intervals at operating points may be too narrow"
        )
    if len(truth.blocks) > MOST_BLOCKS:
        yield (
            f"{split} has {len(truth.blocks)} blocks of images; for resampling, neighbours are joined until "
            f"there are {MOST_BLOCKS}"
        )
    if split != TEST:
        return
    if len(truth.blocks) < LEAST_BLOCKS:
        yield f"{split} has {len(truth.blocks)} block(s) of images; intervals need at least {LEAST_BLOCKS}"
    elif len(truth.blocks) > _MANY_BLOCKS * len(truth.images) and truth.block_origin != "given":
        yield (
            f"{split} has {len(truth.blocks)} blocks for {len(truth.images)} images: nearly every image "
            "counts as independent of all others. That holds for scattered photographs, not for "
            "frames of a video"
        )


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(names[:_LISTED])
    return listed if len(names) <= _LISTED else f"{listed} and {len(names) - _LISTED} more"
