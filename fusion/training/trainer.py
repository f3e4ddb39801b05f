"""The training loop, the same for every method: a recipe says what to minimise, this says how.

Data order, patches and router noise are functions of (seed, epoch), so a run that was killed redoes its
unfinished epoch exactly, and on a CPU ends with the same weights to the last bit.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ...datasets.errors import CheckpointError, DataError, MethodError, StorageError
from ...datasets.records import Pair
from ..contamination import TrainingData, stated_by_weights
from ..weights import load_strict, save_weights, sha256
from .cards import training_card
from .checkpoint import (
    Checkpoint,
    check_same_run,
    forget_checkpoints,
    network_tensors,
    optimizer_tensors,
    read_checkpoint,
    restore_network,
    restore_optimizer,
    write_checkpoint,
)
from .data import DecodedPairs, EpochOrder, hash_pairs, patch_loader
from .distributed import World, world
from .initial_weights import read_initial_weights
from .labels import find_labels, require_own_stems
from .log import Curves, Row, write_csv
from .optimiser import Optimiser
from .options import NETWORK_FILES, TrainingOptions
from .precision import Precision
from .recipe import Batch, Phase, Recipe
from .recipes import recipe_for
from .validation import Validation

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run leaves.

    Attributes:
        weights: the weights file; its card lies beside it.
        card: the card.
        epochs: epochs trained, those before a resumption included.
        final_losses: means of the last epoch, ``train_TERM`` and ``validation_TERM``.
        seconds: time spent training, that before a resumption included.
    """

    weights: Path
    card: dict[str, Any]
    epochs: int
    final_losses: dict[str, float]
    seconds: float


def train(
    options: TrainingOptions,
    train_pairs: Sequence[Pair],
    validation_pairs: Sequence[Pair],
    out: Path,
    *,
    resume: bool = True,
    progress: Progress | None = None,
    trained_on: tuple[str, ...] = (),
) -> TrainingResult:
    """Train a fusion network; in every process that ``torchrun`` started, or in this one alone.

    Leaves in ``out``: ``weights.safetensors`` with its card, ``checkpoint.*`` after every epoch, ``log.csv``,
    ``tensorboard/``, and ``validation/`` with pictures (visible | infrared | fused). Several processes
    need to see the same ``out``.

    Args:
        options: what to train and how.
        train_pairs: pairs to draw patches from.
        validation_pairs: pairs for validation losses and pictures; may be empty. Nothing is selected by them.
        out: folder of the run, made when missing.
        resume: go on from the checkpoint in ``out`` when there is one; otherwise it is removed.
        progress: called after every step with steps done, all steps, and a message.
        trained_on: names of the data sets, for the card.

    Raises:
        DataError: no pairs, an unreadable image, or pairs without a label where labels are given.
        CheckpointError: the checkpoint is damaged, or of a run with other options or data; or the weights to
            start from are.
        MethodError: unknown method, or losses or weights left the finite numbers.
        ConfigError: the device is not there or the batch cannot be shared by the processes.
        StorageError: ``out`` cannot be written.
    """
    if not train_pairs:
        raise DataError("no pairs to train on; give at least one infrared-visible pair")
    with world(options.device) as here, _own_random_numbers(here.device):
        run = _Run(options, train_pairs, validation_pairs, out, here, trained_on)
        return run.go(resume, progress if progress is not None and here.leads else _silent)


class _Step(nn.Module):
    """Recipe and network as one module, so that several processes see one forward pass, whatever it calls."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.network, self.recipe = network, recipe

    def forward(self, batch: Batch, epoch: int) -> dict[str, Tensor]:
        return self.recipe.step(self.network, batch, epoch)


class _Run:
    """One run in one process: network, data, and what a checkpoint remembers of both."""

    def __init__(
        self,
        options: TrainingOptions,
        train_pairs: Sequence[Pair],
        validation_pairs: Sequence[Pair],
        out: Path,
        here: World,
        trained_on: tuple[str, ...],
    ) -> None:
        self.options, self.out, self.here = options, out, here
        self.recipe = recipe_for(options)
        self.precision = Precision(options.amp, here.device)

        # Sorted, so that the order in which a caller lists the files does not matter.
        pairs = sorted(train_pairs, key=lambda pair: pair.stem)
        self.pairs = len(pairs)
        self.labels = find_labels(options.labels, pairs)
        for file in (*([options.labels] if options.labels else ()), *self.recipe.files_by_stem()):
            require_own_stems([*pairs, *validation_pairs], file)
        self.pairs_sha256, image_hashes = hash_pairs(pairs, self.labels) if here.leads else ("", [])
        self.labels_card = self.labels.card() if here.leads else None
        patches = self.recipe.patches_per_epoch([(pair.height, pair.width) for pair in pairs])
        self.order = EpochOrder(len(pairs), options, here.rank, here.size, patches)
        decoded = DecodedPairs(pairs, labels=self.labels, targets=self.recipe.training_targets(pairs))
        on_gpu = here.device.type == "cuda"
        workers, contrast = _workers(options, here), self.recipe.least_contrast
        self.loader = patch_loader(decoded, self.order, options, workers, on_gpu, contrast)
        self.steps = len(self.order)
        self.validation = Validation(
            validation_pairs, options, self.recipe, self.precision, out / "validation"
        )

        torch.manual_seed(options.seed)
        self.network = self.recipe.build()
        self.init_sha256: str | None = None
        if options.init_weights is not None:
            load_strict(self.network, read_initial_weights(options.init_weights), options.init_weights)
            self.init_sha256 = sha256(options.init_weights)
        # What the first weights were trained on, these have seen too, and what the losses' helpers saw.
        first = TrainingData() if options.init_weights is None else stated_by_weights(options.init_weights)
        own = TrainingData(trained_on, frozenset(image_hashes))
        self.seen = first | self.recipe.seen(options) | own
        self.network.to(here.device)
        self.optimiser = Optimiser(self.network, self.recipe, self.precision)
        self.stepper: nn.Module = _Step(self.network, self.recipe)

        self.epochs_done = 0
        self.seconds = 0.0
        self.rows: list[Row] = []

    def go(self, resume: bool, progress: Progress) -> TrainingResult:
        """Train what is left to train and write the weights."""
        self._prepare_folder(resume)
        curves: Curves | None = None
        if self.here.leads and self.epochs_done < self.options.epochs:
            curves = Curves(self.out / "tensorboard", self.epochs_done * self.steps)
        try:
            phase: Phase | None = None
            for epoch in range(self.epochs_done, self.options.epochs):
                if self.recipe.phase(epoch) != phase:
                    phase = self.recipe.phase(epoch)
                    self._enter(phase)
                self._epoch(epoch, curves, progress)
        finally:
            if curves is not None:
                curves.close()
        return self._finish()

    def _prepare_folder(self, resume: bool) -> None:
        """Make ``out``, and restore its checkpoint or clear what an earlier run left."""
        if self.here.leads:
            try:
                self.out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(
                    f"cannot make {self.out}: {error.strerror}; choose another folder"
                ) from error
        self.here.wait()
        checkpoint = read_checkpoint(self.out) if resume else None
        self.here.wait()  # nobody writes before everybody has read
        if checkpoint is None:
            if self.here.leads:
                forget_checkpoints(self.out)
                for folder in ("tensorboard", "validation"):
                    shutil.rmtree(self.out / folder, ignore_errors=True)
            return
        if self.here.leads:
            check_same_run(checkpoint, self._identity(), self.out)
        restore_network(self.network, checkpoint)
        restore_optimizer(self.optimiser.adam, self.optimiser.names, checkpoint)
        self.precision.scaler.load_state_dict(checkpoint.state["scaler"])
        spoilt = _not_finite(self.network)
        if spoilt:
            raise CheckpointError(
                f"cannot resume: expected finite weights in the checkpoint in {self.out}, found NaN or "
                f"infinity in {spoilt}: that training diverged; train without resuming, with a smaller "
                "learning_rate"
            )
        self.epochs_done = checkpoint.epoch
        self.seconds, self.rows = checkpoint.state["seconds"], checkpoint.state["curves"]
        if self.here.leads:  # a run that was killed after the checkpoint has not logged its last epoch
            write_csv(self.rows, self.out / "log.csv")
        logger.info("going on after epoch %d of %d in %s", checkpoint.epoch, self.options.epochs, self.out)

    def _enter(self, phase: Phase) -> None:
        logger.info("phase %s", phase.name)
        self.optimiser.enter(phase)
        self.stepper = _Step(self.network, self.recipe)
        if self.here.size > 1:
            self.stepper = DistributedDataParallel(
                self.stepper, find_unused_parameters=self.recipe.unused_parameters
            )

    def _epoch(self, epoch: int, curves: Curves | None, progress: Progress) -> None:
        """Train one epoch, validate, log, and write the checkpoint."""
        started = time.monotonic()
        # A function of the epoch: the checkpoint need not hold a random state to go on with.
        torch.manual_seed(_mix(self.options.seed, epoch, self.here.rank))
        self.order.epoch = epoch
        self.network.train()
        sums: Row = {}
        for number, batch in enumerate(self.loader):
            step = epoch * self.steps + number
            self.optimiser.clear()
            try:
                with self.precision.autocast():
                    losses = self.stepper(batch.to(self.here.device), epoch)
                factor = partial(self.recipe.group_schedule, step=step, steps_per_epoch=self.steps)
                terms = self.optimiser.step(losses, factor)
            except MethodError as error:
                raise MethodError(self._stopped(str(error), epoch, number)) from error
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value
            if curves is not None:
                curves.scalars("step", terms, step)
            said = f"epoch {epoch + 1}/{self.options.epochs} loss {terms['total']:.4f}"
            progress(step + 1, self.options.epochs * self.steps, said)
        measured = self.recipe.measures()
        spoilt = self._spoilt(batch)
        means = self.here.mean(
            [*(total / self.steps for total in sums.values()), *measured.values(), float(bool(spoilt))]
        )
        if means.pop():
            reason = f"it left values that are not finite in {spoilt or 'another process'}"
            raise MethodError(self._stopped(reason, epoch, self.steps - 1))
        self.epochs_done = epoch + 1
        done = self.epochs_done * self.steps
        row: Row = {"epoch": self.epochs_done, "step": done}
        for name, mean in zip((*sums, *measured), means, strict=True):
            as_it_is = name in ("learning_rate", "gradient_norm") or name in measured
            row[name if as_it_is else f"train_{name}"] = mean
        if self.here.leads:
            validation = self.validation.run(self.network, epoch, done, curves)
            row |= {f"validation_{name}": value for name, value in validation.items()}
        for name, value in row.items():
            if not math.isfinite(value):
                raise MethodError(self._stopped(f"{name} is {value}", epoch, self.steps - 1))
        row["seconds"] = time.monotonic() - started
        self.seconds += row["seconds"]
        self.rows.append(row)
        if curves is not None:
            curves.scalars("epoch", row, done)
        if self.here.leads:
            self._save()

    @torch.no_grad()
    def _spoilt(self, batch: Batch) -> str:
        """Return what is not finite after an epoch, e.g. the name of a parameter; empty: nothing.

        A step looks at its own loss only: nobody has seen yet what the last one did to the weights.
        """
        spoilt = _not_finite(self.network)
        if spoilt or self.validation.pairs:  # whose losses show what the network makes of an image
            return spoilt
        self.network.eval()
        with self.precision.autocast():
            fused = self.recipe.fused(self.network, batch.to(self.here.device))
        return "" if fused is None or fused.isfinite().all() else "a fused patch"

    def _stopped(self, reason: str, epoch: int, number: int) -> str:
        kept = f"the checkpoint of epoch {epoch} is kept" if epoch else "no epoch was finished"
        return (
            f"training stopped at epoch {epoch + 1}, step {number + 1} of {self.steps}: {reason}; try a "
            f"smaller learning_rate (now {self.options.learning_rate:g}), a longer warm-up, or amp off; "
            f"{kept} in {self.out}"
        )

    def _identity(self) -> dict[str, Any]:
        network = {k: v for k, v in self.options.network.items() if k not in NETWORK_FILES}
        return {
            "options": replace(self.options, network=network).to_dict(),
            "pairs_sha256": self.pairs_sha256,
            "init_sha256": self.init_sha256,
            "recipe": json.loads(json.dumps(self.recipe.card())),
            "recipe_version": self.recipe.version,
        }

    def _save(self) -> None:
        moments, scalars = optimizer_tensors(self.optimiser.adam, self.optimiser.names)
        state = {
            **self._identity(),
            "epoch": self.epochs_done,
            "seconds": self.seconds,
            "curves": self.rows,
            "optimizer_scalars": scalars,
            "scaler": self.precision.scaler.state_dict(),
        }
        write_checkpoint(Checkpoint({**network_tensors(self.network), **moments}, state), self.out)
        write_csv(self.rows, self.out / "log.csv")

    def _finish(self) -> TrainingResult:
        weights = self.out / "weights.safetensors"
        losses = {k: v for k, v in self.rows[-1].items() if k.startswith(("train_", "validation_"))}
        network = self.recipe.export(self.network)
        gpu = self.here.device.type == "cuda"
        card = training_card(
            self.options,
            self.recipe,
            network,
            rows=self.rows,
            seen=self.seen,
            pairs=self.pairs,
            pairs_sha256=self.pairs_sha256,
            init_sha256=self.init_sha256,
            labels=self.labels_card,
            hardware={
                "device": torch.cuda.get_device_name(self.here.device) if gpu else self.here.device.type,
                "processes": self.here.size,
                "precision": self.precision.name,
            },
            seconds=self.seconds,
        )
        if self.here.leads:
            save_weights(network, weights, card)
        self.here.wait()
        card["sha256"] = sha256(weights)
        return TrainingResult(weights, card, self.epochs_done, losses, self.seconds)


@contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    """Leave the caller's random state as it was."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def _not_finite(network: nn.Module) -> str:
    """Return the name of the first parameter or buffer with a value that is not finite; empty: all are."""
    tensors = network.state_dict()
    finite = torch.stack([tensor.isfinite().all() for tensor in tensors.values()])
    if finite.all():  # the only time that a GPU is waited for
        return ""
    return next(name for name, good in zip(tensors, finite.tolist(), strict=True) if not good)


def _mix(*numbers: int) -> int:
    """Return one well-mixed seed for several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _workers(options: TrainingOptions, here: World) -> int:
    if options.workers is not None:
        return options.workers
    return 0 if here.device.type == "cpu" else min(4, max(1, (os.cpu_count() or 1) // here.size))


def _silent(_done: int, _total: int, _message: str) -> None:
    """Report nothing."""
