"""The baselines' networks on their own: any size, batches, precision, cost."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from regionfuse.fusion.baselines.catalogue import build
from regionfuse.fusion.baselines.ddfm import DDFM, from_limited_range, to_limited_range
from regionfuse.fusion.baselines.diffusion import schedule
from regionfuse.fusion.baselines.unet import UNetConfig
from regionfuse.fusion.registry import describe

sys.path.append(str(Path(__file__).resolve().parents[1]))
from baselines_lively import GAINS, lively, pair

SMALL = UNetConfig(width=32, factors=(1, 1, 2), blocks=1, attention=(4,), head_width=32)
NAMES = tuple(GAINS)
ONE_PASS = tuple(name for name in NAMES if name != "ddfm")


@pytest.fixture(scope="module", params=NAMES)
def named(request: pytest.FixtureRequest) -> tuple[str, nn.Module]:
    name = request.param
    network = DDFM(SMALL, steps=3) if name == "ddfm" else build(name)
    return name, lively(network, GAINS[name])


def test_any_size_in_is_the_same_size_out(named: tuple[str, nn.Module]) -> None:
    _, network = named
    for height, width in ((33, 50), (17, 16), (8, 5)):
        with torch.inference_mode():
            fused = network(*pair(height, width))
        assert fused.shape == (1, 1, height, width)
        assert fused.dtype == torch.float32
        assert torch.isfinite(fused).all()
        assert fused.std() > 1e-3, "a constant image would pass everything else"


def test_images_of_a_batch_do_not_touch_one_another(named: tuple[str, nn.Module]) -> None:
    _, network = named
    visible, infrared = pair(33, 40, batch=2)
    with torch.inference_mode():
        both = network(visible, infrared)
        each = torch.cat([network(visible[i : i + 1], infrared[i : i + 1]) for i in range(2)])
    assert (both - each).abs().max() < 2e-5
    assert (both[0] - both[1]).abs().max() > 1e-2


def test_both_inputs_count(named: tuple[str, nn.Module]) -> None:
    _, network = named
    visible, infrared = pair(32, 48)
    with torch.inference_mode():
        fused = network(visible, infrared)
        other_visible, other_infrared = network(1 - visible, infrared), network(visible, 1 - infrared)
    assert (fused - other_visible).abs().mean() > 1e-3
    assert (fused - other_infrared).abs().mean() > 1e-3


@pytest.mark.parametrize("name", ONE_PASS)
def test_half_precision_under_autocast_stays_close(name: str) -> None:
    network = lively(build(name), min(GAINS[name], 0.5))
    with torch.inference_mode():
        images = pair(32, 40)
        exact = network(*images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = network(*images)
    assert torch.isfinite(half).all()
    assert (half.float() - exact).abs().mean() < 0.05 * max(float(exact.std()), 0.1)


@pytest.mark.parametrize("name", ONE_PASS)
def test_gradients_reach_every_parameter_that_is_called(name: str) -> None:
    network = lively(build(name), GAINS[name]).train()
    network(*pair(16, 16, batch=2)).sum().backward()
    idle = {key.split(".")[0] for key, value in network.named_parameters() if value.grad is None}
    unused = {"a2rnet": {"C2_ESSA", "C4_ESSA"}}
    assert idle == unused.get(name, set())


# Table 4 of the supplement: millions of parameters, billions of multiply-accumulates of a 480 x 640 pair.
TABLE_4 = {
    "piafusion": ("1.18", "361.06"),
    "cddfuse": ("1.19", "547.74"),  # convolutions only
    "ship": ("0.55", "164.81"),
    "dcevo": ("2.00", "912.98"),
    "sage": ("0.14", "20.21"),
    "a2rnet": ("10.61", "171.19"),
}


@pytest.mark.parametrize("name", TABLE_4)
def test_cost_is_the_published_one_to_the_last_digit(name: str) -> None:
    record = describe(name)
    found = f"{record['parameters'] / 1e6:.2f}", f"{record['multiply_accumulates'] / 1e9:.2f}"
    assert found == TABLE_4[name]


def test_cost_of_ddfm_is_that_of_100_steps() -> None:
    record = describe("ddfm")
    assert f"{record['parameters'] / 1e6:.2f}" == "552.81"
    assert f"{record['multiply_accumulates'] / 1e9:.2e}" == "5.36e+05"


def test_schedule_is_spread_evenly_and_ends_without_noise() -> None:
    steps = schedule(100)
    assert [step.timestep for step in steps] == [round(i * 999 / 99) for i in reversed(range(100))]
    assert steps[-1].next_signal == 1.0
    assert all(a.next_signal == b.signal for a, b in itertools.pairwise(steps))
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    assert steps[0].signal == pytest.approx(float((1 - betas).prod()))
    with pytest.raises(ValueError, match="found 1"):
        schedule(1)


def test_a_step_from_the_true_noise_keeps_the_image() -> None:
    step = schedule(10)[3]
    image, noise = torch.rand(1, 3, 4, 4) * 2 - 1, torch.randn(1, 3, 4, 4)
    noisy = step.signal**0.5 * image + (1 - step.signal) ** 0.5 * noise
    assert torch.allclose(step.clean(noisy, noise), image, atol=1e-5)
    onward = step.next_signal**0.5 * image + (1 - step.next_signal) ** 0.5 * noise
    assert torch.allclose(step.advance(noisy, image), onward, atol=1e-5)


def test_limited_range_planes_of_known_colours() -> None:
    white, blue = torch.ones(1, 3, 1, 1), torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    assert torch.allclose(
        (to_limited_range(white) * 255).flatten(), torch.tensor([235.0, 128, 128]), atol=1e-3
    )
    assert torch.allclose((to_limited_range(blue) * 255).flatten()[1], torch.tensor(240.0), atol=1e-3)
    image = torch.rand(2, 3, 4, 5) * 2 - 1
    assert torch.allclose(from_limited_range(to_limited_range(image)), image, atol=1e-5)


def test_ddfm_reports_its_steps_and_exchanges_the_images_as_published() -> None:
    network = lively(DDFM(SMALL, steps=3))
    visible, infrared = pair(16, 16)
    seen: list[tuple[int, int]] = []
    with torch.inference_mode():
        published = network(visible, infrared, progress=lambda done, total, _: seen.append((done, total)))
        network.swapped = False
        assert torch.equal(network(infrared, visible), published)
        assert not torch.allclose(network(visible, infrared), published, atol=1e-3)
    assert seen == [(1, 3), (2, 3), (3, 3)]
