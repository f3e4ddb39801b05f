"""What a method contributes to its training: network, losses, phases and schedule, but never a loop.

To make a method trainable, subclass :class:`Recipe` in a module of its own and enter it in :data:`RECIPES`.
"""

from __future__ import annotations

import difflib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...datasets.errors import ConfigError, MethodError
from .options import TrainingOptions
from .schedule import warmup_cosine


@dataclass(frozen=True)
class Batch:
    """Registered patches, float32 in [0, 1], all on the training device.

    Attributes:
        visible: ``B x 1 x H x W`` luminance Y of the visible patch (BT.601, full range).
        infrared: ``B x 1 x H x W``.
        rgb: ``B x 3 x H x W``, the visible patch in RGB, for networks that look at colour.
    """

    visible: Tensor
    infrared: Tensor
    rgb: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on ``device``."""
        moved = (entry.to(device, non_blocking=True) for entry in (self.visible, self.infrared, self.rgb))
        return Batch(*moved)

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory (the data loader calls this before a copy to a GPU)."""
        return Batch(self.visible.pin_memory(), self.infrared.pin_memory(), self.rgb.pin_memory())


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
        takes_network: whether the method reads ``options.network``.
    """

    choices: ClassVar[Mapping[str, str]] = {}
    unused_parameters: ClassVar[bool] = False
    takes_network: ClassVar[bool] = False

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
    def fused(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the fused luminance ``B x 1 x H x W`` of a batch, for validation pictures."""

    def validate(self, network: nn.Module, batch: Batch, epoch: int) -> tuple[dict[str, Tensor], Tensor]:
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

    def export(self, network: nn.Module) -> nn.Module:
        """Return the part of the network whose weights are published; a teacher, say, stays behind."""
        return network

    def card(self) -> dict[str, Any]:
        """Return what the method adds to the card of the weights, such as its configuration."""
        return {}

    def phase(self, epoch: int) -> Phase:
        """Return the phase that ``epoch`` belongs to."""
        return [phase for phase in self.phases() if phase.start <= epoch][-1]


# Method name -> class, or "module:class" relative to this package, imported only when asked for.
RECIPES: dict[str, str | type[Recipe]] = {
    "regionfuse": ".regionfuse:RegionFuseRecipe",
    "piafusion": ".piafusion:PIAFusionRecipe",
}


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Switch autocast off: sums over a whole image lose digits in half precision."""
    with torch.autocast(device.type, enabled=False):
        yield


def trainable() -> tuple[str, ...]:
    """Return the names of the methods that can be trained, sorted."""
    return tuple(sorted(RECIPES))


def recipe_for(options: TrainingOptions) -> Recipe:
    """Return the recipe of ``options.method``.

    Raises:
        MethodError: no recipe has that name.
        ConfigError: the options hold settings of a network that the method does not take.
    """
    if options.method not in RECIPES:
        near = difflib.get_close_matches(options.method, RECIPES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"trainable are {', '.join(trainable())}"
        raise MethodError(f"method {options.method!r} cannot be trained; {hint}")
    entry = RECIPES[options.method]
    if isinstance(entry, str):
        module, _, name = entry.partition(":")
        entry = getattr(importlib.import_module(module, __package__), name)
    if options.network and not entry.takes_network:
        raise ConfigError(f"method {options.method!r} has no network settings, found {dict(options.network)}")
    recipe: Recipe = entry(options)
    return recipe
