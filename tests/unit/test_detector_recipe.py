"""The recipe is complete, checked, and says what it does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from regionfuse.datasets.errors import ConfigError
from regionfuse.detection.recipe import DetectorRecipe


def test_to_dict_is_json_and_round_trips() -> None:
    recipe = DetectorRecipe(weights=Path("a/b.pt"), epochs=3)
    values = json.loads(json.dumps(recipe.to_dict()))
    assert values["weights"] == "a/b.pt"
    assert DetectorRecipe.from_dict(values).to_dict() == recipe.to_dict()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"optimizer": "auto"}, "one of SGD"),
        ({"image_size": 300}, "multiple of 32"),
        ({"epochs": 0}, "at least 1"),
        ({"epochs": "3"}, "whole number"),
        ({"batch_size": True}, "whole number"),
        ({"mosaic": 1.5}, "from 0 to 1"),
        ({"learning_rate": 0}, "above 0"),
        ({"select": "test"}, "last, best_val"),
        ({"amp": 1}, "true or false"),
    ],
)
def test_wrong_values_are_one_clear_line(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        DetectorRecipe.from_dict(values)
    assert "\n" not in str(caught.value)
    assert "detector." in str(caught.value)


def test_every_argument_of_ultralytics_training_is_pinned() -> None:
    """A new version with a new knob must fail here, not change results."""
    from regionfuse.detection.arguments import ultralytics_arguments
    from regionfuse.detection.yolo import DEFAULT_CFG_DICT

    names = list(DEFAULT_CFG_DICT)
    training = set(names[: names.index("overlap_mask")]) | set(names[names.index("lr0") : names.index("cfg")])
    elsewhere = {"pose", "kobj", "rle", "angle", "dlog", "dgrad", "dlam", "dis"}  # losses of other tasks
    stated = ultralytics_arguments(DetectorRecipe(), 0, torch.device("cpu"), Path("x"))
    assert training - elsewhere - set(stated) == set()
    assert stated["optimizer"] == "SGD"
    assert stated["cls_remap"] is False
    assert stated["augmentations"] == []
    assert stated["nbs"] == stated["batch"]


def test_no_gpu_settings_on_a_processor() -> None:
    from regionfuse.detection.arguments import ultralytics_arguments

    recipe = DetectorRecipe(amp=True, workers=4)
    assert ultralytics_arguments(recipe, 0, torch.device("cpu"), Path("x"))["amp"] is False
    assert ultralytics_arguments(recipe, 0, torch.device("cuda", 1), Path("x"))["device"] == "1"


def test_unknown_device_is_refused() -> None:
    from regionfuse.datasets.errors import DetectorError
    from regionfuse.detection.device import pick_device

    assert pick_device("cpu").type == "cpu"
    for name in ("gpu", "cuda:99"):
        with pytest.raises(DetectorError, match=name):
            pick_device(name)
