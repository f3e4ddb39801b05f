"""RegionFuse's recipe: the load loss ends in time, and the real network resumes to the last bit."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from regionfuse.datasets.errors import CheckpointError, ConfigError
from regionfuse.datasets.images import write_png
from regionfuse.datasets.records import Pair
from regionfuse.fusion.regionfuse.method import RegionFuseMethod
from regionfuse.fusion.training.options import TrainingOptions
from regionfuse.fusion.training.recipe import Batch
from regionfuse.fusion.training.recipes import recipe_for
from regionfuse.fusion.training.trainer import train

OPTIONS = TrainingOptions(
    preset="tiny", epochs=2, batch_size=1, patch=32, steps_per_epoch=2, load_epochs=1, region=16, device="cpu"
)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    """Three pairs: texture in the visible image, a warm square in the infrared one."""
    rng = np.random.default_rng(1)
    made = []
    for number in range(3):
        visible = cv2.GaussianBlur(rng.random((48, 56, 3), np.float32), (0, 0), 2)
        infrared = np.full((48, 56), 0.2, np.float32)
        infrared[10 + number : 30, 12:28] = 0.9
        paths = [tmp_path / "data" / kind / f"{number}.png" for kind in ("ir", "vis")]
        write_png(paths[0], infrared)
        write_png(paths[1], visible)
        made.append(Pair(str(number), *paths, 56, 48))
    return made


def test_load_loss_ends_after_its_epochs() -> None:
    recipe = recipe_for(replace(OPTIONS, load_epochs=3))
    torch.manual_seed(0)
    network = recipe.build()
    batch = Batch(torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32), torch.rand(1, 3, 32, 32))
    early, late = recipe.step(network, batch, 2), recipe.step(network, batch, 3)
    assert set(early) == {"total", "intensity", "gradient", "load"}
    assert set(late) == {"total", "intensity", "gradient"}
    assert early["total"].item() == pytest.approx(
        (early["intensity"] + 5 * early["gradient"] + 5 * early["load"]).item(), rel=1e-5
    )
    early["total"].backward()
    late["total"].backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    losses, fused = recipe.validate(network.eval(), batch, 0)
    assert set(losses) == {"total", "intensity", "gradient"} and fused.shape == (1, 1, 32, 32)


def test_region_overrides_the_preset() -> None:
    recipe = recipe_for(replace(OPTIONS, region=12))
    assert recipe.card()["config"]["region"] == 12


def test_trained_weights_run_as_a_method(pairs: list[Pair], tmp_path: Path) -> None:
    result = train(OPTIONS, pairs[:2], pairs[2:], tmp_path / "run", trained_on=("toys",))
    method = RegionFuseMethod(result.weights)
    assert method.card.trained_on == ("toys",) and method.card.weights_sha256 == result.card["sha256"]
    fused = method.fuse(torch.rand(1, 1, 40, 30), torch.rand(1, 1, 40, 30))
    assert fused.shape == (1, 1, 40, 30)


def test_resumed_equals_straight(pairs: list[Pair], tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int, message: str) -> None:
        if done == 3:
            raise Stop

    straight = train(OPTIONS, pairs, (), tmp_path / "a")
    with pytest.raises(Stop):
        train(OPTIONS, pairs, (), tmp_path / "b", progress=stop)
    resumed = train(OPTIONS, pairs, (), tmp_path / "b")
    one, other = load_file(straight.weights), load_file(resumed.weights)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_loss_falls(pairs: list[Pair], tmp_path: Path) -> None:
    options = replace(OPTIONS, epochs=4, steps_per_epoch=8, learning_rate=2e-3, load_epochs=0, batch_size=2)
    curve = train(options, pairs, (), tmp_path / "run").card["curves"]["train_total"]
    assert curve[-1] < 0.8 * curve[0]


def test_settings_of_the_network_reach_network_card_and_checkpoint(pairs: list[Pair], tmp_path: Path) -> None:
    options = replace(OPTIONS, network={"experts": 3, "top_k": 1, "attention": "mora", "gammas": (0, 0, 0.5)})
    assert hash(options) == hash(replace(options))
    assert TrainingOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options
    result = train(options, pairs[:2], (), tmp_path / "run")
    assert result.card["config"]["experts"] == 3 and result.card["options"]["network"]["top_k"] == 1
    assert RegionFuseMethod(result.weights).network.config.gammas == (0.0, 0.0, 0.5)
    train(options, pairs[:2], (), tmp_path / "run")  # goes on
    with pytest.raises(CheckpointError, match="network is"):
        train(replace(options, network={}), pairs[:2], (), tmp_path / "run")


def test_options_without_settings_are_those_from_before_there_were_any() -> None:
    assert "network" not in OPTIONS.to_dict()


@pytest.mark.parametrize(
    ("network", "message"),
    [({"expert": 3}, "did you mean 'experts'"), ({"region": 8}, "network.region is 8"), ("plain", "mapping")],
)
def test_settings_that_do_not_fit_are_refused_at_once(network: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe_for(replace(OPTIONS, network=network))  # type: ignore[arg-type]


def test_shares_of_the_experts_are_logged_every_epoch(pairs: list[Pair], tmp_path: Path) -> None:
    options = replace(OPTIONS, network={"experts": 3, "top_k": 1}, load_epochs=0)
    train(options, pairs, (), tmp_path / "run")
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    assert len(rows) == 2
    for row in rows:
        for stage in (1, 2, 3):
            shares = [float(row[f"share_stage{stage}_expert{expert}"]) for expert in range(3)]
            assert sum(shares) == pytest.approx(1, abs=1e-5) and all(0 <= share <= 1 for share in shares)
    assert "share_stage1_expert3" not in rows[0] and "share_stage4_expert0" not in rows[0]

    recipe = recipe_for(options)
    torch.manual_seed(0)
    network = recipe.build().train()
    batch = Batch(torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32), torch.rand(1, 3, 32, 32))
    for stage in network.stages:
        stage.former.attention.router.clean[-1].bias.data = torch.tensor([0.0, 1e3, 0.0])
    recipe.step(network, batch, 0)
    measured = recipe.measures()
    assert measured["share_stage2_expert1"] == 1 and measured["share_stage2_expert0"] == 0
    assert recipe.measures() == {}, "an epoch starts from nothing"


def test_plain_attention_logs_no_shares(pairs: list[Pair], tmp_path: Path) -> None:
    train(replace(OPTIONS, network={"attention": "plain"}), pairs, (), tmp_path / "run")
    assert "share_" not in (tmp_path / "run" / "log.csv").read_text()
