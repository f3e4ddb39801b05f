"""The baselines' networks against tensors, and their images against images, of the official ones.

Outputs are compared before any clamp or stretch. Networks without official weights have the same reproducible
weights on both sides, filled in by tensor name.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from regionfuse.datasets.images import read_rgb8
from regionfuse.datasets.load import pair_folders
from regionfuse.fusion.baselines import official
from regionfuse.fusion.baselines.catalogue import NETWORKS
from regionfuse.fusion.baselines.unet import UNetConfig
from regionfuse.fusion.registry import create
from regionfuse.fusion.run import fuse_pairs

State = dict[str, torch.Tensor]

WEIGHTS = {"sage": "SAGE_checkpoints.pt", "ship": "SHIP_model.pth"}
GAINS = {"piafusion": 1.6, "cddfuse": 0.85, "dcevo": 0.97, "a2rnet": 0.85}
REDUCED = UNetConfig(width=32, factors=(1, 2, 2), blocks=1, attention=(2, 4), head_width=16)


@pytest.fixture(scope="module")
def fill(shared: Path) -> Callable[[State, float], State]:
    """The function that both sides take their weights from; it lies beside the arrays."""
    spec = importlib.util.spec_from_file_location("parity_fill", shared / "parity" / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.filled


def _keys(shared: Path, name: str) -> dict[str, list[int]]:
    return json.loads((shared / "parity" / f"{name}.keys.json").read_text())


def _filled(shared: Path, name: str, fill: Callable[[State, float], State]) -> State:
    return fill({key: torch.zeros(shape) for key, shape in _keys(shared, name).items()}, GAINS[name])


def _arrays(shared: Path, name: str) -> State:
    with np.load(shared / "parity" / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


def _nested(name: str, state: State) -> dict[str, object]:
    """Turn joined names into the nesting of the published file."""
    groups = NETWORKS[name].groups
    if not groups:
        return {"params": state} if name == "ship" else dict(state)
    return {
        group: {
            f"module.{key.removeprefix(group + '.')}": value
            for key, value in state.items()
            if key.startswith(group + ".")
        }
        for group in groups
    }


@pytest.mark.parametrize("name", [*GAINS, *WEIGHTS])
def test_raw_output_is_the_official_networks(
    name: str, shared: Path, fill: Callable[[State, float], State]
) -> None:
    if name in WEIGHTS:
        network = official(name, shared / "data" / "weights" / WEIGHTS[name])
    else:
        network = official(name, _nested(name, _filled(shared, name, fill)))
    arrays = _arrays(shared, name)
    for index in range(2):
        visible, infrared, wanted = (arrays[f"{kind}_{index}"] for kind in ("visible", "infrared", "fused"))
        with torch.inference_mode():
            fused = network(visible, infrared)
            other = network(visible, visible)
        assert wanted.std() > 0.02, "a degenerate reference"
        assert (other - wanted).abs().max() > 1e-2, "would pass with any input"
        assert (fused - wanted).abs().max() < 1e-4


def test_ddfm_network_and_sample_are_the_official_ones(
    shared: Path, fill: Callable[[State, float], State]
) -> None:
    keys = json.loads((shared / "parity" / "ddfm.json").read_text())["keys"]
    state = fill({key: torch.zeros(shape) for key, shape in keys.items()}, 1.0)
    network = official("ddfm", state, config=REDUCED, steps=10)
    arrays = _arrays(shared, "ddfm")
    with torch.inference_mode():
        noise = network.unet(arrays["start_noise"], arrays["unet_timestep"])
        sample = network.sample(arrays["I"], arrays["V"], arrays["start_noise"])
        exchanged = network.sample(arrays["V"], arrays["I"], arrays["start_noise"])
    assert (noise - arrays["unet_output"]).abs().max() < 1e-3
    assert (sample - arrays["sample"]).abs().max() < 1e-3
    assert (exchanged - arrays["sample"]).abs().max() > 0.1


@pytest.mark.parametrize("name", [*GAINS, *WEIGHTS])
def test_names_and_shapes_are_those_of_the_published_file(name: str, shared: Path) -> None:
    keys = _keys(shared, name)
    state = {key: torch.full(shape, 0.25) for key, shape in keys.items()}
    for checkpoint in (state, _nested(name, state)):
        network = official(name, checkpoint)
        found = {key: list(value.shape) for key, value in network.state_dict().items()}
        assert found == keys
        assert all(bool((value == 0.25).all()) for value in network.parameters())


def test_illumination_classifier_loads_and_tells_day_from_night(shared: Path) -> None:
    network = official("piafusion-illumination", shared / "data" / "weights" / "PIAFusion_best_cls.pth")
    folder = shared / "data" / "msrs" / "vi"
    for letter, is_day in (("D", True), ("N", False)):
        paths = sorted(folder.glob(f"*{letter}.png"))[:6]
        assert paths
        images = [torch.from_numpy(read_rgb8(path)).permute(2, 0, 1)[None] / 255 for path in paths]
        with torch.inference_mode():
            weights = torch.cat([network.visible_weight(image) for image in images])
        assert ((weights > 0.5) == is_day).float().mean() > 0.8


@pytest.mark.parametrize(
    ("name", "scene", "stem"), [("sage", "m3fd", "00000"), ("sage", "tno", "05"), ("ship", "tno", "06")]
)
def test_published_mode_makes_the_official_images(
    name: str, scene: str, stem: str, shared: Path, tmp_path: Path
) -> None:
    folders = {"m3fd": ("Ir", "Vis"), "tno": ("ir", "vi")}[scene]
    infrared, visible = (shared / "data" / scene / folder for folder in folders)
    pair = next(pair for pair in pair_folders(infrared, visible) if pair.stem == stem)
    method = create(f"{name}:published", weights=shared / "data" / "weights" / WEIGHTS[name])
    fuse_pairs(method, [pair], tmp_path, device="cpu")
    made = read_rgb8(tmp_path / f"{stem}.png").astype(int)
    wanted = read_rgb8(shared / "golden" / "fused" / name.upper() / scene / f"{stem}.png").astype(int)
    difference = np.abs(made - wanted)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.001
