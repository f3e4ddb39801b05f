"""One modality alone: what fusion has to beat."""

from __future__ import annotations

import torch

from ..card import MethodCard
from ..contract import FusionMethod


class Visible(FusionMethod):
    """The visible image itself, colours and all; 8-bit pixels come out as they went in."""

    card = MethodCard(
        name="visible",
        title="Visible",
        kind="control",
        color="rgb",
        notes="The visible image unchanged.",
    )

    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Return ``visible``, ``B x 3 x H x W`` RGB."""
        return visible


class Infrared(FusionMethod):
    """The infrared image as grey; colours would be information from the visible image."""

    card = MethodCard(
        name="infrared",
        title="Infrared",
        kind="control",
        color="rgb",
        notes="The infrared image in three equal channels; no colour is attached.",
    )

    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Return ``infrared`` in the shape of ``visible``, ``B x 3 x H x W``."""
        return infrared.expand_as(visible)
