"""The recipe of SAGE's student (Wu et al., CVPR 2025), with any method's fused images for a teacher.

``L = 3 [3 MSE(F, v) + 2 MSE(F, i) + 4 MSE(F, T)] + 3 [9 L1(|grad F|, max(|grad v|, |grad i|)) + 3 L1(|grad
F|, |grad T|)]`` with Sobel gradients and the teacher's image T. Adam at 2e-3, cosine to 1e-5, 100 epochs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from .baseline import BaselineRecipe
from .gradients import gradient_loss
from .recipe import Batch

LOWEST_RATE = 1e-5


class SAGERecipe(BaselineRecipe):
    """How SAGE's student is trained."""

    network_name = "sage"
    labels = "a teacher's images"
    choices: ClassVar[Mapping[str, str]] = {
        "teacher": (
            "The authors' teacher learns beside the student and needs the weights of SAM and X-Decoder; here "
            "the teacher is a folder of images fused by any method. The losses that need more of the teacher "
            "than its image, contrast of segment features and likeness of feature maps, are left out."
        ),
        "batches": "The student sees every batch; beside its teacher it sees every other one.",
        "patch": "224 x 224 instead of 192 x 256, so that quarter turns are possible.",
    }
    defaults: ClassVar[Mapping[str, Any]] = {
        "preset": "published",
        "epochs": 100,
        "warmup_epochs": 0,
        "batch_size": 4,
        "patch": 224,
        "learning_rate": 2e-3,
        "gradient_clip": 0.0,
    }

    def schedule(self, step: int, steps_per_epoch: int) -> float:
        """Return half a cosine from 1 down to the factor that makes the rate 1e-5."""
        lowest = min(1.0, LOWEST_RATE / self.options.learning_rate)
        done = step / (self.options.epochs * steps_per_epoch)
        return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * done))

    def losses(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return total, intensity and gradient loss; the label is the teacher's image."""
        assert batch.label is not None  # recipe_for sees to it
        visible, infrared, teacher = batch.visible, batch.infrared, batch.label
        intensity = 3 * F.mse_loss(fused, visible) + 2 * F.mse_loss(fused, infrared)
        intensity = intensity + 4 * F.mse_loss(fused, teacher)
        gradient = 9 * gradient_loss(fused, visible, infrared) + 3 * gradient_loss(fused, teacher)
        return {"total": 3 * intensity + 3 * gradient, "intensity": intensity, "gradient": gradient}
