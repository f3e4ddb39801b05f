"""The loop with a toy recipe: files, resumption, phases, failures."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from regionfuse.datasets.errors import CheckpointError, DataError, MethodError, StorageError
from regionfuse.datasets.images import write_png
from regionfuse.datasets.records import Pair
from regionfuse.fusion.training import trainer
from regionfuse.fusion.training.checkpoint import read_checkpoint, write_checkpoint
from regionfuse.fusion.training.options import TrainingOptions
from regionfuse.fusion.training.recipe import Batch, ParameterGroup, Phase, Recipe
from regionfuse.fusion.training.recipes import RECIPES
from regionfuse.fusion.training.trainer import TrainingResult, train


class ToyNetwork(nn.Module):
    """Convolution, batch statistics and random noise: everything that a resumption can get wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        features = self.norm(self.first(torch.cat([visible, infrared], 1))).relu()
        return self.last(nn.functional.dropout(features, 0.2, self.training)).sigmoid()


class ToyRecipe(Recipe):
    """Learns the maximum of both images."""

    choices: ClassVar[dict[str, str]] = {"noise": "dropout"}

    def build(self) -> nn.Module:
        return ToyNetwork()

    def step(self, network: nn.Module, batch: Batch, epoch: int) -> dict[str, Tensor]:
        error = network(batch.visible, batch.infrared) - torch.maximum(batch.visible, batch.infrared)
        losses = {"total": error.square().mean()}
        if epoch == 0:
            losses["early"] = losses["total"].detach() * 2
        return losses

    def fused(self, network: nn.Module, batch: Batch) -> Tensor:
        return network(batch.visible, batch.infrared)


class PhasedRecipe(ToyRecipe):
    """Trains the last layer from the second epoch on, with a rate of its own."""

    def phases(self) -> tuple[Phase, ...]:
        return Phase("features", 0, ("first.", "norm.")), Phase("all", 1)

    def groups(self) -> tuple[ParameterGroup, ...]:
        rest = ParameterGroup("rest", (), 1.0, 1e-2)
        return rest, ParameterGroup("last", ("last.",), 0.1, 1e-3)


class BrokenRecipe(ToyRecipe):
    """Its loss is not a number from the second epoch on."""

    def step(self, network: nn.Module, batch: Batch, epoch: int) -> dict[str, Tensor]:
        losses = super().step(network, batch, epoch)
        if epoch >= 1:
            losses["total"] = losses["total"] * float("nan")
        return losses


class SpoiltRecipe(ToyRecipe):
    """The last step of its second epoch leaves weights that no loss of the training shows."""

    def schedule(self, step: int, steps_per_epoch: int) -> float:
        return float("inf") if step == 2 * steps_per_epoch - 1 else 1.0


class UnseenRecipe(ToyRecipe):
    """From the second epoch on it is only the validation that leaves the finite numbers."""

    def validate(
        self, network: nn.Module, batch: Batch, epoch: int
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        losses, fused = super().validate(network, batch, epoch)
        return {name: value / (1 - epoch) for name, value in losses.items()}, fused


class BlackRecipe(ToyRecipe):
    """Its second epoch leaves finite weights that give no image."""

    def fused(self, network: nn.Module, batch: Batch) -> Tensor:
        return super().fused(network, batch) / (len(self.epochs) < 2)

    def measures(self) -> dict[str, float]:
        self.epochs.append(len(self.epochs))
        return {}

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        self.epochs: list[int] = []


OPTIONS = TrainingOptions(
    method="toy", epochs=4, batch_size=2, patch=16, learning_rate=1e-2, steps_per_epoch=3, device="cpu"
)


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "toy", ToyRecipe)
    monkeypatch.setitem(RECIPES, "phased", PhasedRecipe)
    monkeypatch.setitem(RECIPES, "broken", BrokenRecipe)
    monkeypatch.setitem(RECIPES, "spoilt", SpoiltRecipe)
    monkeypatch.setitem(RECIPES, "unseen", UnseenRecipe)
    monkeypatch.setitem(RECIPES, "black", BlackRecipe)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    made = []
    for number in range(5):
        paths = [folder / kind / f"{number}.png" for kind in ("ir", "vis")]
        write_png(paths[0], rng.integers(0, 256, (24, 30), dtype=np.uint8))
        write_png(paths[1], rng.integers(0, 256, (24, 30, 3), dtype=np.uint8))
        made.append(Pair(str(number), *paths, 30, 24))
    return made


class Stop(Exception):
    """Stands for a killed process."""


def train_until(stop: int, options: TrainingOptions, pairs: Sequence[Pair], out: Path) -> None:
    def progress(done: int, total: int, message: str) -> None:
        if done == stop:
            raise Stop

    with pytest.raises(Stop):
        train(options, pairs[:4], pairs[4:], out, progress=progress)


def same_tensors(a: Path, b: Path) -> bool:
    left, right = load_file(a), load_file(b)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_a_run_leaves_everything_it_promises(pairs: list[Pair], tmp_path: Path) -> None:
    said: list[tuple[int, int, str]] = []
    result = train(
        OPTIONS, pairs[:4], pairs[4:], tmp_path, trained_on=("toys",), progress=lambda *a: said.append(a)
    )

    assert isinstance(result, TrainingResult) and result.epochs == 4 and result.seconds > 0
    assert [(done, total) for done, total, _ in said] == [(step, 12) for step in range(1, 13)]
    assert said[-1][2].startswith("epoch 4/4 loss 0.")
    assert set(load_file(result.weights)) == set(ToyNetwork().state_dict())

    card = json.loads((tmp_path / "weights.safetensors.json").read_text())
    assert card["method"] == "toy" and card["trained_on"] == ["toys"] and card["pairs"] == 4
    assert card["epochs"] == 4 and card["steps"] == 12 and len(card["training_images"]) == 4
    assert card["choices"] == {"noise": "dropout"} and len(card["curves"]["validation_total"]) == 4
    assert TrainingOptions.from_dict(card["options"]) == OPTIONS
    assert card == result.card

    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0]["train_early"] and not rows[1]["train_early"]
    assert float(rows[-1]["train_total"]) == pytest.approx(result.final_losses["train_total"], rel=1e-5)
    assert result.final_losses["validation_total"] > 0
    assert len(list((tmp_path / "validation").glob("4_epoch*.png"))) == 4
    assert list((tmp_path / "tensorboard").glob("events*"))
    assert not list(tmp_path.rglob("*.tmp")) and not list(tmp_path.rglob("*.part"))


def test_the_loss_falls(pairs: list[Pair], tmp_path: Path) -> None:
    train(replace(OPTIONS, epochs=8, steps_per_epoch=10), pairs, (), tmp_path)
    curve = json.loads((tmp_path / "weights.safetensors.json").read_text())["curves"]["train_total"]
    assert curve[-1] < 0.7 * curve[0]


@pytest.mark.parametrize("stop", [6, 8])
def test_resumed_equals_straight(pairs: list[Pair], tmp_path: Path, stop: int) -> None:
    """Killed at the end of epoch 2 (its checkpoint unwritten) or in the middle of epoch 3."""
    straight = train(OPTIONS, pairs[:4], pairs[4:], tmp_path / "a")
    train_until(stop, OPTIONS, pairs, tmp_path / "b")
    torch.manual_seed(123)  # nothing of the caller's may leak in
    resumed = train(OPTIONS, pairs[:4][::-1], pairs[4:], tmp_path / "b")
    assert same_tensors(straight.weights, resumed.weights)
    assert same_tensors(tmp_path / "a" / "checkpoint.safetensors", tmp_path / "b" / "checkpoint.safetensors")
    assert straight.final_losses == resumed.final_losses
    logs = [(tmp_path / name / "log.csv").read_text().splitlines() for name in ("a", "b")]
    assert logs[0][0] == logs[1][0] and len(logs[0]) == len(logs[1]) == 5


def test_every_epoch_sees_other_patches(
    pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, list[float]] = {}

    class Recorder(ToyRecipe):
        def step(self, network: nn.Module, batch: Batch, epoch: int) -> dict[str, Tensor]:
            seen.setdefault(epoch, []).append(batch.rgb.sum().item())
            return super().step(network, batch, epoch)

    monkeypatch.setitem(RECIPES, "toy", Recorder)
    train(replace(OPTIONS, epochs=2), pairs, (), tmp_path)
    assert len(seen[0]) == len(seen[1]) == 3
    assert not set(seen[0]) & set(seen[1])


def test_phases_freeze_and_resume(pairs: list[Pair], tmp_path: Path) -> None:
    options = replace(OPTIONS, method="phased", epochs=3)
    straight = train(options, pairs[:4], (), tmp_path / "a")
    torch.manual_seed(options.seed)
    fresh = ToyNetwork().state_dict()
    train_until(5, options, pairs, tmp_path / "b")
    first = load_file(tmp_path / "b" / "checkpoint.safetensors")
    assert torch.equal(first["network.last.weight"], fresh["last.weight"])
    assert not torch.equal(first["network.first.weight"], fresh["first.weight"])
    assert not torch.equal(load_file(straight.weights)["last.weight"], fresh["last.weight"])
    assert same_tensors(straight.weights, train(options, pairs[:4], (), tmp_path / "b").weights)


def test_a_finished_run_is_not_trained_again(pairs: list[Pair], tmp_path: Path) -> None:
    first = train(OPTIONS, pairs, (), tmp_path)
    content = first.weights.read_bytes()
    said: list[int] = []
    again = train(OPTIONS, pairs, (), tmp_path, progress=lambda done, *_: said.append(done))
    assert not said and again.weights.read_bytes() == content and again.card == first.card


def test_without_resume_it_starts_afresh(pairs: list[Pair], tmp_path: Path) -> None:
    train(replace(OPTIONS, seed=1, epochs=2), pairs[:4], pairs[4:], tmp_path)
    train(replace(OPTIONS, epochs=1), pairs[:4], pairs[4:], tmp_path, resume=False)
    assert [p.name for p in (tmp_path / "validation").iterdir()] == ["4_epoch001.png"]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2
    assert not (tmp_path / "checkpoint.previous.safetensors").exists()


def test_the_seed_matters(pairs: list[Pair], tmp_path: Path) -> None:
    one = train(replace(OPTIONS, epochs=1), pairs, (), tmp_path / "a")
    other = train(replace(OPTIONS, epochs=1, seed=5), pairs, (), tmp_path / "b")
    assert not same_tensors(one.weights, other.weights)


def test_the_callers_random_state_is_untouched(pairs: list[Pair], tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(replace(OPTIONS, epochs=1), pairs, (), tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_initial_weights(pairs: list[Pair], tmp_path: Path) -> None:
    base = train(OPTIONS, pairs, (), tmp_path / "a", trained_on=("toys",))
    options = replace(OPTIONS, epochs=1, learning_rate=1e-9, init_weights=base.weights)
    tuned = train(options, pairs, (), tmp_path / "b", trained_on=("others",))
    old, new = load_file(base.weights), load_file(tuned.weights)
    assert torch.allclose(old["first.weight"], new["first.weight"], atol=1e-6)
    assert len(tuned.card["init_weights_sha256"]) == 64
    assert tuned.card["trained_on"] == ["toys", "others"]
    assert tuned.card["training_images"] == base.card["training_images"] != []
    assert tuned.card["options"]["init_weights"] == "weights.safetensors"
    other = train(replace(OPTIONS, seed=9, epochs=1), pairs, (), tmp_path / "c")
    with pytest.raises(CheckpointError, match="weights to start from"):
        train(replace(options, init_weights=other.weights), pairs, (), tmp_path / "b")


def test_resuming_with_other_options_names_the_option(
    pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_until(4, OPTIONS, pairs, tmp_path)
    with pytest.raises(CheckpointError, match=r"learning_rate is 0.5 but was 0.01"):
        train(replace(OPTIONS, learning_rate=0.5), pairs[:4], (), tmp_path)
    with pytest.raises(CheckpointError, match="training pairs"):
        train(OPTIONS, pairs[:3], (), tmp_path)
    monkeypatch.setattr(ToyRecipe, "card", lambda _: {"config": {"width": 8}})
    with pytest.raises(CheckpointError, match="settings of the network"):
        train(OPTIONS, pairs[:4], (), tmp_path)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    pairs: list[Pair], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    straight = train(OPTIONS, pairs[:4], (), tmp_path / "a")
    train_until(10, OPTIONS, pairs, tmp_path / "b")
    current = tmp_path / "b" / "checkpoint.safetensors"
    current.write_bytes(current.read_bytes()[:-40])
    with caplog.at_level(logging.WARNING):
        resumed = train(OPTIONS, pairs[:4], (), tmp_path / "b")
    assert "damaged" in caplog.text and "epoch 2" in caplog.text
    assert same_tensors(straight.weights, resumed.weights)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign"])
def test_no_good_checkpoint_is_an_error(pairs: list[Pair], tmp_path: Path, damage: str) -> None:
    train_until(4, OPTIONS, pairs, tmp_path)
    current = tmp_path / "checkpoint.safetensors"
    content = bytearray(current.read_bytes())
    content[-100] ^= 1
    changed = {"truncated": content[:-9], "flipped": content, "empty": b"", "foreign": b"\x80\x04K\x01."}
    current.write_bytes(changed[damage])
    with pytest.raises(CheckpointError, match=r"damaged .*start afresh"):
        train(OPTIONS, pairs[:4], (), tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run(pairs: list[Pair], tmp_path: Path) -> None:
    with pytest.raises(MethodError, match=r"epoch 2, step 1 of 3: the loss is nan; .* epoch 1 is kept"):
        train(replace(OPTIONS, method="broken"), pairs, (), tmp_path)
    assert all(t.isfinite().all() for t in load_file(tmp_path / "checkpoint.safetensors").values())
    assert not (tmp_path / "weights.safetensors").exists()


@pytest.mark.parametrize(
    ("method", "validation", "said"),
    [
        ("spoilt", 1, "it left values that are not finite in first.weight"),
        ("spoilt", 0, "it left values that are not finite in first.weight"),
        ("unseen", 1, "validation_total is inf"),
        ("black", 0, "it left values that are not finite in a fused patch"),
    ],
)
def test_what_the_last_step_of_an_epoch_broke_is_not_saved(
    pairs: list[Pair], tmp_path: Path, method: str, validation: int, said: str
) -> None:
    with pytest.raises(MethodError, match=rf"stopped at epoch 2, step 3 of 3: {said}; .* epoch 1 is kept"):
        train(replace(OPTIONS, method=method, epochs=2), pairs[:4], pairs[4 : 4 + validation], tmp_path)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["epoch"] == 1
    assert all(t.isfinite().all() for t in load_file(tmp_path / "checkpoint.safetensors").values())
    assert not (tmp_path / "weights.safetensors").exists()


def test_a_checkpoint_of_a_diverged_run_is_refused(pairs: list[Pair], tmp_path: Path) -> None:
    """Versions before this one wrote such checkpoints."""
    options = replace(OPTIONS, epochs=1)
    train(options, pairs, (), tmp_path)
    written = read_checkpoint(tmp_path)
    assert written is not None
    written.tensors["network.norm.running_var"][0] = float("nan")
    write_checkpoint(written, tmp_path)
    with pytest.raises(CheckpointError, match=r"NaN or infinity in norm\.running_var: .* without resuming"):
        train(options, pairs, (), tmp_path)


def test_the_log_is_whole_after_a_kill_between_checkpoint_and_log(
    pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Stop

    options = replace(OPTIONS, epochs=1)
    with monkeypatch.context() as once:
        once.setattr(trainer, "write_csv", killed)
        with pytest.raises(Stop):
            train(options, pairs, (), tmp_path)
    assert not (tmp_path / "log.csv").exists()
    train(options, pairs, (), tmp_path)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2


def test_another_version_of_the_recipe_does_not_go_on(
    pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer._Run._identity
    with monkeypatch.context() as before:  # checkpoints that do not say it are of the first version
        before.setattr(
            trainer._Run,
            "_identity",
            lambda run: {name: value for name, value in whole(run).items() if name != "recipe_version"},
        )
        train_until(4, OPTIONS, pairs, tmp_path)
    monkeypatch.setattr(ToyRecipe, "version", 2)
    with pytest.raises(CheckpointError, match=r"toy is of version 2, .* than version 1 of the checkpoint"):
        train(OPTIONS, pairs[:4], pairs[4:], tmp_path)
    monkeypatch.setattr(ToyRecipe, "version", 1)
    train_until(7, OPTIONS, pairs, tmp_path)
    monkeypatch.setattr(ToyRecipe, "version", 3)
    with pytest.raises(CheckpointError, match=r"version 3, .* than version 1"):
        train(OPTIONS, pairs[:4], pairs[4:], tmp_path)


@pytest.mark.parametrize(
    ("name", "found"), [("SHIP.pth", "the suffix '.pth'"), ("a.safetensors", "no a.saf")]
)
def test_initial_weights_of_someone_else(pairs: list[Pair], tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(CheckpointError, match=rf"--init takes weights made by .*regionfuse train.*{found}"):
        train(replace(OPTIONS, init_weights=tmp_path / name), pairs, (), tmp_path / "out")
    with pytest.raises(CheckpointError, match="no such weights file"):
        train(replace(OPTIONS, init_weights=tmp_path / "none.pth"), pairs, (), tmp_path / "out")


def test_interrupt_leaves_the_checkpoint(pairs: list[Pair], tmp_path: Path) -> None:
    def progress(done: int, total: int, message: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(OPTIONS, pairs, (), tmp_path, progress=progress)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["epoch"] == 1


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pairs"):
        train(OPTIONS, (), (), tmp_path)


def test_an_output_that_cannot_be_written(pairs: list[Pair], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot make"):
        train(OPTIONS, pairs, (), tmp_path / "file" / "run")
