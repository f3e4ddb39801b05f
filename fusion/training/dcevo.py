"""DCEvo's recipe (Liu et al., CVPR 2025), its fusion network alone: CDDFuse's two phases and SSIM.

Adam at 1.5e-4, batches of 4 patches of 128 x 128. The second phase adds ``2 L_ssim(F, v) + 2 L_ssim(F,
i)``. The authors' final weights come from a joint training with a detector whose loss weights evolve; that
is not repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from .cddfuse import SHARED_CHOICES
from .decomposition import DecompositionRecipe
from .recipe import Batch
from .ssim import ssim_loss


class DCEvoRecipe(DecompositionRecipe):
    """How DCEvo's fusion network is trained."""

    network_name = "dcevo"
    autoencoder = ("DE_Encoder", "DE_Decoder")
    fusion = ("LowFreqExtractor", "HighFreqExtractor")
    least_contrast = 0.1
    choices: ClassVar[Mapping[str, str]] = {
        **SHARED_CHOICES,
        "detector": "Pure fusion: without the joint training with a detector and its evolving loss weights.",
        "clip": "Gradients are clipped as CDDFuse does, to a norm of 0.01 a part.",
    }
    defaults: ClassVar[Mapping[str, Any]] = {
        "preset": "published",
        "epochs": 120,
        "warmup_epochs": 0,
        "batch_size": 4,
        "patch": 128,
        "learning_rate": 1.5e-4,
        "gradient_clip": 0.01,
    }

    def residual(self, batch: Batch) -> Tensor:
        """Return the mean of both images."""
        return 0.5 * batch.visible + 0.5 * batch.infrared

    def losses(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of a fused image, similarity to both sources included."""
        terms = super().losses(fused, batch)
        similarity = ssim_loss(fused, batch.visible) + ssim_loss(fused, batch.infrared)
        return {**terms, "total": terms["total"] + 2 * similarity, "ssim": similarity}
