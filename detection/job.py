"""What a trainer is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..datasets.records import Pair
from .recipe import DetectorRecipe
from .state import TrainingState
from .yolo import DetectionModel


@dataclass(frozen=True)
class Job:
    """One training; see :func:`regionfuse.detection.train.train_detector`."""

    recipe: DetectorRecipe
    model: DetectionModel
    train: tuple[Pair, ...]
    val: tuple[Pair, ...]
    classes: tuple[str, ...]
    image_of: Callable[[str], Path]
    seed: int
    device: torch.device
    out: Path
    scratch: Path
    fingerprint: dict[str, Any]
    resume: TrainingState | None
    checkpoint_seconds: float
    progress: Callable[[int, int, str], None] | None
