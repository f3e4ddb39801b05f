"""The ``detector`` section of a configuration: every field of the detector recipe, checked by type."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..datasets.errors import ConfigError
from ..detection.recipe import DetectorRecipe
from .config import Config, suggestion

FROZEN = "frozen_weights"


def detector_recipe(config: Config) -> tuple[DetectorRecipe, Path | None]:
    """Return the recipe, and the checkpoint of the frozen protocol (None: the detector trained on visible).

    Raises:
        ConfigError: unknown key, wrong type, or a weights file that does not exist.
    """
    section = dict(config.detector)
    frozen = section.pop(FROZEN, None)
    recipe = recipe_from(section)
    return recipe, None if frozen is None else existing(Path(str(frozen)), f"detector.{FROZEN}")


def recipe_from(section: Mapping[str, Any]) -> DetectorRecipe:
    """Build a recipe from plain values; see :func:`detector_recipe`."""
    fields = {field.name: field for field in dataclasses.fields(DetectorRecipe)}
    for key in section:
        if key not in fields:
            raise ConfigError(f"detector.{key}: unknown key{suggestion(str(key), [*fields, FROZEN])}")
    try:
        recipe = TypeAdapter(DetectorRecipe).validate_python(dict(section))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise ConfigError(f"detector.{where}: {problem['msg']}, found {problem['input']!r}") from error
    return recipe


def existing(path: Path, key: str) -> Path:
    """Return the absolute path of a file that must exist."""
    full = path.expanduser().absolute()
    if not full.is_file():
        names = [p.name for p in full.parent.iterdir()] if full.parent.is_dir() else []
        near = difflib.get_close_matches(full.name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "; check the path"
        raise ConfigError(f"{key}: {full} does not exist{hint}")
    return full
