"""Weights that make untrained networks answer strongly to their input, so that comparisons mean something."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import torch
from torch import nn

GAINS: Mapping[str, float] = {
    "piafusion": 1.2,
    "piafusion-xrestormer": 1.0,
    "cddfuse": 0.85,
    "ship": 0.8,
    "dcevo": 0.97,
    "sage": 1.0,
    "a2rnet": 0.85,
    "ddfm": 1.0,
}


def lively(network: nn.Module, gain: float = 1.0) -> nn.Module:
    """Fill the network with random numbers by tensor name: spread by fan-in, norms near 1; in eval mode."""
    filled = {}
    for name, tensor in network.state_dict().items():
        noise = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
        if not tensor.is_floating_point():
            filled[name] = tensor
        elif name.endswith((".p", ".sign_s")):  # a permutation, and signs, which are not trained
            filled[name] = torch.eye(len(tensor)).flip(0) if tensor.ndim == 2 else torch.ones_like(tensor)
        elif name.endswith("running_var"):
            filled[name] = 1 + 0.2 * noise.abs()
        elif tensor.ndim <= 1:
            filled[name] = (name.endswith("weight") and 1) + 0.1 * noise
        else:
            filled[name] = gain * noise / (tensor.numel() / tensor.shape[0]) ** 0.5
    network.load_state_dict(filled)
    return network.eval()


def pair(height: int, width: int, batch: int = 1, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return smooth random (visible Y, infrared), ``B x 1 x H x W`` in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2, batch, 1, 6, 8, generator=generator).flatten(0, 1)
    fine = torch.rand(2 * batch, 1, height, width, generator=generator)
    smooth = nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    visible, infrared = (0.8 * smooth + 0.2 * fine).unflatten(0, (2, batch))
    return visible, infrared
