"""Which network belongs to which name, and how its published checkpoint is laid out."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

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
    """

    module: str
    cls: str
    groups: tuple[str, ...] = ()


NETWORKS: Mapping[str, Entry] = {
    "piafusion": Entry(".piafusion", "PIAFusion"),
    "piafusion-xrestormer": Entry(".piafusion", "PIAFusionXRestormer"),
    "piafusion-illumination": Entry(".piafusion", "IlluminationClassifier"),
    "cddfuse": Entry(
        ".cddfuse", "CDDFuse", ("DIDF_Encoder", "DIDF_Decoder", "BaseFuseLayer", "DetailFuseLayer")
    ),
    "ddfm": Entry(".ddfm", "DDFM"),
    "ship": Entry(".ship", "SHIP"),
    "dcevo": Entry(".dcevo", "DCEvo", ("DE_Encoder", "DE_Decoder", "LowFreqExtractor", "HighFreqExtractor")),
    "sage": Entry(".sage", "SAGE"),
    "a2rnet": Entry(".a2rnet", "A2RNet"),
}


def build(name: str) -> nn.Module:
    """Return the network with arbitrary weights.

    Raises:
        MethodError: there is no such network.
    """
    if name not in NETWORKS:
        near = get_close_matches(name.lower(), NETWORKS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise MethodError(f"no baseline network {name!r}; {hint}Known: {', '.join(NETWORKS)}")
    entry = NETWORKS[name]
    return getattr(importlib.import_module(entry.module, __package__), entry.cls)()


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
    load_strict(network, flat_tensors(content, NETWORKS[name].groups, source), source)


def load(name: str, checkpoint: Path | str | Mapping[str, Any]) -> nn.Module:
    """Return the network of ``name`` with published weights; see :func:`regionfuse.fusion.baselines.official`."""
    network = build(name)
    load_checkpoint(name, network, checkpoint)
    return network.eval()
