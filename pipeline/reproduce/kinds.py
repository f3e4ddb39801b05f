"""Kind of experiment -> the units it needs and the chapter it makes of them."""

from __future__ import annotations

import importlib
from typing import Any

from ..execute import Outcome
from ..store import Unit
from .chapter import Chapter
from .records import Experiment, Kind
from .shop import Shop

_MODULES: dict[Kind, str] = {
    "trainings": ".trainings",
    "allocation": ".allocation",
    "encoder": ".encoder",
    "efficiency": ".efficiency",
    "zones": ".zones",
    "contrast": ".contrast",
    "panels": ".panels",
}
TRAINS: tuple[Kind, ...] = ("trainings", "allocation", "encoder")
"""Kinds that compare trainings, and so need training pairs at any scale."""
USES_REGIONFUSE: tuple[Kind, ...] = ("zones", "contrast", "panels")
"""Kinds that need one trained RegionFuse."""
DETECTS: tuple[Kind, ...] = ("contrast", "panels")
"""Kinds that need pairs with boxes."""


def units_of(shop: Shop, experiment: Experiment) -> list[Unit]:
    """Return the units of an experiment, needs before what builds on them."""
    units: list[Unit] = _module(experiment).units(shop, experiment)
    return units


def chapter_of(shop: Shop, experiment: Experiment, outcome: Outcome) -> Chapter:
    """Return the chapter of an experiment; units that failed are rows with their reason."""
    chapter: Chapter = _module(experiment).chapter(shop, experiment, outcome)
    return chapter


def _module(experiment: Experiment) -> Any:
    return importlib.import_module(_MODULES[experiment.kind], __package__)
