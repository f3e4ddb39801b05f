"""``regionfuse reproduce``: from the names of experiments to tables and the PDF."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from ...datasets.errors import ConfigError
from ..console import Screen
from ..execute import Outcome, execute
from ..machine import describe_machine
from ..run import shown_warnings
from ..store import Store, Unit, explained, locked
from .chapter import Chapter
from .estimate import Clock, spoken
from .experiments import chosen
from .kinds import DETECTS, TRAINS, USES_REGIONFUSE, chapter_of, units_of
from .material import Request, gather
from .records import Experiment
from .scale import Scale, scale_named
from .shop import Candidate, Shop


@dataclass(frozen=True)
class Order:
    """What the command line asks for.

    Attributes:
        names: experiments.
        out: folder of units, tables and PDF.
        scale: ``small`` or ``paper``.
        data: pairs.
        device: for everything that runs a network.
        weights: RegionFuse weights for the experiments that compare no trainings.
        detector: detector checkpoint; None: the shipped one.
        classifier: PIAFusion's illumination classifier.
        methods: further methods, ``NAME`` or ``NAME=WEIGHTS``.
        steps: steps of every training instead of the scale's.
    """

    names: tuple[str, ...]
    out: Path
    scale: str = "small"
    data: Request = field(default_factory=Request)
    device: str = "auto"
    weights: Path | None = None
    detector: Path | None = None
    classifier: Path | None = None
    methods: tuple[str, ...] = ()
    steps: int | None = None


@dataclass(frozen=True)
class Reproduction:
    """What the command ended with: the PDF, the chapters, and what failed."""

    pdf: Path
    chapters: tuple[Chapter, ...]
    failed: dict[str, str]


def reproduce(order: Order, screen: Screen) -> Reproduction:
    """Run experiments; finished units are never redone, failed ones become rows with their reason.

    Raises:
        RegionFuseError: an unknown name, missing data, or no place to write.
    """
    started = time.monotonic()
    experiments, scale = chosen(order.names), scale_named(order.scale)
    for option, path in (("--weights", order.weights), ("--classifier", order.classifier)):
        if path is not None and not path.is_file():
            raise ConfigError(f"{option} {path}: no such file")
    with locked(order.out), explained(order.out), shown_warnings(screen):
        shop = open_shop(order, experiments, scale, screen)
        units = all_units(shop, experiments)
        clock = Clock(units, shop)
        _announce(shop, units, clock, screen)
        outcome = Outcome()
        execute(units, shop.store, screen, outcome, clock.title())
        chapters = tuple(chapter_of(shop, experiment, outcome) for experiment in experiments)
        with screen.task("tables and PDF"):
            from .document import write_results

            pdf = write_results(chapters, shop, order.out, machine_facts(order), time.monotonic() - started)
        failed = {f"{unit.stage} {unit.name}": outcome.failed[unit.key] for unit in units
                  if unit.key in outcome.failed}  # fmt: skip
        return Reproduction(pdf, chapters, failed)


def open_shop(order: Order, experiments: tuple[Experiment, ...], scale: Scale, screen: Screen) -> Shop:
    """Read the data and the files that an order names."""
    kinds = {experiment.kind for experiment in experiments}
    own_weights = order.weights is not None or scale.name != "paper"
    trains = any(kind in TRAINS or (kind in USES_REGIONFUSE and not own_weights) for kind in kinds)
    store = Store(order.out)
    with screen.task("reading the pairs") as progress:
        material = gather(
            order.data, scale, order.out, progress,
            trains=trains, detects=any(kind in DETECTS for kind in kinds),
        )  # fmt: skip
    detector, size = order.detector, 640
    if detector is None:
        from ..detector_config import shipped_detector

        detector, size = shipped_detector(), 320
        if material.detection is not None and not material.detection.synthetic:
            screen.warn(
                "detection on real pairs by the shipped detector, which has seen synthetic road scenes only; "
                "give --detector FILE for one that knows real ones"
            )
    extra = tuple(_method(entry) for entry in order.methods)
    return Shop(
        scale, material, store, order.device, order.weights, extra, detector, size, order.classifier,
        order.steps,
    )  # fmt: skip


def all_units(shop: Shop, experiments: tuple[Experiment, ...]) -> list[Unit]:
    """Return the units of all experiments, each once: what several share is done once."""
    found: dict[str, Unit] = {}
    for experiment in experiments:
        for unit in units_of(shop, experiment):
            found.setdefault(unit.key, unit)
    return list(found.values())


def machine_facts(order: Order) -> list[tuple[str, str]]:
    """Return what the first page says about the machine."""
    machine = describe_machine()
    gpu = f", {machine['gpu']}" if machine["gpu"] else ""
    return [
        ("Machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB{gpu}"),
        ("Device", order.device),
    ]


def _announce(shop: Shop, units: list[Unit], clock: Clock, screen: Screen) -> None:
    todo = [unit for unit in units if not shop.store.is_done(unit)]
    trainings = sum(unit.stage == "train-fusion" for unit in todo)
    screen.say(
        f"{len(units)} units, {len(todo)} to do, {trainings} of them trainings: "
        f"{spoken(clock.remaining())} on two CPU cores"
    )
    if shop.scale.name == "paper" and trainings and not _on_gpu(shop.device):
        screen.warn(
            f"--scale paper trains the base network {trainings} times by the full recipe, which is meant for "
            f"a GPU; on this CPU expect {spoken(clock.remaining())}"
        )


def _on_gpu(device: str) -> bool:
    from ...fusion.run import resolve_device

    return resolve_device(device).type == "cuda"


def _method(entry: str) -> Candidate:
    """Read ``NAME`` or ``NAME=WEIGHTS``."""
    name, _, file = entry.partition("=")
    weights = Path(file).expanduser() if file else None
    if weights is not None and not weights.is_file():
        raise ConfigError(f"--method {entry}: no such file {weights}")
    from .efficiency import ENTRIES

    titles = {entry.label: entry.title for entry in ENTRIES}
    return Candidate(name, titles.get(name, name), name, weights)
