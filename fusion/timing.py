"""Time a method's calls, and let it fall back to tiles where memory runs out."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import torch

from ..datasets.errors import MethodError
from .apply import call_method, out_of_memory, smaller_tile
from .contract import FusionMethod

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FusionTiming:
    """What a call of :func:`regionfuse.fusion.run.fuse_pairs` did.

    Attributes:
        images: images made by this call; those that were there already are not counted.
        seconds_per_image: time of the method itself, padding included; not reading, colour or writing. The
            first batch warms up and is left out when there are more. NaN when nothing was made or the images
            come from a folder; for a command its wall time, start included, over its images.
        device: ``cpu`` or the GPU's name; ``external`` for finished images.
        tiled: images fused in tiles because memory ran out (never those that the caller wanted tiled).
    """

    images: int
    seconds_per_image: float
    device: str
    tiled: int = 0


class TimedCalls:
    """Calls of one method on one device, with the time each took."""

    def __init__(self, method: FusionMethod, device: torch.device, tile: int | None) -> None:
        """Take a method that is on ``device`` already; ``tile`` as in ``fuse_pairs``."""
        self.method = method
        self.device = device
        self.tile = tile
        self._fits: int | None = None
        self._calls: list[tuple[float, int]] = []
        self._tiled = 0

    def __call__(self, infrared: torch.Tensor, visible: torch.Tensor, image: str) -> torch.Tensor:
        """Fuse a batch as :func:`call_method` does; ``image`` names it in messages."""
        count = infrared.shape[0]
        while True:
            synchronise(self.device)
            started = time.perf_counter()
            try:
                fused = call_method(self.method, infrared, visible, tile=self._fits or self.tile, image=image)
                synchronise(self.device)
                break
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                self._shrink(infrared, image)
            # Outside the handler: there the traceback still holds the tensors of the failed call.
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        self._calls.append((time.perf_counter() - started, count))
        self._tiled += count if self._fits else 0
        return fused

    def timing(self) -> FusionTiming:
        """Sum up the calls so far."""
        timed = self._calls[1:] or self._calls
        images = sum(count for _, count in timed)
        mean = sum(seconds for seconds, _ in timed) / images if images else float("nan")
        made = sum(count for _, count in self._calls)
        return FusionTiming(made, mean, device_name(self.device), self._tiled)

    def _shrink(self, infrared: torch.Tensor, image: str) -> None:
        """Choose smaller tiles for this and all later images."""
        batch, _, height, width = infrared.shape
        self._fits = smaller_tile(self._fits or self.tile, height, width)
        name = self.method.card.name
        if self._fits is None:
            raise MethodError(
                f"{name}: out of memory on image {image!r} ({height} x {width}, batch of {batch}) even in "
                "small tiles; use a batch size of 1, a smaller model, or another device"
            )
        log.warning(
            "%s: out of memory on image %s (%d x %d); goes on in tiles of %d pixels; ask for such tiles to "
            "get the same images where there is more memory",
            *(name, image, height, width, self._fits),
        )


def synchronise(device: torch.device | str) -> None:
    """Wait until a GPU has done what it was given; a CPU always has."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def device_name(device: torch.device) -> str:
    """Return the GPU's name, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
