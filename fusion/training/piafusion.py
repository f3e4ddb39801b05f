"""PIAFusion's recipe (Tang et al., Information Fusion 2022), as its PyTorch port trains.

``L = 3 [L1(w_ir F, w_ir I) + L1(w_vi F, w_vi Y)] + 7 L1(F, max(Y, I)) + 50 L1(|grad F|, max(|grad Y|, |grad
I|))`` with Sobel gradients; Adam at 1e-3, flat for the first half of the epochs, then linear to zero. The
weights come from a frozen day-or-night classifier, ``w_vi = day / (day + night)`` and ``w_ir = 1 - w_vi``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets.errors import ConfigError
from ..baselines.catalogue import build
from ..baselines.catalogue import load as load_official
from .options import TrainingOptions
from .recipe import Batch, Recipe, full_precision

ENCODERS: Mapping[str, str] = {"convolution": "piafusion", "xrestormer": "piafusion-xrestormer"}
"""Value of the network setting ``encoder`` -> name of the network; the first is the published one."""
_SETTINGS = ("encoder", "illumination")
_SOBEL = torch.tensor([[[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]], [[[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]]]])


class PIAFusionRecipe(Recipe):
    """How PIAFusion is trained.

    Settings of the network: ``encoder`` (``convolution``, or ``xrestormer`` for the X-Restormer blocks of the
    supplement's Table 5) and ``illumination``, the file of the classifier's weights. Without that file both
    intensity terms weigh 0.5.
    """

    choices: ClassVar[Mapping[str, str]] = {
        "illumination": (
            "Without the classifier's weights w_vi = w_ir = 0.5; with them 0.5 where both scores are 0."
        ),
        "patches": (
            "Drawn at random, flipped and turned, where the port reads patches that were cut beforehand."
        ),
    }
    takes_network: ClassVar[bool] = True

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        for name in options.network:
            if name not in _SETTINGS:
                raise ConfigError(f"piafusion: unknown setting {name!r}; known: {', '.join(_SETTINGS)}")
        self.encoder = str(options.network.get("encoder", "convolution"))
        if self.encoder not in ENCODERS:
            raise ConfigError(
                f"piafusion: encoder must be one of {', '.join(ENCODERS)}, found {self.encoder!r}"
            )
        classifier = options.network.get("illumination")
        self.illumination: nn.Module | None = None
        if classifier is not None:
            self.illumination = load_official("piafusion-illumination", Path(str(classifier)))
            self.illumination.requires_grad_(False)

    def build(self) -> nn.Module:
        """Return a fresh network."""
        return build(ENCODERS[self.encoder])

    def step(self, network: nn.Module, batch: Batch, epoch: int) -> dict[str, Tensor]:
        """Return total, intensity, maximum and gradient loss."""
        del epoch
        return self._losses(self.fused(network, batch), batch)

    def fused(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the fused luminance."""
        fused: Tensor = network(batch.visible, batch.infrared)
        return fused

    def validate(self, network: nn.Module, batch: Batch, _epoch: int) -> tuple[dict[str, Tensor], Tensor]:
        """Return the losses and the fused luminance."""
        fused = self.fused(network, batch)
        return self._losses(fused, batch), fused

    def schedule(self, step: int, steps_per_epoch: int) -> float:
        """Return 1 in the first half of the epochs, then ``(E - e) / (E - E // 2)`` in epoch e, from 0."""
        epochs, epoch = self.options.epochs, step // steps_per_epoch
        half = epochs // 2
        return 1.0 if epoch < half else (epochs - epoch) / (epochs - half)

    def card(self) -> dict[str, Any]:
        """Return the encoder, and whether the classifier weighed the losses."""
        return {"encoder": self.encoder, "illumination": self.illumination is not None}

    def visible_weight(self, rgb: Tensor) -> Tensor:
        """Return w_vi, ``B x 1 x 1 x 1``, of RGB patches."""
        if self.illumination is None:
            return rgb.new_full((rgb.shape[0], 1, 1, 1), 0.5)
        with torch.no_grad():
            weight: Tensor = self.illumination.to(rgb.device).visible_weight(rgb)
        return weight.reshape(-1, 1, 1, 1)

    def _losses(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        visible, infrared = batch.visible, batch.infrared
        with full_precision(fused.device):
            fused = fused.float()
            weight = self.visible_weight(batch.rgb)
            intensity = F.l1_loss((1 - weight) * fused, (1 - weight) * infrared)
            intensity = intensity + F.l1_loss(weight * fused, weight * visible)
            maximum = F.l1_loss(fused, torch.maximum(visible, infrared))
            gradient = F.l1_loss(sobel_l1(fused), torch.maximum(sobel_l1(visible), sobel_l1(infrared)))
            total = 3 * intensity + 7 * maximum + 50 * gradient
        return {"total": total, "intensity": intensity, "maximum": maximum, "gradient": gradient}


def sobel_l1(image: Tensor) -> Tensor:
    """Gradient strength ``|G_x| + |G_y|`` by Sobel's kernels, zeros beyond the border, ``B x 1 x H x W``."""
    return F.conv2d(image, _SOBEL.to(image), padding=1).abs().sum(dim=1, keepdim=True)
