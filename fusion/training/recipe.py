"""What a method contributes to its training: network, losses, phases and schedule, but never a loop.

To make a method trainable, subclass :class:`Recipe` in a module of its own and enter it in ``recipes.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...datasets.records import Pair
from ..contamination import TrainingData
from .options import TrainingOptions
from .schedule import warmup_cosine


@dataclass(frozen=True)
class Batch:
    """Registered patches, float32 in [0, 1], all on the training device.

    Attributes:
        visible: ``B x 1 x H x W`` luminance Y of the visible patch (BT.601, full range).
        infrared: ``B x 1 x H x W``.
        rgb: ``B x 3 x H x W``, the visible patch in RGB, for networks that look at colour.
        label: ``B x 1 x H x W``, luminance of a fused image to learn from; None where no folder was given.
        target: ``B``, what :meth:`Recipe.targets` says of the pairs; None where it says nothing.
    """

    visible: Tensor
    infrared: Tensor
    rgb: Tensor
    label: Tensor | None = None
    target: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Return the batch on ``device``."""
        return self._each(lambda entry: entry.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory (the data loader calls this before a copy to a GPU)."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        given = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return Batch(**{name: change(entry) for name, entry in given.items() if entry is not None})


@dataclass(frozen=True)
class Phase:
    """A run of epochs in which the same parameters are trained.

    Attributes:
        name: written into the log.
        start: first epoch, counted from 0; the phase lasts until the next one starts.
        trains: prefixes of the names of the parameters that are trained; empty: all. The others are frozen.
    """

    name: str
    start: int = 0
    trains: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with a gradient clip and a learning rate of their own.

    Attributes:
        name: unique within the recipe.
        prefixes: prefixes of the parameter names; empty: every parameter that no other group names.
        gradient_clip: largest gradient norm of the group; 0 switches the clipping off.
        learning_rate: peak learning rate.
    """

    name: str
    prefixes: tuple[str, ...]
    gradient_clip: float
    learning_rate: float


class Recipe(ABC):
    """How one method is trained. The trainer owns the loop, the data, the precision and the files.

    Attributes:
        options: the options of the run.
        choices: where the publication is silent: what was chosen, by topic; copied into the card.
        unused_parameters: True when a step may leave a trained parameter without gradient, which several
            processes must know in advance.
        defaults: fields of the options as the publication has them, where they differ from the class's.
        reads: options of :data:`~.recipes.PARTICULAR` that the method reads.
        labels: what the fused images are that the method learns from, in words; empty: it needs none.
        version: raised when the same options lead to other weights.
        least_contrast: patches with ``(p90 - p10) / p90`` below this, in either image, are drawn again.
    """

    choices: ClassVar[Mapping[str, str]] = {}
    unused_parameters: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, Any]] = {}
    reads: ClassVar[frozenset[str]] = frozenset()
    labels: ClassVar[str] = ""
    version: ClassVar[int] = 1
    least_contrast: ClassVar[float] = 0.0

    def __init__(self, options: TrainingOptions) -> None:
        self.options = options

    @abstractmethod
    def build(self) -> nn.Module:
        """Return a fresh network on the CPU; the trainer has set the random seed."""

    @abstractmethod
    def step(self, network: nn.Module, batch: Batch, epoch: int) -> dict[str, Tensor]:
        """Return the loss terms of one batch as scalars; ``total`` is the one that is minimised.

        Called under autocast on GPUs: wrap losses in :func:`full_precision`. The network is in training mode.

        Args:
            network: what :meth:`build` returned.
            batch: patches.
            epoch: counted from 0.
        """

    @abstractmethod
    def fused(self, network: nn.Module, batch: Batch) -> Tensor | None:
        """Return the fused luminance ``B x 1 x H x W`` of a batch, or None: nothing to show."""

    def validate(
        self, network: nn.Module, batch: Batch, epoch: int
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return loss terms and fused luminance of a validation image; override to run the network once."""
        return self.step(network, batch, epoch), self.fused(network, batch)

    def measures(self) -> dict[str, float]:
        """Return what else is to be logged of the steps since the last call, e.g. shares of experts.

        Means over the steps of this process; the trainer asks once an epoch and averages over processes.
        """
        return {}

    def phases(self) -> tuple[Phase, ...]:
        """Return the phases, the first starting at epoch 0."""
        return (Phase("train"),)

    def groups(self) -> tuple[ParameterGroup, ...]:
        """Return the parameter groups; by default one, with the clip and the rate of the options."""
        return (ParameterGroup("all", (), self.options.gradient_clip, self.options.learning_rate),)

    def schedule(self, step: int, steps_per_epoch: int) -> float:
        """Return the factor on the peak learning rate at optimiser step ``step``, counted from 0."""
        warmup = round(self.options.warmup_epochs * steps_per_epoch)
        return warmup_cosine(step, self.options.epochs * steps_per_epoch, warmup)

    def group_schedule(self, _group: str, step: int, steps_per_epoch: int) -> float:
        """Return the factor on the peak learning rate of one group; by default all share the schedule."""
        return self.schedule(step, steps_per_epoch)

    def patches_per_epoch(self, sizes: Sequence[tuple[int, int]]) -> int:
        """Return how many patches are one epoch when the user does not say; by default one a pair.

        Args:
            sizes: height and width of each training pair.
        """
        return len(sizes)

    def targets(self, _pairs: Sequence[Pair]) -> Sequence[float] | None:
        """Return a number for each pair that its patches are to be told by; None: nothing but the images.

        Raises:
            DataError: it is not known of a pair.
        """
        return None

    @classmethod
    def seen(cls, _options: TrainingOptions) -> TrainingData:
        """Return what networks that the losses ask were trained on: what these saw, this one has seen too."""
        return TrainingData()

    def training_targets(self, pairs: Sequence[Pair]) -> Sequence[float] | None:
        """Return :meth:`targets` of the pairs that are trained on, where there may be more to ask of them.

        Raises:
            DataError: it is not known of a pair, or nothing can be learned from what is known.
        """
        return self.targets(pairs)

    def files_by_stem(self) -> tuple[Path, ...]:
        """Return the files that :meth:`targets` looks pairs up in: no two pairs may share a stem."""
        return ()

    def export(self, network: nn.Module) -> nn.Module:
        """Return the part of the network whose weights are published; a teacher, say, stays behind."""
        return network

    def card(self) -> dict[str, Any]:
        """Return what the method adds to the card of the weights, such as its configuration."""
        return {}

    def phase(self, epoch: int) -> Phase:
        """Return the phase that ``epoch`` belongs to."""
        return [phase for phase in self.phases() if phase.start <= epoch][-1]


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Switch autocast off: sums over a whole image lose digits in half precision."""
    with torch.autocast(device.type, enabled=False):
        yield
