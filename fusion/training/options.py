"""What a training run is asked to do: one frozen record, stored in every checkpoint and card."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ...datasets.errors import ConfigError

AMP_MODES = ("auto", "off", "bf16", "fp16")
# These say where and how fast, not what: a run may be resumed with others.
# (The contents of the labels count: their hash goes with that of the pairs.)
PLACE_OPTIONS = frozenset({"device", "workers", "init_weights", "labels"})
NETWORK_FILES = frozenset({"illumination", "lighting"})
"""Settings of the network that name a file: what counts is its content, which the recipe's card holds."""


@dataclass(frozen=True)
class TrainingOptions:
    """Options of one training run. The defaults are those of RegionFuse's paper.

    Other methods have published recipes of their own: :func:`~.recipe.options_for` starts from them.

    Attributes:
        method: name of a trainable method.
        preset: size of the network, ``tiny`` or ``base``; other methods may know other names.
        epochs: all epochs, the warm-up included (paper: 4 + 80).
        warmup_epochs: epochs of linear warm-up; cut to a quarter of a short run.
        batch_size: patches per optimiser step over *all* processes together, so that the number of
            GPUs does not change the training.
        patch: side of the random square patches in pixels.
        learning_rate: peak learning rate, reached at the end of the warm-up.
        weight_decay: decoupled weight decay (AdamW); 0 is plain Adam.
        gradient_clip: largest gradient norm; larger gradients are scaled down to it. 0 switches it off.
        seed: seed of the weights, the data order, the patches and the router's noise.
        device: ``auto`` (GPU when there is one), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        amp: mixed precision: ``auto`` (GPU: bfloat16 where supported, else float16), ``off``, ``bf16``,
            ``fp16``. A CPU always trains in float32.
        workers: processes that load images, per training process; None: 0 on a CPU, up to 4 for a GPU.
        steps_per_epoch: optimiser steps in one epoch; None: as many as one pass over the pairs takes.
        validation_images: pairs used for validation losses and pictures, spread over the set.
        init_weights: weights file to start from, or None for a fresh network.
        lambda_gradient: weight of the gradient loss.
        mu_load: weight of the load-balancing loss.
        load_epochs: epochs with the load-balancing loss, counted from the first.
        region: side of a region in pixels, in the network and in the loss; None: the preset's.
        network: settings of the network that differ from the preset's, e.g. ``{"experts": 6}``; for
            RegionFuse any field of its configuration, ``region`` included.
        labels: folder of fused images, one for every pair by stem, for methods that learn from some.
    """

    method: str = "regionfuse"
    preset: str = "tiny"
    epochs: int = 84
    warmup_epochs: float = 4
    batch_size: int = 8
    patch: int = 128
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    seed: int = 0
    device: str = "auto"
    amp: str = "auto"
    workers: int | None = None
    steps_per_epoch: int | None = None
    validation_images: int = 4
    init_weights: Path | None = None
    lambda_gradient: float = 5.0
    mu_load: float = 5.0
    load_epochs: int = 5
    region: int | None = None
    network: Mapping[str, Any] = field(default_factory=dict, hash=False)
    labels: Path | None = None

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("patch", 16), ("load_epochs", 0)):
            _at_least(name, getattr(self, name), least)
        for name in ("warmup_epochs", "weight_decay", "gradient_clip", "validation_images", "seed"):
            _at_least(name, getattr(self, name), 0)
        for name in ("lambda_gradient", "mu_load"):
            _at_least(name, getattr(self, name), 0)
        for name, least in (("workers", 0), ("steps_per_epoch", 1), ("region", 4)):
            if getattr(self, name) is not None:
                _at_least(name, getattr(self, name), least)
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ConfigError(
                f"learning_rate must be above 0, found {self.learning_rate}; 1e-4 is the paper's"
            )
        if not isinstance(self.network, Mapping):
            raise ConfigError(f"network must be a mapping of settings, found {self.network!r}")
        for name, value in self.network.items():
            if value is None:
                raise ConfigError(f"network: expected a value for {name}, found none; give one, or no {name}")
        # A copy of plain lists and values: nobody else can change it, and JSON gives the same back.
        plain = {str(k): list(v) if isinstance(v, tuple) else v for k, v in self.network.items()}
        object.__setattr__(self, "network", plain)
        if self.amp not in AMP_MODES:
            raise ConfigError(f"amp must be one of {', '.join(AMP_MODES)}, found {self.amp!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-serialisable values; ``network`` and ``labels`` only where they say something."""
        values = asdict(self)
        for name in ("network", "labels"):
            if not values[name]:
                del values[name]
        for name in ("init_weights", "labels"):
            if values.get(name) is not None:
                values[name] = str(values[name])
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingOptions:
        """Build options from what :meth:`to_dict` returned; missing keys take their defaults.

        Raises:
            ConfigError: a key is unknown or a value out of range.
        """
        known = [entry.name for entry in fields(cls)]
        for key in values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                raise ConfigError(f"unknown training option {key!r}; {hint}")
        read = dict(values)
        for name in ("init_weights", "labels"):
            if read.get(name) is not None:
                read[name] = Path(read[name])
        return cls(**read)


def _at_least(name: str, value: float, least: int) -> None:
    if not (math.isfinite(value) and value >= least):
        raise ConfigError(f"{name} must be at least {least}, found {value}")
