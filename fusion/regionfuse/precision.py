"""Single precision inside automatic mixed precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Switch autocasting off inside a ``with`` block, on devices that have it."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def at_least_single(x: torch.Tensor) -> torch.Tensor:
    """Return half precision as single precision, and anything else as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
