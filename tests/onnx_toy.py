"""Tiny ONNX files, encoded by hand: a test needs no exporter.

ONNX is protocol buffers: a message is a row of fields, each a key (number and wire type), then an integer of
variable length or a length and bytes. The field numbers are those of onnx.proto, version 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

FLOAT, FLOAT16, UINT8 = 1, 10, 2
Side = int | str
_NUMPY = {FLOAT: np.float32, FLOAT16: np.float16}


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _int(field: int, value: int) -> bytes:
    return _number(field << 3) + _number(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _number(field << 3 | 2) + _number(len(data)) + data


def node(operator: str, inputs: Sequence[str], output: str, **integers: int) -> bytes:
    """One operator; its attributes are whole numbers."""
    parts = [_bytes(1, name) for name in inputs] + [_bytes(2, output), _bytes(3, output), _bytes(4, operator)]
    parts += [_bytes(5, _bytes(1, key) + _int(3, value) + _int(20, 2)) for key, value in integers.items()]
    return b"".join(parts)


def _tensor(name: str, values: np.ndarray, kind: int) -> bytes:
    data = np.ascontiguousarray(values, _NUMPY[kind])
    return (
        b"".join(_int(1, side) for side in data.shape)
        + _int(2, kind)
        + _bytes(8, name)
        + _bytes(9, data.tobytes())
    )


def _value(name: str, shape: Sequence[Side], kind: int) -> bytes:
    sides = (_int(1, side) if isinstance(side, int) else _bytes(2, side) for side in shape)
    body = _int(1, kind) + _bytes(2, b"".join(_bytes(1, side) for side in sides))
    return _bytes(1, name) + _bytes(2, _bytes(1, body))


def write_onnx(
    path: Path,
    nodes: Sequence[bytes],
    inputs: dict[str, Sequence[Side]],
    outputs: dict[str, Sequence[Side]],
    constants: dict[str, np.ndarray] | None = None,
    kind: int = FLOAT,
) -> Path:
    """Write a graph; a side that is a text is free."""
    graph = [_bytes(1, item) for item in nodes] + [_bytes(2, "toy")]
    graph += [_bytes(5, _tensor(name, values, kind)) for name, values in (constants or {}).items()]
    graph += [_bytes(11, _value(name, shape, kind)) for name, shape in inputs.items()]
    graph += [_bytes(12, _value(name, shape, kind)) for name, shape in outputs.items()]
    path.write_bytes(_int(1, 8) + _bytes(7, b"".join(graph)) + _bytes(8, _int(2, 13)))
    return path


def maximum(
    path: Path,
    names: tuple[str, str] = ("visible", "infrared"),
    *,
    channels: Side = 1,
    batch: Side = "n",
    size: tuple[Side, Side] = ("h", "w"),
    kind: int = FLOAT,
) -> Path:
    """The brighter of both."""
    shape = (batch, channels, *size)
    outputs = {"fused": shape}
    return write_onnx(path, [node("Max", names, "fused")], dict.fromkeys(names, shape), outputs, kind=kind)


def colour(path: Path) -> Path:
    """Three times visible RGB and one of infrared, by a 1 x 1 convolution over four channels."""
    weight = np.zeros((3, 4, 1, 1), np.float32)
    weight[range(3), range(3)], weight[:, 3] = 0.75, 0.25
    nodes = [node("Concat", ["rgb", "ir"], "both", axis=1), node("Conv", ["both", "weight"], "fused")]
    inputs: dict[str, Sequence[Side]] = {"rgb": ("n", 3, "h", "w"), "ir": ("n", 1, "h", "w")}
    return write_onnx(path, nodes, inputs, {"fused": ("n", 3, "h", "w")}, {"weight": weight})
