"""RegionFuse's recipe: L = L_int + lambda L_gra + mu L_load, the last in the first epochs only.

The paper trains with Adam, 1e-4, batch 8, patches of 128 x 128, 4 epochs of linear warm-up and 80 of cosine
decay, lambda = mu = 5, and L_load in the first 5 epochs, so that rare distributions may keep an expert
afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from ..regionfuse.choices import CHOICES
from ..regionfuse.config import network_config
from ..regionfuse.losses import RegionFuseLoss
from ..regionfuse.model import RegionFuse, expert_shares
from .options import TrainingOptions
from .recipe import Batch, Recipe, full_precision


class RegionFuseRecipe(Recipe):
    """How RegionFuse is trained."""

    choices: ClassVar[Mapping[str, str]] = CHOICES
    reads: ClassVar[frozenset[str]] = frozenset(
        {"preset", "warmup_epochs", "lambda_gradient", "mu_load", "load_epochs", "region", "network"}
    )

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        self.config = network_config(options.preset, options.network, options.region)
        self._shares: list[Tensor] = []
        self.loss = RegionFuseLoss(options.lambda_gradient, options.mu_load, self.config.region)

    def build(self) -> nn.Module:
        """Return a fresh network of the preset."""
        return RegionFuse(self.config)

    def step(self, network: nn.Module, batch: Batch, epoch: int) -> dict[str, Tensor]:
        """Return total, intensity and gradient loss, and the load loss while it is in force."""
        load = None
        with cast(RegionFuse, network).observe_routing() as routings:
            if epoch < self.options.load_epochs:
                fused, load = network(batch.visible, batch.infrared, with_load_loss=True)
            else:
                fused = self.fused(network, batch)
        if routings:
            self._shares.append(expert_shares(routings))
        return self._losses(fused, batch, load)

    def measures(self) -> dict[str, float]:
        """Return the share of each expert in the choices of each stage, noise and all, in this epoch.

        ``share_stage1_expert0`` and so on, experts counted from 0 as in the figure of the supplement; the
        shares of a stage sum to one.
        """
        if not self._shares:
            return {}
        shares = torch.stack(self._shares).mean(dim=0).tolist()
        self._shares = []
        return {
            f"share_stage{stage}_expert{expert}": share
            for stage, row in enumerate(shares, start=1)
            for expert, share in enumerate(row)
        }

    def fused(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the fused luminance."""
        fused: Tensor = network(batch.visible, batch.infrared)
        return fused

    def validate(self, network: nn.Module, batch: Batch, _epoch: int) -> tuple[dict[str, Tensor], Tensor]:
        """Return the losses without load loss, and the fused luminance."""
        fused = self.fused(network, batch)
        return self._losses(fused, batch, None), fused

    def card(self) -> dict[str, Any]:
        """Return the network's configuration, from which the weights can be loaded again."""
        return {"config": self.config.to_dict()}

    def _losses(self, fused: Tensor, batch: Batch, load: Tensor | None) -> dict[str, Tensor]:
        with full_precision(fused.device):
            terms = self.loss(fused.float(), batch.visible, batch.infrared, load)
        return {name: term for name, term in terms.items() if name != "load" or load is not None}
