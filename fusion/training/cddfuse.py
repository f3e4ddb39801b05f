"""CDDFuse's recipe (Zhao et al., CVPR 2023); its loss and phases stand in ``decomposition.py``.

Adam at 1e-4 for each of four parts, halved every 20 of 120 epochs, the first 40 of which reconstruct; batches
of 8 patches of 128 x 128, gradients clipped to a norm of 0.01 a part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from .decomposition import DecompositionRecipe
from .recipe import Batch

SHARED_CHOICES: Mapping[str, str] = {
    "short runs": "Phase I is a third of the epochs, a rate is halved every sixth, as 40 and 20 are of 120.",
    "patches": (
        "As many an epoch as a grid of 200 pixels gives, but drawn at random, flipped and turned; patches "
        "with (p90 - p10) / p90 below 0.1 in either image are drawn again."
    ),
    "ssim": "11 x 11 Gaussian window, zeros beyond the border; loss (1 - SSIM) / 2 with SSIM below 0 as 0.",
    "slopes": "Sobel's kernels over 8 with the border repeated, in the first phase.",
}


class CDDFuseRecipe(DecompositionRecipe):
    """How CDDFuse is trained."""

    network_name = "cddfuse"
    autoencoder = ("DIDF_Encoder", "DIDF_Decoder")
    fusion = ("BaseFuseLayer", "DetailFuseLayer")
    least_contrast = 0.1
    choices: ClassVar[Mapping[str, str]] = SHARED_CHOICES
    defaults: ClassVar[Mapping[str, Any]] = {
        "preset": "published",
        "epochs": 120,
        "warmup_epochs": 0,
        "batch_size": 8,
        "patch": 128,
        "learning_rate": 1e-4,
        "gradient_clip": 0.01,
    }

    def residual(self, batch: Batch) -> Tensor:
        """Return the visible image."""
        return batch.visible
