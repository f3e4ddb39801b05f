"""The tables of scores: one row per detector and split, per class, and over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
import pandas as pd

from .coco import SUMMARY
from .matching import BELOW, CORRECT, IGNORED
from .records import TEST, FailedSource, GroundTruth, PredictionKey
from .scoring import SplitScore
from .threshold import Threshold

COLUMNS: Final = (
    "source", "protocol", "seed", "split", *SUMMARY, "images", "objects",
    "threshold", "precision", "recall", "f1", "status", "reason",
)  # fmt: skip
CLASS_COLUMNS: Final = ("source", "protocol", "seed", "split", "class", "AP50", "AP75", "AP50_95", "objects")
_AVERAGED: Final = ("mAP50", "mAP75", "mAP50_95")
SUMMARY_COLUMNS: Final = (
    "protocol", "source", "split", "seeds",
    *(f"{metric}_{what}" for metric in _AVERAGED for what in ("mean", "std", "delta")),
)  # fmt: skip


def detection_row(
    key: PredictionKey, truth: GroundTruth, score: SplitScore, threshold: Threshold
) -> dict[str, object]:
    """Return the row of one detector on one split; precision, recall and F1 are at the threshold, IoU 0.5."""
    found = int(np.count_nonzero(score.matching.outcome == CORRECT))
    shown = int(np.count_nonzero(~np.isin(score.matching.prediction_outcome, (BELOW, IGNORED))))
    return {
        **_key_columns(key),
        **score.coco.summary,
        "images": len(truth.images),
        "objects": truth.objects,
        "threshold": threshold.value,
        "precision": _ratio(found, shown),
        "recall": _ratio(found, truth.objects),
        "f1": _ratio(2 * found, shown + truth.objects),
        "status": "ok",
        "reason": "",
    }


def failed_row(failed: FailedSource) -> dict[str, object]:
    """Return the row of a detector that failed: no numbers, its reason on one line."""
    key = PredictionKey(failed.protocol, failed.source, failed.seed, TEST)
    numbers = dict.fromkeys(COLUMNS[4:-2], math.nan)
    return {**_key_columns(key), **numbers, "status": "failed", "reason": " ".join(failed.reason.split())}


def class_rows(key: PredictionKey, truth: GroundTruth, score: SplitScore) -> list[dict[str, object]]:
    """Return one row per class, in the order of the classes; AP is NaN for a class without objects."""
    objects = truth.objects_per_class()
    return [
        {
            **_key_columns(key),
            "class": name,
            **dict(zip(("AP50", "AP75", "AP50_95"), score.coco.per_class[c].tolist(), strict=True)),
            "objects": int(objects[c]),
        }
        for c, name in enumerate(truth.classes)
    ]


def detection_table(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """Return the table of detection rows, sorted by protocol, source, seed and split."""
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    return table.sort_values(["protocol", "source", "seed", "split"], ignore_index=True)


def summary_table(detection: pd.DataFrame, reference: str = "visible") -> pd.DataFrame:
    """Return mean and sample standard deviation over seeds, and the mean difference to the reference.

    The difference is taken seed by seed, over the seeds that both have. The deviation of a single seed is
    NaN.

    Args:
        detection: table of :func:`detection_table`; failed rows are left out.
        reference: source that the others are compared with.
    """
    rows = []
    scored = detection[detection.status == "ok"]
    for (protocol, source, split), group in scored.groupby(["protocol", "source", "split"], sort=True):
        same = (scored.protocol == protocol) & (scored.split == split) & (scored.source == reference)
        base = scored[same].set_index("seed")
        mine = group.set_index("seed")
        row: dict[str, object] = {
            "protocol": protocol, "source": source, "split": split, "seeds": len(mine),
        }  # fmt: skip
        for metric in _AVERAGED:
            row[f"{metric}_mean"] = mine[metric].mean()
            row[f"{metric}_std"] = mine[metric].std(ddof=1)
            row[f"{metric}_delta"] = (mine[metric] - base[metric]).mean()
        rows.append(row)
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def _key_columns(key: PredictionKey) -> dict[str, object]:
    return {"source": key.source, "protocol": key.protocol, "seed": key.seed, "split": key.split}


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
