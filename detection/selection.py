"""The score by which the best epoch is chosen: mAP50-95 on val, by COCO's rules."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ..datasets.coco import ground_truth
from ..datasets.records import PairSet
from .job import Job
from .predict import predict_rows
from .yolo import DetectionModel


def val_map(model: DetectionModel, job: Job) -> float:
    """Return mAP50-95 on val by pycocotools; 0 when nothing is found."""
    truth = COCO()
    truth.dataset = ground_truth(
        PairSet("val", Path(), job.val, job.classes), "val", [pair.stem for pair in job.val]
    )
    paths = [(image["id"], job.image_of(image["stem"])) for image in truth.dataset["images"]]
    categories = [category["id"] for category in truth.dataset["categories"]]
    rows = predict_rows(model.eval(), paths, categories, job.recipe, job.device)
    if not rows:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports by printing
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return max(float(evaluator.stats[0]), 0.0)
