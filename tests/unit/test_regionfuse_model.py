"""The network: sizes, range, gradients, determinism, precision, forms, routing."""

import json
from dataclasses import replace

import pytest
import torch

from regionfuse.datasets.errors import CheckpointError, ConfigError
from regionfuse.fusion.regionfuse.choices import CHOICES
from regionfuse.fusion.regionfuse.config import BASE, TINY, RegionFuseConfig, preset
from regionfuse.fusion.regionfuse.model import RegionFuse, expert_shares
from regionfuse.fusion.regionfuse.mora import MixtureOfRegionAttention
from regionfuse.fusion.regionfuse.xrestormer import ChannelAttention, WindowAttention, XRestormerBlock

SMALL = replace(
    TINY, width=8, heads=2, region=16, reach=32, router_hidden=4, decoder_width=8, decoder_blocks=1
)


def pair(batch, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, 1, height, width, generator=generator) for _ in range(2))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = RegionFuse(SMALL).eval()
    torch.nn.init.normal_(network.decoder.image.weight, std=0.1)  # so that something is to be seen
    return network


@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 23), (8, 8), (2, 90), (64, 48)])
def test_any_size(network, height, width):
    visible, infrared = pair(2, height, width)
    with torch.inference_mode():
        fused = network(visible, infrared)
    assert fused.shape == visible.shape and fused.dtype == torch.float32
    assert torch.isfinite(fused).all() and fused.min() >= 0 and fused.max() <= 1


def test_tiny_at_480_x_640():
    visible, infrared = pair(1, 480, 640)
    with torch.inference_mode():
        assert RegionFuse(TINY).eval()(visible, infrared).shape == (1, 1, 480, 640)


def test_untrained_network_returns_about_the_average():
    torch.manual_seed(0)
    visible, infrared = pair(1, 40, 40)
    with torch.inference_mode():
        fused = RegionFuse(SMALL).eval()(visible, infrared)
    assert (fused - (visible + infrared) / 2).abs().max() < 0.05


def test_images_of_a_batch_are_independent(network):
    visible, infrared = pair(3, 33, 41)
    with torch.inference_mode():
        together = network(visible, infrared)
        alone = torch.cat([network(visible[i : i + 1], infrared[i : i + 1]) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_evaluation_is_deterministic_and_training_is_seeded(network):
    visible, infrared = pair(1, 32, 32)
    with torch.inference_mode():
        assert torch.equal(network(visible, infrared), network(visible, infrared))
    twin = RegionFuse(SMALL).train()
    twin.load_state_dict(network.state_dict())

    def run(seed):
        torch.manual_seed(seed)
        return twin(visible, infrared, with_load_loss=True)

    (first, first_loss), (second, second_loss), (_, other_loss) = run(1), run(1), run(2)
    assert torch.equal(first, second) and first_loss == second_loss
    assert first_loss != other_loss, "the noise of the router comes from torch's generator"


@pytest.mark.parametrize("with_load_loss", [True, False])
def test_gradients_reach_every_parameter(with_load_loss):
    torch.manual_seed(0)
    network = RegionFuse(SMALL).train()
    visible, infrared = pair(2, 40, 40)
    out = network(visible, infrared, with_load_loss=with_load_loss)
    fused, load = out if with_load_loss else (out, 0.0)
    ((fused - 0.3) ** 2).mean().add(load).backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


def test_all_forms_of_the_network_agree_in_value_and_gradient():
    torch.manual_seed(0)
    network = RegionFuse(SMALL).train().double()
    torch.nn.init.normal_(network.decoder.image.weight, std=0.1)
    visible, infrared = (x.double() for x in pair(2, 50, 40))
    results = {}
    for form in ("auto", "packed", "folded", "dense"):
        network.zero_grad()
        torch.manual_seed(3)  # the same routing noise
        with network.attention_form(form):
            fused, load = network(visible, infrared, with_load_loss=True)
            ((fused - 0.3) ** 2).mean().add(load).backward()
        results[form] = [fused] + [p.grad.clone() for p in network.parameters()]
    for form in ("auto", "packed", "folded"):
        for value, dense in zip(results[form], results["dense"], strict=True):
            assert torch.allclose(value, dense, atol=1e-5, rtol=1e-5), form


def test_attention_form_is_restored_and_checked(network):
    layers = [m for m in network.modules() if isinstance(m, MixtureOfRegionAttention)]
    visible, infrared = pair(1, 32, 32)
    with torch.inference_mode():
        packed = network(visible, infrared)
        with network.attention_form("literal"):
            assert {layer.form for layer in layers} == {"literal"}
            literal = network(visible, infrared)
    assert {layer.form for layer in layers} == {"auto"}
    assert not torch.equal(packed, literal)
    with pytest.raises(ValueError, match="sparse"), network.attention_form("sparse"):
        pass


def test_bfloat16_autocast(network):
    visible, infrared = pair(1, 40, 40)
    with torch.inference_mode():
        exact = network(visible, infrared)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = network(visible, infrared)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.02
    twin = RegionFuse(SMALL).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fused, load = twin(visible, infrared, with_load_loss=True)
    (fused.mean() + load).backward()
    assert all(torch.isfinite(p.grad).all() for p in twin.parameters())


def test_routing_is_seen_only_when_asked_for(network):
    visible, infrared = pair(2, 40, 50)
    with torch.inference_mode(), network.observe_routing() as routings:
        network(visible, infrared)
        network(visible, infrared)
    assert len(routings) == 3
    assert routings[0].responsibilities.shape == (2, 16, 3, 4, 4)  # B, 2C, rows, columns, E
    shares = expert_shares(routings)
    assert shares.shape == (3, 4)
    assert torch.allclose(shares.sum(dim=1), torch.ones(3))
    before = [r.responsibilities for r in routings]
    with torch.inference_mode():
        network(infrared, visible)
    assert all(a is b.responsibilities for a, b in zip(before, routings, strict=True))


def test_published_size_of_an_x_restormer_block():
    def parameters(width, heads):
        block = XRestormerBlock(width, heads, heads, 16, 8, 0.5, 2.66)
        return sum(p.numel() for p in block.parameters())

    assert parameters(48, 1) == 55_853
    assert parameters(64, 2) == 98_954


def test_channel_attention_against_a_plain_formula():
    torch.manual_seed(0)
    layer = ChannelAttention(6, 2).double()
    torch.nn.init.uniform_(layer.temperature, 0.5, 2.0)
    x = torch.randn(2, 6, 5, 7, dtype=torch.float64)
    q, k, v = layer.depthwise(layer.qkv(x)).flatten(2).chunk(3, dim=1)
    wanted = torch.empty(2, 6, 35, dtype=torch.float64)
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        unit_q, unit_k = (torch.nn.functional.normalize(t[:, part], dim=-1) for t in (q, k))
        weights = (unit_q @ unit_k.transpose(1, 2) * layer.temperature[head]).softmax(-1)
        wanted[:, part] = weights @ v[:, part]
    assert torch.allclose(layer(x), layer.project(wanted.view(2, 6, 5, 7)), atol=1e-6)


def test_window_attention_against_loops():
    torch.manual_seed(0)
    layer = WindowAttention(4, 2, 3, window=4, overlap=0.5).double()
    x = torch.randn(1, 4, 8, 12, dtype=torch.float64)
    q, k, v = (t.view(2, 3, 8, 12) for t in layer.qkv(x)[0].chunk(3))
    wanted = torch.zeros(2, 3, 8, 12, dtype=torch.float64)
    for head in range(2):
        for row in range(8):
            for column in range(12):
                top, left = row // 4 * 4 - 1, column // 4 * 4 - 1
                query = q[head, :, row, column] * 3**-0.5
                scores, values = [], []
                for r in range(6):
                    for c in range(6):
                        y, z = top + r, left + c
                        inside = 0 <= y < 8 and 0 <= z < 12
                        zero = torch.zeros(3, dtype=torch.float64)
                        key = k[head, :, y, z] if inside else zero
                        values.append(v[head, :, y, z] if inside else zero)
                        relative = (
                            layer.row_offsets[r - row % 4 + 5] + layer.column_offsets[c - column % 4 + 5]
                        )
                        scores.append(query @ (key + relative))
                weights = torch.stack(scores).softmax(0)
                wanted[head, :, row, column] = weights @ torch.stack(values)
    assert torch.allclose(layer(x), layer.project(wanted.view(1, 6, 8, 12)), atol=1e-9)


def test_presets_and_region_sizes():
    assert preset("base") is BASE and preset("tiny") is TINY
    assert BASE.region_sizes == (72, 84, 96) and BASE.reach_regions == 14
    assert TINY.region_sizes == (48, 56, 64)
    with pytest.raises(ConfigError, match="base, tiny"):
        preset("huge")
    assert sum(p.numel() for p in RegionFuse(TINY).parameters()) <= 250_000


def test_config_round_trip_through_json():
    config = replace(TINY, region=32, gammas=(0.0, 0.25, 0.5))
    assert RegionFuseConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widht": 8}, "card.json: unknown RegionFuse setting 'widht'; did you mean 'width'"),
        ({"top_k": 5}, "top_k"),
        ({"gammas": [0.5]}, "gammas"),
        ({"gammas": 3}, "do not fit"),
        ({"width": "wide"}, "do not fit"),
    ],
)
def test_config_from_a_wrong_card(values, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        RegionFuseConfig.from_dict(values, source="card.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [{"heads": 3}, {"gammas": (0.5, 0.2, 0.1)}, {"gammas": (-0.1, 0.0, 0.1)}, {"top_k": 0}, {"region": 1}],
)
def test_config_rejects_what_cannot_work(change):
    with pytest.raises(ConfigError):
        replace(SMALL, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"top_k": 1},
        {"top_k": 4},
        {"experts": 6, "top_k": 3},
        {"stages": 1, "gammas": (0.0,)},
        {"stages": 4, "gammas": (0.0, 0.5, 1.0, 1.5)},
        {"region": 8},
        {"heads": 1, "reach": 1000},
        {"window_overlap": 0.0},
        {"channel_heads": 2, "spatial_heads": 2, "decoder_width": 16, "decoder_blocks": 2},
    ],
)
def test_every_choice_can_be_changed(change):
    torch.manual_seed(0)
    network = RegionFuse(replace(SMALL, **change)).train()
    visible, infrared = pair(1, 27, 35)
    fused, load = network(visible, infrared, with_load_loss=True)
    (fused.mean() + load).backward()
    assert fused.shape == (1, 1, 27, 35) and torch.isfinite(load)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_choices_are_plain_sentences_for_the_card():
    assert "unofficial" in CHOICES["status"]
    assert all(text and "\n" not in text for text in CHOICES.values())
