"""How long one call of a method takes, measured apart from reading and writing images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from .apply import call_method
from .contract import FusionMethod
from .timing import device_name, synchronise


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of one call.

    Attributes:
        seconds: one value a timed call; the warm-up before them is not counted.
        device: ``cpu`` or the GPU's name.
        size: rows and columns of the images that were timed.
    """

    seconds: tuple[float, ...]
    device: str
    size: tuple[int, int]

    @property
    def median(self) -> float:
        """Median of the timed calls."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """Fastest and slowest timed call."""
        return min(self.seconds), max(self.seconds)

    def times(self, factor: float) -> Latency:
        """Return the latency of ``factor`` times the work."""
        return replace(self, seconds=tuple(factor * each for each in self.seconds))


def measure(
    method: FusionMethod,
    height: int,
    width: int,
    device: torch.device,
    *,
    calls: int = 5,
    warm_up: int = 1,
    budget: float = float("inf"),
    progress: Callable[[int, int, str], None] | None = None,
) -> Latency:
    """Time a method on one random pair, padding included.

    Args:
        method: moved to the device.
        height: rows of the images.
        width: columns of the images.
        device: where to run.
        calls: most timed calls; there is at least one.
        warm_up: calls before them.
        budget: seconds that the timed calls may take together, as far as can be told before each.
        progress: called with (calls done, all calls, message).
    """
    method.to(device)
    generator = torch.Generator().manual_seed(0)
    channels = 1 if method.card.color == "luminance" else 3
    infrared = torch.rand(1, 1, height, width, generator=generator).to(device)
    visible = torch.rand(1, channels, height, width, generator=generator).to(device)
    seconds: list[float] = []
    with torch.inference_mode():
        for call in range(warm_up + calls):
            if seconds and sum(seconds) + seconds[-1] > budget:
                break
            synchronise(device)
            started = time.perf_counter()
            call_method(method, infrared, visible)
            synchronise(device)
            if call >= warm_up:
                seconds.append(time.perf_counter() - started)
            if progress is not None:
                progress(call + 1, warm_up + calls, method.card.name)
    return Latency(tuple(seconds), device_name(device), (height, width))


def convolution_rate(device: torch.device, *, calls: int = 3) -> float:
    """Time one plain 3x3 convolution, 256 to 256 channels at 240 x 320: what the machine is good for.

    Returns:
        Multiply-accumulates a second, median of the calls after a warm-up.
    """
    channels, height, width = 256, 240, 320
    features = torch.rand(1, channels, height, width, device=device)
    weight = torch.rand(channels, channels, 3, 3, device=device)
    seconds = []
    with torch.inference_mode():
        for _ in range(calls + 1):
            synchronise(device)
            started = time.perf_counter()
            torch.nn.functional.conv2d(features, weight, padding=1)
            synchronise(device)
            seconds.append(time.perf_counter() - started)
    return channels * channels * 9 * height * width / statistics.median(seconds[1:])
