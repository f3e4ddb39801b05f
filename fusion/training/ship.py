"""SHIP's recipe (Zheng et al., CVPR 2024).

``L = 3 [L1(m v, F) + L1(F, (1 - m) i)] + 10 L1(F, max(v, i)) + 10 L1(|grad F|, max(|grad v|, |grad i|))``
with Sobel gradients and the saliency mask m. Adam at 1e-4, times 0.75 after 15 % and 25 % of 100,000 steps,
batches of 4 patches of 128 x 128.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .baseline import BaselineRecipe
from .gradients import gradient_loss
from .recipe import Batch
from .saliency import visible_mask

MILESTONES = (0.15, 0.25)


class SHIPRecipe(BaselineRecipe):
    """How SHIP is trained."""

    network_name = "ship"
    choices: ClassVar[Mapping[str, str]] = {
        "mask": (
            "The authors' masks are not published. Here m is 0 where the infrared patch is more salient than "
            "the visible one by histogram contrast, else 1."
        ),
        "short runs": "The rate falls after 15 % and 25 % of all steps, as it does after 15,000 and 25,000.",
    }
    defaults: ClassVar[Mapping[str, Any]] = {
        "preset": "published",
        "epochs": 100,
        "steps_per_epoch": 1000,
        "warmup_epochs": 0,
        "batch_size": 4,
        "patch": 128,
        "learning_rate": 1e-4,
        "gradient_clip": 0.0,
    }

    def schedule(self, step: int, steps_per_epoch: int) -> float:
        """Return 0.75 to the number of milestones passed."""
        done = step / (self.options.epochs * steps_per_epoch)
        return 0.75 ** sum(done >= milestone for milestone in MILESTONES)

    def losses(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return total, masked, maximum and gradient loss."""
        visible, infrared = batch.visible, batch.infrared
        mask = visible_mask(visible, infrared)
        masked = F.l1_loss(mask * visible, fused) + F.l1_loss(fused, (1 - mask) * infrared)
        maximum = F.l1_loss(fused, torch.maximum(visible, infrared))
        gradient = gradient_loss(fused, visible, infrared)
        total = 3 * masked + 10 * maximum + 10 * gradient
        return {"total": total, "masked": masked, "maximum": maximum, "gradient": gradient}
