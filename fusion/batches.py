"""Image pairs from disk as batches of tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ..datasets.errors import DataError
from ..datasets.images import read_infrared, read_visible
from ..datasets.records import Pair


@dataclass(frozen=True)
class Batch:
    """Pairs of one size in memory.

    Attributes:
        pairs: the pairs.
        infrared: float32 ``B x 1 x H x W`` in [0, 1].
        visible: float32 ``B x 3 x H x W`` RGB in [0, 1].
    """

    pairs: list[Pair]
    infrared: torch.Tensor
    visible: torch.Tensor


def group(pairs: Sequence[Pair], batch_size: int) -> Iterator[list[Pair]]:
    """Cut the pairs into runs of at most ``batch_size`` neighbours of one size."""
    batch: list[Pair] = []
    for pair in pairs:
        fits = not batch or (pair.width, pair.height) == (batch[0].width, batch[0].height)
        if not fits or len(batch) == batch_size:
            yield batch
            batch = []
        batch.append(pair)
    if batch:
        yield batch


def load(pairs: list[Pair]) -> Batch:
    """Read pairs of one size.

    Raises:
        DataError: a file cannot be read or has not the size its pair says.
    """
    infrared, visible = [], []
    for pair in pairs:
        warm, seen = read_infrared(pair.infrared), read_visible(pair.visible)
        for path, image in ((pair.infrared, warm), (pair.visible, seen)):
            if image.shape[:2] != (pair.height, pair.width):
                raise DataError(
                    f"{path}: expected {pair.width} x {pair.height} pixels as for its pair, "
                    f"found {image.shape[1]} x {image.shape[0]}"
                )
        infrared.append(torch.from_numpy(warm)[None])
        visible.append(torch.from_numpy(seen).permute(2, 0, 1))
    return Batch(pairs, torch.stack(infrared), torch.stack(visible))
