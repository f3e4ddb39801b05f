"""Units that run one given detector on fused pairs and score it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ...datasets.errors import ConfigError
from ...datasets.records import PairSet
from ...datasets.storage import sha256_file, write_json
from ..store import Progress, Unit
from .prepared import read_prepared
from .shop import Candidate, Shop

TEST = "test"
CONFIDENCE = 0.25
"""Lowest confidence that counts, where there is no val split to choose it on."""


def predicted(shop: Shop, candidate: Candidate, prepared: Unit) -> Unit:
    """Detect on a source's pictures; result: ``test.json`` in COCO's result format."""
    if shop.detector is None:
        raise ConfigError("this experiment needs a detector; give --detector FILE")
    detector, store, size, device = shop.detector, shop.store, shop.image_size, shop.device
    fused = shop.fused(candidate, prepared)

    def action(work: Path, progress: Progress) -> None:
        from ...detection.predict import predict_images
        from ...detection.recipe import DetectorRecipe

        pairs = read_prepared(store.folder(prepared))
        images = store.folder(fused) / "images"
        rows = [(number, images / f"{pair.stem}.png") for number, pair in enumerate(pairs, start=1)]
        recipe = DetectorRecipe(image_size=size, device=device)
        predict_images(detector, rows, _categories(pairs), recipe, work / "test.json", progress=progress)

    params = {"detector": sha256_file(detector), "image_size": size}
    return Unit("predict", fused.name, params, action, needs=(prepared, fused))


def evaluated(shop: Shop, candidate: Candidate, prepared: Unit) -> Unit:
    """Score a source's predictions; result: ``scores.json`` and ``objects.parquet``.

    There is no val split to choose an operating point on: outcomes are those at a fixed confidence.
    """
    store, found = shop.store, predicted(shop, candidate, prepared)

    def action(work: Path, _progress: Progress) -> None:
        from ...datasets.coco import write_ground_truth
        from ...detection.evaluation.coco import coco_scores
        from ...detection.evaluation.detector import match_file
        from ...detection.evaluation.load import load_ground_truth
        from ...detection.evaluation.outcomes import objects_table
        from ...detection.evaluation.records import PredictionKey
        from ...detection.evaluation.write import write_parquet

        pairs = read_prepared(store.folder(prepared))
        write_ground_truth(pairs, TEST, [pair.stem for pair in pairs], work / "ground_truth.json")
        truth = load_ground_truth(work / "ground_truth.json")
        detections, *_ = match_file(store.folder(found) / "test.json", truth)
        thresholds = {"fixed": np.full(len(truth.classes), CONFIDENCE)}
        key = PredictionKey("frozen", candidate.name, 0, TEST)
        write_parquet(objects_table(key, detections, thresholds, shop.image_size), work / "objects.parquet")
        scores = coco_scores(truth, detections.predictions).summary
        write_json(work / "scores.json", {"mAP50": scores["mAP50"]})

    return Unit(
        "evaluate", found.name, {"confidence": CONFIDENCE}, action, needs=(prepared, found), version=2
    )


def detection_units(shop: Shop, sources: Sequence[Candidate], prepared: Unit) -> list[Unit]:
    """Return everything from prepared pairs to the scores of the sources that can be fused."""
    found = [prepared]
    for candidate in sources:
        trained = (candidate.trained,) if candidate.trained else ()
        found += [*trained, shop.fused(candidate, prepared), predicted(shop, candidate, prepared)]
    return [*found, *(evaluated(shop, candidate, prepared) for candidate in sources)]


def map50(shop: Shop, candidate: Candidate, prepared: Unit) -> float:
    """Return the mAP at IoU 0.5 of a finished evaluation, as a fraction."""
    path = shop.store.folder(evaluated(shop, candidate, prepared)) / "scores.json"
    return float(json.loads(path.read_text(encoding="utf-8"))["mAP50"])


def objects(shop: Shop, candidate: Candidate, prepared: Unit) -> pd.DataFrame:
    """Return the outcome of every object, and the unmatched predictions, of a finished evaluation."""
    return pd.read_parquet(shop.store.folder(evaluated(shop, candidate, prepared)) / "objects.parquet")


def _categories(pairs: PairSet) -> dict[str, int]:
    return {label: index for index, label in enumerate(pairs.classes, start=1)}
