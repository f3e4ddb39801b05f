"""Training in two phases, as CDDFuse introduced it: first to take images apart, then to fuse the parts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .baseline import BaselineRecipe
from .correlation import decomposition_loss
from .gradients import gradient_loss, slopes
from .recipe import Batch, ParameterGroup, Phase, full_precision
from .ssim import ssim_loss

Features = tuple[Tensor, Tensor]

# Of the published 120 epochs 40 are the first phase, and the rate is halved every 20.
FIRST_PHASE, HALVING = 40 / 120, 20 / 120
LOWEST_RATE = 1e-6


class DecompositionRecipe(BaselineRecipe):
    """Encoder and decoder learn to reconstruct both images; then all four parts learn to fuse.

    Phase I: ``sum over v, i of 5 L_ssim + MSE (reconstruction) + 2 L_decomp + 5 L1(slopes of v, of its
    reconstruction)``. Phase II: ``L1(F, max(v, i)) + 10 L1(|grad F|, max(|grad v|, |grad i|)) + 2 L_decomp``.
    Each part has an optimiser group of its own: a clip of its own gradient norm, and a rate that is halved in
    steps, the fusion layers' from the second phase on only.

    Attributes:
        autoencoder: parts of the network that are trained in the first phase, encoder first.
        fusion: parts that fuse base and detail features.
    """

    autoencoder: ClassVar[tuple[str, str]]
    fusion: ClassVar[tuple[str, str]]

    @property
    def start(self) -> int:
        """First epoch of the second phase; a run of one epoch has no other."""
        epochs = self.options.epochs
        return max(1, round(epochs * FIRST_PHASE)) if epochs > 1 else 0

    def phases(self) -> tuple[Phase, ...]:
        """Return reconstruction and fusion."""
        fuse = Phase("fusion", self.start)
        if not self.start:
            return (fuse,)
        return Phase("reconstruction", 0, tuple(f"{part}." for part in self.autoencoder)), fuse

    def groups(self) -> tuple[ParameterGroup, ...]:
        """Return one group a part."""
        clip, rate = self.options.gradient_clip, self.options.learning_rate
        return tuple(
            ParameterGroup(part, (f"{part}.",), clip, rate) for part in (*self.autoencoder, *self.fusion)
        )

    def group_schedule(self, group: str, step: int, steps_per_epoch: int) -> float:
        """Return ``0.5 ** n`` after n sixths of the run in which the group was trained; at least 1e-6."""
        epoch = step // steps_per_epoch
        if group in self.fusion:
            epoch = max(0, epoch - self.start)
        every = max(1, round(self.options.epochs * HALVING))
        lowest = min(1.0, LOWEST_RATE / self.options.learning_rate)
        return max(0.5 ** (epoch // every), lowest)

    def patches_per_epoch(self, sizes: Sequence[tuple[int, int]]) -> int:
        """Return how many patches the authors cut out of the images: every 200 pixels."""
        side = self.options.patch
        return sum(
            max(1, len(range(0, h - side + 1, 200)) * len(range(0, w - side + 1, 200))) for h, w in sizes
        )

    def step(self, network: Any, batch: Batch, epoch: int) -> dict[str, Tensor]:
        """Return the loss terms of the phase that the epoch belongs to."""
        if epoch >= self.start:
            return self.validate(network, batch, epoch)[0]
        encoder, decoder = (getattr(network, part) for part in self.autoencoder)
        seen, warm = encoder(batch.visible), encoder(batch.infrared)
        images = decoder(*seen, batch.visible), decoder(*warm, batch.infrared)
        with full_precision(batch.visible.device):
            return self._first_phase(batch, *_single(images), _single(seen), _single(warm))

    def validate(self, network: Any, batch: Batch, epoch: int) -> tuple[dict[str, Tensor], Tensor]:
        """Return loss terms and fused luminance; in the first phase the fusion layers are still untrained."""
        if epoch < self.start:
            return self.step(network, batch, epoch), self.fused(network, batch)
        encoder, decoder = (getattr(network, part) for part in self.autoencoder)
        fuse_base, fuse_detail = (getattr(network, part) for part in self.fusion)
        seen, warm = encoder(batch.visible), encoder(batch.infrared)
        base, detail = fuse_base(seen[0] + warm[0]), fuse_detail(seen[1] + warm[1])
        fused: Tensor = decoder(base, detail, self.residual(batch))
        with full_precision(fused.device):
            seen, warm = _single(seen), _single(warm)
            terms = self.losses(fused.float(), batch)
            apart = _decomposition(seen, warm)
            return {"total": terms.pop("total") + 2 * apart, **terms, "decomposition": apart}, fused

    @abstractmethod
    def residual(self, batch: Batch) -> Tensor:
        """Return the image that the decoder adds to its output before the sigmoid, when it fuses."""

    def losses(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return intensity and gradient loss of a fused image and, as ``total``, their weighted sum."""
        intensity = F.l1_loss(fused, torch.maximum(batch.visible, batch.infrared))
        gradient = gradient_loss(fused, batch.visible, batch.infrared)
        return {"total": intensity + 10 * gradient, "intensity": intensity, "gradient": gradient}

    def _first_phase(
        self, batch: Batch, visible: Tensor, infrared: Tensor, seen: Features, warm: Features
    ) -> dict[str, Tensor]:
        """Return the loss terms of both reconstructions."""
        reconstruction = visible.new_zeros(())
        for image, made in ((batch.visible, visible), (batch.infrared, infrared)):
            reconstruction = reconstruction + 5 * ssim_loss(image, made) + F.mse_loss(image, made)
        gradient = F.l1_loss(slopes(batch.visible), slopes(visible))
        apart = _decomposition(seen, warm)
        return {
            "total": reconstruction + 2 * apart + 5 * gradient,
            "reconstruction": reconstruction,
            "slopes": gradient,
            "decomposition": apart,
        }


def _decomposition(seen: Features, warm: Features) -> Tensor:
    return decomposition_loss((seen[0], warm[0]), (seen[1], warm[1]))


def _single(pair: Features) -> Features:
    return pair[0].float(), pair[1].float()
