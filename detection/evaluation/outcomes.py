"""What became of each object at an operating point, as tables.

What a user of the system sees decides: predictions are localised without regard to class, and the most
confident label at the object's place is what the object is called (``top_label``). The permissive count, in
which an object is right if any prediction of its class passes (``same_class_first``), stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from ...datasets.records import size_names
from .matching import IGNORED as IGNORED_KIND
from .matching import KINDS, MATCHED, Evidence
from .records import BACKGROUND, GroundTruth, PredictionKey, Predictions

OUTCOMES: Final = ("missed", "correct", "ambiguous", "misclassified", "poorly_localised")
MISSED, CORRECT, AMBIGUOUS, MISCLASSIFIED, POORLY_LOCALISED = range(5)
TOP_LABEL: Final = "top_label"
SAME_CLASS_FIRST: Final = "same_class_first"
LEAST_CONFIDENCE: Final = 1e-3
"""Confidence that stands for "nothing found" in log-odds: that from which predictions are stored."""
_CORNERS = ("x1", "y1", "x2", "y2")
_PREDICTED_CORNERS = ("px1", "py1", "px2", "py2")


@dataclass(frozen=True)
class Detections:
    """One detector on one split: the objects, the predictions, and what they say about the objects.

    Attributes:
        truth: the objects.
        predictions: the predictions.
        evidence: see :class:`~.matching.Evidence`.
    """

    truth: GroundTruth
    predictions: Predictions
    evidence: Evidence

    def labels(self, row: np.ndarray) -> np.ndarray:
        """Return the class of each prediction of ``row``, -1 for no prediction, shape of ``row``."""
        if not len(self.predictions):
            return np.full(row.shape, -1)
        return np.where(row >= 0, self.predictions.category[row], -1)

    def passes(self, row: np.ndarray, score: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Return whether there is a prediction at or above the threshold of its class, shape of ``row``."""
        return (row >= 0) & (score >= thresholds[self.labels(row)])


def object_outcomes(found: Detections, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return outcome (position in :data:`OUTCOMES`) and the prediction that explains it (-1 if none), (N,).

    Args:
        found: the detector on the split.
        thresholds: shape (C,), lowest confidence that counts.
    """
    evidence, truth = found.evidence, found.truth
    called = found.passes(evidence.top_row, evidence.top_score, thresholds)
    right = called & (found.labels(evidence.top_row) == truth.category)
    present = found.passes(evidence.true_row, evidence.true_score, thresholds)
    near = found.passes(evidence.near_row, evidence.near_score, thresholds)
    outcome = np.select(
        [right, present, called, near], [CORRECT, AMBIGUOUS, MISCLASSIFIED, POORLY_LOCALISED], MISSED
    )
    row = np.select([called, present, near], [evidence.top_row, evidence.true_row, evidence.near_row], -1)
    return outcome, row


def confusion_matrix(found: Detections, thresholds: np.ndarray, matching: str) -> np.ndarray:
    """Return counts, shape (C + 1, C + 1), int64: true class by predicted class, background last.

    The rows of the classes add up to their objects. The row of the background holds false alarms.

    Args:
        found: the detector on the split.
        thresholds: shape (C,), lowest confidence that counts.
        matching: :data:`TOP_LABEL` or :data:`SAME_CLASS_FIRST`.
    """
    evidence, truth, predictions = found.evidence, found.truth, found.predictions
    background = len(truth.classes)
    passing = predictions.scores >= thresholds[predictions.category]
    if matching == TOP_LABEL:
        called = found.passes(evidence.top_row, evidence.top_score, thresholds)
        predicted = np.where(called, found.labels(evidence.top_row), background)
        loose = passing & evidence.free
    else:
        present = found.passes(evidence.true_row, evidence.true_score, thresholds)
        wrong = ~present & found.passes(evidence.wrong_row, evidence.wrong_score, thresholds)
        predicted = np.select(
            [present, wrong], [truth.category, found.labels(evidence.wrong_row)], background
        )
        loose = passing & ~np.isin(evidence.prediction_kind, (MATCHED, IGNORED_KIND))
        loose[evidence.wrong_row[wrong]] = False
    counts = np.zeros((background + 1, background + 1), dtype=np.int64)
    real = ~truth.ignore
    np.add.at(counts, (truth.category[real], predicted[real]), 1)
    np.add.at(counts[background], predictions.category[loose], 1)
    return counts


def confusion_table(
    key: PredictionKey, found: Detections, thresholds: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Return both matrices at each operating point in long form, zeros included."""
    names = (*found.truth.classes, BACKGROUND)
    pairs = [(true, predicted) for true in range(len(names)) for predicted in range(len(names))][:-1]
    parts = []
    for point, values in thresholds.items():
        for matching in (TOP_LABEL, SAME_CLASS_FIRST):
            counts = confusion_matrix(found, values, matching)
            parts.append(
                pd.DataFrame(
                    {
                        **key.columns,
                        "operating_point": point,
                        "matching": matching,
                        "true": [names[true] for true, _ in pairs],
                        "predicted": [names[predicted] for _, predicted in pairs],
                        "count": [int(counts[pair]) for pair in pairs],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def margins(evidence: Evidence) -> np.ndarray:
    """Return log-odds of the true class less log-odds of the best other class of each object, shape (N,).

    No threshold enters. What was not found has the log-odds of :data:`LEAST_CONFIDENCE`.
    """
    return _log_odds(evidence.true_score) - _log_odds(evidence.other_score)


def objects_table(
    key: PredictionKey,
    found: Detections,
    thresholds: Mapping[str, np.ndarray],
    image_size: int | None = None,
) -> pd.DataFrame:
    """Return one row per object, then one per false alarm at the headline point.

    Args:
        key: names the detector and the split.
        found: the detector on the split.
        thresholds: operating point -> shape (C,); the first is the headline.
        image_size: longer side, in pixels, that the network sees; None if unknown.
    """
    headline, *others = thresholds
    objects = _object_rows(found, thresholds[headline], image_size)
    for point in others:
        outcome, _ = object_outcomes(found, thresholds[point])
        objects[f"outcome_{point}"] = np.array(OUTCOMES, dtype=object)[outcome]
    kept = np.flatnonzero(~found.truth.ignore)
    kept = kept[np.lexsort((found.truth.ids[kept], found.truth.image[kept]))]
    table = pd.concat(
        [objects.iloc[kept], _false_alarm_rows(found, thresholds[headline], image_size)], ignore_index=True
    )
    for position, (name, value) in enumerate(key.columns.items()):
        table.insert(position, name, value)
    return table


def network_size_names(
    truth: GroundTruth, image: np.ndarray, area: np.ndarray, image_size: int | None
) -> np.ndarray:
    """Return COCO's size names at the scale at which the network sees the images, empty texts if unknown."""
    longer = np.array([max(record.width, record.height) for record in truth.images], dtype=np.float64)
    if image_size is None or not (longer > 0).all():  # of all: a part without its false alarms is none
        return np.full(len(area), "", dtype=object)
    return size_names(area * (image_size / longer[image]) ** 2)


def _object_rows(found: Detections, thresholds: np.ndarray, image_size: int | None) -> pd.DataFrame:
    truth, evidence = found.truth, found.evidence
    outcome, row = object_outcomes(found, thresholds)
    names = np.array([*truth.classes, ""], dtype=object)  # position -1: nothing
    explained = row >= 0
    confidence, boxes = np.full(len(row), np.nan), np.full((len(row), 4), np.nan)
    confidence[explained] = found.predictions.scores[row[explained]]
    boxes[explained] = corners(found.predictions.boxes[row[explained]])
    return pd.DataFrame(
        {
            "kind": "object",
            **_image_columns(truth, truth.image),
            "object_id": truth.ids,
            "class": names[truth.category],
            "outcome": np.array(OUTCOMES, dtype=object)[outcome],
            "predicted": names[found.labels(row)],
            "confidence": confidence,
            "iou": _pair_iou(corners(truth.boxes), boxes),
            "top_label": names[found.labels(evidence.top_row)],
            "top_score": evidence.top_score,
            "true_score": evidence.true_score,
            "other_score": evidence.other_score,
            "margin": margins(evidence),
            **dict(zip(_CORNERS, corners(truth.boxes).T, strict=True)),
            **dict(zip(_PREDICTED_CORNERS, boxes.T, strict=True)),
            "area": truth.area,
            "size": size_names(truth.area),
            "network_size": network_size_names(truth, truth.image, truth.area, image_size),
            "visibility": truth.visibility,
        }
    )


def _false_alarm_rows(found: Detections, thresholds: np.ndarray, image_size: int | None) -> pd.DataFrame:
    truth, predictions, kind = found.truth, found.predictions, found.evidence.prediction_kind
    passing = predictions.scores >= thresholds[predictions.category]
    kept = np.flatnonzero(passing & ~np.isin(kind, (MATCHED, IGNORED_KIND)))
    ordering = (*predictions.boxes[kept].T, predictions.category[kept], -predictions.scores[kept])
    kept = kept[np.lexsort((*ordering, predictions.image[kept]))]
    boxes = predictions.boxes[kept]
    area = boxes[:, 2] * boxes[:, 3]
    classes = np.array(truth.classes, dtype=object)[predictions.category[kept]]
    return pd.DataFrame(
        {
            "kind": "prediction",
            **_image_columns(truth, predictions.image[kept]),
            "object_id": np.full(len(kept), -1),
            "class": classes,
            "outcome": np.array(KINDS, dtype=object)[kind[kept]],
            "predicted": classes,
            "confidence": predictions.scores[kept],
            **dict(zip(_CORNERS, corners(boxes).T, strict=True)),
            "area": area,
            "size": size_names(area),
            "network_size": network_size_names(truth, predictions.image[kept], area, image_size),
        }
    )


def corners(boxes: np.ndarray) -> np.ndarray:
    """Turn (N, 4) left, top, width, height into left, top, right, bottom."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _pair_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the IoU of boxes row by row, corners; NaN where one is NaN."""
    shared = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    inside = np.clip(shared, 0, None).prod(axis=1)
    areas = (first[:, 2:] - first[:, :2]).prod(axis=1) + (second[:, 2:] - second[:, :2]).prod(axis=1)
    return inside / (areas - inside)


def _image_columns(truth: GroundTruth, image: np.ndarray) -> dict[str, np.ndarray]:
    def column(values: list[str]) -> np.ndarray:
        return np.array(values, dtype=object)[image]

    return {
        "image_id": np.array([record.id for record in truth.images], dtype=np.int64)[image],
        "stem": column([record.stem for record in truth.images]),
        "block": column([truth.blocks[record.block] for record in truth.images]),
        "tags": column([",".join(record.tags) for record in truth.images]),
    }


def _log_odds(score: np.ndarray) -> np.ndarray:
    clipped = np.clip(score, LEAST_CONFIDENCE, 1 - LEAST_CONFIDENCE)
    return np.log(clipped) - np.log1p(-clipped)
