"""The baselines as fusion methods: a network with weights, its card, and two ways to use it.

In ``fair`` mode, the default, a method gets what every other luminance method gets, and its output is
clipped, coloured and rounded like theirs. In ``published`` mode the steps around the network are
those of the authors' own scripts, so that their images come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from ...datasets.errors import CheckpointError, MethodError
from ..card import MethodCard, data_sets
from ..contract import FusionMethod
from ..names import BUILTINS, MODES
from ..weights import card_path, load_strict, load_weights, sha256
from .catalogue import build, load_checkpoint
from .facts import FACTS, Facts
from .published import SCRIPTS


class BaselineMethod(FusionMethod):
    """A published network around which the harness, or the authors' own steps, are put.

    Args:
        weights: the authors' checkpoint file as they publish it, or weights trained here (``*.safetensors``
            with their card beside them).
        mode: ``fair`` or ``published``.

    Raises:
        MethodError: no weights were given, or there is no such mode.
        CheckpointError: the weights are unreadable or do not fit.
    """

    name: ClassVar[str]
    network: nn.Module

    def __init__(self, weights: Path | str | None = None, mode: str = "fair") -> None:
        facts = FACTS[self.name]
        if weights is None:
            raise MethodError(
                f"{self.name}: needs weights, and none come with this package: get them from "
                f"{facts.weights_from}, and pass the file with --weights{_or_train(self.name)}"
            )
        self.mode = _checked(self.name, mode)
        path = Path(weights)
        if path.suffix == ".safetensors" and card_path(path).is_file():
            card = self._load_trained_here(path)
        else:
            self.network = build(self.name, empty=True)
            load_checkpoint(self.name, self.network, path)
            card = official_card(self.name, sha256(path))
        self.network.eval()
        self.card = in_mode(card, facts, self.mode)

    def _load_trained_here(self, path: Path) -> MethodCard:
        tensors, made = load_weights(path)
        name = self.name
        if made.get("encoder") == "xrestormer" and not name.endswith("-xrestormer"):
            name += "-xrestormer"
        if str(made.get("method")) != name.removesuffix("-xrestormer"):
            raise CheckpointError(
                f"{path}: expected weights of {self.name}, found those of {made.get('method')}"
            )
        self.network = build(name)
        load_strict(self.network, tensors, path)
        extent = ", ".join(_counted(made.get(f"{what}s", "?"), what) for what in ("pair", "epoch"))
        return replace(
            official_card(name, str(made["sha256"])),
            name=self.name,
            weights_license=str(made.get("weights_license", "")),
            trained_on=data_sets(made.get("trained_on"), str(path)),
            notes=f"trained here, {extent}{_taught_by(made)}",
        )

    @classmethod
    def untrained(cls) -> BaselineMethod:
        """Return the method without values in its tensors, to count its cost by."""
        method = cls.__new__(cls)
        with torch.device("meta"):
            method.network = build(cls.name).eval()
        method.mode, method.card = "fair", in_mode(official_card(cls.name, ""), FACTS[cls.name], "fair")
        return method

    @classmethod
    def random(cls) -> BaselineMethod:
        """Return the method with random weights, to measure its speed by."""
        method = cls.untrained()
        method.network = build(cls.name).eval()
        return method

    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Fuse infrared and Y (fair mode) or RGB (published mode), any size."""
        with torch.inference_mode():
            if self.mode == "published":
                return SCRIPTS[self.name](self._call, infrared, visible)
            return self._call(visible, infrared)

    def _call(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        return self.network(visible, infrared)


def official_card(name: str, digest: str) -> MethodCard:
    """Return the card of a method in fair mode with the authors' weights.

    Args:
        name: of the method.
        digest: SHA-256 of the weights file; empty without one.
    """
    facts = FACTS[name]
    notes = f"re-implemented and checked against the authors' network (their code: {facts.code_license})"
    if digest and facts.sha256 and digest != facts.sha256:
        notes += "; the weights file is not the one the authors published"
    return MethodCard(
        name=name,
        title=facts.title,
        kind="learned",
        stride=facts.stride,
        citation=facts.citation,
        bibtex=facts.bibtex,
        year=facts.year,
        weights_license=facts.weights_license,
        weights_from=facts.weights_from,
        trained_on=facts.trained_on,
        weights_sha256=digest,
        notes=notes,
    )


def in_mode(card: MethodCard, facts: Facts, mode: str) -> MethodCard:
    """Return the card with what the mode changes."""
    if mode == "fair":
        notes = f"{card.notes}; fair mode; the published one differs: {facts.published}"
        return replace(card, notes=notes)
    return replace(
        card,
        name=f"{card.name}-published",
        title=f"{card.title} (published)",
        color="rgb",
        stride=1,
        notes=f"{card.notes}; published mode: {facts.published}",
    )


def _or_train(name: str) -> str:
    """Return the way out for a method that can be trained."""
    return f"; or train it: regionfuse train --method {name}" if BUILTINS[name].trainable else ""


def _counted(number: Any, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _taught_by(made: Mapping[str, Any]) -> str:
    """Return whose fused images trained weights were learned from, if there were any."""
    labels = made.get("labels")
    if not isinstance(labels, Mapping):
        return ""
    return f", from {labels.get('what', 'fused images')} in the folder {labels.get('folder', '?')}"


def _checked(name: str, mode: str) -> str:
    if mode not in MODES:
        raise MethodError(f"{name}: no mode {mode!r}; expected {' or '.join(MODES)}")
    return mode


class PIAFusionMethod(BaselineMethod):
    """PIAFusion, with either encoder."""

    name = "piafusion"


class PIAFusionXRestormerMethod(BaselineMethod):
    """PIAFusion with X-Restormer blocks in its encoder."""

    name = "piafusion-xrestormer"


class CDDFuseMethod(BaselineMethod):
    """CDDFuse."""

    name = "cddfuse"


class SHIPMethod(BaselineMethod):
    """SHIP."""

    name = "ship"


class DCEvoMethod(BaselineMethod):
    """DCEvo."""

    name = "dcevo"


class SAGEMethod(BaselineMethod):
    """SAGE."""

    name = "sage"


class A2RNetMethod(BaselineMethod):
    """A2RNet."""

    name = "a2rnet"


class DDFMMethod(BaselineMethod):
    """DDFM.

    Args:
        weights: as for every baseline.
        mode: as for every baseline; ``fair`` takes the two images for what they are, ``published`` exchanges
            them as the authors' script does.
        steps: sampling steps; the paper uses 100.
    """

    name = "ddfm"

    def __init__(self, weights: Path | str | None = None, mode: str = "fair", steps: int | str = 100) -> None:
        if not str(steps).isdecimal() or not 2 <= int(steps) <= 1000:
            raise MethodError(f"ddfm: expected 2 to 1000 sampling steps, found {steps}")
        super().__init__(weights, mode)
        network: Any = self.network
        network.steps, network.swapped = int(steps), self.mode == "published"
        if int(steps) != 100:
            self.card = replace(self.card, notes=f"{self.card.notes}; {steps} sampling steps instead of 100")

    def _call(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        return self.network(visible, infrared, progress=self._report)

    def _report(self, _done: int, _total: int, message: str) -> None:
        if self.on_step is not None:
            self.on_step(message)
