"""RegionFuse as a fusion method: its card, weights of the package, weights that do not fit."""

import json
from dataclasses import replace

import pytest
import torch

from regionfuse.datasets.errors import CheckpointError, MethodError
from regionfuse.fusion.regionfuse import method as module
from regionfuse.fusion.regionfuse.config import TINY
from regionfuse.fusion.regionfuse.method import RegionFuseMethod
from regionfuse.fusion.regionfuse.model import RegionFuse
from regionfuse.fusion.weights import card_path, save_weights

SMALL = replace(TINY, width=8, heads=2, region=16, reach=32, router_hidden=4)


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "small.safetensors"
    save_weights(RegionFuse(SMALL), path, {"config": SMALL.to_dict(), "trained_on": ["roads", "fields"]})
    return path


def test_fuses_and_states_its_origin(weights):
    method = RegionFuseMethod(weights)
    infrared, visible = torch.rand(2, 1, 19, 30), torch.rand(2, 1, 19, 30)
    fused = method.fuse(infrared, visible)
    assert fused.shape == visible.shape and not fused.requires_grad
    with torch.inference_mode():
        assert torch.equal(fused, method.network(visible, infrared)), "visible goes first into the network"
    card = method.card
    assert (card.name, card.color, card.stride, card.year) == ("regionfuse", "luminance", 1, 2026)
    assert card.trained_on == ("roads", "fields")
    assert card.weights_sha256 == json.loads(card_path(weights).read_text())["sha256"]
    assert "unofficial" in card.notes and "CVPR 2026" in card.citation
    assert not method.network.training


def test_half_precision_weights_run_in_single_precision(tmp_path):
    path = tmp_path / "half.safetensors"
    save_weights(RegionFuse(SMALL), path, {"config": SMALL.to_dict()}, half=True)
    method = RegionFuseMethod(path)
    assert {p.dtype for p in method.network.parameters()} == {torch.float32}


def test_no_weights_shipped(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "none.safetensors")
    with pytest.raises(MethodError, match="regionfuse train"):
        RegionFuseMethod()


def test_shipped_weights_are_found(monkeypatch, weights):
    monkeypatch.setattr(module, "SHIPPED", weights)
    assert RegionFuseMethod().card.trained_on == ("roads", "fields")


def test_other_preset_than_asked_for(weights):
    with pytest.raises(CheckpointError, match="preset 'base'"):
        RegionFuseMethod(weights, preset="base")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.pop("config"), "does not say how the network is built"),
        (lambda card: card["config"].update(depth=3), "unknown RegionFuse setting 'depth'"),
        (lambda card: card["config"].update(experts=6), "has shape"),
        (lambda card: card["config"].update(encoder_blocks=2), "lacks"),
    ],
)
def test_card_that_does_not_fit(weights, change, message):
    card = json.loads(card_path(weights).read_text())
    change(card)
    card_path(weights).write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match=message) as caught:
        RegionFuseMethod(weights)
    assert "small.safetensors" in str(caught.value) and "\n" not in str(caught.value)
