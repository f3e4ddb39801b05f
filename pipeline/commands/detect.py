"""``regionfuse detect``: predictions on a folder of images, with a given detector or one trained first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
import yaml

from ...datasets.errors import ConfigError, DataError
from ...detection.recipe import DetectorRecipe
from ..config import SHIPPED
from ..console import Screen
from ..detector_config import recipe_from, shipped_detector
from ..run import shown_warnings
from ..stages import EVALUATED
from ..store import explained
from .train import named_set


def detect(
    images: Path,
    out: Path,
    weights: Path | None,
    ground_truth: Path | None,
    data: str | None,
    split: Path | None,
    overrides: Sequence[str],
    seed: int,
    screen: Screen,
) -> None:
    """Predict on ``images``; with ``data`` and ``split`` train a detector on them first."""
    if not images.is_dir():
        raise DataError(f"--images {images}: not a folder; give the folder that holds the images")
    recipe = recipe_from(
        {**_values(overrides), **({"weights": _weights(weights)} if weights is not None else {})}
    )
    with shown_warnings(screen), explained(out):
        if split is not None or data is not None:
            if split is None or data is None:
                raise ConfigError("training needs both --data FORMAT:ROOT (the boxes) and --split FILE")
            if recipe.class_map:
                raise ConfigError(
                    "class_map is for a given detector; one trained on --data has its class names"
                )
            _train_and_predict(images, out, recipe, data, split, seed, screen)
        elif weights is None:
            raise ConfigError(
                "give --weights FILE to run a detector, or --data FORMAT:ROOT and --split FILE to train one"
            )
        else:
            _predict(images, out, recipe, Path(str(recipe.weights)), ground_truth, screen)


def _weights(weights: Path) -> str:
    return str(shipped_detector()) if str(weights) == SHIPPED else str(weights)


def _values(overrides: Sequence[str]) -> dict[str, Any]:
    values = {}
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator:
            raise ConfigError(f"--set {override}: expected key=value, e.g. --set epochs=20")
        values[key] = yaml.safe_load(text)
    return values


def _train_and_predict(
    images: Path, out: Path, recipe: DetectorRecipe, data: str, split: Path, seed: int, screen: Screen
) -> None:
    from ...datasets.splits import Split
    from ...detection.predict import predict_images
    from ...detection.train import train_detector

    pairs = named_set(data)
    parts = Split.load(split)

    def image_of(stem: str) -> Path:
        return images / f"{stem}.png"

    with screen.task(f"train detector on {images.name}") as progress:
        result = train_detector(
            recipe, pairs, parts.train, parts.val, image_of, out, seed=seed, progress=progress
        )
    ids = {pair.stem: index for index, pair in enumerate(pairs, start=1)}
    categories = {label: index for index, label in enumerate(pairs.classes, start=1)}
    for name in EVALUATED:
        rows = [(ids[stem], image_of(stem)) for stem in getattr(parts, name)]
        with screen.task(f"predict {name}") as progress:
            path = predict_images(
                result.weights, rows, categories, recipe, out / f"{name}.json", progress=progress
            )
        typer.echo(f"predictions on {name}: {path}")
    typer.echo(f"detector: {result.weights}")


def _predict(
    images: Path, out: Path, recipe: DetectorRecipe, weights: Path, ground_truth: Path | None, screen: Screen
) -> None:
    from ...datasets.pairing import image_files
    from ...detection.checkpoint import read_detector
    from ...detection.predict import predict_images

    files = {path.stem: path for path in image_files(images)}
    if not files:
        raise DataError(f"{images}: no images found (png, jpg, bmp, tif)")
    if ground_truth is None:
        rows = [(index, files[stem]) for index, stem in enumerate(sorted(files), start=1)]
        categories = {label: index for index, label in enumerate(read_detector(weights)[1], start=1)}
    else:
        truth = json.loads(ground_truth.read_text(encoding="utf-8"))
        wanted = {Path(image["file_name"]).stem: image["id"] for image in truth["images"]}
        missing = sorted(wanted.keys() - files.keys())
        if missing:
            raise DataError(
                f"{images}: {len(missing)} image(s) of {ground_truth} are not here, first {missing[0]!r}"
            )
        rows = [(identity, files[stem]) for stem, identity in wanted.items()]
        categories = {category["name"]: category["id"] for category in truth["categories"]}
    with screen.task(f"detect on {len(rows)} images") as progress:
        path = predict_images(weights, rows, categories, recipe, out, progress=progress)
    typer.echo(f"predictions: {path}")
