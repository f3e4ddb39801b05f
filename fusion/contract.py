"""The contract between a fusion method and everything that runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch

from .card import MethodCard


class FusionMethod(ABC):
    """A way to make one image out of an infrared and a visible one.

    Subclasses set :attr:`card` (on the class or in ``__init__``) and implement :meth:`fuse`. They never read
    or write files, pad, crop, convert colour or round: the harness does that once, the same for all.
    A method that owns a network exposes it as :attr:`network`, so that parameters and multiply-accumulates
    can be counted and the harness can move it to a device.

    Attributes:
        card: facts about the method.
        network: the network, or None.
        max_pixels: larger images (height times width, after padding) are fused in overlapping tiles of about
            this many pixels; None: never, unless the caller asks for tiles or memory runs out.
        countable: parameters and multiply-accumulates can be counted; False where torch does not do the work.
        on_step: a method that takes long for an image calls it, when it is set, with a message now and then.
    """

    card: MethodCard
    network: torch.nn.Module | None = None
    max_pixels: int | None = None
    countable: bool = True
    on_step: Callable[[str], None] | None = None

    @abstractmethod
    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Fuse a batch.

        Args:
            infrared: float32 ``B x 1 x H x W`` in [0, 1]; H and W are multiples of ``card.stride``.
            visible: float32 in [0, 1], same B, H, W and device; ``B x 1 x H x W`` luminance Y (BT.601, full
                range) when ``card.color == "luminance"``, ``B x 3 x H x W`` RGB when it is ``"rgb"``.

        Returns:
            float32 of the shape of ``visible``; values outside [0, 1] are clipped by the harness.
        """

    @classmethod
    def untrained(cls) -> FusionMethod | None:
        """Return the method with arbitrary weights, so that its card and cost are known before it is trained.

        None, the default: the constructor needs no weights.
        """
        return None

    def to(self, device: torch.device | str) -> FusionMethod:
        """Move the network, if there is one, to ``device`` and return the method itself."""
        if self.network is not None:
            self.network.to(device)
        return self
