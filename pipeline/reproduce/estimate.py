"""How long the units will take, before they start and while they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..store import Store, Unit
from .shop import Shop

# Seconds on two quiet cores; a training's are per step of its default batch, measured with the tiny network.
_STEP = {"regionfuse": 0.45, "piafusion": 0.6}
_SLOWER = {"region 16": 2.0, "restormer": 1.3, "xrestormer": 3.0}
_PER_IMAGE = {"fuse": 0.6, "quality": 0.25, "predict": 0.3, "zones": 0.1, "prepare": 0.1}
_FLAT = {"efficiency": 25.0, "evaluate": 2.0}
_BASE = 60.0  # the base network on a CPU against the tiny one at batch 2


def guess(unit: Unit, shop: Shop) -> float:
    """Return the seconds that a unit is expected to take on a CPU with two cores."""
    if unit.stage == "train-fusion":
        options = unit.params["options"]
        steps = options["epochs"] * (options["steps_per_epoch"] or max(1, len(shop.material.train) // 8))
        step = _STEP[options["method"]]
        if options["region"] is not None and options["region"] <= 16:
            step *= _SLOWER["region 16"]
        encoder = options["network"].get("encoder")
        if options["method"] == "piafusion" or encoder == "restormer":
            step *= _SLOWER.get(encoder or "", 1.0)
        if options["method"] == "regionfuse" and options["preset"] == "base":
            step *= _BASE
        return float(steps * step + 2.0)
    if unit.stage in _PER_IMAGE:
        images = max(len(shop.material.test), len(shop.material.detection or ()))
        return _PER_IMAGE[unit.stage] * images
    return _FLAT.get(unit.stage, 1.0)


class Clock:
    """Expected time of the units that are left, corrected by how long finished ones of a kind took."""

    def __init__(self, units: Sequence[Unit], shop: Shop) -> None:
        self._store: Store = shop.store
        self._units = list(units)
        self._guess = {unit.key: guess(unit, shop) for unit in units}

    def remaining(self, finished: int = 0) -> float:
        """Return the seconds expected for the units after the first ``finished`` ones."""
        told: dict[str, list[float]] = {}
        left: list[Unit] = []
        for number, unit in enumerate(self._units):
            if self._store.is_done(unit):
                taken = float(self._store.record(unit).get("seconds", 0.0))
                told.setdefault(unit.stage, []).append(taken / max(self._guess[unit.key], 1e-3))
            elif number >= finished:
                left.append(unit)
        factor = {stage: sum(ratios) / len(ratios) for stage, ratios in told.items()}
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
