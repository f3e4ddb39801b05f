"""From a model YAML to a network, without running anything that the YAML could smuggle in.

Ultralytics evaluates the entry ``activation`` of a model YAML as Python and calls whatever name stands in a
layer's third column. A YAML also travels inside every checkpoint, so it is checked here before it is built.
"""

from __future__ import annotations

import copy
import difflib
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from ..datasets.errors import CheckpointError, DetectorError
from .yolo import Detect, DetectionModel, guess_model_scale, ultralytics_models, v10Detect, yolo_modules

OWN_MODELS = Path(__file__).parent / "models"
_ACTIVATION = re.compile(r"(torch\.)?nn\.([A-Za-z0-9]+)\(((inplace=)?(True|False)|[0-9.]+)?\)")
_LARGEST = 8192  # of any number among a layer's arguments; the widest published model has 1536 channels
_MOST_REPEATS = 64
_DOWNLOADERS = ("TorchVision",)  # layers that fetch weights when they are made


def find_architecture(model: str) -> dict[str, Any]:
    """Read a model YAML, given by path, or by name among ours and those of Ultralytics.

    Args:
        model: e.g. ``yolo-micro.yaml``, ``yolov8n.yaml``, ``yolo11s`` or ``path/to/mine.yaml``.

    Raises:
        DetectorError: no such YAML, or not a detection model.
    """
    name = model if model.endswith((".yaml", ".yml")) else f"{model}.yaml"
    scale = guess_model_scale(name)
    unified = re.sub(r"(\d+)([nslmx])(.+)?$", r"\1\3", Path(name).stem) + ".yaml"
    shipped = {path.name: path for path in ultralytics_models()}
    candidates = (Path(name), OWN_MODELS / name, shipped.get(Path(name).name), shipped.get(unified))
    found = next((path for path in candidates if path is not None and path.is_file()), None)
    if found is None:
        known = [path.name for path in OWN_MODELS.glob("*.yaml")]
        known += [n.replace(".yaml", "n.yaml") if re.search(r"\d\.yaml$", n) else n for n in shipped]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "give the path of a model YAML, or e.g. yolov8n.yaml"
        raise DetectorError(f"detector model {model!r} is unknown; {hint}")
    try:
        architecture = yaml.safe_load(found.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DetectorError(f"{found}: not a readable model YAML: {' '.join(str(error).split())}") from error
    problem = architecture_problem(architecture)
    if problem:
        raise DetectorError(f"{found}: {problem}")
    architecture["scale"] = scale
    return architecture


def architecture_problem(architecture: Any) -> str | None:
    """Return what is wrong or unsafe about a model YAML, or None when it may be built."""
    if not isinstance(architecture, dict):
        return f"expected a mapping with 'backbone' and 'head', found {type(architecture).__name__}"
    layers: list[Any] = []
    for part in ("backbone", "head"):
        rows = architecture.get(part)
        if not isinstance(rows, list) or not rows:
            return f"the model has no list {part!r}"
        layers += rows
    activation = architecture.get("activation")
    if activation is not None:
        match = _ACTIVATION.fullmatch(str(activation))
        if match is None or not _is_module(getattr(nn, match[2], None)):
            return f"activation {activation!r} is refused; expected e.g. 'nn.SiLU()'"
    for index, row in enumerate(layers):
        if not (isinstance(row, list) and len(row) == 4 and isinstance(row[3], list)):
            return f"layer {index} is not [from, repeats, module, arguments]"
        if not (isinstance(row[1], int) and 1 <= row[1] <= _MOST_REPEATS):
            return f"layer {index}: repeats {row[1]!r} is not a number from 1 to {_MOST_REPEATS}"
        if not isinstance(row[2], str) or _layer_class(row[2]) is None:
            return f"layer {index}: {row[2]!r} is not a layer of torch.nn or ultralytics.nn.modules"
        if any(abs(number) > _LARGEST for number in _numbers(row[3])):
            return f"layer {index}: arguments {row[3]!r} are too large"
    if _layer_class(layers[-1][2]) not in (Detect, v10Detect):
        return f"the last layer is {layers[-1][2]!r}, not Detect: this is no box detection model"
    return None


def build_network(
    architecture: dict[str, Any], classes: Sequence[str], seed: int, head_classes: int | None = None
) -> DetectionModel:
    """Build a network with random weights; the same seed gives the same weights.

    Args:
        architecture: a model YAML that :func:`architecture_problem` has passed.
        classes: class names; position i is output channel i.
        seed: of the weights.
        head_classes: number of classes the classification branches are sized for, when it differs: their
            hidden width depends on it, and a network that started from another data set keeps that width.
    """
    sized_for = head_classes or len(classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = DetectionModel(copy.deepcopy(architecture), ch=3, nc=sized_for, verbose=False)
        except (RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError) as error:
            raise CheckpointError(
                f"the detector's architecture cannot be built: {' '.join(str(error).split())}"
            ) from error
        if sized_for != len(classes):
            renew_class_outputs(model, len(classes))
    model.names = dict(enumerate(classes))
    model.architecture = json.loads(json.dumps(architecture))
    model.head_classes = sized_for
    return model


def class_outputs(model: DetectionModel) -> list[nn.Sequential]:
    """Return the classification branches, one a level (twice in models with two heads); the last layer of
    each has one output row a class."""
    head = model.model[-1]
    branches = [getattr(head, name, None) for name in ("cv3", "one2one_cv3")]
    return [branch for part in branches if part is not None for branch in part]


def renew_class_outputs(model: DetectionModel, classes: int) -> None:
    """Replace the last layer of every classification branch by a fresh one for ``classes`` classes."""
    head = model.model[-1]
    for level, branch in enumerate(class_outputs(model)):
        old = branch[-1]
        assert isinstance(old, nn.Conv2d)
        new = nn.Conv2d(old.in_channels, classes, 1).to(old.weight.device, old.weight.dtype)
        assert new.bias is not None
        stride = float(head.stride[level % head.nl])
        # Ultralytics' prior: about five objects in an image of 640 pixels.
        nn.init.constant_(new.bias, math.log(5 / classes / (640 / stride) ** 2))
        branch[-1] = new
    head.nc = classes
    head.no = classes + 4 * head.reg_max
    model.nc = classes


def _layer_class(name: str) -> type[nn.Module] | None:
    if name in _DOWNLOADERS:
        return None
    found = getattr(nn, name[3:], None) if name.startswith("nn.") else getattr(yolo_modules, name, None)
    return found if _is_module(found) else None


def _is_module(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, nn.Module)


def _numbers(value: Any) -> list[float]:
    if isinstance(value, bool):
        return []
    if isinstance(value, (int, float)):
        return [value]
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in _numbers(part)]
    return []
