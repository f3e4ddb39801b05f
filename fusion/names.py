"""The names of fusion methods and where the built-in ones live; importing this imports no method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from .doors.entry_point import installed

FOLDER, COMMAND = "folder:", "command:"
MODES = ("fair", "published")
"""How a baseline is used: as all others are, or as its authors use it; written ``NAME:published``."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """Where a built-in method lives.

    Attributes:
        module: module relative to this package.
        cls: class in it.
        version: raised when the method's output changes, so that cached images are made anew.
        trainable: True when the method needs weights that ``regionfuse train`` can make.
        needs_weights: True when the method needs weights that its authors publish.
        modes: True when ``NAME:published`` uses the method as its authors do.
        shipped: weights inside the package that are used when none are given, relative to this folder.
        title: name in tables while the method cannot be made.
    """

    module: str
    cls: str
    version: int = 1
    trainable: bool = False
    needs_weights: bool = False
    modes: bool = False
    shipped: str = ""
    title: str = ""


def _baseline(name: str, *, trainable: bool = False) -> Builtin:
    module, cls = ".baselines.method", f"{name}Method"
    return Builtin(module, cls, trainable=trainable, needs_weights=True, modes=True)


BUILTINS: Mapping[str, Builtin] = {
    "visible": Builtin(".methods.controls", "Visible"),
    "infrared": Builtin(".methods.controls", "Infrared"),
    "average": Builtin(".methods.trivial", "Average"),
    "maximum": Builtin(".methods.trivial", "Maximum"),
    "laplacian": Builtin(".methods.laplacian", "Laplacian"),
    "guided": Builtin(".methods.guided", "Guided"),
    "regionfuse": Builtin(
        ".regionfuse.method",
        "RegionFuseMethod",
        version=2,
        trainable=True,
        shipped="regionfuse/weights/regionfuse-tiny.safetensors",
        title="RegionFuse",
    ),
    "piafusion": _baseline("PIAFusion", trainable=True),
    "piafusion-xrestormer": _baseline("PIAFusionXRestormer", trainable=True),
    "cddfuse": _baseline("CDDFuse", trainable=True),
    "ddfm": _baseline("DDFM"),
    "ship": _baseline("SHIP", trainable=True),
    "dcevo": _baseline("DCEvo", trainable=True),
    "sage": _baseline("SAGE", trainable=True),
    "a2rnet": _baseline("A2RNet", trainable=True),
}

HELPERS: Mapping[str, str] = {"piafusion-illumination": "illumination"}
"""Networks that fuse nothing but help in the training of a method -> the setting that takes their weights."""


def names() -> tuple[str, ...]:
    """Return the names of all built-in and installed methods; imports none of them."""
    return (*BUILTINS, *(name for name in installed() if name not in BUILTINS))


def split_mode(spec: str) -> tuple[str, str]:
    """Split ``NAME:MODE`` of a built-in method that has modes; the mode is empty where none is written."""
    name, colon, mode = spec.partition(":")
    return (name, mode) if colon and name in BUILTINS and BUILTINS[name].modes else (spec, "")


def unknown(spec: str) -> str:
    """Return the error message for a spec that names nothing."""
    known = names()
    near = get_close_matches(spec.lower(), known, n=1)
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else "give a name, file.py:Class, model.onnx, folder:PATH or command:..."
    )
    return f"no fusion method {spec!r}; {hint} Known: {', '.join(known)}"
