"""Weights files: round trip, cards, damaged and malicious files, strict loading."""

import hashlib
import json
import os
import pickle

import pytest
import torch
from torch import nn

from regionfuse.datasets.errors import CheckpointError, StorageError
from regionfuse.fusion.weights import (
    card_path,
    load_foreign,
    load_strict,
    load_weights,
    save_tensors,
    save_weights,
    sha256,
)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 1, 1))


def test_round_trip_is_exact(tmp_path):
    path = tmp_path / "new" / "näme with space.safetensors"
    digest = save_weights(network(), path, {"config": {"width": 3}, "trained_on": ["a"]})
    tensors, card = load_weights(path)
    assert card["config"] == {"width": 3} and card["trained_on"] == ["a"]
    assert card["sha256"] == digest == sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    twin = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 1, 1))
    load_strict(twin, tensors, path)
    for (name, mine), theirs in zip(twin.state_dict().items(), network().state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, path.name + ".json"]


def test_same_weights_same_file(tmp_path):
    first = save_weights(network(), tmp_path / "a.safetensors", {})
    assert save_weights(network(), tmp_path / "b.safetensors", {"x": 1}) == first


def test_half_precision_storage(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(network(), path, {}, half=True)
    tensors, _ = load_weights(path)
    assert tensors["0.weight"].dtype == torch.float32
    assert tensors["1.num_batches_tracked"].dtype == torch.int64
    assert torch.allclose(tensors["0.weight"], network()[0].weight, atol=1e-3)
    load_strict(network(), tensors, path)


def test_shared_and_transposed_tensors_can_be_saved(tmp_path):
    one = torch.arange(6.0).view(2, 3)
    save_tensors({"a": one, "b": one.T, "c": one}, tmp_path / "w.safetensors", {})
    tensors, _ = load_weights(tmp_path / "w.safetensors")
    assert torch.equal(tensors["b"], one.T) and torch.equal(tensors["c"], one)


def damaged(path, kind):
    save_weights(network(), path, {"config": {}})
    card = card_path(path)
    if kind == "cut short":
        path.write_bytes(path.read_bytes()[:-5])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "no weights":
        path.unlink()
    elif kind == "no card":
        card.unlink()
    elif kind == "broken card":
        card.write_text("{")
    elif kind == "card is a list":
        card.write_text("[]")
    elif kind == "card of other weights":
        card.write_text(json.dumps({"sha256": "0" * 64}))
    elif kind == "a folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut short", "cut short"),
        ("empty", "not a safetensors file"),
        ("no weights", "no such weights file"),
        ("no card", "no such weights file"),
        ("broken card", "not valid JSON"),
        ("card is a list", "expected a JSON object"),
        ("card of other weights", "does not belong to its card"),
        ("a folder", "cannot be read"),
    ],
)
def test_damaged_files(tmp_path, kind, message):
    path = tmp_path / "w.safetensors"
    damaged(path, kind)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_weights(path)
    assert "\n" not in str(caught.value) and "w.safetensors" in str(caught.value)


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        save_weights(network(), tmp_path / "file" / "w.safetensors", {})


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_malicious_pickle_is_refused_and_not_run(tmp_path, how):
    marker, path = tmp_path / "pwned", tmp_path / "evil.pth"
    if how == "torch":
        torch.save({"weight": torch.ones(1), "boom": Evil(marker)}, path)
    else:
        path.write_bytes(pickle.dumps({"boom": Evil(marker)}))
    with pytest.raises(CheckpointError, match="refused") as caught:
        load_foreign(path)
    assert "\n" not in str(caught.value) and "evil.pth" in str(caught.value)
    assert not marker.exists()


def test_foreign_checkpoints_load(tmp_path):
    state = network().state_dict()
    torch.save({"params": state, "epoch": 3}, tmp_path / "new.pth")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_weights(network(), tmp_path / "own.safetensors", {})
    assert torch.equal(load_foreign(tmp_path / "new.pth")["params"]["0.weight"], state["0.weight"])
    assert torch.equal(load_foreign(tmp_path / "old.pth")["0.weight"], state["0.weight"])
    assert torch.equal(load_foreign(tmp_path / "own.safetensors")["0.weight"], state["0.weight"])


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"PK\x03\x04broken zip", b"\x80\x02}q\x00.", b"\x80\x04N."]
)
def test_foreign_files_that_are_no_checkpoints(tmp_path, content):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.pt") as caught:
        load_foreign(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_foreign_checkpoint(tmp_path, share):
    path = tmp_path / "x.pt"
    torch.save(network().state_dict(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match=r"x\.pt"):
        load_foreign(path)


def test_foreign_file_of_the_wrong_type(tmp_path):
    torch.save([torch.ones(2)], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="expected a mapping of tensors by name, found list"):
        load_foreign(tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="no such weights file"):
        load_foreign(tmp_path / "none.pt")


def test_strict_loading_names_what_does_not_fit():
    net = network()
    state = net.state_dict()
    missing = {name: value for name, value in state.items() if not name.startswith("1.")}
    with pytest.raises(
        CheckpointError, match=r"lacks 5 tensor\(s\): 1.weight, 1.bias, 1.running_mean and 2 more"
    ):
        load_strict(net, missing, "w.pt")
    with pytest.raises(CheckpointError, match=r"has unknown 1 tensor\(s\): head.weight"):
        load_strict(net, {**state, "head.weight": torch.ones(1)}, "w.pt")
    with pytest.raises(CheckpointError, match=r"0.bias has shape \(4,\), expected \(3,\)"):
        load_strict(net, {**state, "0.bias": torch.ones(4)}, "w.pt")
    with pytest.raises(CheckpointError, match=r"0\.bias is no tensor but int"):
        load_strict(net, {**state, "0.bias": 3}, "w.pt")


def test_strict_loading_with_renaming():
    net, prefixed = network(), {f"module.{name}": value + 1 for name, value in network().state_dict().items()}
    load_strict(net, prefixed, "w.pt", rename=lambda name: name.removeprefix("module."))
    assert torch.equal(net[0].bias, network()[0].bias + 1)
