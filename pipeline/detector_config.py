"""The ``detector`` section of a configuration: the detector recipe, and what the frozen protocol runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from ..datasets.errors import ConfigError
from ..detection.recipe import DetectorRecipe
from .config import FROZEN_WEIGHTS, SHIPPED, Config


def detector_recipe(config: Config) -> tuple[DetectorRecipe, Path | None]:
    """Return the recipe, and the checkpoint of the frozen protocol (None: the detector trained on visible).

    Raises:
        ConfigError: unknown key, wrong type or value, or a class map without a given detector.
    """
    section = dict(config.detector)
    frozen = section.pop(FROZEN_WEIGHTS, None)
    if section.get("weights") == SHIPPED:
        section["weights"] = str(shipped_detector())
    if frozen == SHIPPED:
        frozen = shipped_detector()
    recipe = recipe_from(section)
    if recipe.class_map and frozen is None:
        raise ConfigError(
            "detector.class_map maps the classes of detector.frozen_weights, which is not given; detectors "
            "trained in the run have the data set's class names"
        )
    return recipe, None if frozen is None else Path(frozen)


def recipe_from(section: Mapping[str, Any]) -> DetectorRecipe:
    """Build a recipe from YAML values; YAML 1.1 reads ``1e-3`` (no point) as text, meant is the number."""
    values = {key: _number(value) if isinstance(value, str) else value for key, value in section.items()}
    return DetectorRecipe.from_dict(values)


def _number(text: str) -> float | str:
    return float(text) if re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", text) else text


def shipped_detector() -> Path:
    """Return the path of the small detector inside the package (trained on the synthetic set)."""
    with as_file(files("regionfuse.detection").joinpath("weights/yolo-micro.safetensors")) as path:
        return path
