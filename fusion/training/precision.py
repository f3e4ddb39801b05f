"""Mixed precision: bfloat16 where the GPU has it, float16 with loss scaling where not, float32 on CPUs."""

from __future__ import annotations

import contextlib
import logging

import torch

logger = logging.getLogger(__name__)


class Precision:
    """Number format of the forward pass, and the loss scaling that goes with it.

    Attributes:
        name: ``float32``, ``bfloat16`` or ``float16``.
        scaler: scales the loss in float16, does nothing otherwise.
    """

    def __init__(self, amp: str, device: torch.device) -> None:
        """Choose the format.

        Args:
            amp: ``auto``, ``off``, ``bf16`` or ``fp16``.
            device: device of the training.
        """
        self.device = device
        if device.type != "cuda":
            if amp in ("bf16", "fp16"):
                logger.warning("amp %s is for GPUs; training in float32 on %s", amp, device)
            amp = "off"
        if amp == "auto":
            amp = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        self.dtype = {"off": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[amp]
        self.name = str(self.dtype).removeprefix("torch.")
        self.scaler = torch.amp.GradScaler(device.type, enabled=amp == "fp16")

    @property
    def scales(self) -> bool:
        """True in float16: gradients may overflow now and then, and the scaler then skips the step."""
        return self.dtype is torch.float16

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Return the context of the forward pass."""
        if self.dtype is torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)
