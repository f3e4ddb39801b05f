"""What the authors' scripts do around their networks: reading planes, stretching, colour, 8 bits.

Every function takes the network (called with Y, or grey, and infrared), the infrared image ``B x 1 x H x W``
and the visible one ``B x 3 x H x W`` RGB, both float32 in [0, 1] and read from 8-bit files. It returns RGB of
the same size whose values are whole grey levels over 255. Where the authors save a grey image, the three
channels are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from ..chroma import YCbCr
from .colour import (
    grey_8bit,
    grey_rounded,
    join_0713,
    rounded,
    split_0713,
    split_8bit,
    stretched,
    truncated,
)

Network = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Script = Callable[[Network, torch.Tensor, torch.Tensor], torch.Tensor]


def _piafusion(network: Network, infrared: torch.Tensor, rgb: torch.Tensor) -> torch.Tensor:
    planes = _clamped(split_0713(rgb))
    return truncated(_with_chroma(network(torch.as_tensor(planes.y), infrared).clamp(0, 1), planes))


def _cddfuse(network: Network, infrared: torch.Tensor, rgb: torch.Tensor) -> torch.Tensor:
    return _as_rgb(rounded(stretched(network(grey_rounded(rgb), infrared))))


def _ship(network: Network, infrared: torch.Tensor, rgb: torch.Tensor) -> torch.Tensor:
    planes = split_0713(rgb)
    return rounded(_with_chroma(network(torch.as_tensor(planes.y), infrared).clamp(0, 1), planes))


def _dcevo(network: Network, infrared: torch.Tensor, rgb: torch.Tensor) -> torch.Tensor:
    return _as_rgb(truncated(network(grey_8bit(rgb), infrared)))


def _sage(network: Network, infrared: torch.Tensor, rgb: torch.Tensor) -> torch.Tensor:
    planes = split_8bit(rgb)
    fused = _with_chroma(network(torch.as_tensor(planes.y), infrared), planes)
    return (fused * 255 + 0.5).clamp(0, 255).floor() / 255


def _a2rnet(network: Network, infrared: torch.Tensor, rgb: torch.Tensor) -> torch.Tensor:
    planes = split_0713(rgb)
    return truncated(
        stretched(_with_chroma(network(torch.as_tensor(planes.y), infrared), planes).clamp(0, 1))
    )


SCRIPTS: Mapping[str, Script] = {
    "piafusion": _piafusion,
    "piafusion-xrestormer": _piafusion,
    "cddfuse": _cddfuse,
    "ddfm": _cddfuse,  # the same around the network; the exchange of the images is the sampler's
    "ship": _ship,
    "dcevo": _dcevo,
    "sage": _sage,
    "a2rnet": _a2rnet,
}


def _clamped(planes: YCbCr) -> YCbCr:
    return YCbCr(y=planes.y.clip(0, 1), cb=planes.cb.clip(0, 1), cr=planes.cr.clip(0, 1))


def _with_chroma(fused: torch.Tensor, planes: YCbCr) -> torch.Tensor:
    return join_0713(YCbCr(y=fused, cb=planes.cb, cr=planes.cr))


def _as_rgb(grey: torch.Tensor) -> torch.Tensor:
    return grey.expand(-1, 3, -1, -1).contiguous()
