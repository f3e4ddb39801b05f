"""Which network belongs to which name, and how its published checkpoint is laid out."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...datasets.errors import MethodError
from ..weights import load_foreign, load_strict
from .layout import flat_tensors


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a network lives.

    Attributes:
        module: module in this package.
        cls: class in it, built without arguments.
        groups: state dictionaries that the published checkpoint holds side by side; empty: one.
        part: attribute of the network that the checkpoint is of; empty: the network itself.
        large: too large to draw random numbers for, only to overwrite them.
    """

    module: str
    cls: str
    groups: tuple[str, ...] = ()
    part: str = ""
    large: bool = False


NETWORKS: Mapping[str, Entry] = {
    "piafusion": Entry(".piafusion", "PIAFusion"),
    "piafusion-xrestormer": Entry(".piafusion", "PIAFusionXRestormer"),
    "piafusion-illumination": Entry(".piafusion", "IlluminationClassifier"),
    "cddfuse": Entry(
        ".cddfuse", "CDDFuse", ("DIDF_Encoder", "DIDF_Decoder", "BaseFuseLayer", "DetailFuseLayer")
    ),
    "ddfm": Entry(".ddfm", "DDFM", part="unet", large=True),
    "ship": Entry(".ship", "SHIP"),
    "dcevo": Entry(".dcevo", "DCEvo", ("DE_Encoder", "DE_Decoder", "LowFreqExtractor", "HighFreqExtractor")),
    "sage": Entry(".sage", "SAGE"),
    "a2rnet": Entry(".a2rnet", "A2RNet"),
}


def build(name: str, *, empty: bool = False, **options: Any) -> nn.Module:
    """Return the network with random weights.

    Args:
        name: of the network.
        empty: weights will be loaded: those of a large network need not be drawn.
        options: keywords of the network's class; only DDFM has some.

    Raises:
        MethodError: there is no such network.
    """
    if name not in NETWORKS:
        near = get_close_matches(name.lower(), NETWORKS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise MethodError(f"no baseline network {name!r}; {hint}Known: {', '.join(NETWORKS)}")
    entry = NETWORKS[name]
    cls = getattr(importlib.import_module(entry.module, __package__), entry.cls)
    if not (empty and entry.large):
        return cls(**options)
    with torch.device("meta"):
        network: nn.Module = cls(**options)
    return network.to_empty(device="cpu")


def load_checkpoint(name: str, network: nn.Module, checkpoint: Path | str | Mapping[str, Any]) -> None:
    """Copy a checkpoint in the published layout into ``network``; every tensor must fit.

    Raises:
        CheckpointError: the file cannot be read, or a tensor is missing, surplus or of another shape.
    """
    if isinstance(checkpoint, Mapping):
        content: Mapping[str, Any] = checkpoint
        source = f"checkpoint of {name}"
    else:
        content, source = load_foreign(checkpoint), str(checkpoint)
    target = getattr(network, NETWORKS[name].part) if NETWORKS[name].part else network
    load_strict(target, flat_tensors(content, NETWORKS[name].groups, source), source)


def load(name: str, checkpoint: Path | str | Mapping[str, Any], **options: Any) -> nn.Module:
    """Return the network with published weights; see :func:`regionfuse.fusion.baselines.official`."""
    network = build(name, empty=True, **options)
    load_checkpoint(name, network, checkpoint)
    return network.eval()
