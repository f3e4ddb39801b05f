"""``regionfuse train``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import yaml

from ...datasets.errors import ConfigError
from ...datasets.records import Pair, PairSet
from ..console import Screen
from ..run import shown_warnings


@dataclass(frozen=True)
class TrainRequest:
    """What the command line asked for; ``options`` are fields of the trainer's options, None as not given.

    ``network`` holds ``KEY=VALUE`` settings of the network, values in YAML.
    """

    method: str
    out: Path
    infrared: Path | None
    visible: Path | None
    data: tuple[str, ...]
    validation: int
    resume: bool
    options: dict[str, Any]
    network: tuple[str, ...] = ()


def train(request: TrainRequest, screen: Screen) -> None:
    """Train a fusion network on folders of pairs and print where its weights are."""
    from ...fusion.names import HELPERS
    from ...fusion.training.recipes import options_for, recipe_class
    from ...fusion.training.trainer import train as work
    from ..store import explained, locked

    first = int(os.environ.get("RANK", "0")) == 0  # Under torchrun only one process speaks.
    if not first:
        screen = Screen(-1)
    with shown_warnings(screen), explained(request.out):
        given = {**request.options, "network": settings(request.network)}
        options = options_for(request.method, given)
        sets = pair_sets(request)
        pairs = [pair for each in sets for pair in each]
        training, validation = keep_out(pairs, request.validation)
        screen.say(
            f"{request.method}: {options.epochs} epochs, batches of {options.batch_size}, patches of "
            f"{options.patch} x {options.patch}, Adam at {options.learning_rate:g}"
        )
        if options.labels is not None:
            screen.say(f"learns from {recipe_class(request.method).labels}: {options.labels}")
        # Of the processes under torchrun one holds the folder for all of them.
        held = locked(request.out) if first else nullcontext()
        with held, screen.task(f"train {request.method} on {len(training)} pairs") as progress:
            result = work(
                options,
                training,
                validation,
                request.out,
                resume=request.resume,
                progress=progress,
                trained_on=tuple(each.name for each in sets),
            )
    if first:
        losses = ", ".join(f"{name} {value:.4g}" for name, value in result.final_losses.items())
        typer.echo(f"{result.epochs} epochs in {result.seconds:.0f} s; last losses: {losses}")
        typer.echo(f"weights: {result.weights}")
        if request.method in HELPERS:
            setting = f"{HELPERS[request.method]}={result.weights}"
            typer.echo(
                f"use them: regionfuse train --method piafusion --network {setting} --data ... --out DIR"
            )
        else:
            typer.echo(
                f"use them: regionfuse fuse --method {request.method} --weights {result.weights} "
                "--infrared DIR --visible DIR --out DIR"
            )


def settings(entries: Sequence[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` entries, values in YAML, as ``--network`` takes them.

    Raises:
        ConfigError: an entry is not of that form.
    """
    values: dict[str, Any] = {}
    for entry in entries:
        key, separator, text = entry.partition("=")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--network {entry}: the value is not valid YAML") from error
        if not (separator and key.strip() and text.strip()):
            raise ConfigError(f"--network {entry}: expected KEY=VALUE, e.g. --network experts=6")
        values[key.strip()] = value
    return values


def pair_sets(request: TrainRequest) -> list[PairSet]:
    """Read the pair sets that a request names.

    Raises:
        ConfigError: nothing to train on, or a ``--data`` entry that is not ``FORMAT:ROOT``.
    """
    from ...datasets.load import pair_folders

    sets = [named_set(entry) for entry in request.data]
    if (request.infrared is None) != (request.visible is None):
        raise ConfigError("--infrared and --visible belong together; give both folders")
    if request.infrared is not None and request.visible is not None:
        sets.append(pair_folders(request.infrared, request.visible))
    if not sets:
        raise ConfigError("nothing to train on: give --data FORMAT:ROOT, or --infrared DIR and --visible DIR")
    return sets


def named_set(entry: str) -> PairSet:
    """Read the pair set that ``FORMAT:ROOT`` names; of a folder alone the format is guessed."""
    from ...datasets.formats import FORMATS
    from ...datasets.load import detect_format, load_pairs

    if Path(entry).is_dir():
        return load_pairs(detect_format(entry), Path(entry))
    name, separator, root = entry.partition(":")
    if not separator or name not in FORMATS or not root:
        known = ", ".join(FORMATS)
        raise ConfigError(f"--data {entry}: expected a folder, or FORMAT:ROOT with a format of {known}")
    return load_pairs(name, Path(root))


def keep_out(pairs: list[Pair], count: int) -> tuple[list[Pair], list[Pair]]:
    """Return (train, validation): ``count`` evenly spread pairs, at most a quarter, are kept out."""
    count = min(count, len(pairs) // 4)
    kept = {round((index + 0.5) * len(pairs) / count) for index in range(count)} if count else set()
    training = [pair for index, pair in enumerate(pairs) if index not in kept]
    return training, [pair for index, pair in enumerate(pairs) if index in kept]
