"""``regionfuse train`` and its folder: one process at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regionfuse.datasets.errors import MethodError, StorageError
from regionfuse.datasets.images import write_png
from regionfuse.pipeline.commands.train import TrainRequest, train
from regionfuse.pipeline.console import Screen
from regionfuse.pipeline.store import locked

SMALL = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 1, "patch": 32, "device": "cpu"}


def request(folder: Path, out: Path, validation: int = 0, **more: Any) -> TrainRequest:
    rng = np.random.default_rng(0)
    for number in range(4):
        write_png(folder / "ir" / f"{number}.png", rng.integers(0, 256, (40, 40), dtype=np.uint8))
        write_png(folder / "vi" / f"{number}.png", rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    return TrainRequest(
        "ship", out, folder / "ir", folder / "vi", (), validation, resume=True, options={**SMALL, **more}
    )


def test_a_folder_holds_one_training_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(tmp_path, tmp_path / "out")
    with locked(asked.out):
        with pytest.raises(StorageError, match="another regionfuse process works in this folder"):
            train(asked, Screen(-1))
        assert not (asked.out / "weights.safetensors").exists()
        monkeypatch.setenv("RANK", "1")  # as torchrun's second process, whose first one holds it
        train(asked, Screen(-1))
    assert (asked.out / "weights.safetensors").exists()


@pytest.mark.parametrize("validation", [0, 1])
def test_a_training_that_diverges_at_once_leaves_no_weights(tmp_path: Path, validation: int) -> None:
    asked = request(tmp_path, tmp_path / "out", validation, learning_rate=0.1)
    with pytest.raises(MethodError, match="training stopped at epoch 1, step 1 of 1"):
        train(asked, Screen(-1))
    assert not list(asked.out.glob("*.safetensors"))
