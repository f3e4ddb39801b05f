"""Facts about the machine and the installed packages that belong into a manifest."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "torch",
    "torchvision",
    "ultralytics",
    "pycocotools",
    "hotcoco",
    "opencv-python",
    "opencv-python-headless",
    "albumentations",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "matplotlib",
    "typst",
    "pydantic",
    "safetensors",
)


def versions() -> dict[str, str]:
    """Return the installed version of each package that can change a result; missing ones are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def scoring_workers(scorings: int) -> int:
    """Return how many processes score ``scorings`` images; starting one takes as long as some thousand."""
    return cores() if scorings > 2000 else 1


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, memory (GiB), GPU, operating system and Python version."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_gib": _memory_gib(),
        "gpu": gpu_name(),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def gpu_name() -> str | None:
    """Return the names of the NVIDIA GPUs as the driver reports them (no torch import); None without."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    try:
        answer = subprocess.run(
            [tool, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # A driver that does not answer is as good as none.
    names = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    return ", ".join(names) if answer.returncode == 0 and names else None


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    if not hasattr(os, "sysconf"):
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
