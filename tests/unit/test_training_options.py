"""Options, schedule, device and registry: what the user can get wrong, and what the schedule does."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch

from regionfuse.datasets.errors import ConfigError, MethodError
from regionfuse.fusion.training.distributed import choose_device
from regionfuse.fusion.training.options import TrainingOptions
from regionfuse.fusion.training.precision import Precision
from regionfuse.fusion.training.recipes import options_for, recipe_for, trainable
from regionfuse.fusion.training.schedule import warmup_cosine
from regionfuse.pipeline.commands.train import settings


def test_options_survive_json() -> None:
    options = TrainingOptions(epochs=3, init_weights=Path("a/b.safetensors"), steps_per_epoch=7)
    assert TrainingOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options
    assert TrainingOptions.from_dict({}) == TrainingOptions()


def test_misspelt_option_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'learning_rate'"):
        TrainingOptions.from_dict({"learning_rat": 1e-3})


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"warmup_epochs": -1},
        {"amp": "half"},
        {"steps_per_epoch": 0},
        {"patch": 2},
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        TrainingOptions.from_dict(wrong)


def test_a_setting_of_the_network_needs_a_value() -> None:
    with pytest.raises(ConfigError, match="expected a value for illumination, found none"):
        options_for("piafusion", {"network": settings(["illumination=null"])})


def test_schedule_warms_up_and_falls_to_zero() -> None:
    factors = [warmup_cosine(step, 100, 10) for step in range(100)]
    assert all(b > a for a, b in itertools.pairwise(factors[:11]))
    assert factors[10] == 1.0
    assert all(b < a for a, b in itertools.pairwise(factors[10:]))
    assert 0 < factors[0] <= 0.1 and 0 < factors[-1] < 1e-3
    assert factors[55] == pytest.approx(0.5)


def test_warmup_of_a_short_run_is_cut() -> None:
    assert warmup_cosine(2, 8, 100) == 1.0
    assert warmup_cosine(0, 1, 100) == 1.0


def test_unknown_method_and_registry() -> None:
    assert "regionfuse" in trainable()
    with pytest.raises(MethodError, match="did you mean 'regionfuse'"):
        recipe_for(TrainingOptions(method="regionfus"))


def test_devices() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="unknown device"):
        choose_device("gpu")
    if not torch.cuda.is_available():
        assert choose_device("auto") == torch.device("cpu")
        with pytest.raises(ConfigError, match="no GPU"):
            choose_device("cuda")


def test_cpu_trains_in_float32(caplog: pytest.LogCaptureFixture) -> None:
    assert Precision("auto", torch.device("cpu")).name == "float32"
    assert not caplog.records
    assert Precision("fp16", torch.device("cpu")).name == "float32"
    assert "for GPUs" in caplog.text
