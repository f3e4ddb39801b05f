"""Evaluation from files alone: ground truth and predictions in, differences with intervals out.

No model is run, and neither torch nor Ultralytics is imported. Predictions of the split ``val`` choose the
operating points and temperatures; without them they are chosen on test, and a warning says so::

    from regionfuse.detection.evaluation import PredictionKey, Settings, evaluate

    files = {
        PredictionKey("given", source, seed=0, split=split): f"{source}-{split}.json"
        for source in ("visible", "mine")
        for split in ("test", "val")
    }
    truth = {"test": "gt-test.json", "val": "gt-val.json"}
    result = evaluate(files, truth, "tables", settings=Settings(reference="visible"))
    row = result.difference("mine", "visible", "mAP50")
    print(f"{row.value:+.3f} [{row.simultaneous_low:+.3f}, {row.simultaneous_high:+.3f}], {row.covers}")

``result`` has every table as a data frame (``result.differences``, ``result.operating``, ...); the files in
``tables`` hold the same. ``docs/run-folder.md`` lists their columns.
"""

from __future__ import annotations

from .detector import Settings
from .evaluate import Evaluation, evaluate
from .load import load_ground_truth, load_predictions
from .records import FailedSource, GroundTruth, PredictionKey, Predictions

__all__ = [
    "Evaluation",
    "FailedSource",
    "GroundTruth",
    "PredictionKey",
    "Predictions",
    "Settings",
    "evaluate",
    "load_ground_truth",
    "load_predictions",
]
