"""What the recipes of the published baselines have in common: a network from Y and infrared to Y."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from ..baselines.catalogue import build
from .recipe import Batch, Recipe, full_precision


class BaselineRecipe(Recipe):
    """A recipe whose loss compares the fused image with its sources.

    Attributes:
        network_name: of the network in the catalogue.
    """

    network_name: ClassVar[str]

    def build(self) -> nn.Module:
        """Return a fresh network."""
        return build(self.network_name)

    def step(self, network: nn.Module, batch: Batch, epoch: int) -> dict[str, Tensor]:
        """Return the loss terms of the fused image."""
        return self.validate(network, batch, epoch)[0]

    def fused(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the fused luminance."""
        fused: Tensor = network(batch.visible, batch.infrared)
        return fused

    def validate(self, network: nn.Module, batch: Batch, _epoch: int) -> tuple[dict[str, Tensor], Tensor]:
        """Return the losses and the fused luminance."""
        fused = self.fused(network, batch)
        with full_precision(fused.device):
            return self.losses(fused.float(), batch), fused

    @abstractmethod
    def losses(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the loss terms of a fused image ``B x 1 x H x W``; ``total`` is minimised."""
