"""The score by which the best epoch is chosen: mAP50-95 on val, by COCO's rules."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from .job import Job
from .predict import predict_rows
from .yolo import DetectionModel


def val_map(model: DetectionModel, job: Job) -> float:
    """Return mAP50-95 on val by pycocotools; 0 when nothing is found."""
    ids = {pair.stem: number for number, pair in enumerate(job.val, start=1)}
    categories = range(1, len(job.classes) + 1)
    annotations: list[dict[str, Any]] = []
    for pair in job.val:
        for box in pair.boxes:
            left, top, right, bottom = box.xyxy
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": ids[pair.stem],
                    "category_id": job.classes.index(box.label) + 1,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": box.area,
                    "iscrowd": 0,
                }
            )
    paths = [(ids[pair.stem], job.image_of(pair.stem)) for pair in job.val]
    rows = predict_rows(model.eval(), paths, list(categories), job.recipe, job.device)
    if not rows:
        return 0.0
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": ids[pair.stem], "width": pair.width, "height": pair.height} for pair in job.val],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(job.classes, start=1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports by printing
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return max(float(evaluator.stats[0]), 0.0)
