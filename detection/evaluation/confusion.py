"""The misclassification matrix, in long form, with background as a true and as a predicted class."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from .matching import BELOW, CORRECT, CROWD, IGNORED, MISCLASSIFIED
from .records import BACKGROUND, GroundTruth, PredictionKey
from .scoring import SplitScore

COLUMNS: Final = ("source", "protocol", "seed", "split", "true", "predicted", "count")


def confusion_table(key: PredictionKey, truth: GroundTruth, score: SplitScore) -> pd.DataFrame:
    """Return all pairs of one detector on one split, zeros included, in the order of the classes.

    A row of the matrix adds up to the objects of that class, a column to the predictions of that class above
    the threshold. At IoU 0.5 a poorly localised object is not found and its prediction belongs to nothing, so
    the two are counted under background, on one side each.
    """
    counts = confusion_matrix(truth, score)
    names = (*truth.classes, BACKGROUND)
    pairs = [(true, predicted) for true in range(len(names)) for predicted in range(len(names))][:-1]
    return pd.DataFrame(
        {
            "source": key.source,
            "protocol": key.protocol,
            "seed": key.seed,
            "split": key.split,
            "true": [names[true] for true, _ in pairs],
            "predicted": [names[predicted] for _, predicted in pairs],
            "count": [int(counts[pair]) for pair in pairs],
        },
        columns=list(COLUMNS),
    )


def confusion_matrix(truth: GroundTruth, score: SplitScore) -> np.ndarray:
    """Return counts, shape (C + 1, C + 1), int64: true class by predicted class, background last."""
    matching, predictions = score.matching, score.predictions
    background = len(truth.classes)
    counts = np.zeros((background + 1, background + 1), dtype=np.int64)
    named = np.isin(matching.outcome, (CORRECT, MISCLASSIFIED))
    predicted = np.full(len(truth.ids), background)
    predicted[named] = predictions.category[matching.prediction[named]]
    objects = matching.outcome != CROWD
    np.add.at(counts, (truth.category[objects], predicted[objects]), 1)
    loose = ~np.isin(matching.prediction_outcome, (IGNORED, BELOW))
    loose[matching.prediction[named]] = False
    np.add.at(counts[background], predictions.category[loose], 1)
    return counts
