"""The paper's rivals: their networks, tensor for tensor, and the methods around them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def official(name: str, checkpoint: Path | str | Mapping[str, Any], **options: Any) -> nn.Module:
    """Return a baseline's network with its published weights, in eval mode.

    Its ``forward(visible, infrared)`` takes the luminance and the infrared image, ``B x 1 x H x W`` in
    [0, 1], and returns the network's raw output before any clamp or stretch.

    Args:
        name: ``piafusion``, ``cddfuse``, ``ddfm``, ``ship``, ``dcevo``, ``sage`` or ``a2rnet``; also
            ``piafusion-xrestormer``, and ``piafusion-illumination``, which takes RGB alone.
        checkpoint: file, or its content, in the layout that the authors publish.
        options: DDFM's: ``config`` (a ``UNetConfig`` for a U-Net of another size), ``steps`` and ``swapped``.

    Raises:
        CheckpointError: a tensor is missing, surplus or of another shape; it is named.
        MethodError: there is no such baseline.
    """
    from .catalogue import load  # imports torch

    return load(name, checkpoint, **options)
