"""Read Ultralytics ``.pt`` checkpoints from strangers: tensors and plain values come out, no code runs.

Such a file is a pickle of live network objects, and a pickle may call anything. It is read by ``torch.load``
in its weights-only mode, in which every class the file names is replaced by :class:`Inert`, an object that
keeps its attributes and does nothing. Not even the constructors of real layers are called: some of them
evaluate strings or download files. The network is then rebuilt from its YAML and its tensors.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..datasets.errors import CheckpointError

# Classes found in honest checkpoints; all of them become inert. Any other name is refused.
_EXPECTED = ("torch.nn.", "ultralytics.", "numpy.", "pathlib.", "torchvision.transforms.")
_DEEPEST = 40


class Inert:
    """Stands for any pickled object; remembers its attributes and cannot do anything."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.arguments = (arguments, keywords)

    def __new__(cls, *arguments: Any, **keywords: Any) -> Inert:  # noqa: ARG004 - a pickle passes any
        return object.__new__(cls)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


@dataclass(frozen=True)
class PickledDetector:
    """What a ``.pt`` file holds.

    Attributes:
        architecture: its model YAML, plain values only; not yet checked.
        names: class names in the order of the outputs.
        state: tensors by name, as in ``state_dict``.
    """

    architecture: dict[str, Any]
    names: tuple[str, ...]
    state: dict[str, torch.Tensor]


def read_pickled(path: Path) -> PickledDetector:
    """Read a ``.pt`` file of Ultralytics; its moving average when it has one.

    Raises:
        CheckpointError: unreadable, truncated, unsafe, or no detection checkpoint.
    """
    content = _load(path)
    network = None
    if isinstance(content, dict):
        network = content.get("ema") or content.get("model")
    if not isinstance(network, Inert):
        raise CheckpointError(
            f"{path}: holds no network; expected a .pt file that Ultralytics wrote for a detection model"
        )
    try:
        architecture = json.loads(json.dumps(getattr(network, "yaml", None)))
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its model YAML holds more than plain values; refused") from error
    if not isinstance(architecture, dict):
        raise CheckpointError(f"{path}: holds no model YAML, so its network cannot be rebuilt")
    state: dict[str, torch.Tensor] = {}
    _collect(network, "", state, path, 0)
    return PickledDetector(architecture, _names(getattr(network, "names", None), path), state)


def _load(path: Path) -> Any:
    try:
        named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        refused = sorted(name for name in named if not name.startswith(_EXPECTED))
        if refused:
            raise CheckpointError(
                f"{path}: refused: loading it would call {refused[0]!r}; a detection checkpoint needs "
                "no such thing, so the file is damaged, made by another program, or malicious"
            )
        with torch.serialization.safe_globals([(Inert, name) for name in named]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except pickle.UnpicklingError as error:
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path}: refused as unsafe or damaged ({reason})") from error
    except (
        RuntimeError,
        ValueError,
        EOFError,
        OSError,
        KeyError,
        IndexError,
        TypeError,
        AssertionError,
    ) as error:
        raise CheckpointError(
            f"{path}: not a complete .pt checkpoint (truncated, or another kind of file); copy it again"
        ) from error


def _collect(module: Any, prefix: str, state: dict[str, torch.Tensor], path: Path, depth: int) -> None:
    """Gather parameters and persistent buffers the way ``state_dict`` names them."""
    if depth > _DEEPEST or not isinstance(module, Inert):
        raise CheckpointError(
            f"{path}: its network is not a tree of layers; the file is damaged or malicious"
        )
    skipped = getattr(module, "_non_persistent_buffers_set", ())
    for kind in ("_parameters", "_buffers"):
        for name, tensor in (getattr(module, kind, None) or {}).items():
            if isinstance(tensor, torch.Tensor) and not (kind == "_buffers" and name in skipped):
                state[f"{prefix}{name}"] = tensor.detach()
    for name, child in (getattr(module, "_modules", None) or {}).items():
        if child is not None:
            _collect(child, f"{prefix}{name}.", state, path, depth + 1)


def _names(names: Any, path: Path) -> tuple[str, ...]:
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not (isinstance(names, (list, tuple)) and names and all(isinstance(name, str) for name in names)):
        raise CheckpointError(f"{path}: holds no list of class names")
    return tuple(names)
