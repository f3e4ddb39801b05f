"""How long the units will take, before they start and while they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..store import Store, Unit
from .shop import Shop

# Seconds on two quiet cores. A training's are per step of the small scale.
_STEP = {"regionfuse": 0.45, "piafusion": 0.5}
_BASE = 60.0  # a step of the base network at batch 8 against one of the tiny network at batch 2
_SLOWER = {"restormer": 1.3, "xrestormer": 4.0}  # by encoder; RegionFuse has X-Restormer blocks anyway
_SMALL_REGION, _SMALL_REGION_COST = 16, 2.0
_TRAINING = 3.0  # to start and to finish one
_PER_MEGAPIXEL = {"fuse": 4.0, "quality": 0.6, "predict": 0.6, "zones": 0.3, "prepare": 0.3}
_FUSING = {
    "visible": 0.1,
    "infrared": 0.1,
    "average": 0.1,
    "laplacian": 0.2,
    "PIAFusion": 2.5,
    "PIAFusion*": 8.0,
}
_FLAT = {"efficiency": 25.0, "evaluate": 0.5}
_PIXELS = 0.31  # megapixels of a whole image


def guess(unit: Unit, shop: Shop) -> float:
    """Return the seconds that a unit is expected to take on a CPU with two cores."""
    if unit.stage == "train-fusion":
        return _training(unit, shop)
    if unit.stage in _PER_MEGAPIXEL:
        prepared = unit if unit.stage == "prepare" else unit.needs[0]
        crop, side = prepared.params["crop"], prepared.params["side"]
        pixels = crop[0] * crop[1] / 1e6 if crop else 0.75 * side**2 / 1e6 if side else _PIXELS
        factor = _FUSING.get(unit.source or "", 1.0) if unit.stage == "fuse" else 1.0
        if unit.stage == "fuse" and factor == 1.0 and shop.scale.name == "paper":
            factor = _BASE / 8
        return float(0.3 + _PER_MEGAPIXEL[unit.stage] * factor * pixels * len(prepared.params["boxes"]))
    return _FLAT.get(unit.stage, 1.0)


def _training(unit: Unit, shop: Shop) -> float:
    options = unit.params["options"]
    passes = max(1, len(shop.material.train) // options["batch_size"])
    step = _STEP.get(options["method"], 0.5)
    if options["method"] == "regionfuse":
        step *= _BASE if options["preset"] == "base" else 1.0
        step *= _SMALL_REGION_COST if (options["region"] or 48) <= _SMALL_REGION else 1.0
    step *= _SLOWER.get(options["network"].get("encoder", ""), 1.0)
    return float(options["epochs"] * (options["steps_per_epoch"] or passes) * step + _TRAINING)


class Clock:
    """Expected time of the units that are left, corrected by how long finished ones of a kind took."""

    def __init__(self, units: Sequence[Unit], shop: Shop) -> None:
        self._store: Store = shop.store
        self._units = list(units)
        self._guess = {unit.key: guess(unit, shop) for unit in units}

    def remaining(self, finished: int = 0) -> float:
        """Return the seconds expected for the units after the first ``finished`` ones."""
        told: dict[str, tuple[float, float]] = {}  # seconds taken and expected, by stage
        left: list[Unit] = []
        for number, unit in enumerate(self._units):
            if self._store.is_done(unit):
                taken = float(self._store.record(unit).get("seconds", 0.0))
                before = told.get(unit.stage, (0.0, 0.0))
                told[unit.stage] = before[0] + taken, before[1] + self._guess[unit.key]
            elif number >= finished:
                left.append(unit)
        factor = {stage: taken / expected for stage, (taken, expected) in told.items() if expected > 0}
        return sum(self._guess[unit.key] * factor.get(unit.stage, 1.0) for unit in left)

    def title(self) -> Callable[[int], str]:
        """Return what is said after the name of a unit: how long everything left will take."""

        def say(finished: int) -> str:
            return f" ({spoken(self.remaining(finished))} left)"

        return say


def spoken(seconds: float) -> str:
    """Return a duration in words: ``about 21 min``."""
    if seconds < 90:
        return f"about {max(1, round(seconds / 10)) * 10} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    if seconds < 48 * 3600:
        return f"about {seconds / 3600:.1f} h"
    return f"about {seconds / 86400:.0f} days"
