"""From a configuration to the units of a run, in the order in which they can be done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..datasets.splits import Split
from ..detection.recipe import DetectorRecipe
from .config import Config, SourceConfig
from .quality import quality_unit
from .stages import (
    fuse_unit,
    pairs_needed,
    predict_unit,
    train_detector_unit,
)
from .store import Store, Unit
from .trainings import is_trained_here, teacher_of, train_fusion_unit
from .workload import Workload

REFERENCE = "visible"


@dataclass
class Plan:
    """The units of a run by what they give.

    Attributes:
        trained: source name -> training of its fusion network, for sources that are trained here.
        fused: source name -> its fused pictures.
        detectors: (source, seed) -> detector trained on that source.
        predictions: (protocol, source, seed) -> predictions on val and test.
        quality: source name -> fusion metrics of its test pictures.
    """

    trained: dict[str, Unit] = field(default_factory=dict)
    fused: dict[str, Unit] = field(default_factory=dict)
    detectors: dict[tuple[str, int], Unit] = field(default_factory=dict)
    predictions: dict[tuple[str, str, int], Unit] = field(default_factory=dict)
    quality: dict[str, Unit] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Unit]:
        """Yield the units, those that others need before these."""
        groups = (self.trained, self.fused, self.detectors, self.predictions, self.quality)
        given: set[int] = set()
        for unit in (unit for group in groups for unit in group.values()):
            yield from _needs_first(unit, given)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _needs_first(unit: Unit, given: set[int]) -> Iterator[Unit]:
    """Yield a unit after all that it needs, each object once."""
    if id(unit) not in given:
        given.add(id(unit))
        for need in unit.needs:
            yield from _needs_first(need, given)
        yield unit


def with_reference(config: Config) -> tuple[SourceConfig, ...]:
    """Return the sources with visible-only first: every comparison is against it."""
    reference = [source for source in config.sources if source.name == REFERENCE]
    others = [source for source in config.sources if source.name != REFERENCE]
    return tuple((reference or [SourceConfig(name=REFERENCE)]) + others)


def fused_sources(config: Config) -> tuple[str, ...]:
    """Return the names of the sources that are fused images, not one modality alone."""
    single = ("visible", "infrared")
    return tuple(source.name for source in with_reference(config) if source.spec not in single)


def make_plan(
    config: Config,
    recipe: DetectorRecipe,
    frozen: Path | None,
    workload: Workload,
    split: Split,
    divided: Unit,
    store: Store,
) -> Plan:
    """Lay out all units up to the predictions and the fusion metrics.

    Args:
        config: resolved configuration.
        recipe: how detectors are trained and run.
        frozen: detector checkpoint for the frozen protocol; None takes the one trained on visible.
        workload: pairs and hashes.
        split: train, val and test.
        divided: the unit that made the split and wrote the ground truth.
        store: where results stand.
    """
    plan = Plan()
    sources = with_reference(config)
    teachers = {source.name: teacher_of(source, config) for source in sources}
    lessons: dict[str, Unit] = {}

    def images_to_learn_from(name: str | None) -> Unit | None:
        if name is None or set(split.train) <= set(pairs_needed(split, config.protocols, name)):
            return plan.fused.get(name or "")
        if name not in lessons:  # Apart: what the teacher is scored on must not depend on who learns from it.
            source = next(source for source in sources if source.name == name)
            stems = [*split.train, *split.val]
            lessons[name] = fuse_unit(source, config, workload, stems, plan.trained.get(name), store)
        return lessons[name]

    # Those that learn from another source's images after it.
    for source in sorted(sources, key=lambda source: teachers[source.name] is not None):
        if is_trained_here(source, config.fusion):
            teacher = images_to_learn_from(teachers[source.name])
            trained = train_fusion_unit(source, config, workload, split, store, teacher)
            plan.trained[source.name] = trained
        stems = pairs_needed(split, config.protocols, source.name)
        plan.fused[source.name] = fuse_unit(
            source, config, workload, stems, plan.trained.get(source.name), store
        )
    for seed in config.seeds:
        for source in sources:
            wanted = "retrained" in config.protocols or (source.name == REFERENCE and frozen is None)
            if wanted:
                plan.detectors[source.name, seed] = train_detector_unit(
                    source, recipe, seed, workload, split, plan.fused[source.name], store
                )
    for protocol in config.protocols:
        for seed in config.seeds:
            if protocol == "frozen" and frozen is not None and seed != config.seeds[0]:
                continue  # A given checkpoint has no seed: once is all there is.
            for source in sources:
                if protocol == "retrained":
                    detector: Unit | Path = plan.detectors[source.name, seed]
                else:
                    detector = frozen or plan.detectors[REFERENCE, seed]
                plan.predictions[protocol, source.name, seed] = predict_unit(
                    source,
                    seed,
                    recipe,
                    workload.pairs,
                    split,
                    plan.fused[source.name],
                    detector,
                    store,
                )
    plan.fused = {source.name: plan.fused[source.name] for source in sources}
    metrics = config.quality.metrics
    for name, fused in plan.fused.items() if metrics else ():
        plan.quality[name] = quality_unit(
            name, metrics, workload, split.test, fused, divided, store, device=config.fusion.device
        )
    return plan
