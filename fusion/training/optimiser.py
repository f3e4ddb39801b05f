"""One optimiser step: learning rates, loss scaling, gradient clipping, and a stop where numbers end."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...datasets.errors import MethodError
from .log import Row
from .precision import Precision
from .recipe import ParameterGroup, Phase, Recipe


class Optimiser:
    """Adam (AdamW when there is weight decay) over the parameter groups of a recipe.

    Attributes:
        names: trainable parameter -> its name in the network.
        adam: the torch optimiser.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, precision: Precision) -> None:
        self.recipe, self.precision = recipe, precision
        self.names: dict[Tensor, str] = {
            parameter: name for name, parameter in network.named_parameters() if parameter.requires_grad
        }
        self.groups = self._groups()
        self.adam = torch.optim.AdamW(
            [{"params": parameters} for _, parameters in self.groups],
            weight_decay=recipe.options.weight_decay,
        )

    def enter(self, phase: Phase) -> None:
        """Thaw the parameters that the phase trains and freeze the others."""
        for parameter, name in self.names.items():
            parameter.requires_grad_(not phase.trains or name.startswith(phase.trains))
            parameter.grad = None

    def clear(self) -> None:
        """Forget the gradients; parameters that get none are left alone by :meth:`step`."""
        self.adam.zero_grad(set_to_none=True)

    def step(self, losses: dict[str, Tensor], factor: Callable[[str], float]) -> Row:
        """Go one step down the gradient of ``total``.

        Args:
            losses: scalars of the recipe.
            factor: name of a group -> factor on its peak learning rate.

        Returns:
            The loss terms, ``gradient_norm`` before clipping (0 for a step that float16 made the scaler skip)
            and ``learning_rate``.

        Raises:
            MethodError: loss or gradient is not finite; the parameters are left as they were.
        """
        for (spec, _), group in zip(self.groups, self.adam.param_groups, strict=True):
            group["lr"] = spec.learning_rate * factor(spec.name)
        scaler = self.precision.scaler
        scaler.scale(losses["total"]).backward()
        scaler.unscale_(self.adam)
        # The norm of a group without gradients, frozen in this phase, is a zero on the CPU.
        norms = [
            nn.utils.clip_grad_norm_(parameters, spec.gradient_clip or math.inf).to(self.precision.device)
            for spec, parameters in self.groups
        ]
        terms = {**losses, "gradient_norm": torch.stack(norms).norm()}
        # One copy from the GPU for everything that the CPU wants to know about this step.
        values = torch.stack([term.detach().float() for term in terms.values()]).tolist()
        row: Row = dict(zip(terms, values, strict=True))
        if not math.isfinite(row["total"]):
            raise MethodError(f"the loss is {row['total']}")
        if not math.isfinite(row["gradient_norm"]):
            if not self.precision.scales:
                raise MethodError(
                    f"the gradient norm is {row['gradient_norm']} at a loss of {row['total']:g}"
                )
            row["gradient_norm"] = 0.0
        scaler.step(self.adam)
        scaler.update()
        row["learning_rate"] = self.adam.param_groups[0]["lr"]
        return row

    def _groups(self) -> list[tuple[ParameterGroup, list[Tensor]]]:
        named = {name: parameter for parameter, name in self.names.items()}
        groups = []
        # The groups with prefixes choose first, the one without takes the rest.
        for spec in sorted(self.recipe.groups(), key=lambda spec: not spec.prefixes):
            taken = [name for name in named if not spec.prefixes or name.startswith(spec.prefixes)]
            if not taken:
                raise ValueError(f"parameter group {spec.name!r} of {self.recipe.options.method} is empty")
            groups.append((spec, [named.pop(name) for name in taken]))
        return groups
