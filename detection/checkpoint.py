"""Detector weights in and out: our safetensors, the ``.pt`` of Ultralytics, and classes matched by name."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..datasets.errors import CheckpointError, DetectorError
from ..datasets.storage import write_bytes, write_json
from .architecture import (
    architecture_problem,
    build_network,
    class_outputs,
    find_architecture,
    renew_class_outputs,
)
from .pickled import read_pickled
from .yolo import DetectionModel

logger = logging.getLogger(__name__)

FORMAT = "regionfuse-detector"
HeadOrigin = Literal["from scratch", "kept", "reordered", "new"]


@dataclass(frozen=True)
class DetectorInfo:
    """Where a detector's initial weights come from.

    Attributes:
        source: file or architecture it was made from.
        classes_found: class names in the file; empty from scratch.
        head: what happened to the classification outputs: from scratch; kept; reordered (same class names,
            another order); or new (other class names, so they start from the seed).
        parameters: number of trainable parameters.
        sha256: of the file; empty from scratch.
    """

    source: str
    classes_found: tuple[str, ...]
    head: HeadOrigin
    parameters: int
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON-serialisable values."""
        return asdict(self)


def load_detector(
    weights_or_model: Path | str, classes: tuple[str, ...], seed: int = 0
) -> tuple[DetectionModel, DetectorInfo]:
    """Make a detector for ``classes``, from a checkpoint or from scratch.

    The outputs of a checkpoint are matched by class *name* (upper and lower case alike). Same names in
    another
    order: the rows are reordered. Other names: the classification outputs start anew from ``seed``, and a
    warning says so; nothing is copied for the names that happen to agree.

    Args:
        weights_or_model: ``.pt`` of Ultralytics, our ``.safetensors``, or a model YAML by name or path.
        classes: class names in our order.
        seed: of whatever is not read from a file.

    Returns:
        The network in training mode on the CPU in float32, and where it comes from.

    Raises:
        CheckpointError: the file is unsafe, damaged or does not fit.
        DetectorError: unknown model, or a weights file that is not here.
    """
    if not classes:
        raise DetectorError("a detector needs at least one class; the data set has none, so it has no boxes")
    text = str(weights_or_model)
    if not text.endswith((".pt", ".safetensors")):
        model = build_network(find_architecture(text), classes, seed)
        return model, DetectorInfo(text, (), "from scratch", _count(model), "")
    path = Path(weights_or_model)
    model, found = read_detector(path)
    head = _match_classes(model, found, classes, seed, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return model.train(), DetectorInfo(text, found, head, _count(model), digest)


def read_detector(path: Path) -> tuple[DetectionModel, tuple[str, ...]]:
    """Read a detector as it was stored.

    Returns:
        The network in float32 on the CPU, and its class names in the order of its outputs.

    Raises:
        CheckpointError: the file is unsafe, damaged or does not fit.
        DetectorError: there is no such file.
    """
    if not path.is_file():
        raise DetectorError(
            f"detector weights {path} are not here, and nothing is downloaded unasked; give the path "
            "of a file, or a model YAML such as yolov8n.yaml to train from scratch"
        )
    if path.suffix == ".safetensors":
        return _read_own(path)
    content = read_pickled(path)
    problem = architecture_problem(content.architecture)
    if problem:
        raise CheckpointError(f"{path}: refused: {problem}")
    model = build_network(content.architecture, content.names, 0)
    last = len(model.model) - 1
    branch = class_outputs(model)[0]
    stored = content.state.get(f"model.{last}.cv3.0.{len(branch) - 1}.weight")
    if stored is not None and stored.ndim == 4 and stored.shape[1] != branch[-1].in_channels:
        # Fine-tuned from a data set with more classes: the branches keep the width they had there.
        model = build_network(content.architecture, content.names, 0, head_classes=stored.shape[1])
    _fill(model, content.state, path)
    return model, content.names


def save_detector(
    model: DetectionModel,
    path: Path,
    *,
    dtype: torch.dtype = torch.float16,
    card: Mapping[str, Any] | None = None,
) -> Path:
    """Write a detector as safetensors, architecture and classes in its header, and a JSON card beside it.

    Args:
        model: made by :func:`load_detector` or :func:`read_detector`.
        path: ``.safetensors`` file; the card stands beside it as ``.json``.
        dtype: of the floating-point tensors; float16 halves the file.
        card: facts to add to the card; JSON-serialisable.

    Returns:
        The path of the weights.
    """
    content = save(_tensors(model, dtype), metadata=_header(model))
    write_bytes(path, content)
    facts = {
        "schema": 1,
        "kind": "detector",
        "classes": list(model.names.values()),
        "parameters": _count(model),
        "dtype": str(dtype).removeprefix("torch."),
        "sha256": hashlib.sha256(content).hexdigest(),
        **(card or {}),
    }
    write_json(path.with_suffix(".json"), facts)
    return path


def _tensors(model: DetectionModel, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return {
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else None).contiguous().clone()
        for name, tensor in model.state_dict().items()
    }


def _header(model: DetectionModel) -> dict[str, str]:
    return {
        "format": FORMAT,
        "schema": "1",
        "architecture": json.dumps(model.architecture),
        "classes": json.dumps(list(model.names.values())),
        "head_classes": str(model.head_classes),
    }


def _read_own(path: Path) -> tuple[DetectionModel, tuple[str, ...]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a complete safetensors file ({error}); copy it again") from error
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a detector of ours (its header has no {FORMAT!r})")
    try:
        architecture = json.loads(header["architecture"])
        classes = tuple(str(name) for name in json.loads(header["classes"]))
        head_classes = int(header["head_classes"])
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: its header is damaged ({error})") from error
    problem = architecture_problem(architecture)
    if problem or not classes or not 1 <= head_classes <= 10_000:
        raise CheckpointError(f"{path}: refused: {problem or 'its header names no classes'}")
    model = build_network(architecture, classes, 0, head_classes)
    _fill(model, state, path)
    return model, classes


def _fill(model: DetectionModel, state: dict[str, torch.Tensor], path: Path) -> None:
    """Copy ``state`` into ``model``; every tensor must be there in the right shape."""
    wanted = model.state_dict()
    problems = [f"{name} is missing" for name in wanted if name not in state]
    problems += [
        f"{name} is {tuple(state[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    problems += [f"{name} is unknown" for name in state if name not in wanted]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise CheckpointError(f"{path}: its tensors do not fit its architecture: {problems[0]}{more}")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in state.values()):
        raise CheckpointError(
            f"{path}: holds weights that are not finite; it comes from a training that diverged"
        )
    model.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in state.items()})


def _match_classes(
    model: DetectionModel, found: tuple[str, ...], classes: tuple[str, ...], seed: int, path: Path
) -> HeadOrigin:
    """Bring the outputs of ``model`` into the order of ``classes``; see :func:`load_detector`."""
    theirs, ours = [_plain(name) for name in found], [_plain(name) for name in classes]
    head: HeadOrigin
    if sorted(theirs) != sorted(ours):
        logger.warning(
            "%s: its %d classes (%s) are not those of the data set (%s): the class outputs start anew",
            path, len(found), _listed(found), _listed(classes),
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            renew_class_outputs(model, len(classes))
        head = "new"
    elif theirs == ours:
        head = "kept"
    else:
        rows = torch.tensor([theirs.index(name) for name in ours])
        with torch.no_grad():
            for branch in class_outputs(model):
                for tensor in (branch[-1].weight, branch[-1].bias):
                    assert isinstance(tensor, torch.Tensor)
                    tensor.copy_(tensor[rows].clone())
        head = "reordered"
    model.names = dict(enumerate(classes))
    return head


def _plain(name: str) -> str:
    return name.strip().casefold()


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


def _count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
