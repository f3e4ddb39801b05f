"""The optional card beside a network file: ``model.onnx.json`` says what the file itself cannot.

{"title": "SwinFusion", "citation": "...", "trained_on": ["MSRS"], "inputs": ["infrared", "visible"]}
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ...datasets.errors import MethodError
from ..card import MethodCard, data_sets
from .specs import sidecar

FACTS = (
    *("name", "title", "citation", "bibtex", "year", "code_license", "weights_license", "weights_from"),
    *("trained_on", "notes"),
)
LAYOUT = ("inputs", "output", "color", "stride", "size")
ALSO = ("training_images", "sha256")
ROLES = ("infrared", "visible")


@dataclass(frozen=True)
class Layout:
    """How a network is called, as far as its card says.

    Attributes:
        inputs: ``infrared`` and ``visible`` in the order of the network's inputs; None: told by their names.
        output: name of the output that is the fused image; None: there is one.
        color: ``luminance`` or ``rgb``: what the network takes as visible image; None: found by trying.
        stride: height and width must be multiples of this.
        size: the one height and width that the network takes; None: any, or the file says.
    """

    inputs: tuple[str, ...] | None = None
    output: str | None = None
    color: str | None = None
    stride: int = 1
    size: tuple[int, int] | None = None


def read_card(path: Path, options: Mapping[str, Any] | None, digest: str) -> tuple[MethodCard, Layout]:
    """Read the card beside a network file.

    Args:
        path: the network file.
        options: entries that overrule those of the card.
        digest: SHA-256 of the network file.

    Raises:
        MethodError: the card is no JSON object, has an unknown entry, or one of the wrong kind.
    """
    beside = sidecar(path)
    given = {**_read(beside), **(options or {})}
    known = (*FACTS, *LAYOUT, *ALSO)
    for key in given:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise MethodError(f"{beside}: unknown entry {key!r}; {hint}")
    stated = str(given.get("sha256", digest))
    if stated != digest:
        raise MethodError(
            f"{beside}: is the card of another file: it says SHA-256 {stated[:12]}..., {path.name} has "
            f"{digest[:12]}...; mend or remove the entry sha256"
        )
    layout = _layout(beside, given)
    title = str(given.get("title", path.stem))
    facts = {key: given[key] for key in FACTS if key in given and key not in ("name", "title", "trained_on")}
    card = MethodCard(
        name=re.sub(r"[^a-z0-9_-]+", "-", str(given.get("name", path.stem)).lower()).strip("-_") or "network",
        title=title,
        kind="learned",
        color="rgb" if layout.color == "rgb" else "luminance",
        stride=layout.stride,
        trained_on=data_sets(given.get("trained_on"), str(beside)),
        weights_sha256=digest,
        **{"code_license": "", "notes": f"a network file, {path.name}", **facts},
    )
    return card, layout


def _read(beside: Path) -> dict[str, Any]:
    if not beside.is_file():
        return {}
    try:
        card = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MethodError(f"{beside}: the card cannot be read as JSON: {error}") from error
    if not isinstance(card, dict):
        raise MethodError(f"{beside}: expected a JSON object, found {type(card).__name__}")
    return card


def _layout(beside: Path, given: Mapping[str, Any]) -> Layout:
    inputs = given.get("inputs")
    if inputs is not None and (
        not isinstance(inputs, list | tuple) or sorted(map(str, inputs)) != sorted(ROLES)
    ):
        raise MethodError(
            f'{beside}: inputs: expected ["infrared", "visible"] in the order of its inputs, found {inputs!r}'
        )
    color = given.get("color")
    if color not in (None, "luminance", "rgb"):
        raise MethodError(f"{beside}: color: expected luminance or rgb, found {color!r}")
    stride = given.get("stride", 1)
    if not _whole(stride):
        raise MethodError(f"{beside}: stride: expected a whole number from 1 on, found {stride!r}")
    size = given.get("size")
    if size is not None and not (
        isinstance(size, (list, tuple)) and len(size) == 2 and all(map(_whole, size))
    ):
        raise MethodError(f"{beside}: size: expected [height, width] in pixels, found {size!r}")
    return Layout(
        inputs=None if inputs is None else tuple(map(str, inputs)),
        output=given.get("output"),
        color=color,
        stride=stride,
        size=None if size is None else (size[0], size[1]),
    )


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
