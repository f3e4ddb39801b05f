"""One process or many: the process group that ``torchrun`` asks for, and the few collectives we need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from ...datasets.errors import ConfigError


@dataclass(frozen=True)
class World:
    """The processes that train together.

    Attributes:
        rank: number of this process; 0 writes all files.
        size: number of processes.
        device: device of this process.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """True in the one process that writes files and reports progress."""
        return self.rank == 0

    def mean(self, values: list[float]) -> list[float]:
        """Return the means of ``values`` over all processes; each must call it."""
        if self.size == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        means: list[float] = (tensor / self.size).tolist()
        return means

    def wait(self) -> None:
        """Return once every process has come here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def world(device: str) -> Iterator[World]:
    """Join the processes that ``torchrun`` started; a plain process is a world of one.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        ConfigError: the device is unknown or not there.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    chosen = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if size == 1:
        yield World(0, 1, chosen)
        return
    ours = not dist.is_initialized()
    if ours:
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield World(rank, size, chosen)
    finally:
        if ours:
            dist.destroy_process_group()


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """Return the device called ``name``; ``auto`` and ``cuda`` give every local process a GPU of its own.

    Raises:
        ConfigError: the device is unknown or not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {name!r}; use auto, cpu, cuda, cuda:N or mps") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ConfigError(f"device {name!r} was asked for but torch sees no GPU here; use auto or cpu")
        index = local_rank if device.index is None else device.index
        if index >= torch.cuda.device_count():
            raise ConfigError(
                f"GPU {index} was asked for but torch sees {torch.cuda.device_count()}; "
                "start as many processes on a machine as it has GPUs"
            )
        return torch.device("cuda", index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device 'mps' was asked for but is not available here; use auto or cpu")
    if device.type not in ("cpu", "mps"):
        raise ConfigError(f"cannot train on device {name!r}; use auto, cpu, cuda, cuda:N or mps")
    return device
