"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

# Tests run side by side: one thread each is faster than fighting for cores, and it makes sums repeatable.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Draw the same numbers in a test whichever tests ran before it in the same process."""
    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002, libraries draw from it
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of reference data beside the project; tests that need it skip when it is not there."""
    folder = Path(os.environ.get("REGIONFUSE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("the reference data beside the project are not here")
    return folder
