"""Inference strip by strip: pixel-local steps on a few rows at a time, so that they stay in the cache.

A layer of a fusion network writes tens to hundreds of megabytes for one image. On a CPU the time then goes
into memory, not into arithmetic. Layers that look no further than a few rows need not do that: they run on
one strip of rows after the other, with a few rows more on both sides (the halo), which are cropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch

STRIP_PIXELS = 16384
"""Pixels of a strip; at 48 channels 3 MiB."""


@dataclass(frozen=True)
class Strip:
    """Rows of one image.

    Attributes:
        image: the image in the batch, as a slice.
        rows: the strip itself, rows of the image.
        outer: the strip with its halo, cropped at the border of the image.
    """

    image: slice
    rows: slice
    outer: slice

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Take the strip with its halo out of ``B x C x H x W``; a view."""
        return x[self.image, :, self.outer]

    def crop(self, x: torch.Tensor) -> torch.Tensor:
        """Take the strip out of what :meth:`__call__` returned; a view."""
        first = self.rows.start - self.outer.start
        return x[:, :, first : first + self.rows.stop - self.rows.start]

    def into(self, out: torch.Tensor) -> torch.Tensor:
        """Take the place of the strip in the result ``B x C' x H x W``; a view."""
        return out[self.image, :, self.rows]

    def room(self, out: torch.Tensor | None, part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """Return ``out``, or make it: a result with the channels of ``part`` and the images of ``whole``."""
        if out is not None:
            return out
        shape = (whole.shape[0], part.shape[1], *whole.shape[2:])
        return torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=torch.channels_last)


_wanted = ContextVar("regionfuse_strips", default=True)


@contextmanager
def whole_images() -> Iterator[None]:
    """Work on whole images inside the ``with`` block, as in training; to compare and to count."""
    token = _wanted.set(False)
    try:
        yield
    finally:
        _wanted.reset(token)


def in_strips(x: torch.Tensor) -> bool:
    """Tell whether work on ``x`` is to be done in strips: on CPUs, when nothing is kept for gradients."""
    return not torch.is_grad_enabled() and x.device.type == "cpu" and _wanted.get()


def strips(x: torch.Tensor, halo: int = 0, step: int = 1) -> Iterator[Strip]:
    """Cut ``B x C x H x W`` into strips.

    Args:
        x: the batch.
        halo: rows beyond the strip that are needed on both sides.
        step: every strip but the last of an image has a multiple of so many rows.
    """
    batch, _, height, width = x.shape
    rows = max(STRIP_PIXELS // (width * step), 1) * step
    for image in range(batch):
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            outer = slice(max(top - halo, 0), min(bottom + halo, height))
            yield Strip(slice(image, image + 1), slice(top, bottom), outer)


def by_strips(
    function: Callable[..., torch.Tensor], *inputs: torch.Tensor, halo: int = 0, step: int = 1
) -> torch.Tensor:
    """Compute ``function(*inputs)``, in strips where :func:`in_strips` says so.

    Args:
        function: maps batches ``B x C x H x W`` to one of the same H and W; a result depends on no more than
            ``halo`` rows above and below. Beyond the image it pads with what it wants.
        inputs: batches of equal B, H and W.
        halo: see above.
        step: see :func:`strips`.

    Returns:
        The result, in channels-last memory when it was made in strips.
    """
    first = inputs[0]
    if not in_strips(first):
        return function(*inputs)
    out: torch.Tensor | None = None
    for strip in strips(first, halo, step):
        part = function(*(strip(x) for x in inputs))
        out = strip.room(out, part, first)
        strip.into(out).copy_(strip.crop(part))
    assert out is not None
    return out
