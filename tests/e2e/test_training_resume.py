"""Real processes: killed in the middle of an epoch, and two at a time under torchrun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from regionfuse.datasets.images import write_png

WORKER = """
import os, signal, sys
from pathlib import Path

import torch
from torch import nn

from regionfuse.datasets.records import Pair
from regionfuse.fusion.training import recipe, recipes
from regionfuse.fusion.training.data import Patches
from regionfuse.fusion.training.options import TrainingOptions
from regionfuse.fusion.training.trainer import train


class Toy(recipe.Recipe):
    def build(self):
        return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))

    def fused(self, network, batch):
        return network(torch.cat([batch.visible, batch.infrared], 1))

    def step(self, network, batch, epoch):
        error = self.fused(network, batch) - torch.maximum(batch.visible, batch.infrared)
        return {"total": error.square().mean()}


recipes.RECIPES["toy"] = Toy
data, out, kill_at, seen = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
rank = os.environ.get("RANK", "0")
get = Patches.__getitem__


def recorded(self, item):
    with (seen / f"rank{rank}.txt").open("a") as file:
        file.write(f"{item}\\n")
    return get(self, item)


Patches.__getitem__ = recorded


def progress(done, total, message):
    if done == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)


pairs = [Pair(p.stem, p, data / "vis" / p.name, 24, 24) for p in sorted((data / "ir").iterdir())]
options = TrainingOptions(
    method="toy", epochs=3, batch_size=4, patch=16, learning_rate=1e-2, steps_per_epoch=3, device="cpu"
)
train(options, pairs[:5], pairs[5:], out, progress=progress)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with the worker's source and six pairs."""
    rng = np.random.default_rng(0)
    for number in range(6):
        write_png(tmp_path / "data" / "ir" / f"{number}.png", rng.integers(0, 256, (24, 24), dtype=np.uint8))
        write_png(
            tmp_path / "data" / "vis" / f"{number}.png", rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        )
    (tmp_path / "worker.py").write_text(WORKER)
    return tmp_path


def launch(folder: Path, name: str, *, kill_at: int = 0, processes: int = 1) -> tuple[int, str, list[str]]:
    """Run the worker; return exit code, standard error, and the patches it asked for, in order of rank."""
    seen = folder / f"seen_{name}_{kill_at}"
    seen.mkdir()
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    done = subprocess.run(
        [
            sys.executable,
            *(torchrun if processes > 1 else []),
            *(str(folder / "worker.py"), str(folder / "data"), str(folder / name)),
            *(str(kill_at), str(seen)),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    ranks = sorted(seen.iterdir())
    return done.returncode, done.stderr, [line for rank in ranks for line in rank.read_text().splitlines()]


def test_kill_and_resume_gives_the_same_weights(folder: Path) -> None:
    code, errors, straight = launch(folder, "straight")
    assert code == 0, errors
    code, _, before = launch(folder, "killed", kill_at=5)
    assert code == -signal.SIGKILL
    code, errors, after = launch(folder, "killed")
    assert code == 0, errors
    # Three steps of four patches an epoch: epoch 1 stands, epoch 2 was broken off after its second step.
    assert before == straight[: len(before)] and len(before) == 20
    assert after == straight[12:]
    one, other = (load_file(folder / name / "weights.safetensors") for name in ("straight", "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_two_processes_train_what_one_does(folder: Path) -> None:
    code, errors, alone = launch(folder, "one")
    assert code == 0, errors
    code, errors, together = launch(folder, "two", processes=2)
    assert code == 0, errors
    assert sorted(together) == sorted(alone)
    one, two = (load_file(folder / name / "weights.safetensors") for name in ("one", "two"))
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)
    card = json.loads((folder / "two" / "weights.safetensors.json").read_text())
    assert card["hardware"]["processes"] == 2
    assert len((folder / "two" / "log.csv").read_text().splitlines()) == 4
    assert len(list((folder / "two" / "tensorboard").iterdir())) == 1
