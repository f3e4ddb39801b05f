"""PIAFusion's recipe (Tang et al., Information Fusion 2022), as its PyTorch port trains.

``L = 3 [L1(w_ir F, w_ir I) + L1(w_vi F, w_vi Y)] + 7 L1(F, max(Y, I)) + 50 L1(|grad F|, max(|grad Y|, |grad
I|))`` with Sobel gradients; Adam at 1e-3, flat for the first half of the epochs, then linear to zero. The
weights come from a frozen day-or-night classifier, ``w_vi = day / (day + night)`` and ``w_ir = 1 - w_vi``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets.errors import ConfigError
from ..baselines.catalogue import build
from ..baselines.catalogue import load as load_official
from ..baselines.piafusion import IlluminationClassifier
from ..contamination import TrainingData, stated_by_weights
from ..weights import sha256
from .baseline import BaselineRecipe
from .gradients import gradient_loss
from .options import TrainingOptions
from .recipe import Batch
from .schedule import rising

ENCODERS: Mapping[str, str] = {"convolution": "piafusion", "xrestormer": "piafusion-xrestormer"}
"""Value of the network setting ``encoder`` -> name of the network; the first is the published one."""
SLOPE = 0.01
"""Of the network's leaky ReLU."""
STARTS = ("he", "pytorch")
"""Values of the network setting ``start``; the first is the default."""
AUTHORS_CLASSIFIER_SAW = ("MSRS",)
_SETTINGS = ("encoder", "illumination", "start")


class PIAFusionRecipe(BaselineRecipe):
    """How PIAFusion is trained.

    Settings of the network: ``encoder`` (``convolution``, or ``xrestormer`` for the X-Restormer blocks of the
    supplement's Table 5), ``illumination``, the file of the classifier's weights (without it both intensity
    terms weigh 0.5), and ``start``, how the convolutions are drawn at first: ``he`` or ``pytorch``.
    """

    version: ClassVar[int] = 2  # 2: starts from He's distribution, bright side up, and slowly

    choices: ClassVar[Mapping[str, str]] = {
        "illumination": (
            "Without the classifier's weights w_vi = w_ir = 0.5; with them 0.5 where both scores are 0."
        ),
        "patches": (
            "Drawn at random, flipped and turned, where the port reads patches that were cut beforehand."
        ),
        "start": (
            "How the port draws the fusion network's first weights is not stated. Here: He's distribution "
            "(fan in, leaky ReLU), with the sign of the last layer such that brighter images give a brighter "
            "one, for the gradient loss, which weighs most, cannot tell an image from its negative and keeps "
            "what it starts with. From PyTorch's default (start=pytorch) the image is the same everywhere to "
            "1e-3, and with 8 patches a step it went black in 40 steps, where tanh has no gradient."
        ),
        "learning_rate": (
            "Rises over the first 100 steps, 0.5 % of the published training: at the full rate from the "
            "start, 2 of 3 short trainings on few patches ended all white or all black."
        ),
    }
    reads: ClassVar[frozenset[str]] = frozenset({"network"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "preset": "published",
        "epochs": 30,
        "warmup_epochs": 0,
        "batch_size": 128,
        "patch": 64,
        "learning_rate": 1e-3,
        "gradient_clip": 0.0,
    }
    default_encoder: ClassVar[str] = "convolution"

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        for name in options.network:
            if name not in _SETTINGS:
                raise ConfigError(f"piafusion: unknown setting {name!r}; known: {', '.join(_SETTINGS)}")
        self.encoder = str(options.network.get("encoder", self.default_encoder))
        if self.encoder not in ENCODERS:
            raise ConfigError(
                f"piafusion: encoder must be one of {', '.join(ENCODERS)}, found {self.encoder!r}"
            )
        self.start = str(options.network.get("start", STARTS[0]))
        if self.start not in STARTS:
            raise ConfigError(f"piafusion: start must be one of {', '.join(STARTS)}, found {self.start!r}")
        file = options.network.get("illumination")
        self.illumination: IlluminationClassifier | None = None
        self.illumination_sha256 = ""
        if file is not None:
            loaded = load_official("piafusion-illumination", Path(str(file)))
            self.illumination = cast(IlluminationClassifier, loaded)
            self.illumination.requires_grad_(False)
            self.illumination_sha256 = sha256(Path(str(file)))

    def build(self) -> nn.Module:
        """Return a fresh network."""
        network = build(ENCODERS[self.encoder])
        if self.start == "he":
            for name, layer in network.named_modules():
                # As they are: the last before tanh, and X-Restormer's own layers (grouped or Pointwise).
                if type(layer) is nn.Conv2d and layer.groups == 1 and name != "decoder.conv5":
                    nn.init.kaiming_normal_(layer.weight, a=SLOPE, nonlinearity="leaky_relu")
                    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            _turn_bright_side_up(network)
        return network

    @classmethod
    def seen(cls, options: TrainingOptions) -> TrainingData:
        """Return what the classifier's card says; without a card it is taken for the authors'."""
        file = options.network.get("illumination")
        if file is None:
            return TrainingData()
        stated = stated_by_weights(Path(str(file)))
        return stated if stated.names or stated.images else TrainingData(AUTHORS_CLASSIFIER_SAW)

    def schedule(self, step: int, steps_per_epoch: int) -> float:
        """Return 1 in the first half of the epochs, then ``(E - e) / (E - E // 2)`` in epoch e, from 0.

        Times :func:`~.schedule.rising`, which is not published.
        """
        epochs, epoch = self.options.epochs, step // steps_per_epoch
        half = epochs // 2
        return rising(step) * (1.0 if epoch < half else (epochs - epoch) / (epochs - half))

    def patches_per_epoch(self, sizes: Sequence[tuple[int, int]]) -> int:
        """Return the number of patches that tile the images."""
        return patches_that_tile(sizes, self.options.patch)

    def card(self) -> dict[str, Any]:
        """Return the encoder, and whether, and which, classifier weighed the losses."""
        weighed: dict[str, Any] = {"illumination": self.illumination is not None}
        if self.illumination is not None:
            weighed["illumination_sha256"] = self.illumination_sha256
        return {"encoder": self.encoder, "start": self.start, **weighed}

    def visible_weight(self, rgb: Tensor) -> Tensor:
        """Return w_vi, ``B x 1 x 1 x 1``, of RGB patches."""
        if self.illumination is None:
            return rgb.new_full((rgb.shape[0], 1, 1, 1), 0.5)
        with torch.no_grad():
            weight = self.illumination.to(rgb.device).visible_weight(rgb)
        return weight.reshape(-1, 1, 1, 1)

    def losses(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return total, intensity, maximum and gradient loss."""
        visible, infrared = batch.visible, batch.infrared
        weight = self.visible_weight(batch.rgb)
        intensity = F.l1_loss((1 - weight) * fused, (1 - weight) * infrared)
        intensity = intensity + F.l1_loss(weight * fused, weight * visible)
        maximum = F.l1_loss(fused, torch.maximum(visible, infrared))
        gradient = gradient_loss(fused, visible, infrared)
        total = 3 * intensity + 7 * maximum + 50 * gradient
        return {"total": total, "intensity": intensity, "maximum": maximum, "gradient": gradient}


class PIAFusionXRestormerRecipe(PIAFusionRecipe):
    """PIAFusion's recipe for the network with X-Restormer blocks, without having to say so."""

    default_encoder = "xrestormer"

    def card(self) -> dict[str, Any]:
        """Return what PIAFusion's card has: the weights' origin is one method with two encoders."""
        return {"method": "piafusion", **super().card()}


def patches_that_tile(sizes: Sequence[tuple[int, int]], side: int) -> int:
    """Return how many patches of ``side`` pixels tile images of these heights and widths, one at least."""
    return sum(max(1, (height // side) * (width // side)) for height, width in sizes)


def _turn_bright_side_up(network: nn.Module) -> None:
    """Change the sign of the last layer where brighter images would give a darker one."""
    ramp = torch.linspace(0.2, 0.8, 32).expand(1, 1, 32, 32)
    visible, infrared = ramp, ramp.transpose(2, 3)
    with torch.no_grad():
        fused, brightness = network(visible, infrared), visible + infrared
        if ((fused - fused.mean()) * (brightness - brightness.mean())).sum() < 0:
            cast(nn.Conv2d, network.get_submodule("decoder.conv5")).weight.neg_()
