"""Training from end to end: repeatable, resumable after a kill to the same weights, selected on val only."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[1]))
from detector_toy import toy_pairs

from regionfuse.datasets.errors import DetectorError
from regionfuse.datasets.records import Box, PairSet
from regionfuse.detection.recipe import DetectorRecipe
from regionfuse.detection.train import DetectorResult, train_detector

RECIPE = DetectorRecipe(
    image_size=64, batch_size=4, epochs=3, close_mosaic=1, warmup_epochs=1.0, device="cpu"
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def train(
    tmp_path: Path, name: str, recipe: DetectorRecipe = RECIPE, seed: int = 0, **more: object
) -> DetectorResult:
    pairs = toy_pairs(tmp_path / "images")
    stems = [pair.stem for pair in pairs]
    return train_detector(
        recipe, pairs, stems[:6], stems[4:], tmp_path / "images", tmp_path / name, seed=seed, **more
    )


def same(first: Path, second: Path) -> bool:
    one, two = load_file(first), load_file(second)
    assert one.keys() == two.keys()
    return all(torch.equal(one[key], two[key]) for key in one)


def test_seed_decides_everything(tmp_path: Path) -> None:
    import random

    import numpy as np

    random.seed(1)
    torch.manual_seed(1)
    states = random.getstate(), torch.get_rng_state()
    messages: list[tuple[int, int, str]] = []
    first = train(tmp_path, "a", progress=lambda *step: messages.append(step))
    assert (random.getstate(), torch.equal(torch.get_rng_state(), states[1])) == (states[0], True)
    torch.manual_seed(99)
    np.random.seed(7)  # noqa: NPY002 - must not matter
    again = train(tmp_path, "b")
    other = train(tmp_path, "c", seed=1)
    assert same(first.weights, again.weights)
    assert not same(first.weights, other.weights)
    assert [message[:2] for message in messages] == [(n, 6) for n in range(1, 7)]
    assert messages[-1][2].startswith("epoch 3/3 box ")
    rows = list(csv.DictReader((tmp_path / "a" / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert {"box_loss", "cls_loss", "seconds"} <= rows[0].keys()
    card = json.loads(first.weights.with_suffix(".json").read_text())
    assert (
        card["seed"] == 0 and card["recipe"]["epochs"] == 3 and card["classes"] == ["People", "Car", "Lamp"]
    )
    assert {"torch", "ultralytics"} <= card["versions"].keys()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"optimizer": "AdamW", "learning_rate": 0.001, "select": "best_val"},
        {"model": "yolo26n.yaml", "optimizer": "MuSGD"},
    ],
)
def test_interrupted_training_ends_the_same(tmp_path: Path, change: dict) -> None:
    class Stop(Exception):
        pass

    recipe = replace(RECIPE, **change)

    def stop(done: int, total: int, text: str) -> None:
        if done == 4:  # the second epoch is not complete: the state is that of the first
            raise Stop

    whole = train(tmp_path, "whole", recipe)
    with pytest.raises(Stop):
        train(tmp_path, "cut", recipe, progress=stop, checkpoint_seconds=0.0)
    assert (tmp_path / "cut" / "state.safetensors").is_file()
    begun: list[int] = []
    cut = train(tmp_path, "cut", recipe, progress=lambda *step: begun.append(step[0]))
    assert begun[0] == 3, "goes on with the second epoch"
    assert same(whole.weights, cut.weights)
    assert whole.card["selected_epoch"] == cut.card["selected_epoch"]
    assert [p.name for p in sorted((tmp_path / "cut").iterdir())] == [
        "log.csv",
        "weights.json",
        "weights.safetensors",
    ]
    assert len((tmp_path / "cut" / "log.csv").read_text().splitlines()) == 4


def test_state_of_other_inputs_is_not_used(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int, text: str) -> None:
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        train(tmp_path, "cut", seed=5, progress=stop, checkpoint_seconds=0.0)
    begun: list[int] = []
    result = train(tmp_path, "cut", progress=lambda *step: begun.append(step[0]))
    assert begun[0] == 1
    assert same(result.weights, train(tmp_path, "whole").weights)
    (tmp_path / "cut" / "state.safetensors").write_bytes(b"rubbish")
    assert same(result.weights, train(tmp_path, "cut").weights)


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
from pathlib import Path
from detector_toy import toy_pairs
from regionfuse.detection.recipe import DetectorRecipe
from regionfuse.detection.train import train_detector
def kill(done, total, text):
    if done == 5:
        os.kill(os.getpid(), signal.SIGKILL)
pairs = toy_pairs(Path("images"))
stems = [pair.stem for pair in pairs]
train_detector(DetectorRecipe(**{recipe!r}), pairs, stems[:6], stems[4:], Path("images"), Path("cut"), seed=0,
               progress=kill, checkpoint_seconds=0.0)
"""


def test_killed_process(tmp_path: Path) -> None:
    script = SCRIPT.format(tests=str(Path(__file__).parents[1]), recipe=RECIPE.to_dict())
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert not (tmp_path / "cut" / "weights.safetensors").exists()
    assert same(train(tmp_path, "cut").weights, train(tmp_path, "whole").weights)


def test_best_epoch_is_chosen_on_val(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.1, 0.5, 0.3])
    monkeypatch.setattr("regionfuse.detection.trainer.val_map", lambda *_: next(scores))
    best = train(tmp_path, "best", replace(RECIPE, select="best_val"))
    assert best.card["selected_epoch"] == 2
    last = train(tmp_path, "last")
    assert last.card["selected_epoch"] == 3
    assert not same(best.weights, last.weights)


def test_val_score_is_coco_map(tmp_path: Path) -> None:
    """Perfect answers score 1, none scores 0."""
    from types import SimpleNamespace

    from regionfuse.detection import selection

    pairs = toy_pairs(tmp_path)
    job = SimpleNamespace(
        val=pairs.pairs, classes=pairs.classes, image_of=lambda _: tmp_path, recipe=RECIPE, device="cpu"
    )
    perfect = [
        {
            "image_id": number,
            "category_id": pairs.classes.index(box.label) + 1,
            "bbox": [*box.xyxy[:2], box.xyxy[2] - box.xyxy[0], box.xyxy[3] - box.xyxy[1]],
            "score": 0.9,
        }
        for number, pair in enumerate(pairs, start=1)
        for box in pair.boxes
    ]
    crowd = Box("Car", (2, 2, 40, 40), ignore=True)  # what is found in it counts neither way
    first, *others = pairs
    job.val = (replace(first, boxes=(*first.boxes, crowd)), *others)
    false_alarm = {"image_id": 1, "category_id": 2, "bbox": [3, 3, 4, 4], "score": 0.99}
    answers = iter([[*perfect, false_alarm], []])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "predict_rows", lambda *_: next(answers))
        model = torch.nn.Identity()
        assert selection.val_map(model, job) == pytest.approx(1.0)  # type: ignore[arg-type]
        assert selection.val_map(model, job) == 0.0  # type: ignore[arg-type]


def test_training_learns(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=12, mosaic=0.0, close_mosaic=0, optimizer="AdamW", learning_rate=0.004)
    train(tmp_path, "a", recipe)
    rows = list(csv.DictReader((tmp_path / "a" / "log.csv").open()))
    assert float(rows[-1]["cls_loss"]) < 0.8 * float(rows[0]["cls_loss"])


def test_problems_are_one_clear_line(tmp_path: Path) -> None:
    pairs = toy_pairs(tmp_path / "images")
    stems = [pair.stem for pair in pairs]

    def attempt(
        recipe: DetectorRecipe, train_stems: list[str], val_stems: list[str], data: PairSet = pairs
    ) -> str:
        with pytest.raises(DetectorError) as caught:
            train_detector(recipe, data, train_stems, val_stems, tmp_path / "images", tmp_path / "x", seed=0)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "0 pairs" in attempt(RECIPE, [], [])
    assert "no boxes" in attempt(RECIPE, stems[-1:], [])
    assert "best_val" in attempt(replace(RECIPE, select="best_val"), stems[:4], stems[-1:])
    assert "not here" in attempt(replace(RECIPE, weights="yolov8n.pt"), stems[:4], [])
    huge = replace(RECIPE, class_gain=1e38)
    assert "diverged" in attempt(huge, stems[:6], [])


def test_memory_shortage_does_not_halve_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from regionfuse.detection.trainer import Trainer

    def fail(self: Trainer, batch: dict) -> dict:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Trainer, "preprocess_batch", fail)
    with pytest.raises(DetectorError, match=r"lower detector\.batch_size \(now 4\)"):
        train(tmp_path, "a")


def test_one_image_trains(tmp_path: Path) -> None:
    pairs = toy_pairs(tmp_path / "images", 2)
    recipe = replace(RECIPE, epochs=1)
    result = train_detector(recipe, pairs, ["00000"], [], tmp_path / "images", tmp_path / "out", seed=0)
    assert result.weights.is_file()
