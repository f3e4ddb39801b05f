"""The state of a training between two epochs: one safetensors file, plain values in its header."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..datasets.storage import write_bytes

logger = logging.getLogger(__name__)

STATE_FILE = "state.safetensors"


@dataclass(frozen=True)
class TrainingState:
    """Everything needed to go on after ``epochs`` finished epochs.

    Attributes:
        epochs: number of finished epochs.
        tensors: groups of tensors by group name: ``model``, ``average``, ``optimizer`` and, when the best
            epoch on val is kept, ``best``; full precision.
        values: plain JSON values: counters, gradient scaler, log rows, best score.
    """

    epochs: int
    tensors: dict[str, dict[str, torch.Tensor]]
    values: dict[str, Any] = field(default_factory=dict)


def write_state(path: Path, state: TrainingState, fingerprint: Mapping[str, Any]) -> None:
    """Write the state in full or not at all.

    Args:
        path: target file.
        state: the state.
        fingerprint: everything that decides the training; a state is only read back under the same one.
    """
    flat = {
        f"{group}/{name}": tensor.detach().cpu().contiguous().clone()
        for group, tensors in state.tensors.items()
        for name, tensor in tensors.items()
    }
    header = {
        "schema": "1",
        "epochs": str(state.epochs),
        "values": json.dumps(state.values),
        "fingerprint": json.dumps(fingerprint, sort_keys=True),
    }
    write_bytes(path, save(flat, metadata=header))


def read_state(path: Path, fingerprint: Mapping[str, Any]) -> TrainingState | None:
    """Return the stored state, or None when there is none of these inputs."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if header["fingerprint"] != json.dumps(fingerprint, sort_keys=True):
            logger.info("%s: of other inputs or versions; the training starts anew", path)
            return None
        values = json.loads(header["values"])
        epochs = int(header["epochs"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        logger.warning("%s: unreadable (%s); the training starts anew", path, error)
        return None
    tensors: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in flat.items():
        group, _, name = key.partition("/")
        tensors.setdefault(group, {})[name] = tensor
    return TrainingState(epochs, tensors, values)
