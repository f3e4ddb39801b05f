"""What one detector's results are reduced to: each quantity on all test images and without each block.

Intervals need no more than this (:mod:`.resample`), so the predictions of one detector are forgotten before
those of the next are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ...datasets.records import SIZES, VISIBILITIES, size_names
from .coco import T50, T75
from .curves import average_precision, leave_one_out, log_average_miss_rate, mean_over_classes
from .lrp import weighted_optimal_lrp
from .matching import Matches
from .operating import Thresholds
from .outcomes import Detections, margins, network_size_names
from .records import GroundTruth

ALL = "all"
_NONE = np.empty(0)


class Quantity(NamedTuple):
    """Names one number: what, on which part of the test set, at which operating point (empty: none)."""

    name: str
    stratum: str = ALL
    point: str = ""


@dataclass(frozen=True)
class Replicates:
    """A quantity of one detector.

    Attributes:
        value: on all test images; NaN if undefined.
        without: shape (B,), without each block of test images.
        sizes: shape (B,), weight of each block in the quantity: its objects, predictions or images.
        without_val: shape (V,), with what was chosen on val (a threshold, a temperature) chosen again without
            each block of val; empty where nothing was.
    """

    value: float
    without: np.ndarray
    sizes: np.ndarray
    without_val: np.ndarray = field(default_factory=lambda: _NONE)


@dataclass(frozen=True)
class Stratum:
    """A part of the test set.

    Attributes:
        name: e.g. ``condition:night``, ``visibility:infrared``, ``class_size:Car/small``.
        images: shape (I,), bool, images that belong to it.
        objects: shape (N,), bool, objects that belong to it; regions to ignore never do.
        predictions: shape (M,), bool, predictions that count as false alarms when they find no object.
    """

    name: str
    images: np.ndarray
    objects: np.ndarray
    predictions: np.ndarray


def strata(found: Detections, image_size: int | None) -> Iterator[Stratum]:
    """Yield the parts of the test set that have objects: classes, conditions, visibility, sizes.

    Of a part that is defined by image all predictions on those images count; of one that is defined by
    object, predictions that match other objects do not. False alarms have a size but no visibility, so they
    count in every part by visibility.

    Args:
        found: the detector on the split.
        image_size: longer side that the network sees, for sizes at its scale; None if unknown.
    """
    truth, predictions = found.truth, found.predictions
    real = ~truth.ignore
    every_image = np.ones(len(truth.images), dtype=bool)
    every_prediction = np.ones(len(predictions), dtype=bool)

    def part(name: str, objects: np.ndarray, shown: np.ndarray = every_prediction) -> Iterator[Stratum]:
        if (objects & real).any():
            yield Stratum(name, every_image, objects & real, shown)

    for c, name in enumerate(truth.classes):
        yield from part(f"class:{name}", truth.category == c, predictions.category == c)
    for tag in sorted({tag for image in truth.images for tag in image.tags}):
        images = np.array([tag in image.tags for image in truth.images])
        if (real & images[truth.image]).any():
            yield Stratum(f"condition:{tag}", images, real & images[truth.image], images[predictions.image])
    for kind in VISIBILITIES:
        yield from part(f"visibility:{kind}", truth.visibility == kind)
    area = predictions.boxes[:, 2] * predictions.boxes[:, 3]
    sizes, shown = size_names(truth.area), size_names(area)
    at_network = network_size_names(truth, truth.image, truth.area, image_size)
    shown_at_network = network_size_names(truth, predictions.image, area, image_size)
    for size in SIZES:
        yield from part(f"size:{size}", sizes == size, shown == size)
        yield from part(f"network_size:{size}", at_network == size, shown_at_network == size)
        for c, name in enumerate(truth.classes):
            yield from part(
                f"class_size:{name}/{size}",
                (sizes == size) & (truth.category == c),
                (shown == size) & (predictions.category == c),
            )


def detector_quantities(
    found: Detections,
    matches: Matches,
    points: Mapping[str, Thresholds],
    parts: list[Stratum],
    *,
    chosen_here: bool,
) -> dict[Quantity, Replicates]:
    """Return every quantity of one detector on the test images.

    Args:
        found: the detector on the split.
        matches: its COCO matching.
        points: thresholds of each operating point.
        parts: of :func:`strata`.
        chosen_here: the thresholds were chosen on these very images, for want of val.
    """
    truth = found.truth
    block, blocks = truth.block, len(truth.blocks)
    weights = leave_one_out(blocks)
    ap = average_precision(matches, block, weights)

    def of_parts(values: np.ndarray, objects: np.ndarray) -> Replicates:
        return Replicates(
            float(values[0]), values[1:], np.bincount(block[truth.image[objects]], minlength=blocks)
        )

    real = ~truth.ignore
    whole = {
        "mAP50": mean_over_classes(ap[:, :, T50]),
        "mAP75": mean_over_classes(ap[:, :, T75]),
        "mAP50_95": mean_over_classes(ap.mean(axis=2)),
        "log_average_miss_rate": log_average_miss_rate(matches, block, weights),
        "oLRP": mean_over_classes(weighted_optimal_lrp(matches, block, weights)),
    }
    result = {Quantity(name): of_parts(values, real) for name, values in whole.items()}
    for c, name in enumerate(truth.classes):
        result[Quantity("AP50", f"class:{name}")] = of_parts(ap[:, c, T50], real & (truth.category == c))
    margin = margins(found.evidence)
    result[Quantity("margin")] = mean_of_objects(margin, real, truth)
    for part in parts:
        if not part.name.startswith("class:"):
            values = _stratum_map50(found, matches, part, weights)
            result[Quantity("mAP50", part.name)] = of_parts(values, part.objects)
        result[Quantity("margin", part.name)] = mean_of_objects(margin, part.objects, truth)
    for point, thresholds in points.items():
        result |= _at_point(found, matches, point, thresholds, parts, chosen_here)
    return result


def mean_of_objects(
    values: np.ndarray,
    objects: np.ndarray,
    truth: GroundTruth,
    variants: np.ndarray | None = None,
    *,
    chosen_here: bool = False,
) -> Replicates:
    """Return the mean of a number of each object.

    Args:
        values: shape (N,).
        objects: shape (N,), bool, those that count.
        truth: the objects.
        variants: shape (V, N), the values with what was chosen on val chosen again without each block of val.
        chosen_here: it was chosen on these very images, so that the blocks are the same.
    """
    where, blocks = truth.block[truth.image][objects], len(truth.blocks)
    number = np.bincount(where, minlength=blocks)
    total = np.bincount(where, values[objects], minlength=blocks)
    left = total.sum() - total
    if variants is not None and chosen_here:
        own = where[None, :] == np.arange(blocks)[:, None]
        left = np.where(own, 0.0, variants[:, objects]).sum(axis=1)
        variants = None
    return Replicates(
        float(_ratio(total.sum(), number.sum())),
        _ratio(left, number.sum() - number),
        number,
        _NONE if variants is None else _ratio(variants[:, objects].sum(axis=1), number.sum()),
    )


def _stratum_map50(found: Detections, matches: Matches, part: Stratum, weights: np.ndarray) -> np.ndarray:
    """Return mAP50 of a part by resampled set, shape (R,)."""
    inside = part.images[matches.image] & part.predictions[matches.row]
    at_object = matches.object >= 0
    inside[at_object] = part.objects[matches.object[at_object]]
    ap = average_precision(
        matches,
        found.truth.block,
        weights,
        thresholds=slice(0, 1),
        rows=inside,
        positives=found.truth.positives(part.objects),
    )
    return mean_over_classes(ap[:, :, 0])


def _at_point(
    found: Detections,
    matches: Matches,
    point: str,
    thresholds: Thresholds,
    parts: list[Stratum],
    chosen_here: bool,
) -> dict[Quantity, Replicates]:
    truth, evidence = found.truth, found.evidence
    rows = np.concatenate([thresholds.value[None], thresholds.without])  # (1 + V, C)
    blocks = len(truth.blocks)
    where = truth.block[truth.image]
    real = ~truth.ignore
    counted = ~matches.ignored[0]

    def tally(scores: np.ndarray, category: np.ndarray, block: np.ndarray) -> np.ndarray:
        """Count what passes, by threshold and block, (1 + V, B)."""
        return np.stack([np.bincount(block[scores >= row[category]], minlength=blocks) for row in rows])

    def of_objects(kept: np.ndarray, row: np.ndarray, score: np.ndarray) -> np.ndarray:
        kept = kept & (row >= 0)
        return tally(score[kept], found.labels(row[kept]), where[kept])

    def rate(hits: np.ndarray, number: np.ndarray) -> Replicates:
        number = np.broadcast_to(number, hits.shape)
        if chosen_here:  # The choice without a block goes with the test set without it.
            hits_left = hits[1:].sum(axis=1) - np.diagonal(hits[1:])
            number_left = number[1:].sum(axis=1) - np.diagonal(number[1:])
            return Replicates(
                float(_ratio(hits[0].sum(), number[0].sum())), _ratio(hits_left, number_left), number[0]
            )
        return Replicates(
            float(_ratio(hits[0].sum(), number[0].sum())),
            _ratio(hits[0].sum() - hits[0], number[0].sum() - number[0]),
            number[0],
            _ratio(hits[1:].sum(axis=1), number[1:].sum(axis=1)),
        )

    def number_of(objects: np.ndarray) -> np.ndarray:
        return np.bincount(where[objects], minlength=blocks)

    at = truth.block[matches.image]
    hits = matches.correct[0] & counted
    shown = tally(matches.scores[counted], matches.category[counted], at[counted])
    right = tally(matches.scores[hits], matches.category[hits], at[hits])
    images = np.bincount(truth.block, minlength=blocks)
    objects = number_of(real)
    label = found.labels(evidence.top_row)
    called_right = of_objects(real & (label == truth.category), evidence.top_row, evidence.top_score)
    result = {
        Quantity("recall", ALL, point): rate(right, objects),
        Quantity("precision", ALL, point): rate(right, shown),
        Quantity("false_alarms_per_image", ALL, point): rate(shown - right, images),
        # Fixed less broken is the difference of what is called right: so it needs no pairing by object.
        Quantity("balance", ALL, point): _scaled(rate(called_right, objects), float(objects.sum())),
    }
    for part in parts:
        hits_in = of_objects(part.objects, evidence.true_row, evidence.true_score)
        result[Quantity("recall", part.name, point)] = rate(hits_in, number_of(part.objects))
        if part.name.startswith("class:"):
            right_in = of_objects(
                part.objects & (label == truth.category), evidence.top_row, evidence.top_score
            )
            number = number_of(part.objects)
            result[Quantity("balance", part.name, point)] = _scaled(
                rate(right_in, number), float(number.sum())
            )
    for true, predicted in sorted(set(zip(truth.category[real].tolist(), label[real].tolist(), strict=True))):
        if predicted in (-1, true):
            continue
        mine = real & (truth.category == true)
        taken = of_objects(mine & (label == predicted), evidence.top_row, evidence.top_score)
        if taken[0].any():
            name = f"{truth.classes[true]}>{truth.classes[predicted]}"
            result[Quantity("misclassification", name, point)] = rate(taken, number_of(mine))
    return result


def _scaled(replicates: Replicates, factor: float) -> Replicates:
    return Replicates(
        replicates.value * factor,
        replicates.without * factor,
        replicates.sizes,
        replicates.without_val * factor,
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole != 0)
