"""Validation: losses on held-out pairs after every epoch, and pictures of them now and then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...datasets.images import write_png
from ...datasets.records import Pair
from .data import DecodedPairs
from .labels import find_labels
from .log import Curves, Row
from .options import TrainingOptions
from .precision import Precision
from .recipe import Recipe

# The centre of an image, at most this wide: enough to see seams and grain, and cheap enough for every epoch
# on a CPU.
SIDE = 256
# A long run draws the pictures about this many times, a short one after every epoch.
PICTURES = 12


class Validation:
    """The same pairs and the same crops after every epoch. Nothing is selected by the outcome."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        options: TrainingOptions,
        recipe: Recipe,
        precision: Precision,
        folder: Path,
    ) -> None:
        """Choose the pairs.

        Args:
            pairs: held-out pairs; ``options.validation_images`` of them are used, spread over the list.
            options: the options of the run.
            recipe: gives the losses.
            precision: number format and device.
            folder: where pictures are written as ``STEM_epochNNN.png``.
        """
        self.pairs = spread(sorted(pairs, key=lambda pair: pair.stem), options.validation_images)
        self.decoded = DecodedPairs(
            self.pairs, labels=find_labels(options.labels, self.pairs), targets=recipe.targets(self.pairs)
        )
        self.epochs, self.recipe, self.precision, self.folder = options.epochs, recipe, precision, folder

    @torch.no_grad()
    def run(self, network: nn.Module, epoch: int, step: int, curves: Curves | None) -> Row:
        """Return the mean loss terms and draw pictures when it is time.

        Args:
            network: left in evaluation mode.
            epoch: counted from 0.
            step: optimiser steps done, for TensorBoard.
            curves: TensorBoard's log, or None.
        """
        network.eval()
        draws = epoch == self.epochs - 1 or epoch % max(1, self.epochs // PICTURES) == 0
        sums: Row = {}
        for index, pair in enumerate(self.pairs):
            batch = self.decoded.batch(index, SIDE).to(self.precision.device)
            with self.precision.autocast():
                losses, fused = self.recipe.validate(network, batch, epoch)
            for term, value in losses.items():
                sums[term] = sums.get(term, 0.0) + value.item() / len(self.pairs)
            if draws and fused is not None and fused.isfinite().all():
                sheet = side_by_side(batch.visible, batch.infrared, fused)
                write_png(self.folder / f"{pair.stem}_epoch{epoch + 1:03d}.png", sheet)
                if curves is not None:
                    curves.picture(f"validation/{pair.stem}", sheet, step)
        return sums


def spread(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Return up to ``count`` pairs evenly spread over the list."""
    count = min(count, len(pairs))
    return [pairs[(2 * i + 1) * len(pairs) // (2 * count)] for i in range(count)]


def side_by_side(visible: Tensor, infrared: Tensor, fused: Tensor) -> np.ndarray:
    """Lay visible | infrared | fused out as one grey picture.

    Args:
        visible: ``1 x 1 x H x W`` luminance in [0, 1].
        infrared: same shape.
        fused: same shape; clipped to [0, 1].

    Returns:
        ``H x (3 W + 16)`` uint8, the images apart by white bars.
    """
    planes = [image.detach().float().cpu()[0, 0].clamp(0, 1).numpy() for image in (visible, infrared, fused)]
    bar = np.ones((planes[0].shape[0], 8), np.float32)
    sheet = np.concatenate([planes[0], bar, planes[1], bar, planes[2]], axis=1)
    return np.rint(sheet * 255).astype(np.uint8)
