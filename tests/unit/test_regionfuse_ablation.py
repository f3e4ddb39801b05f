"""Ablation switches: each removes what it says, nothing changes where none is set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from regionfuse.datasets.errors import ConfigError
from regionfuse.fusion.efficiency import multiply_accumulates
from regionfuse.fusion.regionfuse.choices import CHOICES
from regionfuse.fusion.regionfuse.config import (
    BASE,
    SWITCHES,
    TINY,
    RegionFuseConfig,
    network_config,
)
from regionfuse.fusion.regionfuse.encoder_blocks import ConvolutionBlock, RestormerBlock
from regionfuse.fusion.regionfuse.model import RegionFuse, expert_shares
from regionfuse.fusion.regionfuse.mora import MixtureOfRegionAttention
from regionfuse.fusion.regionfuse.xrestormer import ChannelAttention, WindowAttention, XRestormerBlock
from regionfuse.pipeline.commands.train import settings
from regionfuse.pipeline.config import SourceConfig, dump_config
from regionfuse.pipeline.config_file import build_config
from regionfuse.pipeline.trainings import training_options

SMALL = replace(
    TINY, width=8, heads=2, region=16, reach=32, router_hidden=4, decoder_width=8, decoder_blocks=1
)
VARIANTS: tuple[dict[str, str], ...] = tuple(
    {name: value} for name, values in SWITCHES.items() for value in values[1:]
)


def pair(batch: int, height: int, width: int) -> Iterator[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(batch, 1, height, width, generator=generator) for _ in range(2))


def built(config: RegionFuseConfig) -> RegionFuse:
    torch.manual_seed(0)
    network = RegionFuse(config).eval()
    nn.init.normal_(network.decoder.image.weight, std=0.1)  # so that something is to be seen
    return network


EARLIER = {"gammas": (1 / 8, 1 / 4, 3 / 8)}
"""Sizes of the presets when the switches came; names and weights were pinned with them."""


@pytest.mark.parametrize(
    ("config", "tensors", "names", "first"),
    [
        (
            replace(TINY, heads=12, **EARLIER),
            125,
            "f635b7581427860213cdab62f0806c4c",
            (8.2274433e-4, 1.5415912e-4),
        ),
        (
            replace(BASE, heads=16, router_hidden=106, mlp_expansion=4.0, **EARLIER),
            213,
            "4dc2b2a76ba9674c01d45ea0aa9783d1",
            (-1.07287452e-3, -8.7404781e-4),
        ),
    ],
)
def test_without_a_switch_names_and_first_weights_are_those_from_before_there_were_any(
    config: RegionFuseConfig, tensors: int, names: str, first: tuple[float, float]
) -> None:
    torch.manual_seed(0)
    state = RegionFuse(config).state_dict()
    listed = "\n".join(f"{name} {tuple(tensor.shape)}" for name, tensor in state.items())
    assert len(state) == tensors and hashlib.sha256(listed.encode()).hexdigest()[:32] == names
    # Drawn last: they show that everything before took its random numbers in the same order.
    assert state["decoder.image.weight"].flatten()[:2].tolist() == pytest.approx(first, rel=1e-6)


def test_cards_without_switches_load_and_look_the_same() -> None:
    values = TINY.to_dict()
    assert not set(SWITCHES) & set(values)
    assert RegionFuseConfig.from_dict(values) == TINY
    changed = TINY.changed({"attention": "plain", "gammas": [0.1, 0.2, 0.3]})
    assert changed.to_dict()["attention"] == "plain"
    assert RegionFuseConfig.from_dict(json.loads(json.dumps(changed.to_dict()))) == changed


@pytest.mark.parametrize("change", VARIANTS, ids=str)
def test_every_variant_trains_and_fuses_any_size(change: dict[str, str]) -> None:
    network = built(SMALL.changed(change)).train()
    visible, infrared = pair(2, 27, 41)
    fused, load = network(visible, infrared, with_load_loss=True)
    ((fused - 0.3) ** 2).mean().add(load).backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []
    assert torch.isfinite(load) and (load == 0) == (change.get("attention") == "plain")
    network.eval()
    with torch.inference_mode(), network.observe_routing() as routings:
        together = network(visible, infrared)
        alone = torch.cat([network(visible[i : i + 1], infrared[i : i + 1]) for i in range(2)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together, built(SMALL)(visible, infrared), atol=1e-3)
    assert len(routings) == (0 if change.get("attention") == "plain" else 3)
    assert expert_shares(routings).shape == ((0, 0) if change.get("attention") == "plain" else (3, 4))


def kinds(network: nn.Module) -> set[type]:
    return {type(module) for module in network.modules()}


def test_encoders() -> None:
    config = replace(SMALL, encoder_blocks=2, decoder_blocks=0)
    restormer, plain = (RegionFuse(config.changed({"encoder": k})) for k in ("restormer", "convolution"))
    assert XRestormerBlock not in kinds(restormer) and WindowAttention not in kinds(restormer)
    blocks = restormer.visible_encoder.blocks
    assert len(blocks) == 4 and all(isinstance(block, RestormerBlock) for block in blocks)
    assert not {XRestormerBlock, ChannelAttention} & kinds(plain)
    assert [type(block) for block in plain.infrared_encoder.blocks] == [ConvolutionBlock] * 2


def test_plain_attention_is_one_softmax_over_all_tokens_of_a_group() -> None:
    torch.manual_seed(0)
    layer = MixtureOfRegionAttention(4, 2, 8, 8, 10, 4, 2, 6, routing="none").double().eval()
    assert not any("router" in name for name, _ in layer.named_parameters())
    nn.init.uniform_(layer.log_alpha, -2, -1)
    x = torch.randn(1, 4, 16, 24, dtype=torch.float64)
    mixed, load, _ = layer(x, with_load_loss=True)
    q, k, v = layer.depthwise(layer.qkv(x)).chunk(3, dim=1)

    def tokens(y: torch.Tensor) -> torch.Tensor:  # 2 groups of 2 channels, 2 x 3 regions: 12 tokens
        return y.view(2, 2, 2, 8, 3, 8).permute(0, 1, 2, 4, 3, 5).reshape(2, 12, 64)

    scores = tokens(q) @ tokens(k).transpose(1, 2) / (8 * layer.log_alpha.exp()[:, None, None])
    wanted = (scores.softmax(-1) @ tokens(v)).view(2, 2, 2, 3, 8, 8).permute(0, 1, 2, 4, 3, 5)
    assert torch.allclose(mixed, layer.project(wanted.reshape(1, 4, 16, 24)), atol=1e-6)
    assert load == 0


def test_sample_routing_decides_once_an_image() -> None:
    network = built(SMALL.changed({"routing": "sample"}))
    visible, infrared = pair(8, 40, 50)
    with torch.inference_mode(), network.observe_routing() as routings:
        network(visible * torch.linspace(0.1, 1, 8).view(8, 1, 1, 1), infrared)
    for routing in routings:
        assert routing.responsibilities.shape == (8, 16, 3, 4, 4)
        first = routing.responsibilities[:, :1, :1, :1]
        assert torch.equal(routing.responsibilities, first.expand_as(routing.responsibilities))
        assert torch.equal(routing.chosen, routing.chosen[:, :1, :1, :1].expand_as(routing.chosen))
        assert (routing.chosen.sum(-1) == 2).all()
        assert first.flatten(1).std(dim=0).min() > 0, "images differ, so do their decisions"


def test_plain_compression_has_no_gates() -> None:
    network = RegionFuse(SMALL.changed({"compression": "convolution"}))
    names = [name for name, _ in network.named_parameters() if "compression" in name]
    assert sorted(names) == sorted(
        f"stages.{stage}.compression.compress.{kind}" for stage in range(3) for kind in ("weight", "bias")
    )


def test_literal_mask_is_the_formula_as_printed() -> None:
    literal, meant = built(SMALL.changed({"mask": "literal"})), built(SMALL)
    visible, infrared = pair(1, 32, 48)
    with torch.inference_mode():
        with meant.attention_form("literal"):
            wanted = meant(visible, infrared)
        assert torch.equal(literal(visible, infrared), wanted)
        with literal.attention_form("dense"):
            literal(visible, infrared)
        assert torch.equal(literal(visible, infrared), wanted), "the form comes back after a comparison"


TABLE = {
    "base": (BASE, {}, 2_813_030, 458.13),
    "Restormer encoder": (BASE, {"encoder": "restormer"}, 2_821_738, 458.09),
    "encoder of convolutions": (BASE, {"encoder": "convolution"}, 2_777_490, 438.92),
    "no X-Restormer": (BASE, {"encoder": "convolution", "decoder_blocks": 0}, 2_579_582, 369.448),
    "plain attention": (BASE, {"attention": "plain"}, 537_080, 286.448),
    "plain convolution": (BASE, {"compression": "convolution"}, 2_800_550, 457.29),
    "sample routing": (BASE, {"routing": "sample"}, 2_813_225, 448.00),
    "literal mask": (BASE, {"mask": "literal"}, 2_813_030, 458.13),
    "width 24": (BASE, {"width": 24, "heads": 24, "decoder_width": 48}, 2_591_594, 319.31),
    "width 48": (BASE, {"width": 48, "heads": 48, "decoder_width": 96}, 3_428_342, 789.21),
    "no groups": (BASE, {"heads": 1}, 2_812_937, 8801.60),
    "small router": (BASE, {"router_hidden": 32}, 1_911_248, 454.09),
    "no overlap": (BASE, {"gammas": [0, 0, 0]}, 1_271_366, 268.78),
    "no decoder blocks": (BASE, {"decoder_blocks": 0}, 2_615_122, 388.66),
    "tiny": (TINY, {}, 222_602, 54.06),
    "tiny, plain attention": (TINY, {"attention": "plain"}, 31_558, 28.06),
}

# Where the card states these multiply-accumulates.
STATED = {
    **dict.fromkeys(("width 24", "width 48"), "width"),
    **dict.fromkeys(
        ("Restormer encoder", "encoder of convolutions", "no X-Restormer", "plain attention"), "ablations"
    ),
    **dict.fromkeys(("plain convolution", "sample routing"), "ablations"),
    "small router": "router",
    "no overlap": "overlap",
    "no decoder blocks": "decoder",
}


@pytest.mark.parametrize("name", TABLE)
def test_sizes_at_480_x_640_are_those_that_the_card_states(name: str) -> None:
    config, change, parameters, giga = TABLE[name]
    with torch.device("meta"):
        network = RegionFuse(config.changed(change)).eval()
        images = torch.rand(1, 1, 480, 640), torch.rand(1, 1, 480, 640)
    assert sum(p.numel() for p in network.parameters()) == parameters
    if name in STATED:
        assert f"{giga:.1f} G" in CHOICES[STATED[name]]
    with network.attention_form("dense"):
        # Work done twice where an image is computed in strips may come on top, a little.
        assert multiply_accumulates(lambda: network(*images)) / 1e9 == pytest.approx(giga, rel=0.02)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"expert": 6}, "unknown RegionFuse setting 'expert'; did you mean 'experts'"),
        ({"experts": "six"}, "experts: expected a whole number, found 'six'"),
        ({"experts": 2.5}, "experts: expected a whole number"),
        ({"top_k": True}, "top_k: expected a whole number"),
        ({"gammas": 0.2}, "gammas: expected a list of numbers"),
        ({"attention": "off"}, "attention: expected one of mora, plain, found 'off'"),
        ({"attention": False}, "attention: expected one of mora, plain"),
        ({"mlp_expansion": "4"}, "mlp_expansion: expected a number"),
        ({"encoder_blocks": -1}, "encoder_blocks must be at least 0"),
        ({"top_k": 9}, "top_k .9. must not exceed experts"),
        ({"stages": 2}, "gammas needs 2 values"),
        ({"channel_heads": 5}, "must be a multiple of its 5 heads"),
    ],
)
def test_settings_that_do_not_fit(values: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        TINY.changed(values)
    assert "\n" not in str(caught.value)


def test_network_config_joins_preset_and_settings() -> None:
    config = network_config("tiny", {"experts": 6, "top_k": 1.0, "mlp_expansion": 3}, region=24)
    assert config == replace(TINY, experts=6, top_k=1, mlp_expansion=3.0, region=24)
    with pytest.raises(ConfigError, match=r"region is 24 but network.region is 32"):
        network_config("tiny", {"region": 32}, region=24)


def test_only_evaluation_clips() -> None:
    network = built(SMALL)
    with torch.no_grad():
        network.decoder.image.weight.mul_(50)
    visible, infrared = pair(1, 24, 24)
    fused = network.train()(visible, infrared)
    assert fused.max() > 1 or fused.min() < 0
    with torch.inference_mode():
        clipped = network.eval()(visible, infrared)
    assert clipped.min() >= 0 and clipped.max() <= 1


def test_settings_in_the_configuration_of_a_run(tmp_path: Path) -> None:
    tree = {"dataset": {"root": str(tmp_path)}, "fusion": {"network": {"experts": 6, "attention": "plain"}}}
    config = build_config(tree, ["fusion.network.top_k=3"], base=tmp_path)
    options = training_options(SourceConfig(name="regionfuse"), config.fusion)
    assert dict(options.network) == {"experts": 6, "attention": "plain", "top_k": 3}
    assert build_config(dump_config(config), base=tmp_path) == config
    with pytest.raises(ConfigError, match="unknown RegionFuse setting 'expert'; did you mean 'experts'"):
        build_config(tree, ["fusion.network.expert=3"], base=tmp_path)


def test_settings_on_the_command_line() -> None:
    read = settings(["experts=6", "attention=plain", "gammas=[0, 0.1, 0.2]"])
    assert read == {"experts": 6, "attention": "plain", "gammas": [0, 0.1, 0.2]}
    for wrong in ("experts", "=3", "experts=", "gammas=[1"):
        with pytest.raises(ConfigError, match="--network"):
            settings([wrong])
