"""Which sources of a run are trained in it, with what options, and the unit that does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..datasets.records import Pair, PairSet
from ..datasets.splits import Split
from ..datasets.storage import sha256_file
from ..fusion.names import split_mode
from ..fusion.training.options import NETWORK_FILES, TrainingOptions
from .config import Config, FusionConfig, SourceConfig
from .store import Progress, Store, Unit
from .workload import Workload

DEFAULT = "regionfuse"
"""The method that the ``fusion`` section is about; it is trained unless something else is asked for."""


def is_default(source: SourceConfig) -> bool:
    """Tell whether the ``fusion`` section says how the source is trained."""
    return source.spec == DEFAULT


def is_trained_here(source: SourceConfig, fusion: FusionConfig) -> bool:
    """Tell whether the run itself trains this source's network."""
    if source.train is not None or not is_default(source):
        return source.trains
    return source.weights is None and fusion.weights is None and fusion.epochs > 0


def given_weights(source: SourceConfig, fusion: FusionConfig) -> Path | None:
    """Return the weights file that the configuration names for a source; None: none, or the shipped one."""
    return source.weights or (fusion.weights if is_default(source) and source.train is None else None)


def training_options(source: SourceConfig, fusion: FusionConfig) -> TrainingOptions:
    """Return a source's options: ``train`` over the ``fusion`` section (RegionFuse) or its publication.

    Raises:
        MethodError: the method cannot be trained.
        ConfigError: an option that it does not read, or a value out of range.
    """
    from ..fusion.training.recipes import options_for

    said: dict[str, Any] = {"seed": fusion.seed, "device": fusion.device}
    if is_default(source):
        said |= {
            "preset": fusion.preset,
            "epochs": fusion.epochs,
            "warmup_epochs": fusion.warmup_epochs,
            "steps_per_epoch": fusion.steps_per_epoch,
            "batch_size": fusion.batch_size,
            "patch": fusion.patch,
            "learning_rate": fusion.learning_rate,
            "lambda_gradient": fusion.lambda_gradient,
            "mu_load": fusion.mu_load,
            "load_epochs": fusion.load_epochs,
            "network": fusion.network,
            "init_weights": fusion.init,
        }
    if source.train:
        own = source.train.model_dump(exclude_none=True)
        if "init" in own:
            own["init_weights"] = own.pop("init")
        if "network" in own and is_default(source):
            own["network"] = {**fusion.network, **own["network"]}
        said |= own
    if said.get("init_weights") == "shipped":
        from ..fusion.regionfuse.method import SHIPPED

        said["init_weights"] = SHIPPED
    if is_default(source):
        said["warmup_epochs"] = min(said["warmup_epochs"], max(said["epochs"] - 1, 0))
    return options_for(split_mode(source.spec)[0], said)


def require_trainable(config: Config) -> None:
    """Find out before anything runs whether everything that is to be trained can be.

    Raises:
        MethodError: a method that cannot be trained.
        ConfigError: options that it does not take, or no labels for a method that learns from some.
    """
    from ..fusion.training.recipes import recipe_for

    for source in config.sources:
        if is_trained_here(source, config.fusion):
            recipe_for(training_options(source, config.fusion))


def teacher_of(source: SourceConfig, config: Config) -> str | None:
    """Return the source whose images another one learns from; None where a folder, or nothing, is given."""
    return source.teacher([other.name for other in config.sources])


def training_sets(source: SourceConfig, config: Config, workload: Workload) -> tuple[PairSet, ...]:
    """Return the extra pair sets that a source is trained on; none for one that learns from a source."""
    return () if teacher_of(source, config) else tuple(workload.extra)


def training_pairs(source: SourceConfig, config: Config, workload: Workload, split: Split) -> list[Pair]:
    """Return the pairs that a source's network is trained on: the train split and the extra pairs."""
    pairs = [workload.pairs[stem] for stem in split.train]
    return pairs + [pair for extra in training_sets(source, config, workload) for pair in extra]


def trained_here(source: SourceConfig, config: Config, workload: Workload, split: Split) -> str:
    """Return the mark of a source that the run trains, e.g. ``48 pairs, 6 epochs``."""
    pairs = len(training_pairs(source, config, workload, split))
    epochs = training_options(source, config.fusion).epochs
    return f"{pairs} pair{'s' * (pairs != 1)}, {epochs} epoch{'s' * (epochs != 1)}"


def train_fusion_unit(
    source: SourceConfig,
    config: Config,
    workload: Workload,
    split: Split,
    store: Store,
    teacher: Unit | None = None,
) -> Unit:
    """Train a fusion network on train split and extra pairs; result: ``weights.safetensors`` + card.

    ``teacher`` fuses the images of the source that this one learns from, where it does.
    """
    from ..fusion.training.recipes import recipe_class

    options = training_options(source, config.fusion)
    train = training_pairs(source, config, workload, split)
    validation = [workload.pairs[stem] for stem in split.val]
    extra = training_sets(source, config, workload)
    names = (workload.pairs.name, *(each.name for each in extra))
    params = {
        "options": _settings(options, [*train, *validation], from_source=teacher is not None),
        "train": workload.images_digest(train),
        "validation": workload.images_digest(validation),
        "names": names,
    }

    def action(work: Path, progress: Progress) -> None:
        from ..fusion.training.trainer import train as train_fusion

        labels = store.folder(teacher) / "images" if teacher else options.labels
        used = replace(options, labels=labels)
        train_fusion(used, train, validation, work, resume=True, progress=progress, trained_on=names)

    needs = (teacher,) if teacher else ()
    version = recipe_class(options.method).version
    return Unit("train-fusion", source.name, params, action, needs=needs, source=source.name, version=version)


def _settings(options: TrainingOptions, pairs: Sequence[Pair], *, from_source: bool) -> dict[str, Any]:
    """Return what decides a training: the options without places, files by their content."""
    settings = asdict(options)
    for key in ("device", "workers", "labels", *(() if options.network else ("network",))):
        settings.pop(key)
    init = options.init_weights
    settings["init_weights"] = sha256_file(init) if init else None
    for name in NETWORK_FILES & options.network.keys():
        settings["network"][name] = sha256_file(Path(str(options.network[name])))
    if options.labels is not None and not from_source:
        from ..fusion.training.labels import find_labels

        settings["labels"] = find_labels(options.labels, pairs).card()
    return settings
