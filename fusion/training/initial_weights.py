"""The weights that a training starts from, where the user names some."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ...datasets.errors import CheckpointError
from ..weights import card_path, load_weights


def read_initial_weights(path: Path) -> dict[str, Tensor]:
    """Read the weights to start from.

    Raises:
        CheckpointError: they were not made by a training here, or are damaged.
    """
    card = card_path(path)
    ours = path.suffix == ".safetensors"
    if path.is_file() and not (ours and card.is_file()):
        found = f"no {card.name}" if ours else f"the suffix {path.suffix!r}"
        raise CheckpointError(
            f"{path}: --init takes weights made by `regionfuse train`, a .safetensors file with its card "
            f"(FILE.safetensors.json) beside it, found {found}; give such a file, or start without --init"
        )
    return load_weights(path)[0]
