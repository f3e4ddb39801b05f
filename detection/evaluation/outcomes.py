"""The table of objects: one row per object and per unmatched prediction, for every detector."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from .matching import BELOW, CROWD, IGNORED, MATCHED, OBJECT_OUTCOMES, PREDICTION_OUTCOMES
from .records import GroundTruth, PredictionKey
from .scoring import SplitScore

COLUMNS: Final = (
    "protocol", "source", "seed", "split", "kind", "image_id", "stem", "object_id",
    "class", "outcome", "predicted", "confidence", "iou",
    "x1", "y1", "x2", "y2", "px1", "py1", "px2", "py2", "area", "size", "scene", "tags",
)  # fmt: skip
_CORNERS = ("x1", "y1", "x2", "y2")
_PREDICTED_CORNERS = ("px1", "py1", "px2", "py2")
# Upper limits of COCO's "small" and "medium", square pixels.
_SMALL, _MEDIUM = 32**2, 96**2


def objects_table(key: PredictionKey, truth: GroundTruth, score: SplitScore) -> pd.DataFrame:
    """Return the rows of one detector on one split.

    Objects come first, by image and annotation id; then the predictions that found no object, by image and
    descending confidence. A prediction that explains an object (also one that is misclassified or poorly
    localised) has no row of its own: its class, confidence and box stand in the object's row.
    """
    table = pd.concat([_object_rows(truth, score), _prediction_rows(truth, score)], ignore_index=True)
    table = table.assign(protocol=key.protocol, source=key.source, seed=key.seed, split=key.split)
    return table.loc[:, list(COLUMNS)]


def size_names(area: np.ndarray) -> np.ndarray:
    """Return ``small``, ``medium`` or ``large`` for areas in square pixels; a border is the smaller one."""
    return np.select([area <= _SMALL, area <= _MEDIUM], ["small", "medium"], "large").astype(object)


def corners(boxes: np.ndarray) -> np.ndarray:
    """Turn (N, 4) left, top, width, height into left, top, right, bottom."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _object_rows(truth: GroundTruth, score: SplitScore) -> pd.DataFrame:
    matching, predictions = score.matching, score.predictions
    kept = np.flatnonzero(matching.outcome != CROWD)
    kept = kept[np.lexsort((truth.ids[kept], truth.image[kept]))]
    used = matching.prediction[kept]
    explained = used >= 0
    confidence = np.full(len(kept), np.nan)
    confidence[explained] = predictions.scores[used[explained]]
    predicted = np.full(len(kept), "", dtype=object)
    predicted[explained] = _names(truth, predictions.category[used[explained]])
    boxes = np.full((len(kept), 4), np.nan)
    boxes[explained] = corners(predictions.boxes[used[explained]])
    return pd.DataFrame(
        {
            "kind": "object",
            **_image_columns(truth, truth.image[kept]),
            "object_id": truth.ids[kept],
            "class": _names(truth, truth.category[kept]),
            "outcome": np.array(OBJECT_OUTCOMES, dtype=object)[matching.outcome[kept]],
            "predicted": predicted,
            "confidence": confidence,
            "iou": matching.iou[kept],
            **dict(zip(_CORNERS, corners(truth.boxes[kept]).T, strict=True)),
            **dict(zip(_PREDICTED_CORNERS, boxes.T, strict=True)),
            "area": truth.area[kept],
            "size": size_names(truth.area[kept]),
        }
    )


def _prediction_rows(truth: GroundTruth, score: SplitScore) -> pd.DataFrame:
    matching, predictions = score.matching, score.predictions
    kept = np.flatnonzero(~np.isin(matching.prediction_outcome, (MATCHED, IGNORED, BELOW)))
    ordering = (*predictions.boxes[kept].T, predictions.category[kept], -predictions.scores[kept])
    kept = kept[np.lexsort((*ordering, predictions.image[kept]))]
    boxes = predictions.boxes[kept]
    area = boxes[:, 2] * boxes[:, 3]
    classes = _names(truth, predictions.category[kept])
    return pd.DataFrame(
        {
            "kind": "prediction",
            **_image_columns(truth, predictions.image[kept]),
            "object_id": np.full(len(kept), -1),
            "class": classes,
            "outcome": np.array(PREDICTION_OUTCOMES, dtype=object)[matching.prediction_outcome[kept]],
            "predicted": classes,
            "confidence": predictions.scores[kept],
            "iou": matching.prediction_iou[kept],
            **dict(zip(_CORNERS, corners(boxes).T, strict=True)),
            **dict.fromkeys(_PREDICTED_CORNERS, np.nan),
            "area": area,
            "size": size_names(area),
        }
    )


def _image_columns(truth: GroundTruth, image: np.ndarray) -> dict[str, np.ndarray]:
    def column(values: list[str]) -> np.ndarray:
        return np.array(values, dtype=object)[image]

    return {
        "image_id": np.array([record.id for record in truth.images], dtype=np.int64)[image],
        "stem": column([record.stem for record in truth.images]),
        "scene": column([record.scene or "" for record in truth.images]),
        "tags": column([",".join(record.tags) for record in truth.images]),
    }


def _names(truth: GroundTruth, category: np.ndarray) -> np.ndarray:
    return np.array(truth.classes, dtype=object)[category]
