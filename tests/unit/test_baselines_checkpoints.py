"""Checkpoints in the published layouts: strict, named errors, no code run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from regionfuse.datasets.errors import CheckpointError, MethodError
from regionfuse.fusion.baselines import official
from regionfuse.fusion.baselines.catalogue import NETWORKS, build

sys.path.append(str(Path(__file__).resolve().parents[1]))
from baselines_lively import lively, pair

State = dict[str, torch.Tensor]


def _grouped(name: str, state: State, prefix: str = "module.") -> dict[str, State]:
    return {
        group: {
            prefix + key.removeprefix(f"{group}."): value
            for key, value in state.items()
            if key.startswith(f"{group}.")
        }
        for group in NETWORKS[name].groups
    }


@pytest.mark.parametrize("name", ["cddfuse", "dcevo"])
def test_groups_with_parallel_prefix_load_from_a_file(name: str, tmp_path: Path) -> None:
    source = lively(build(name), 0.8)
    path = tmp_path / "published.pth"
    torch.save(_grouped(name, source.state_dict()), path)
    network = official(name, path)
    assert not network.training
    with torch.inference_mode():
        assert torch.equal(network(*pair(16, 16)), source(*pair(16, 16)))


@pytest.mark.parametrize("wrapper", ["params", "params_ema", "state_dict", ""])
def test_wrapped_and_flat_dictionaries_load(wrapper: str) -> None:
    source = lively(build("ship"), 0.5)
    state = source.state_dict()
    network = official("ship", {wrapper: state} if wrapper else state)
    assert torch.equal(network.state_dict()["vis.conv.weight"], state["vis.conv.weight"])


def test_averaged_weights_come_first() -> None:
    state = build("sage").state_dict()
    averaged = {**state, "final_decoder.0.bias": torch.full((1,), 7.0)}
    network = official("sage", {"params": state, "params_ema": averaged})
    assert network.state_dict()["final_decoder.0.bias"] == 7


@pytest.mark.parametrize("name", ["cddfuse", "sage", "ddfm"])
def test_missing_surplus_and_misshapen_tensors_are_named(name: str) -> None:
    from regionfuse.fusion.baselines.unet import UNetConfig

    options = (
        {"config": UNetConfig(width=32, factors=(1, 2), blocks=1, attention=())} if name == "ddfm" else {}
    )
    network = build(name, **options)
    state = dict((network.unet if name == "ddfm" else network).state_dict())
    last = list(state)[-1]

    def checkpoint(changed: State) -> dict[str, object]:
        return dict(_grouped(name, changed) if NETWORKS[name].groups else changed)

    group = f"{NETWORKS[name].groups[-1]}." if NETWORKS[name].groups else ""
    lacking = {key: value for key, value in state.items() if key != last}
    with pytest.raises(CheckpointError, match=rf"lacks 1 tensor\(s\): {last}$"):
        official(name, checkpoint(lacking), **options)
    with pytest.raises(CheckpointError, match=rf"has unknown 1 tensor\(s\): {group}odd.weight$"):
        official(name, checkpoint({**state, f"{group}odd.weight": torch.zeros(1)}), **options)
    with pytest.raises(CheckpointError, match=rf"{last} has shape \(9, 9\), expected"):
        official(name, checkpoint({**state, last: torch.zeros(9, 9)}), **options)


def test_missing_and_surplus_groups_are_named() -> None:
    groups = _grouped("cddfuse", build("cddfuse").state_dict())
    with pytest.raises(CheckpointError, match="lacks BaseFuseLayer"):
        official("cddfuse", {key: value for key, value in groups.items() if key != "BaseFuseLayer"})
    with pytest.raises(CheckpointError, match="has unknown CA1"):
        official("cddfuse", {**groups, "CA1": {}})


def test_file_with_code_in_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "whole.pth"
    torch.save({"params": build("sage")}, path)
    with pytest.raises(CheckpointError, match=r"whole\.pth.*could run code"):
        official("sage", path)


def test_unknown_network_gets_a_suggestion() -> None:
    with pytest.raises(MethodError, match="did you mean 'cddfuse'"):
        official("cddfus", {})


def test_package_is_light() -> None:
    code = "import sys; from regionfuse.fusion.baselines import official; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
