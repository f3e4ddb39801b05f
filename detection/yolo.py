"""The one door to Ultralytics: import its classes from here and nowhere else, so that it is quiet before it starts."""

from __future__ import annotations

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
from ultralytics.nn.tasks import DetectionModel, guess_model_scale, yaml_model_load  # noqa: E402
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
    "ultralytics_version",
    "v10Detect",
    "yaml_model_load",
    "yolo_modules",
]
