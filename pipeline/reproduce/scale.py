"""How large a reproduction is: minutes on a CPU, or the paper's own recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...datasets.errors import ConfigError


@dataclass(frozen=True)
class Scale:
    """Everything that differs between a small and a full reproduction.

    Attributes:
        name: as the command line takes it.
        training: fields of the training options, for RegionFuse's default configuration.
        network: fields of the network's configuration that all variants share.
        piafusion: fields of the training options for PIAFusion.
        test_images: test pairs, spread over the set; None: all.
        test_size: width and height of the centre crop of a test pair; None: the whole image.
        detection_images: pairs for detection, spread over the set; None: all.
        detection_side: longer side to which pairs for detection are shrunk; None: as they are.
        strengths: contrasts k of the experiment ``contrast``; 1 is the unchanged image.
        timing_seconds: time for the latency of one method, warm-up not counted.
        timing_runs: most runs of a method.
        second_seed: train the default configuration a second time, to show what the seed alone changes.
        notice: printed on every page; empty: none.
        scaled: what is smaller than in the paper: name, here, in the paper.
    """

    name: str
    training: Mapping[str, Any]
    network: Mapping[str, Any]
    piafusion: Mapping[str, Any]
    test_images: int | None
    test_size: tuple[int, int] | None
    detection_images: int | None
    detection_side: int | None
    strengths: tuple[float, ...]
    timing_seconds: float
    timing_runs: int
    second_seed: bool
    notice: str
    scaled: tuple[tuple[str, str, str], ...]


SMALL = Scale(
    name="small",
    training={
        "preset": "tiny",
        "epochs": 16,
        "warmup_epochs": 1,
        "steps_per_epoch": 5,
        "batch_size": 2,
        "patch": 128,
        "learning_rate": 2e-3,
        "region": 48,
        "validation_images": 0,
    },
    network={"reach": 384},
    piafusion={"epochs": 10, "steps_per_epoch": 4, "batch_size": 4, "patch": 64, "validation_images": 0},
    test_images=6,
    test_size=(320, 256),
    detection_images=12,
    detection_side=640,
    strengths=(1.0, 1.5, 2.5, 3.5, 5.0),
    timing_seconds=12.0,
    timing_runs=5,
    second_seed=True,
    notice="small scale: shows that the experiments run; its values are not comparable with the paper's",
    scaled=(
        ("network", "tiny (width 12, one X-Restormer block an encoder)", "base (2.82 M parameters)"),
        ("region sizes", "64, 48, 32 and 16 pixels, literally", "64, 48, 32 and 16 pixels"),
        ("training", "16 epochs of 5 steps, batch 2, Adam at 2e-3", "84 epochs, batch 8, Adam at 1e-4"),
        (
            "PIAFusion",
            "10 epochs of 4 steps, batch 4 of 64 x 64",
            "30 epochs, batch 128 of 64 x 64 (its authors')",
        ),
        ("patches", "128 x 128, literally", "128 x 128"),
        ("load loss", "first 5 of 16 epochs (25 steps)", "first 5 of 84 epochs (about 680 steps)"),
        ("test", "6 pairs, the central 320 x 256 pixels", "361 MSRS pairs, 640 x 480"),
        ("seeds", "one; the default configuration has a second one", "not stated"),
    ),
)

PAPER = Scale(
    name="paper",
    training={
        "preset": "base",
        "epochs": 84,
        "warmup_epochs": 4,
        "batch_size": 8,
        "patch": 128,
        "learning_rate": 1e-4,
        "region": 48,
    },
    network={},
    piafusion={"epochs": 30, "batch_size": 128, "patch": 64},
    test_images=None,
    test_size=None,
    detection_images=None,
    detection_side=None,
    strengths=(1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0),
    timing_seconds=60.0,
    timing_runs=50,
    second_seed=False,
    notice="",
    scaled=(),
)

SCALES: Mapping[str, Scale] = {"small": SMALL, "paper": PAPER}


def scale_named(name: str) -> Scale:
    """Return the scale ``small`` or ``paper``.

    Raises:
        ConfigError: there is no such scale.
    """
    try:
        return SCALES[name]
    except KeyError:
        raise ConfigError(f"--scale {name}: expected {' or '.join(SCALES)}") from None
