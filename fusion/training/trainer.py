"""The training loop, the same for every method: a recipe says what to minimise, this says how.

Data order, patches and router noise are functions of (seed, epoch), so a run that was killed redoes its
unfinished epoch exactly, and on a CPU ends with the same weights to the last bit.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ...datasets.errors import DataError, MethodError, StorageError
from ...datasets.images import write_png
from ...datasets.records import Pair
from ..weights import load_strict, load_weights, save_weights, sha256
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
from .log import Curves, Row, side_by_side, write_csv
from .options import TrainingOptions
from .precision import Precision
from .recipe import Batch, Recipe, recipe_for

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]

# Validation looks at the centre of an image at most this wide: enough to see seams and grain, and cheap
# enough for every epoch on a CPU.
VALIDATION_SIDE = 256
# A long run draws the validation pictures this many times, a short one after every epoch.
PICTURES = 12


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
        DataError: no pairs, or an unreadable image.
        CheckpointError: the checkpoint is damaged, or of a run with other options or data.
        MethodError: unknown method, or the loss left the finite numbers.
        ConfigError: the device is not there or the batch cannot be shared by the processes.
        StorageError: ``out`` cannot be written.
    """
    if not train_pairs:
        raise DataError("no pairs to train on; give at least one infrared-visible pair")
    with world(options.device) as here, _own_random_numbers(here.device):
        run = _Run(options, train_pairs, validation_pairs, out, here, progress, trained_on)
        return run.go(resume)


class _Step(nn.Module):
    """Recipe and network as one module, so that several processes see one forward pass, whatever it calls."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.network, self.recipe = network, recipe

    def forward(self, batch: Batch, epoch: int) -> dict[str, Tensor]:
        return self.recipe.step(self.network, batch, epoch)


@dataclass
class _Progress:
    """What a checkpoint remembers beside tensors."""

    epoch: int = 0
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)


class _Run:
    def __init__(
        self,
        options: TrainingOptions,
        train_pairs: Sequence[Pair],
        validation_pairs: Sequence[Pair],
        out: Path,
        here: World,
        progress: Progress | None,
        trained_on: tuple[str, ...],
    ) -> None:
        self.options, self.out, self.here, self.trained_on = options, out, here, trained_on
        self.report = progress if progress is not None and here.leads else _silent
        self.recipe = recipe_for(options)
        self.precision = Precision(options.amp, here.device)

        # Sorted, so that the order in which a caller lists the files does not matter.
        self.pairs = sorted(train_pairs, key=lambda pair: pair.stem)
        self.order = EpochOrder(len(self.pairs), options, here.rank, here.size)
        workers = options.workers
        if workers is None:
            workers = 0 if here.device.type == "cpu" else min(4, max(1, (os.cpu_count() or 1) // here.size))
        self.loader = patch_loader(
            DecodedPairs(self.pairs), self.order, options, workers, here.device.type == "cuda"
        )
        self.steps = len(self.order)
        self.validation_pairs = _spread(
            sorted(validation_pairs, key=lambda p: p.stem), options.validation_images
        )
        self.validation = DecodedPairs(self.validation_pairs)

        torch.manual_seed(options.seed)
        self.network = self.recipe.build()
        self.init_sha256: str | None = None
        if options.init_weights is not None:
            load_strict(self.network, load_weights(options.init_weights)[0])
            self.init_sha256 = sha256(options.init_weights)
        self.network.to(here.device)
        self.names = {p: name for name, p in self.network.named_parameters() if p.requires_grad}
        self.groups = self._parameter_groups()
        self.optimizer = torch.optim.AdamW(
            [{"params": parameters} for _, parameters in self.groups], weight_decay=options.weight_decay
        )
        self.done = _Progress()
        self.stepper: nn.Module = _Step(self.network, self.recipe)
        self.pairs_sha256, self.image_hashes = hash_pairs(self.pairs) if here.leads else ("", [])

    def go(self, resume: bool) -> TrainingResult:
        """Train what is left to train and write the weights."""
        self._prepare_folder(resume)
        curves = None
        if self.here.leads and self.done.epoch < self.options.epochs:
            curves = Curves(self.out / "tensorboard", self.done.epoch * self.steps)
        try:
            phase = None
            for epoch in range(self.done.epoch, self.options.epochs):
                if self.recipe.phase(epoch) != phase:
                    phase = self.recipe.phase(epoch)
                    self._enter(phase.name, phase.trains)
                self._epoch(epoch, curves)
        finally:
            if curves is not None:
                curves.close()
        return self._finish()

    def _parameter_groups(self) -> list[tuple[Any, list[nn.Parameter]]]:
        specs = self.recipe.groups()
        named = {name: parameter for parameter, name in self.names.items()}
        groups = []
        # The groups with prefixes choose first, the group without takes the rest.
        for spec in sorted(specs, key=lambda spec: not spec.prefixes):
            taken = [name for name in named if not spec.prefixes or name.startswith(spec.prefixes)]
            groups.append((spec, [named.pop(name) for name in taken]))
        return groups

    def _prepare_folder(self, resume: bool) -> None:
        """Make ``out``, and restore its checkpoint or clear what an earlier run left."""
        if self.here.leads:
            try:
                (self.out / "validation").mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(
                    f"cannot make {self.out}: {error.strerror}; choose another folder"
                ) from error
        self.here.wait()
        checkpoint = read_checkpoint(self.out) if resume else None
        if checkpoint is None:
            self.here.wait()
            if self.here.leads:
                forget_checkpoints(self.out)
                for folder in ("tensorboard", "validation"):
                    shutil.rmtree(self.out / folder, ignore_errors=True)
                (self.out / "validation").mkdir(exist_ok=True)
            return
        if self.here.leads:
            check_same_run(checkpoint, self._identity(), self.out)
        restore_network(self.network, checkpoint)
        restore_optimizer(self.optimizer, self.names, checkpoint)
        self.precision.scaler.load_state_dict(checkpoint.state["scaler"])
        self.done = _Progress(checkpoint.epoch, checkpoint.state["seconds"], checkpoint.state["curves"])
        logger.info("going on after epoch %d of %d in %s", checkpoint.epoch, self.options.epochs, self.out)

    def _enter(self, name: str, prefixes: tuple[str, ...]) -> None:
        """Thaw and freeze the parameters of a phase."""
        logger.info("phase %s", name)
        for parameter, parameter_name in self.names.items():
            parameter.requires_grad_(not prefixes or parameter_name.startswith(prefixes))
            parameter.grad = None
        self.stepper = _Step(self.network, self.recipe)
        if self.here.size > 1:
            self.stepper = DistributedDataParallel(
                self.stepper, find_unused_parameters=self.recipe.unused_parameters
            )

    def _epoch(self, epoch: int, curves: Curves | None) -> None:
        """Train one epoch, validate, log, and write the checkpoint."""
        started = time.monotonic()
        torch.manual_seed(_mix(self.options.seed, epoch, self.here.rank))
        self.order.epoch = epoch
        self.network.train()
        sums: Row = {}
        for number, batch in enumerate(self.loader):
            step = epoch * self.steps + number
            losses = self._optimise(batch.to(self.here.device), epoch, step)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
            if curves is not None:
                curves.scalars("step", losses, step)
            self.report(
                step + 1,
                self.options.epochs * self.steps,
                f"epoch {epoch + 1}/{self.options.epochs} loss {losses['total']:.4f}",
            )
        means = self.here.mean([total / self.steps for total in sums.values()])
        row: Row = {"epoch": epoch + 1, "step": (epoch + 1) * self.steps}
        row |= {
            name if name in ("learning_rate", "gradient_norm") else f"train_{name}": mean
            for name, mean in zip(sums, means, strict=True)
        }
        self.done.epoch = epoch + 1
        if self.here.leads:
            row |= {f"validation_{name}": value for name, value in self._validate(epoch, curves).items()}
            row["seconds"] = time.monotonic() - started
            if curves is not None:
                curves.scalars("epoch", row, self.done.epoch * self.steps)
        else:
            row["seconds"] = time.monotonic() - started
        self.done.seconds += row["seconds"]
        self.done.rows.append(row)
        if self.here.leads:
            self._save()

    def _optimise(self, batch: Batch, epoch: int, step: int) -> Row:
        """Do one optimiser step and return the loss terms, the gradient norm and the learning rate."""
        factor = self.recipe.schedule(step, self.steps)
        for (spec, _), group in zip(self.groups, self.optimizer.param_groups, strict=True):
            group["lr"] = spec.learning_rate * factor
        self.optimizer.zero_grad(set_to_none=True)
        with self.precision.autocast():
            losses = self.stepper(batch, epoch)
        scaler = self.precision.scaler
        scaler.scale(losses["total"]).backward()
        scaler.unscale_(self.optimizer)
        norms = [
            nn.utils.clip_grad_norm_(parameters, spec.gradient_clip or math.inf)
            for spec, parameters in self.groups
        ]
        terms = {**losses, "gradient_norm": torch.stack(norms).norm()}
        # One copy from the GPU for everything that the CPU wants to know about this step.
        values = torch.stack([term.detach().float() for term in terms.values()]).tolist()
        row: Row = dict(zip(terms, values, strict=True))
        self._check_finite(row, epoch, step)
        if not math.isfinite(row["gradient_norm"]):
            row["gradient_norm"] = 0.0  # float16 overflowed: the scaler skips this step and lowers its scale
        scaler.step(self.optimizer)
        scaler.update()
        row["learning_rate"] = self.options.learning_rate * factor
        return row

    def _check_finite(self, row: Row, epoch: int, step: int) -> None:
        for name in ("total", "gradient_norm"):
            if math.isfinite(row[name]) or (name == "gradient_norm" and self.precision.scales):
                continue
            kept = f"the checkpoint of epoch {epoch} is kept" if epoch else "no epoch was finished"
            raise MethodError(
                f"training stopped at epoch {epoch + 1}, step {step % self.steps + 1} of {self.steps}: "
                f"{name.replace('_', ' ')} is {row[name]}; try a smaller learning_rate (now "
                f"{self.options.learning_rate:g}), a longer warm-up, or amp off; {kept} in {self.out}"
            )

    @torch.no_grad()
    def _validate(self, epoch: int, curves: Curves | None) -> Row:
        """Return the mean losses on the validation pairs, and draw their pictures now and then."""
        count = len(self.validation_pairs)
        if not count:
            return {}
        self.network.eval()
        last = self.options.epochs - 1
        draws = epoch == last or epoch % max(1, self.options.epochs // PICTURES) == 0
        sums: Row = {}
        for index, pair in enumerate(self.validation_pairs):
            batch = self.validation.batch(index, VALIDATION_SIDE).to(self.here.device)
            with self.precision.autocast():
                for name, value in self.recipe.step(self.network, batch, epoch).items():
                    sums[name] = sums.get(name, 0.0) + value.item() / count
                if not draws:
                    continue
                fused = self.recipe.fused(self.network, batch)
            sheet = side_by_side(batch.visible, batch.infrared, fused)
            name = self.out / "validation" / f"{pair.stem}_epoch{epoch + 1:03d}.png"
            write_png(name, sheet)
            if curves is not None:
                curves.picture(f"validation/{pair.stem}", sheet, (epoch + 1) * self.steps)
        return sums

    def _identity(self) -> dict[str, Any]:
        return {
            "options": self.options.to_dict(),
            "pairs_sha256": self.pairs_sha256,
            "init_sha256": self.init_sha256,
        }

    def _save(self) -> None:
        moments, scalars = optimizer_tensors(self.optimizer, self.names)
        state = {
            **self._identity(),
            "epoch": self.done.epoch,
            "seconds": self.done.seconds,
            "curves": self.done.rows,
            "optimizer_scalars": scalars,
            "scaler": self.precision.scaler.state_dict(),
        }
        write_checkpoint(Checkpoint({**network_tensors(self.network), **moments}, state), self.out)
        write_csv(self.done.rows, self.out / "log.csv")

    def _finish(self) -> TrainingResult:
        weights = self.out / "weights.safetensors"
        last = self.done.rows[-1]
        losses = {name: value for name, value in last.items() if name.startswith(("train_", "validation_"))}
        network = self.recipe.export(self.network)
        card = training_card(
            self.options,
            self.recipe,
            network,
            rows=self.done.rows,
            trained_on=self.trained_on,
            pairs=len(self.pairs),
            pairs_sha256=self.pairs_sha256,
            image_hashes=self.image_hashes,
            init_sha256=self.init_sha256,
            hardware={
                "device": _device_name(self.here.device),
                "processes": self.here.size,
                "precision": self.precision.name,
            },
            seconds=self.done.seconds,
        )
        if self.here.leads:
            save_weights(network, weights, card)
        self.here.wait()
        return TrainingResult(weights, card, self.done.epoch, losses, self.done.seconds)


@contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    """Leave the caller's random state as it was."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def _mix(*numbers: int) -> int:
    """Return one well-mixed seed for several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _spread(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Return up to ``count`` pairs evenly spread over the list."""
    count = min(count, len(pairs))
    return [pairs[(2 * i + 1) * len(pairs) // (2 * count)] for i in range(count)]


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _silent(_done: int, _total: int, _message: str) -> None:
    """Report nothing."""
