"""ONNX files, run by onnxruntime. Such a file is a graph of operators; no Python in it is run."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...datasets.errors import MethodError
from .ports import Port

DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class OnnxNetwork:
    """A graph that onnxruntime runs.

    Args:
        path: the file.
        output: name of the output to take; None where there is one.

    Raises:
        MethodError: onnxruntime is not installed, or the file is no graph that fits.
    """

    module: torch.nn.Module | None = None

    def __init__(self, path: Path, output: str | None = None) -> None:
        self.path = path
        self.session = self._open("CPUExecutionProvider")
        self.inputs = tuple(_port(path, item) for item in self.session.get_inputs())
        self.output = _chosen(path, [item.name for item in self.session.get_outputs()], output)

    def _open(self, provider: str) -> Any:
        try:
            runtime = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise MethodError(
                f"{self.path}: ONNX files need onnxruntime, which is not installed; run "
                "pip install 'regionfuse[onnx]', or pip install onnxruntime"
            ) from error
        settings = runtime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        settings.log_severity_level = 3  # Errors only: it prints to the console by itself.
        try:
            return runtime.InferenceSession(str(self.path), settings, providers=[provider])
        except Exception as error:  # its exceptions share no class
            text = " ".join(str(error).split())
            raise MethodError(f"{self.path}: onnxruntime cannot load it: {text[:300]}") from error

    def to(self, device: torch.device) -> None:
        """Run on the GPU where this onnxruntime can, else stay on the CPU."""
        runtime = importlib.import_module("onnxruntime")
        wanted = "CUDAExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
        if wanted in runtime.get_available_providers() and self.session.get_providers()[0] != wanted:
            self.session = self._open(wanted)

    def __call__(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the output for the images, one for each input, as float32 on the device of the first."""
        feeds = {
            port.name: np.ascontiguousarray(image.detach().cpu().numpy().astype(port.dtype))
            for port, image in zip(self.inputs, images, strict=True)
        }
        (found,) = self.session.run([self.output], feeds)
        return torch.from_numpy(np.asarray(found, dtype=np.float32)).to(images[0].device)


def _port(path: Path, item: Any) -> Port:
    if item.type not in DTYPES:
        raise MethodError(
            f"{path}: input {item.name!r} is a {item.type}; expected floating point in [0, 1]: export the "
            "network with that, or wrap it in a Python file"
        )
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in item.shape)
    if len(shape) != 4 or (shape[1] not in (None, 1, 3)):
        shown = " x ".join("?" if side is None else str(side) for side in shape)
        raise MethodError(
            f"{path}: input {item.name!r} has the shape {shown}; expected B x 1 x H x W or B x 3 x H x W: "
            "export the network with that, or wrap it in a Python file"
        )
    return Port(item.name, shape[0], shape[1], (shape[2], shape[3]), DTYPES[item.type])


def _chosen(path: Path, names: list[str], wanted: str | None) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        return str(wanted)
    found = f"expected one of {', '.join(names)} for output, found {wanted!r}"
    many = f"has {len(names)} outputs ({', '.join(names)})"
    raise MethodError(
        f'{path}: {many if wanted is None else found}; write {{"output": "{names[0]}"}} in {path.name}.json'
    )
