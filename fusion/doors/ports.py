"""The inputs of a network file: their names, shapes, and which of them is the infrared one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.errors import MethodError

INFRARED_NAMES = frozenset({"infrared", "ir", "inf", "thermal", "tir", "lwir", "nir", "i"})
VISIBLE_NAMES = frozenset({"visible", "visual", "vis", "vi", "viz", "rgb", "optical", "v"})


@dataclass(frozen=True)
class Port:
    """One input.

    Attributes:
        name: its name in the file.
        batch: fixed number of images, or None.
        channels: 1 or 3, or None where the file does not say.
        size: fixed height and width, each None where any will do.
        dtype: numpy's type of its values.
    """

    name: str
    batch: int | None = None
    channels: int | None = None
    size: tuple[int | None, int | None] = (None, None)
    dtype: Any = np.float32


def roles_of(path: Path, ports: Sequence[Port], stated: Sequence[str] | None) -> tuple[str, str]:
    """Return ``infrared`` and ``visible`` in the order of a network's two inputs.

    Args:
        path: the network file.
        ports: its inputs.
        stated: the order that its card states.

    Raises:
        MethodError: there are not two inputs, or their names do not tell which is which.
    """
    names = [port.name for port in ports]
    if len(ports) != 2:
        raise MethodError(
            f"{path}: expected two inputs, an infrared and a visible image, found {len(ports)}"
            f"{': ' if names else ''}{', '.join(names)}; wrap the network in a Python file with a class"
        )
    if stated is not None:
        return stated[0], stated[1]
    found = [_role(name) for name in names]
    # One name that tells is enough: the other is the other one.
    for first, second in (("infrared", "visible"), ("visible", "infrared")):
        if found in ([first, second], [first, ""], ["", second]):
            return first, second
    raise MethodError(
        f"{path}: cannot tell which of the inputs {names[0]!r} and {names[1]!r} is the infrared one; write "
        f'{{"inputs": ["infrared", "visible"]}} in their order into {path.name}.json'
    )


def _role(name: str) -> str:
    """Return the role that a name tells, or an empty text: ``vis_img``, ``imgIR`` and ``ir1`` do."""
    words = {word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
    infrared, visible = bool(words & INFRARED_NAMES), bool(words & VISIBLE_NAMES)
    if infrared == visible:
        return ""
    return "infrared" if infrared else "visible"
