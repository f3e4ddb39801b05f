"""The fifth door: a network in a file, ``model.onnx`` or a TorchScript ``model.pt``.

The network takes two images, told apart by the names of its inputs (``infrared``, ``ir``, ``visible``,
``vis``, ...) or by the card beside the file, each ``B x 1 x H x W`` or ``B x 3 x H x W`` in [0, 1], and
returns one in the same range. One visible channel means luminance, three mean RGB. Networks of a fixed
size see the image in overlapping windows of that size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from ...datasets.errors import DataError, MethodError
from ...datasets.storage import sha256_file
from ..chroma import attach_chroma
from ..contract import FusionMethod
from ..padding import crop, padded_size, reflect
from ..tiling import fuse_tiled
from .model_card import Layout, read_card
from .ports import Port, roles_of
from .torchscript import last_line

TRIED = 128
"""Side of the grey image that a network is tried on; a multiple of most strides."""


class Network(Protocol):
    """What both kinds of files have in common."""

    inputs: tuple[Port, ...]

    @property
    def module(self) -> torch.nn.Module | None:
        """The network where torch runs it."""

    def to(self, device: torch.device) -> None:
        """Move to a device."""

    def __call__(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the output for one image for each input."""


class ModelFile(FusionMethod):
    """A network file as a fusion method.

    Args:
        path: ``*.onnx``, or a TorchScript archive.
        options: entries of the card that overrule those of the file ``NAME.json`` beside it.

    Raises:
        MethodError: the file cannot be loaded, or is not a network of two images.
    """

    def __init__(self, path: Path, options: Mapping[str, Any] | None = None) -> None:
        try:
            digest = sha256_file(path)
        except DataError as error:
            raise MethodError(str(error)) from error
        self.path = path
        card, layout = read_card(path, options, digest)
        self.file = _open(path, layout)
        self.network = self.file.module
        self.countable = self.network is not None
        self.roles = roles_of(path, self.file.inputs, layout.inputs)
        self.size = _fixed_size(path, self.file.inputs, layout)
        self.single = any(port.batch == 1 for port in self.file.inputs)
        if any(port.batch not in (None, 1) for port in self.file.inputs):
            raise MethodError(
                f"{path}: takes {max(port.batch or 1 for port in self.file.inputs)} images at once; export "
                "it with one, or with a number that is free"
            )
        self.card = card
        self.channels = self._try(layout)
        color = "rgb" if self.channels[self.roles.index("visible")] == 3 else "luminance"
        self.card, _ = read_card(path, {**(options or {}), "color": color}, digest)

    def to(self, device: torch.device | str) -> FusionMethod:
        """Move the network where it can go."""
        self.file.to(torch.device(device))
        return self

    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Fuse infrared and Y or RGB; see the contract."""
        if self.size is None:
            return self._call(infrared, visible)
        height, width = infrared.shape[-2:]
        bottom, right = max(self.size[0] - height, 0), max(self.size[1] - width, 0)
        warm, seen = (reflect(image, bottom, right) for image in (infrared, visible))
        return crop(fuse_tiled(self._call, warm, seen, self.size), height, width)

    def _call(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        if self.single and len(infrared) > 1:
            images = zip(infrared.split(1), visible.split(1), strict=True)
            return torch.cat([self._call(warm, seen) for warm, seen in images])
        fused = self._run(infrared, visible, self.channels)
        if fused.shape[1] == 1 and visible.shape[1] == 3:  # it sees colour and returns luminance
            return attach_chroma(fused.clamp(0.0, 1.0), visible)
        return fused

    def _run(self, infrared: torch.Tensor, visible: torch.Tensor, channels: tuple[int, int]) -> torch.Tensor:
        """Hand the images to the network in its order and with its numbers of channels."""
        images = {"infrared": infrared, "visible": visible}
        given = [
            images[role].expand(-1, max(number, images[role].shape[1]), -1, -1)
            for role, number in zip(self.roles, channels, strict=True)
        ]
        try:
            fused = self.file(given)
        except Exception as error:  # foreign code
            raise MethodError(
                f"{self.path}: failed on {' and '.join(_shape(image) for image in given)}: "
                f"{last_line(error)}; a network that needs multiples of a number says so by stride, one of a "
                f"single size by size, in {self.path.name}.json"
            ) from error
        if fused.ndim != 4 or fused.shape[-2:] != infrared.shape[-2:] or len(fused) != len(infrared):
            raise MethodError(
                f"{self.path}: expected an image of {_shape(visible)}, the network returned {_shape(fused)}; "
                f"write its stride into {self.path.name}.json, or export it without resizing"
            )
        return fused

    def _try(self, layout: Layout) -> tuple[int, int]:
        """Call the network on a grey image and return how many channels its inputs take.

        Where neither the file nor its card says, one channel is tried before three.
        """
        height, width = self.size or (padded_size(TRIED, layout.stride),) * 2
        wanted = {"luminance": (1,), "rgb": (3,), None: (1, 3)}[layout.color]
        tried = [
            (first, second) for first in self._possible(0, wanted) for second in self._possible(1, wanted)
        ]
        if not tried:
            raise MethodError(
                f"{self.path}: color: the card says {layout.color}, the network's visible input does not"
            )
        trouble: MethodError | None = None
        for channels in tried:
            visible = channels[self.roles.index("visible")]
            grey = torch.full((1, 1, height, width), 0.5)
            try:
                with torch.inference_mode(), torch.random.fork_rng(devices=[]):
                    fused = self._run(grey, grey.expand(-1, visible, -1, -1), channels)
            except MethodError as error:
                trouble = trouble or error
                continue
            if fused.shape[1] in (1, visible):
                return channels
            trouble = MethodError(
                f"{self.path}: expected {visible} channel(s) out for {visible} in, found {fused.shape[1]}"
            )
        assert trouble is not None
        raise trouble

    def _possible(self, index: int, visible: tuple[int, ...]) -> tuple[int, ...]:
        stated = self.file.inputs[index].channels
        numbers = visible if self.roles[index] == "visible" else (1, 3)
        return tuple(number for number in numbers if stated in (None, number))


def _open(path: Path, layout: Layout) -> Network:
    if path.suffix.lower() == ".onnx":
        from .onnx_file import OnnxNetwork

        return OnnxNetwork(path, layout.output)
    from .torchscript import TorchScriptNetwork

    return TorchScriptNetwork(path)


def _fixed_size(path: Path, ports: tuple[Port, ...], layout: Layout) -> tuple[int, int] | None:
    """Return the only size that the network takes, by its file or its card; None: any."""
    sizes = {port.size for port in ports if port.size != (None, None)}
    if not sizes:
        return layout.size
    sides = [{size[axis] for size in sizes} - {None} for axis in (0, 1)]
    if any(len(side) != 1 for side in sides):
        raise MethodError(
            f"{path}: its inputs have the sizes {' and '.join(map(str, sizes))}; expected one height and "
            "width for both, fixed or free"
        )
    (height,), (width,) = sides
    assert height is not None
    assert width is not None
    return height, width


def _shape(image: torch.Tensor) -> str:
    return " x ".join(map(str, image.shape))
