"""Columns of the tables that are stacked from detectors; a table without rows has them too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .coco import SUMMARY
from .operating import HEADLINE, POINTS
from .outcomes import OUTCOMES

KEY: Final = ("protocol", "source", "seed", "split")
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "detection": (
        *KEY, *SUMMARY, "log_average_miss_rate", "classes", "images", "objects", "ignored", "blocks",
        "status", "reason",
    ),
    "operating": (
        *KEY, "operating_point", "threshold", "reached", "val_precision", "val_recall", "precision", "recall",
        "f1", "false_alarms_per_image", "objects", *OUTCOMES,
    ),
    "curves": (*KEY, "false_alarms_per_image", "recall", "precision", "threshold"),
    "per_class": (
        *KEY, "class", "AP50", "AP75", "AP50_95", "oLRP", "oLRP_localisation", "oLRP_false_positive",
        "oLRP_false_negative", "oLRP_threshold", "objects",
    ),
    "strata": (*KEY, "stratum", "images", "objects", "blocks", "mAP50", "recall"),
    "confusion": (*KEY, "operating_point", "matching", "true", "predicted", "count"),
    "misclassifications": (
        *KEY, "operating_point", "true", "predicted", "top_label", "same_class_first", "objects", "rate",
    ),
    "objects": (
        *KEY, "kind", "image_id", "stem", "block", "tags", "object_id", "class", "outcome", "predicted",
        "confidence", "iou", "top_label", "top_score", "true_score", "other_score", "margin", "x1", "y1",
        "x2", "y2", "px1", "py1", "px2", "py2", "area", "size", "network_size", "visibility",
        *(f"outcome_{point}" for point in POINTS if point != HEADLINE),
    ),
    "errors": (*KEY, "error", "dAP", "count"),
    "calibration": (
        *KEY, "stage", "temperature", "d_ece", "laece", "brier", "mean_confidence", "precision", "detections",
    ),
    "reliability": (*KEY, "stage", "low", "high", "count", "confidence", "precision", "mean_iou"),
    "confidence": (
        *KEY, "reference", "objects", "raw", "raw_difference", "calibrated", "calibrated_difference", "rank",
        "rank_difference",
    ),
}  # fmt: skip
