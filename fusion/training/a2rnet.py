"""A2RNet's recipe (Li et al., AAAI 2025): pseudo-labels and adversarial training.

``100 MSE(F, P) + 100 (1 - SSIM(F, P))`` against the pseudo-label's luminance P, added up for the clean pair
and the pair as an attack disturbs it. Adam at 1e-3, times 0.75 after every one of 50 epochs, batches of 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets.errors import ConfigError
from .attack import projected_gradient
from .baseline import BaselineRecipe
from .options import TrainingOptions
from .recipe import Batch, full_precision
from .schedule import rising
from .ssim import ssim

ATTACK_STEPS, ATTACK_STEP, ATTACK_RADIUS = 20, 0.003, 0.015


class A2RNetRecipe(BaselineRecipe):
    """How A2RNet is trained.

    Setting of the network: ``attack_steps``, 20 by default; every one costs as much as a training step.
    0: clean pairs only.
    """

    network_name = "a2rnet"
    version: ClassVar[int] = 2  # 2: starts slowly
    labels = "pseudo-labels"
    unused_parameters = True  # The published network holds two blocks that nothing calls.
    reads: ClassVar[frozenset[str]] = frozenset({"network"})
    choices: ClassVar[Mapping[str, str]] = {
        "labels": "The authors' pseudo-labels are not published: a folder of images fused by any method.",
        "attack": (
            "The strength of the authors' test script (20 steps of 0.003 within 0.015), on Y and infrared "
            "from a random start. The script disturbs RGB and passes the red plane on for Y: not so here."
        ),
        "ssim": (
            "11 x 11 Gaussian window where it fits, with constants for a range of 255 though the data reach "
            "1, as the authors' call has it: the term is close to 0."
        ),
        "learning_rate": (
            "Rises over the first 100 steps, 0.7 % of the published training on MSRS: at the full rate from "
            "the start, images of MSRS were black for good after 4 steps, where sigmoid has no gradient."
        ),
        "patch": "Random patches of 256 x 256; the authors' size is not stated.",
    }
    defaults: ClassVar[Mapping[str, Any]] = {
        "preset": "published",
        "epochs": 50,
        "warmup_epochs": 0,
        "batch_size": 4,
        "patch": 256,
        "learning_rate": 1e-3,
        "gradient_clip": 0.0,
    }

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        unknown = options.network.keys() - {"attack_steps"}
        if unknown:
            raise ConfigError(f"a2rnet: unknown setting {min(unknown)!r}; known: attack_steps")
        steps = options.network.get("attack_steps", ATTACK_STEPS)
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
            raise ConfigError(f"a2rnet: attack_steps must be a whole number from 0, found {steps!r}")
        self.attack_steps = steps

    def step(self, network: nn.Module, batch: Batch, epoch: int) -> dict[str, Tensor]:
        """Return the loss terms of the clean and of the attacked pair, added as ``total``."""
        del epoch
        terms = self._terms(network, batch)
        if not self.attack_steps:
            return terms

        def harm(visible: Tensor, infrared: Tensor) -> Tensor:
            return self._terms(network, Batch(visible, infrared, batch.rgb, batch.label))["total"]

        disturbed = projected_gradient(
            harm,
            batch.visible,
            batch.infrared,
            steps=self.attack_steps,
            step=ATTACK_STEP,
            radius=ATTACK_RADIUS,
        )
        attacked = self._terms(network, Batch(*disturbed, batch.rgb, batch.label))["total"]
        return {**terms, "total": terms["total"] + attacked, "clean": terms["total"], "attacked": attacked}

    def schedule(self, step: int, steps_per_epoch: int) -> float:
        """Return 0.75 to the number of epochs done, times :func:`~.schedule.rising` (not published)."""
        return rising(step) * 0.75 ** (step // steps_per_epoch)

    def card(self) -> dict[str, Any]:
        """Return the length of the attack."""
        return {"attack_steps": self.attack_steps}

    def losses(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return total, squared error and dissimilarity to the pseudo-label."""
        assert batch.label is not None  # recipe_for sees to it
        error = F.mse_loss(fused, batch.label)
        dissimilarity = 1 - ssim(fused, batch.label, data_range=255, padded=False).mean()
        return {"total": 100 * error + 100 * dissimilarity, "error": error, "ssim": dissimilarity}

    def _terms(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        fused = self.fused(network, batch)
        with full_precision(fused.device):
            return self.losses(fused.float(), batch)
