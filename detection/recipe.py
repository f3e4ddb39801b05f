"""How a detector is trained and run, pinned in full, so that every source gets the same treatment.

Nothing is left to defaults of Ultralytics that may change between versions or depend on what is installed:
the optimizer is named (its ``auto`` picks one by the number of iterations and ignores the learning rate),
gradients are never accumulated over batches, and the augmentation is the list below and nothing else (with
albumentations installed, Ultralytics adds blur, grey and CLAHE of its own).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from ..datasets.errors import ConfigError

Optimizer = Literal["SGD", "MuSGD", "Adam", "AdamW"]
Schedule = Literal["linear", "cosine"]
Select = Literal["last", "best_val"]
Canvas = Literal["square", "fit"]

_POSITIVE_INT = ("epochs", "image_size", "batch_size", "max_detections")
_COUNTS = ("close_mosaic", "workers")
_FRACTIONS = (
    "final_lr_fraction",
    "momentum",
    "warmup_momentum",
    "mosaic",
    "mixup",
    "cutmix",
    "translate",
    "fliplr",
)
_MORE_FRACTIONS = ("flipud", "hsv_h", "hsv_s", "hsv_v", "confidence", "nms_iou", "scale", "perspective")
_RATES = ("learning_rate", "warmup_bias_lr", "weight_decay")
_NOT_NEGATIVE = ("warmup_epochs", "degrees", "shear")
_GAINS = ("box_gain", "class_gain", "distance_gain")
_FLAGS = ("amp", "deterministic", "multi_label")
_CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "select": get_args(Select),
    "canvas": get_args(Canvas),
}


@dataclass(frozen=True)
class DetectorRecipe:
    """Everything that decides how a detector is trained and run, except data and seed.

    The colour jitter ``hsv_s`` and ``hsv_h`` does nothing to a grey image and ``hsv_v`` acts on both, so a
    source in colour is augmented more strongly than a grey one. That is how the field trains; set the three
    to 0 to compare sources without it.

    Attributes:
        model: architecture to train from scratch: a model YAML of Ultralytics by name (``yolov8n.yaml``), one
            of ours (``yolo-micro.yaml``), or a path. Not used when ``weights`` is given.
        weights: checkpoint to start from, ``.pt`` of Ultralytics or our ``.safetensors``; it brings its
            architecture.
        epochs: passes over the train split.
        image_size: longer side of the network's input in pixels; a multiple of 32.
        canvas: shape of training images: the usual square, or just as high (or wide) as the scaled images
            are, which saves a quarter of the time on 4:3 images.
        batch_size: images per optimizer step.
        optimizer: by name; never chosen automatically.
        learning_rate: at the end of the warm-up.
        final_lr_fraction: learning rate of the last epoch as a fraction of ``learning_rate``.
        schedule: how it gets there.
        momentum: of SGD; first beta of Adam and AdamW.
        weight_decay: on weights only, not on biases and normalisation.
        warmup_epochs: epochs over which the learning rate rises from 0.
        warmup_momentum: momentum at the start of the warm-up.
        warmup_bias_lr: learning rate of biases at the start of the warm-up; Ultralytics' 0.1 suits SGD alone.
        box_gain: weight of the CIoU loss.
        class_gain: weight of the classification loss.
        distance_gain: weight of the distribution focal loss.
        mosaic: probability of joining four train images into one.
        close_mosaic: the last epochs run without mosaic, mixup and cutmix.
        mixup: probability of blending two images.
        cutmix: probability of pasting a part of another image.
        degrees: rotation range, +- degrees.
        translate: shift range, +- fraction of the image.
        scale: zoom range, +- fraction.
        shear: shear range, +- degrees.
        perspective: perspective range, at most 0.001 is usual.
        fliplr: probability of a horizontal flip.
        flipud: probability of a vertical flip.
        hsv_h: hue jitter, +- fraction.
        hsv_s: saturation jitter, +- fraction.
        hsv_v: brightness jitter, +- fraction.
        select: weights of the fixed last epoch, or of the epoch with the best mAP50-95 on val. Never on test.
        confidence: predictions below are not stored.
        nms_iou: predictions of one class that overlap more are suppressed.
        max_detections: stored per image.
        class_map: class of a given detector -> class of the data set, for names that differ. Detectors
            trained here know the data set's names and do not need it.
        multi_label: one box may be predicted as several classes, as in Ultralytics' own validation.
        device: ``auto`` (a GPU when there is one), ``cpu``, ``cuda`` or ``cuda:1``.
        amp: mixed precision on GPUs; a CPU always computes in float32.
        workers: processes that read and augment images on GPUs; the result does not depend on their number.
        deterministic: prefer deterministic kernels on GPUs.
    """

    model: str = "yolo-micro.yaml"
    weights: Path | str | None = None
    epochs: int = 50
    image_size: int = 640
    canvas: Canvas = "square"
    batch_size: int = 16
    optimizer: Optimizer = "SGD"
    learning_rate: float = 0.01
    final_lr_fraction: float = 0.01
    schedule: Schedule = "linear"
    momentum: float = 0.937
    weight_decay: float = 0.0005
    warmup_epochs: float = 3.0
    warmup_momentum: float = 0.8
    warmup_bias_lr: float = 0.0
    box_gain: float = 7.5
    class_gain: float = 0.5
    distance_gain: float = 1.5
    mosaic: float = 1.0
    close_mosaic: int = 10
    mixup: float = 0.0
    cutmix: float = 0.0
    degrees: float = 0.0
    translate: float = 0.1
    scale: float = 0.5
    shear: float = 0.0
    perspective: float = 0.0
    fliplr: float = 0.5
    flipud: float = 0.0
    hsv_h: float = 0.015
    hsv_s: float = 0.7
    hsv_v: float = 0.4
    select: Select = "last"
    confidence: float = 0.001
    nms_iou: float = 0.7
    max_detections: int = 300
    multi_label: bool = True
    class_map: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    amp: bool = True
    workers: int = 4
    deterministic: bool = True

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a value of the wrong type or out of range.
        """
        for name in _POSITIVE_INT:
            self._require(name, _is_int(self, name, 1), "a whole number of at least 1")
        for name in _COUNTS:
            self._require(name, _is_int(self, name, 0), "a whole number of at least 0")
        for name in _FRACTIONS + _MORE_FRACTIONS + _RATES:
            self._require(name, _is_number(self, name, 0, 1), "a number from 0 to 1")
        for name in _NOT_NEGATIVE + _GAINS:
            self._require(name, _is_number(self, name, 0, float("inf")), "a number of at least 0")
        for name in _FLAGS:
            self._require(name, isinstance(getattr(self, name), bool), "true or false")
        for name, choices in _CHOICES.items():
            self._require(name, getattr(self, name) in choices, f"one of {', '.join(choices)}")
        self._require("learning_rate", self.learning_rate > 0, "a number above 0")
        self._require("image_size", self.image_size % 32 == 0, "a multiple of 32")
        self._require(
            "model", isinstance(self.model, str) and bool(self.model), "the name or path of a model YAML"
        )
        self._require("weights", self.weights is None or isinstance(self.weights, (str, Path)), "a path")
        self._require("class_map", _is_class_map(self.class_map), "{detector's class: data set's class, ...}")
        self._require("device", isinstance(self.device, str), "auto, cpu, cuda or cuda:N")

    def _require(self, name: str, good: bool, expected: str) -> None:
        if not good:
            raise ConfigError(f"detector.{name}: expected {expected}, found {getattr(self, name)!r}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DetectorRecipe:
        """Build a recipe from plain values, such as the ``detector`` section of a configuration.

        Raises:
            ConfigError: an unknown key (with the nearest valid one) or a wrong value.
        """
        known = [each.name for each in fields(cls)]
        for key in values:
            if key not in known:
                close = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"valid keys: {', '.join(known)}"
                raise ConfigError(f"unknown key 'detector.{key}'; {hint}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain JSON-serialisable values."""
        values = {**asdict(self), "class_map": dict(self.class_map)}
        values["weights"] = None if self.weights is None else str(self.weights)
        return values


def _is_class_map(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and bool(name) for item in value.items() for name in item
    )


def _is_int(recipe: DetectorRecipe, name: str, least: int) -> bool:
    value = getattr(recipe, name)
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(recipe: DetectorRecipe, name: str, least: float, most: float) -> bool:
    value = getattr(recipe, name)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
