"""The card of trained weights: everything a reader of a table needs to know about their origin."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ... import __version__
from ..contamination import TrainingData
from .log import Row
from .options import NETWORK_FILES, TrainingOptions
from .recipe import Recipe


def training_card(
    options: TrainingOptions,
    recipe: Recipe,
    network: nn.Module,
    *,
    rows: Sequence[Row],
    seen: TrainingData,
    pairs: int,
    pairs_sha256: str,
    init_sha256: str | None,
    labels: dict[str, Any] | None,
    hardware: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """Return the card as JSON-serialisable values.

    ``training_images`` holds the first 16 hexadecimal digits of the SHA-256 of every visible training file,
    so that a comparison can tell whether an image it tests on was trained on; those of the weights that the
    training began with are among them, and ``training_images_unknown_of`` names the data sets of which they
    are not known. ``labels`` tells of the fused images that were learned from, where there were some.
    """
    # Places on this machine say nothing elsewhere.
    names: dict[str, Any] = {"init_weights": options.init_weights and options.init_weights.name}
    if options.labels is not None:
        names["labels"] = options.labels.name
    if options.network:
        names["network"] = {
            name: Path(str(value)).name if name in NETWORK_FILES else value
            for name, value in options.network.items()
        }
    validation = [row["validation_total"] for row in rows if "validation_total" in row]
    return {
        "schema": 1,
        "method": options.method,
        "preset": options.preset,
        **recipe.card(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "trained_on": list(seen.names),
        "pairs": pairs,
        "pairs_sha256": pairs_sha256,
        "training_images": sorted(seen.images or ()),
        **({"training_images_unknown_of": list(seen.unlisted)} if seen.unlisted else {}),
        "init_weights_sha256": init_sha256,
        **({"labels": {"what": recipe.labels, **labels}} if labels else {}),
        "epochs": len(rows),
        "steps": int(rows[-1]["step"]),
        "seed": options.seed,
        "options": {**options.to_dict(), **names},
        "optimizer": "Adam" if options.weight_decay == 0 else "AdamW",
        "hardware": hardware,
        "seconds": round(seconds, 1),
        "versions": {
            "regionfuse": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "curves": {
            "train_total": [round(row["train_total"], 6) for row in rows],
            "validation_total": [round(value, 6) for value in validation],
        },
        "choices": dict(recipe.choices),
    }
