"""How long do the metrics take? Beside a plain numpy and scipy reference, image by image in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from .registry import METRICS
from .score import score_images

TOGETHER = "EN ... Qcb"
_TAKEN = tuple(METRICS)[:13]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Timing:
    """One row of the benchmark.

    Attributes:
        name: metric, or :data:`TOGETHER` for the 13 of them in one call, which share work.
        reference: seconds of the plain reference, median; None without scipy.
        ours: seconds of this package, median.
        difference: relative difference of the values, the largest of the 13 in the last row; None without
            scipy.
    """

    name: str
    reference: float | None
    ours: float
    difference: float | None

    @property
    def ratio(self) -> float | None:
        """How many times faster than the reference."""
        return None if self.reference is None else self.reference / self.ours


def run_benchmark(
    height: int = 768, width: int = 1024, repeats: int = 5, device: str = "cpu"
) -> list[Timing]:
    """Time every metric from EN to Qcb and all of them together on one random triple of images.

    Args:
        height: pixels.
        width: pixels.
        repeats: calls of ours after a warming one; the reference is called once or, if quick, as often.
        device: where ours computes.
    """
    images = scene(height, width)
    infrared, visible, fused = (torch.from_numpy(image).to(device) for image in images)
    plain = _plain()
    rows = []
    for name in _TAKEN:
        ours, value = _median(partial(score_images, infrared, visible, fused, [name]), repeats)
        reference = difference = None
        if plain is not None:
            reference, expected = _median(partial(plain[name], *images), repeats)
            difference = abs(value[name] - expected) / max(abs(expected), 1e-12)
        rows.append(Timing(name, reference, ours, difference))
    together, _ = _median(partial(score_images, infrared, visible, fused, _TAKEN), repeats)
    seconds = [row.reference for row in rows if row.reference is not None]
    differences = [row.difference for row in rows if row.difference is not None]
    total = Timing(TOGETHER, sum(seconds) or None, together, max(differences, default=None))
    return [*rows, total]


def scene(height: int, width: int, seed: int = 0) -> list[NDArray[np.float32]]:
    """Return three images with smooth parts, edges and noise, float32 ``H x W`` whole numbers in 0..255.

    Infrared, visible and their mean with some noise.
    """
    generator = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width]
    sources = []
    for phase in (0.0, 1.5):
        image = 110 + 50 * np.sin(across / 37 + phase) * np.cos(down / 53 - phase)
        for _ in range(12):
            top, left = generator.integers(0, height), generator.integers(0, width)
            image[top : top + height // 6, left : left + width // 8] += generator.normal(0, 40)
        sources.append(image + generator.normal(0, 3, image.shape))
    fused = (sources[0] + sources[1]) / 2 + generator.normal(0, 1, (height, width))
    return [np.clip(np.round(image), 0, 255).astype(np.float32) for image in (*sources, fused)]


def _plain() -> Mapping[str, Callable[..., float]] | None:
    try:
        from .plain import PLAIN
    except ImportError:  # scipy is no dependency of ours
        return None
    return PLAIN


def _median(work: Callable[[], Result], repeats: int) -> tuple[float, Result]:
    result, seconds = work(), []
    for _ in range(repeats):
        started = time.perf_counter()
        result = work()  # returns Python floats, so the device has finished
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > 2.0:
            break
    return float(np.median(seconds)), result
