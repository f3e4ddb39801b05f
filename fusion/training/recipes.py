"""Which methods can be trained, and with what options when the user gives none."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from ...datasets.errors import ConfigError, MethodError
from .options import TrainingOptions
from .recipe import Recipe

# Method name -> class, or "module:class" relative to this package, imported only when asked for.
RECIPES: dict[str, str | type[Recipe]] = {
    "regionfuse": ".regionfuse:RegionFuseRecipe",
    "piafusion": ".piafusion:PIAFusionRecipe",
    "piafusion-xrestormer": ".piafusion:PIAFusionXRestormerRecipe",
    "piafusion-illumination": ".illumination:IlluminationRecipe",
    "cddfuse": ".cddfuse:CDDFuseRecipe",
    "ship": ".ship:SHIPRecipe",
    "dcevo": ".dcevo:DCEvoRecipe",
    "sage": ".sage:SAGERecipe",
    "a2rnet": ".a2rnet:A2RNetRecipe",
}

# Options that only some recipes read, see Recipe.reads.
PARTICULAR = ("preset", "warmup_epochs", "lambda_gradient", "mu_load", "load_epochs", "region", "network")


def trainable() -> tuple[str, ...]:
    """Return the names of what can be trained, sorted: methods, and helpers of their training."""
    return tuple(sorted(RECIPES))


def recipe_class(method: str) -> type[Recipe]:
    """Return the recipe of a method.

    Raises:
        MethodError: no recipe has that name.
    """
    if method not in RECIPES:
        near = difflib.get_close_matches(method, RECIPES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"trainable are {', '.join(trainable())}"
        raise MethodError(f"method {method!r} cannot be trained; {hint}")
    entry = RECIPES[method]
    if isinstance(entry, str):
        module, _, name = entry.partition(":")
        found: type[Recipe] = getattr(importlib.import_module(module, __package__), name)
        return found
    return entry


def options_for(method: str, given: Mapping[str, Any]) -> TrainingOptions:
    """Return the options of a training: what the user gave, over what the method's publication says.

    Args:
        method: name of a trainable method.
        given: fields of :class:`TrainingOptions`; None stands for "not given".

    Raises:
        MethodError: no recipe has that name.
        ConfigError: an option that this method does not read, a value out of range, or labels are missing.
    """
    cls = recipe_class(method)
    said = {name: value for name, value in given.items() if value is not None}
    for name in PARTICULAR:
        # A zero is something said, but no settings at all, or the method's own value, ask for nothing.
        if name in said and name not in cls.reads and said[name] not in ({}, cls.defaults.get(name)):
            what = f"it reads {', '.join(sorted(cls.reads))}" if cls.reads else "it has one size and recipe"
            raise ConfigError(f"method {method!r} has no option {name}, found {said[name]}; {what}")
    options = TrainingOptions.from_dict({**cls.defaults, **said, "method": method})
    _check(cls, options)
    return options


def recipe_for(options: TrainingOptions) -> Recipe:
    """Return the recipe of ``options.method``.

    Raises:
        MethodError: no recipe has that name.
        ConfigError: the options hold settings or labels that the method does not take, or lack labels.
    """
    cls = recipe_class(options.method)
    _check(cls, options)
    return cls(options)


def _check(cls: type[Recipe], options: TrainingOptions) -> None:
    if options.network and "network" not in cls.reads:
        raise ConfigError(f"method {options.method!r} has no network settings, found {dict(options.network)}")
    if options.labels is not None and not cls.labels:
        raise ConfigError(f"method {options.method!r} learns without labels, found {options.labels}")
    if options.labels is None and cls.labels:
        raise ConfigError(
            f"method {options.method!r} learns from {cls.labels}: give a folder of fused images, one for "
            "every pair by stem, with --labels DIR (in a configuration: train: {labels: DIR})"
        )
