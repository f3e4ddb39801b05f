"""How long one call of a method takes, measured apart from reading and writing images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from .apply import call_method
from .contract import FusionMethod


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of one call.

    Attributes:
        median: of the timed calls.
        spread: from the fastest to the slowest timed call.
        calls: timed calls; the warm-up before them is not counted.
        device: ``cpu`` or the GPU's name.
        size: rows and columns of the images that were timed.
    """

    median: float
    spread: tuple[float, float]
    calls: int
    device: str
    size: tuple[int, int]


def measure(
    method: FusionMethod,
    height: int,
    width: int,
    device: torch.device,
    *,
    calls: int = 5,
    warm_up: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> Latency:
    """Time a method on one random pair, padding included.

    Args:
        method: moved to the device.
        height: rows of the images.
        width: columns of the images.
        device: where to run.
        calls: timed calls.
        warm_up: calls before them.
        progress: called with (calls done, all calls, message).
    """
    method.to(device)
    generator = torch.Generator().manual_seed(0)
    channels = 1 if method.card.color == "luminance" else 3
    infrared = torch.rand(1, 1, height, width, generator=generator).to(device)
    visible = torch.rand(1, channels, height, width, generator=generator).to(device)
    seconds = []
    with torch.inference_mode():
        for call in range(warm_up + calls):
            _wait(device)
            started = time.perf_counter()
            call_method(method, infrared, visible)
            _wait(device)
            if call >= warm_up:
                seconds.append(time.perf_counter() - started)
            if progress is not None:
                progress(call + 1, warm_up + calls, method.card.name)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return Latency(statistics.median(seconds), (min(seconds), max(seconds)), calls, name, (height, width))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
