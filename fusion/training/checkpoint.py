"""Checkpoints of a run: one safetensors file, its scalars as JSON in the header, replaced atomically.

Tensors and scalars share a file so that no moment exists at which they disagree; ``checkpoint.json`` beside
it is a copy for human eyes that nothing reads. The checkpoint before the last is kept, and used when the last
is damaged.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ...datasets.errors import CheckpointError
from ...datasets.storage import write_bytes, write_json
from .options import PLACE_OPTIONS

logger = logging.getLogger(__name__)

SCHEMA = 1
CURRENT, PREVIOUS, READABLE = "checkpoint.safetensors", "checkpoint.previous.safetensors", "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """A run between two epochs.

    Attributes:
        tensors: ``network.NAME`` for the network, ``optimizer.NAME.KEY`` for the moments of parameter NAME.
        state: JSON-serialisable scalars: ``epoch`` (finished ones), ``options``, ``curves`` and more.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return int(self.state["epoch"])


def write_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the checkpoint into ``folder``; the one there before becomes the previous one.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    state = {**checkpoint.state, "schema": SCHEMA, "tensors_sha256": _digest(tensors)}
    text = json.dumps(state, allow_nan=False)
    current = folder / CURRENT
    # A link and not a rename: there is a good checkpoint under the current name at every moment.
    if current.exists():
        spare = folder / f"{PREVIOUS}.tmp"
        try:
            spare.unlink(missing_ok=True)
            os.link(current, spare)
            spare.replace(folder / PREVIOUS)
        except OSError as error:  # file systems without hard links: do without the previous one
            logger.debug("no previous checkpoint is kept in %s: %s", folder, error)
    write_bytes(current, save(tensors, metadata={"regionfuse": text}))
    write_json(folder / READABLE, state)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the last good checkpoint of ``folder``, or None when the folder has none.

    Raises:
        CheckpointError: there are checkpoints, but none can be trusted.
    """
    problems = []
    for name in (CURRENT, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            checkpoint = _read(path)
        except CheckpointError as error:
            problems.append(str(error))
            continue
        if problems:
            logger.warning("%s; going on from %s, epoch %d", problems[0], path, checkpoint.epoch)
        return checkpoint
    if problems:
        raise CheckpointError(f"{problems[0]}; delete {folder} or train without resuming to start afresh")
    return None


def forget_checkpoints(folder: Path) -> None:
    """Remove the checkpoints in ``folder``."""
    for name in (CURRENT, PREVIOUS, READABLE):
        (folder / name).unlink(missing_ok=True)


def check_same_run(checkpoint: Checkpoint, state: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with a run under other options or on other data.

    Args:
        checkpoint: what was found.
        state: ``options``, ``pairs_sha256``, ``init_sha256``, ``recipe`` and ``recipe_version`` of the run
            that wants to go on.
        folder: named in the message.

    Raises:
        CheckpointError: names the first option that differs.
    """
    advice = f"in {folder}; use the same, another output folder, or train without resuming"
    then, now = checkpoint.state["options"], state["options"]
    for name in sorted((then.keys() | now.keys()) - PLACE_OPTIONS):
        if then.get(name) != now.get(name):
            raise CheckpointError(
                f"cannot resume: {name} is {now.get(name)!r} but was {then.get(name)!r} {advice}"
            )
    # Checkpoints did not always say it; those that do not are taken for the first.
    version, wanted = checkpoint.state.get("recipe_version", 1), state["recipe_version"]
    if version != wanted:
        raise CheckpointError(
            f"cannot resume: the recipe of {now['method']} is of version {wanted}, which leads to other "
            f"weights than version {version} of the checkpoint in {folder}; use another output folder, or "
            "train without resuming"
        )
    for name, what in (
        ("init_sha256", "the weights to start from"),
        ("pairs_sha256", "the training pairs or their labels" if now.get("labels") else "the training pairs"),
        ("recipe", "the settings of the network"),
    ):
        if checkpoint.state.get(name) != state.get(name):
            raise CheckpointError(f"cannot resume: {what} are not those of the checkpoint {advice}")


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, names: Mapping[Tensor, str]
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Split an optimiser's state by parameter name into tensors and scalars."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, float] = {}
    for parameter, entries in optimizer.state.items():
        for key, value in entries.items():
            name = f"optimizer.{names[parameter]}.{key}"
            if isinstance(value, Tensor):
                tensors[name] = value
            else:
                scalars[name] = value
    return tensors, scalars


def restore_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[Tensor, str], checkpoint: Checkpoint
) -> None:
    """Put back what :func:`optimizer_tensors` took out; learning rates are the schedule's business."""
    saved = {**checkpoint.tensors, **checkpoint.state["optimizer_scalars"]}
    by_name: dict[str, dict[str, Any]] = {}
    for name, value in saved.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            parameter, _, key = rest.rpartition(".")
            by_name.setdefault(parameter, {})[key] = value
    # Through load_state_dict, which knows where each entry must live (Adam keeps its step count on the CPU).
    packed = optimizer.state_dict()
    order = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    packed["state"] = {i: by_name[names[p]] for i, p in enumerate(order) if names[p] in by_name}
    optimizer.load_state_dict(packed)


def network_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers as ``network.NAME``."""
    return {f"network.{name}": tensor for name, tensor in network.state_dict().items()}


def restore_network(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Put the parameters and buffers back.

    Raises:
        CheckpointError: they do not fit the network.
    """
    prefix = "network."
    state = {name[len(prefix) :]: t for name, t in checkpoint.tensors.items() if name.startswith(prefix)}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"the checkpoint does not fit the network: {first}; start afresh") from error


def _read(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})["regionfuse"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise CheckpointError(f"{path}: the checkpoint is damaged ({error})") from error
    if state.get("schema") != SCHEMA:
        raise CheckpointError(
            f"{path}: checkpoint of schema {state.get('schema')}, this version reads {SCHEMA}"
        )
    if state.pop("tensors_sha256", None) != _digest(tensors):
        raise CheckpointError(f"{path}: the checkpoint is damaged (its contents do not match their SHA-256)")
    return Checkpoint(tensors, state)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    names: Iterable[str] = sorted(tensors)
    for name in names:
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
