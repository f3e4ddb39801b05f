"""The one door to Ultralytics: everything else imports its classes from here, after it was made quiet."""

from __future__ import annotations

from pathlib import Path

from .environment import quiet_ultralytics

quiet_ultralytics()

from ultralytics import __version__ as ultralytics_version  # noqa: E402
from ultralytics.cfg import DEFAULT_CFG_DICT  # noqa: E402
from ultralytics.data.augment import (  # noqa: E402
    Compose,
    CutMix,
    Format,
    LetterBox,
    MixUp,
    Mosaic,
    RandomFlip,
    RandomHSV,
    RandomPerspective,
)
from ultralytics.data.dataset import YOLODataset  # noqa: E402
from ultralytics.models.yolo.detect import DetectionTrainer  # noqa: E402
from ultralytics.nn import modules as yolo_modules  # noqa: E402
from ultralytics.nn.modules import Detect, v10Detect  # noqa: E402
from ultralytics.nn.tasks import DetectionModel, guess_model_scale  # noqa: E402
from ultralytics.utils import ROOT as _ROOT  # noqa: E402
from ultralytics.utils import IterableSimpleNamespace  # noqa: E402
from ultralytics.utils.nms import non_max_suppression  # noqa: E402
from ultralytics.utils.ops import scale_boxes  # noqa: E402

__all__ = [
    "DEFAULT_CFG_DICT",
    "Compose",
    "CutMix",
    "Detect",
    "DetectionModel",
    "DetectionTrainer",
    "Format",
    "IterableSimpleNamespace",
    "LetterBox",
    "MixUp",
    "Mosaic",
    "RandomFlip",
    "RandomHSV",
    "RandomPerspective",
    "YOLODataset",
    "guess_model_scale",
    "non_max_suppression",
    "scale_boxes",
    "ultralytics_models",
    "ultralytics_version",
    "v10Detect",
    "yolo_modules",
]


def ultralytics_models() -> list[Path]:
    """Return the model YAMLs that Ultralytics ships."""
    return sorted((_ROOT / "cfg" / "models").rglob("*.yaml"))
