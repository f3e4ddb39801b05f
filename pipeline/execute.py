"""Runs units in order, keeps going past failures, and remembers what failed and why."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..datasets.errors import RegionFuseError, StorageError
from ..datasets.storage import write_text
from .console import Screen
from .store import Store, Unit

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What became of the units of a run.

    Attributes:
        done: keys of units with a result, reused ones included.
        reused: how many of them were there already.
        failed: unit key -> one-line reason; units that build on a failed one are among them.
    """

    done: set[str] = field(default_factory=set)
    reused: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def execute(
    units: Sequence[Unit],
    store: Store,
    screen: Screen,
    outcome: Outcome,
    left: Callable[[int], str] | None = None,
) -> None:
    """Run ``units`` in order (needs first) and add to ``outcome``; ``left(n)`` is said after a unit's name.

    A unit that fails costs only what builds on it. Running out of disk, an interrupt and a lost lock stop
    everything: they would hit every unit alike.

    Raises:
        StorageError: the disk is full or read-only.
        KeyboardInterrupt: the user stopped the run.
    """
    width = len(str(len(units)))
    for number, unit in enumerate(units, start=1):
        if unit.key in outcome.done or unit.key in outcome.failed:
            continue
        broken = [need for need in unit.needs if need.key in outcome.failed]
        if broken:
            outcome.failed[unit.key] = outcome.failed[broken[0].key]
            continue
        if store.is_done(unit):
            outcome.done.add(unit.key)
            outcome.reused += 1
            screen.say(f"[{number:>{width}}/{len(units)}] {unit.stage} {unit.name}: already done", level=1)
            continue
        try:
            said = left(number - 1) if left is not None else ""
            with screen.task(f"[{number:>{width}}/{len(units)}] {unit.stage} {unit.name}{said}") as progress:
                store.execute(unit, progress)
        except StorageError:
            raise
        except RegionFuseError as error:
            outcome.failed[unit.key] = " ".join(str(error).split())
            screen.error(f"{unit.stage} {unit.name}: {error}")
        except Exception as error:
            # A bug of ours, or of a foreign method: it must not cost the other sources their results.
            path = store.run / "errors" / f"{unit.stage}-{unit.key[:16]}.txt"
            write_text(path, traceback.format_exc())
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            outcome.failed[unit.key] = reason
            screen.error(f"{unit.stage} {unit.name}: {reason} (traceback in {path})")
        else:
            outcome.done.add(unit.key)


def require(unit: Unit, store: Store, screen: Screen, outcome: Outcome) -> None:
    """Run a unit without which nothing else makes sense; its error passes through."""
    if store.is_done(unit):
        outcome.reused += 1
    else:
        with screen.task(f"{unit.stage} {unit.name}") as progress:
            store.execute(unit, progress)
    outcome.done.add(unit.key)
