"""Every recipe on pieces of real pairs: the loss falls, and the images are neither flat nor negative."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from regionfuse.datasets.images import read_infrared, read_visible, write_png
from regionfuse.datasets.records import Pair
from regionfuse.fusion.apply import fuse_tensors
from regionfuse.fusion.names import HELPERS
from regionfuse.fusion.registry import create
from regionfuse.fusion.training.decomposition import DecompositionRecipe
from regionfuse.fusion.training.recipes import RECIPES, options_for, recipe_class
from regionfuse.fusion.training.trainer import train

SIDE = 48
# Where to cut, (stem, top, left): pieces of middle brightness, with much to see in both images.
PIECES = (("FLIR_04215", 112, 416), ("FLIR_04354", 48, 176))
# epochs, steps an epoch, learning rate, further options
RUNS: dict[str, tuple[int, int, float, dict[str, Any]]] = {
    "regionfuse": (3, 8, 2e-3, {"preset": "tiny"}),
    "piafusion": (3, 24, 1e-3, {}),
    "piafusion-xrestormer": (3, 10, 3e-4, {}),
    "cddfuse": (5, 4, 1e-3, {}),
    "ship": (3, 8, 1e-3, {}),
    "dcevo": (5, 4, 1e-3, {}),
    "sage": (3, 16, 2e-3, {}),
    "a2rnet": (4, 20, 1e-3, {"network": {"attack_steps": 0}}),
}


@pytest.fixture(scope="module")
def pieces(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Pair], Path]:
    """Pieces of two pairs of RoadScene, and a folder of labels: the larger of both images."""
    folder, data = tmp_path_factory.mktemp("pieces"), shared / "data" / "roadscene"
    pairs = []
    for stem, top, left in PIECES:
        window = slice(top, top + SIDE), slice(left, left + SIDE)
        visible = read_visible(data / "crop_LR_visible" / f"{stem}.jpg")[window]
        infrared = read_infrared(data / "cropinfrared" / f"{stem}.jpg")[window]
        files = {kind: folder / kind / f"{stem}.png" for kind in ("ir", "vi", "label")}
        write_png(files["vi"], visible)
        write_png(files["ir"], infrared)
        write_png(files["label"], np.maximum(visible.mean(axis=2), infrared))
        pairs.append(Pair(stem, files["ir"], files["vi"], SIDE, SIDE))
    return pairs, folder / "label"


def test_every_recipe_is_tried() -> None:
    assert RUNS.keys() | HELPERS.keys() == RECIPES.keys()


@pytest.mark.parametrize("method", RUNS)
def test_loss_falls_and_images_are_alive(
    method: str, pieces: tuple[list[Pair], Path], tmp_path: Path
) -> None:
    pairs, labels = pieces
    epochs, steps, rate, more = RUNS[method]
    if recipe_class(method).labels:
        more = {**more, "labels": labels}
    given = {"epochs": epochs, "steps_per_epoch": steps, "learning_rate": rate, **more}
    options = options_for(method, {**given, "batch_size": 2, "patch": SIDE, "device": "cpu"})
    result = train(options, pairs, (), tmp_path)

    curve = result.card["curves"]["train_total"]
    if issubclass(recipe_class(method), DecompositionRecipe):  # 2 epochs of the first phase, 3 of the second
        assert curve[0] > curve[1]
        curve = curve[2:]
    assert curve[-1] < 0.9 * curve[0], curve

    network = create(method, weights=result.weights)
    for pair in pairs:
        visible, infrared = read_visible(pair.visible), read_infrared(pair.infrared)
        fused = fuse_tensors(
            network, torch.from_numpy(infrared)[None, None], torch.from_numpy(visible).permute(2, 0, 1)[None]
        )
        image = fused[0].mean(dim=0).numpy()
        target = (visible.mean(axis=2) + infrared) / 2
        assert image.std() > 0.3 * target.std()
        assert np.corrcoef(image.ravel(), target.ravel())[0, 1] > 0.3  # the scene, not its negative
        assert abs(image.mean() - target.mean()) < 0.2
