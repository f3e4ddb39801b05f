"""The units of a run: fuse, train a detector, predict, evaluate.

The fusion networks' training is in ``trainings.py``, the fusion metrics in ``quality.py``.

Each function returns a :class:`~regionfuse.pipeline.store.Unit` whose parameters hold everything that decides
its result. Devices, worker numbers and paths do not: the same inputs elsewhere give the same key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

from ..datasets.records import PairSet
from ..datasets.splits import Split
from ..datasets.storage import sha256_file, write_json
from ..detection.evaluation.records import FailedSource, PredictionKey
from ..detection.recipe import DetectorRecipe
from ..reports.marks import TRAINED_HERE
from .config import Config, SourceConfig
from .machine import scoring_workers
from .store import Progress, Store, Unit
from .trainings import given_weights, is_default
from .workload import Workload

EVALUATED = ("val", "test")


def fuse_unit(
    source: SourceConfig,
    config: Config,
    workload: Workload,
    stems: Sequence[str],
    trained: Unit | None,
    store: Store,
) -> Unit:
    """Fuse the pairs; result: ``images/<stem>.png``, ``timing.json``, ``card.json``."""
    from ..fusion.registry import fingerprint

    pairs = [workload.pairs[stem] for stem in sorted(stems)]
    given = given_weights(source, config.fusion)
    if given is None and trained is None and is_default(source):
        from ..fusion.regionfuse.method import SHIPPED

        given = SHIPPED
    params = {
        "method": fingerprint(source.spec, given, source.options),
        "images": workload.images_digest(pairs),
        "tile": config.fusion.tile,
    }

    def action(work: Path, progress: Progress) -> None:
        from ..fusion.efficiency import method_cost
        from ..fusion.registry import create
        from ..fusion.run import fuse_pairs

        weights = store.folder(trained) / "weights.safetensors" if trained else given
        method = create(source.spec, weights=weights, options=source.options)
        timing = fuse_pairs(
            method,
            pairs,
            work / "images",
            device=config.fusion.device,
            tile=config.fusion.tile,
            progress=progress,
        )
        cost = method_cost(method, 480, 640) if method.countable else None
        card = {**method.card.to_dict(), "name": source.name}
        if trained and not is_default(source):  # No table may take these for the authors' results.
            card["title"] += TRAINED_HERE
        write_json(work / "card.json", card)
        measured = {**asdict(timing), **(asdict(cost) if cost else {})}
        # JSON knows no NaN: images that came finished have no time.
        write_json(
            work / "timing.json", {key: None if value != value else value for key, value in measured.items()}
        )

    needs = (trained,) if trained else ()
    return Unit("fuse", source.name, params, action, needs=needs, source=source.name)


def recipe_params(recipe: DetectorRecipe) -> dict[str, Any]:
    """Return what decides a detector's training: the recipe less device and class map, weights by content."""
    settings = recipe.to_dict()
    weights = recipe.weights
    settings["weights"] = sha256_file(Path(weights)) if weights and Path(weights).is_file() else weights
    model = Path(recipe.model)
    if model.is_file():
        settings["model"] = sha256_file(model)
    for key in ("device", "workers", "class_map"):
        settings.pop(key, None)
    return settings


def train_detector_unit(
    source: SourceConfig,
    recipe: DetectorRecipe,
    seed: int,
    workload: Workload,
    split: Split,
    fused: Unit,
    store: Store,
) -> Unit:
    """Train a detector on one source's pictures; result: ``weights.safetensors`` + card."""
    train = [workload.pairs[stem] for stem in split.train]
    validation = [workload.pairs[stem] for stem in split.val]
    params = {
        "recipe": recipe_params(recipe),
        "seed": seed,
        "train": workload.labels_digest(train),
        "validation": workload.labels_digest(validation) if recipe.select == "best_val" else None,
    }

    def action(work: Path, progress: Progress) -> None:
        from ..detection.train import train_detector

        images = store.folder(fused) / "images"
        train_detector(
            recipe,
            workload.pairs,
            split.train,
            split.val,
            lambda stem: images / f"{stem}.png",
            work,
            seed=seed,
            progress=progress,
        )

    name = f"{source.name} seed {seed}"
    return Unit("train-detector", name, params, action, needs=(fused,), source=source.name)


def predict_unit(
    source: SourceConfig,
    seed: int,
    recipe: DetectorRecipe,
    pairs: PairSet,
    split: Split,
    fused: Unit,
    detector: Unit | Path,
    store: Store,
) -> Unit:
    """Run a detector on val and test; result: ``val.json`` and ``test.json`` in COCO's result format."""
    categories = {label: index for index, label in enumerate(pairs.classes, start=1)}
    given = None
    if isinstance(detector, Unit):
        recipe = replace(recipe, class_map={})  # It was trained on the data set's own names.
    else:
        given = sha256_file(detector)
        if recipe.class_map:  # Wrong names are told before anything is trained or fused.
            from ..detection.predict import category_ids

            category_ids(_class_names(detector, given), categories, recipe.class_map, detector)
    ids = {pair.stem: index for index, pair in enumerate(pairs, start=1)}
    params: dict[str, Any] = {
        "detector": given,
        "image_size": recipe.image_size,
        "confidence": recipe.confidence,
        "nms_iou": recipe.nms_iou,
        "max_detections": recipe.max_detections,
        "multi_label": recipe.multi_label,
        "batch_size": recipe.batch_size,
        "categories": categories,
        "images": {name: [(ids[s], s) for s in getattr(split, name)] for name in EVALUATED},
    }

    if recipe.class_map:  # Only what is asked for counts, so that predictions made before stay valid.
        params["class_map"] = dict(recipe.class_map)

    def action(work: Path, progress: Progress) -> None:
        from ..detection.predict import predict_images

        weights = store.folder(detector) / "weights.safetensors" if isinstance(detector, Unit) else detector
        images = store.folder(fused) / "images"
        for name in EVALUATED:
            rows = [(ids[stem], images / f"{stem}.png") for stem in getattr(split, name)]
            predict_images(weights, rows, categories, recipe, work / f"{name}.json", progress=progress)

    needs = (fused, detector) if isinstance(detector, Unit) else (fused,)
    by = detector.source if isinstance(detector, Unit) else "given"
    name = f"{source.name} by {by} detector seed {seed}"
    return Unit("predict", name, params, action, needs=needs, source=source.name)


@cache
def _class_names(detector: Path, digest: str) -> tuple[str, ...]:  # noqa: ARG001 - other content, other names
    from ..detection.checkpoint import read_detector

    return tuple(read_detector(detector)[1])


def evaluate_unit(
    predictions: Mapping[tuple[str, str, int], Unit],
    failed: Sequence[FailedSource],
    divided: Unit,
    images: int,
    store: Store,
    settings: Mapping[str, Any],
) -> Unit:
    """Score all predictions on ``images`` test images; result: the tables.

    ``settings`` are those of :class:`~..detection.evaluation.detector.Settings`.
    """
    params = {
        "failed": [asdict(row) for row in failed],
        "keys": [list(key) for key in predictions],
        "settings": dict(settings),
    }

    def action(work: Path, progress: Progress) -> None:
        from ..detection.evaluation.detector import Settings
        from ..detection.evaluation.evaluate import evaluate

        paths = {
            PredictionKey(protocol, source, seed, name): store.folder(unit) / f"{name}.json"
            for (protocol, source, seed), unit in predictions.items()
            for name in EVALUATED
        }
        truth = {name: store.folder(divided) / "ground_truth" / f"{name}.json" for name in EVALUATED}
        evaluate(
            paths,
            truth,
            work / "tables",
            failed=failed,
            settings=Settings(**settings),
            progress=progress,
            workers=scoring_workers(images * len(predictions)),
        )

    needs = (divided, *predictions.values())
    return Unit("evaluate", "tables", params, action, needs=needs, version=2)


def pairs_needed(split: Split, protocols: Sequence[str], source: str) -> list[str]:
    """Return the stems to fuse: train pictures are needed only where a detector is trained on them."""
    trains = "retrained" in protocols or source == "visible"
    return [*(split.train if trains else ()), *split.val, *split.test]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that this package wrote."""
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
