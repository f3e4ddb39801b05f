"""Peak memory of one call: how far it drives the process, or the GPU, above what was there before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch

from .isolation import in_own_process

MEBIBYTE = 1 << 20


def peak_mebibytes(prepare: Callable[..., Callable[[], object]], *arguments: object) -> float:
    """Measure one call in a process of its own, so that nothing that ran before counts.

    On CPUs: the highest resident memory of the process during the call less that right before it, which
    holds what allocators and kernels take beside the tensors. On GPUs: the same of torch's allocator.

    Args:
        prepare: function of a module; makes the inputs, warms up on something small, and returns the call.
        arguments: its arguments, which can be pickled.

    Returns:
        MiB; NaN where the system does not tell (Windows).
    """
    return in_own_process(_measure, prepare, *arguments)


def _measure(prepare: Callable[..., Callable[[], object]], *arguments: object) -> float:
    call = prepare(*arguments)
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / MEBIBYTE
    _forget_peak()
    resident = _resident()
    kept = call()
    peak = _resident(peak=True) - resident
    del kept
    return peak / MEBIBYTE


def _forget_peak() -> None:
    """Set the highest resident memory of this process back to the present one, where Linux allows."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _resident(peak: bool = False) -> float:
    """Resident memory in bytes, now or at its highest."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return _resident_elsewhere()
    wanted = "VmHWM:" if peak else "VmRSS:"
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith(wanted))


def _resident_elsewhere() -> float:
    """The highest resident memory so far, on systems without ``/proc``."""
    if sys.platform == "win32":
        return float("nan")
    import resource

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # bytes on macOS
