"""Weights files: our own (safetensors with a JSON card) and foreign ones, read without running code."""

from __future__ import annotations

import hashlib
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as serialise_safetensors

from ..datasets.errors import CheckpointError, DataError
from ..datasets.storage import sha256_file, write_bytes, write_json


def card_path(path: Path | str) -> Path:
    """Where the card of a weights file lies: beside it, ``.json`` appended to the whole name."""
    path = Path(path)
    return path.with_name(path.name + ".json")


def sha256(path: Path | str) -> str:
    """SHA-256 of a weights file, hexadecimal.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        return sha256_file(path)
    except DataError as error:
        raise CheckpointError(str(error)) from error


def save_weights(
    network: torch.nn.Module, path: Path | str, card: Mapping[str, Any], *, half: bool = False
) -> str:
    """Write a network's weights and, beside them, their card; see :func:`save_tensors`."""
    return save_tensors(network.state_dict(), path, card, half=half)


def save_tensors(
    tensors: Mapping[str, torch.Tensor], path: Path | str, card: Mapping[str, Any], *, half: bool = False
) -> str:
    """Write weights and, beside them, their card; each file appears whole or not at all.

    Args:
        tensors: values by name.
        path: weights file, ``*.safetensors``; parent folders are made.
        card: JSON-serialisable facts about the weights; ``sha256`` is added.
        half: store floating-point tensors in half precision.

    Returns:
        SHA-256 of the weights file.

    Raises:
        StorageError: the files cannot be written.
    """
    stored = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu()
        if half and tensor.is_floating_point():
            tensor = tensor.half()
        stored[name] = tensor.clone(memory_format=torch.contiguous_format)
    data = serialise_safetensors(stored, metadata={"format": "pt"})
    digest = hashlib.sha256(data).hexdigest()
    # the card last: it vouches for the weights by their hash
    write_bytes(path, data)
    write_json(card_path(path), {**card, "sha256": digest})
    return digest


def load_weights(path: Path | str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read weights and their card; float tensors come back in single precision.

    Args:
        path: weights file written by :func:`save_weights`.

    Returns:
        Tensors by name on the CPU, and the card.

    Raises:
        CheckpointError: a file is missing, damaged or of another kind, or the two do not belong together.
    """
    path = Path(path)
    data = _read(path)
    try:
        tensors = parse_safetensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: not a safetensors file, or cut short: {_one_line(error)}") from error
    beside = card_path(path)
    try:
        card = json.loads(_read(beside))
    except ValueError as error:
        raise CheckpointError(f"{beside}: the card is not valid JSON: {_one_line(error)}") from error
    if not isinstance(card, dict):
        raise CheckpointError(f"{beside}: expected a JSON object, found {type(card).__name__}")
    found = hashlib.sha256(data).hexdigest()
    if card.get("sha256") != found:
        raise CheckpointError(
            f"{path}: does not belong to its card {beside.name}: SHA-256 of the file is {found[:12]}..., "
            f"the card says {str(card.get('sha256'))[:12]}...; copy both files together"
        )
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}, card


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such weights file") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error


def load_foreign(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint of someone else's: a PyTorch file or safetensors; code inside it is never run.

    Args:
        path: ``*.pt``, ``*.pth`` or ``*.safetensors``.

    Returns:
        What the file holds, a mapping of names to tensors or to further mappings, on the CPU.

    Raises:
        CheckpointError: the file is missing, damaged, holds more than plain tensors, or no mapping.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        try:
            return dict(parse_safetensors(_read(path)))
        except (SafetensorError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{path}: not a safetensors file, or cut short: {_one_line(error)}"
            ) from error
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with the file is said below, in one line
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: refused: it is damaged or holds more than plain tensors, which could run code when "
            "loaded; ask its author for a state_dict"
        ) from error
    except (
        RuntimeError,
        EOFError,
        OSError,
        zipfile.BadZipFile,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
    ) as error:
        if "TorchScript" in str(error):
            raise CheckpointError(
                f"{path}: holds a TorchScript network, not weights; use the file itself as --method"
            ) from error
        raise CheckpointError(
            f"{path}: not a PyTorch checkpoint, or cut short: get the file again ({_one_line(error)})"
        ) from error
    except (AttributeError, ImportError, UnicodeError, AssertionError, MemoryError, OverflowError) as error:
        raise CheckpointError(f"{path}: not a PyTorch checkpoint: {_one_line(error)}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path}: expected a mapping of tensors by name, found {type(content).__name__}"
        )
    return dict(content)


def load_strict(
    network: torch.nn.Module,
    tensors: Mapping[str, Any],
    path: Path | str,
    rename: Callable[[str], str] | None = None,
) -> None:
    """Copy tensors into a network; every name and shape must fit.

    Args:
        network: receives the values, in its own precision.
        tensors: values by name.
        path: where they come from, for messages.
        rename: turns a name in the file into one of the network, e.g. to strip ``module.``.

    Raises:
        CheckpointError: names the first tensors that are missing, surplus or of another shape.
    """
    given = {rename(name) if rename else name: value for name, value in tensors.items()}
    wanted = network.state_dict()
    _complain(path, "lacks", [name for name in wanted if name not in given])
    _complain(path, "has unknown", [name for name in given if name not in wanted])
    for name, value in given.items():
        if not isinstance(value, torch.Tensor):
            raise CheckpointError(f"{path}: {name} is no tensor but {type(value).__name__}")
        if value.shape != wanted[name].shape:
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(value.shape)}, expected {tuple(wanted[name].shape)}"
            )
    network.load_state_dict(given)


def _complain(path: Path | str, verb: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise CheckpointError(
            f"{path}: does not fit the network: {verb} {len(names)} tensor(s): {', '.join(names[:3])}{more}"
        )


def _one_line(error: BaseException) -> str:
    """Return the first sentence of a message, for libraries go on to guess at causes."""
    return " ".join(str(error).split()).split(". ")[0][:200] or type(error).__name__
