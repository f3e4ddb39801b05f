"""Which device a detector runs on."""

from __future__ import annotations

import re

import torch

from ..datasets.errors import DetectorError


def pick_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` into a device that is there.

    Raises:
        DetectorError: another name, or no such GPU.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda", 0) if count else torch.device("cpu")
    if name == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise DetectorError(f"detector.device {name!r} is unknown; expected auto, cpu, cuda or cuda:N")
    index = int(match[1] or 0)
    if index >= count:
        raise DetectorError(f"detector.device {name!r} is not here: {count} GPU(s) found; use auto or cpu")
    return torch.device("cuda", index)
