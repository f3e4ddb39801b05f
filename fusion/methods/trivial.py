"""Pixelwise rules without a parameter."""

from __future__ import annotations

import torch

from ..card import MethodCard
from ..contract import FusionMethod


class Average(FusionMethod):
    """Mean of infrared and luminance."""

    card = MethodCard(
        name="average", title="Average", kind="trivial", notes="Mean of the infrared image and the luminance."
    )

    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Return ``(infrared + visible) / 2``, ``B x 1 x H x W``."""
        return 0.5 * (infrared + visible)


class Maximum(FusionMethod):
    """The brighter of infrared and luminance at every pixel."""

    card = MethodCard(
        name="maximum",
        title="Maximum",
        kind="trivial",
        notes="Maximum of the infrared image and the luminance.",
    )

    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Return the pixelwise maximum, ``B x 1 x H x W``."""
        return torch.maximum(infrared, visible)
