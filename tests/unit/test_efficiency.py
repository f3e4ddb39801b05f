"""Parameters and multiply-accumulates against numbers worked out by hand."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from regionfuse.fusion.card import MethodCard
from regionfuse.fusion.contract import FusionMethod
from regionfuse.fusion.efficiency import (
    Cost,
    count_parameters,
    method_cost,
    multiply_accumulates,
    own_form_cost,
)
from regionfuse.fusion.regionfuse.config import BASE, TINY
from regionfuse.fusion.regionfuse.model import RegionFuse
from regionfuse.fusion.regionfuse.mora import MixtureOfRegionAttention
from regionfuse.fusion.regionfuse.strips import whole_images
from regionfuse.fusion.regionfuse.xrestormer import XRestormerBlock


class Wrapped(FusionMethod):
    """Any network as a method."""

    def __init__(self, network, stride=1, color="luminance"):
        self.network = network
        self.card = MethodCard(name="wrapped", title="Wrapped", kind="learned", stride=stride, color=color)

    def fuse(self, infrared, visible):
        with torch.inference_mode():
            return self.network(visible, infrared)


class Mean(FusionMethod):
    card = MethodCard(name="mean", title="Mean", kind="trivial")

    def fuse(self, infrared, visible):
        return (infrared + visible) / 2


class Reader(nn.Module):
    """Looks at values, which meta tensors do not have."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, visible, infrared):
        return self.conv(visible)[:, :1] if visible.mean().item() > -1 else infrared


def test_parameters_of_shared_layers_count_once():
    layer = nn.Linear(3, 4)
    assert count_parameters(nn.Sequential(layer, nn.BatchNorm1d(4), nn.Linear(4, 3), layer)) == 16 + 8 + 15


X = torch.rand(2, 6, 8, 10)
ELEMENTS = X.numel()
CASES = {
    "conv": (nn.Conv2d(6, 4, 3, padding=1), 2 * 80 * 4 * 6 * 9),
    "grouped conv": (nn.Conv2d(6, 6, 3, padding=1, groups=6), 2 * 80 * 6 * 9),
    "strided conv": (nn.Conv2d(6, 4, 2, stride=2), 2 * 20 * 4 * 6 * 4),
    "transposed conv": (nn.ConvTranspose2d(6, 4, 2, stride=2), 2 * 80 * 4 * 6 * 4),
    "linear": (lambda x: F.linear(x, torch.ones(7, 10)), 2 * 6 * 8 * 10 * 7),
    "attention": (lambda x: F.scaled_dot_product_attention(x, x, x), 2 * 6 * (8 * 8 * 10) * 2),
    "einsum": (lambda x: torch.einsum("bchw,bciw->bchi", x, x), 2 * 6 * 8 * 8 * 10),
    "activation": (nn.GELU(), 0),
    "element-wise": (lambda x: x * x + 1, 0),
    "plain pooling": (nn.AvgPool2d(2), 0),
    "batch norm": (nn.BatchNorm2d(6).eval(), 2 * ELEMENTS),
    "batch norm without affine": (nn.BatchNorm2d(6, affine=False).eval(), ELEMENTS),
    "layer norm": (nn.LayerNorm(10), 5 * ELEMENTS),
    "layer norm without affine": (nn.LayerNorm(10, elementwise_affine=False), 4 * ELEMENTS),
    "group norm": (nn.GroupNorm(2, 6), 5 * ELEMENTS),
    "instance norm": (nn.InstanceNorm2d(6), 4 * ELEMENTS),
    "instance norm with affine": (nn.InstanceNorm2d(6, affine=True), 5 * ELEMENTS),
    "adaptive pooling": (nn.AdaptiveAvgPool2d(2), ELEMENTS),
    "nearest": (nn.Upsample(scale_factor=2), 4 * ELEMENTS),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), 4 * 4 * ELEMENTS),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_rules(name, device):
    operation, wanted = CASES[name]
    if device == "meta" and isinstance(operation, nn.Module):
        operation = operation.to("meta")
    elif name == "linear" and device == "meta":
        pytest.skip("its weight is a plain CPU tensor")
    x = X.to(device)
    assert multiply_accumulates(lambda: operation(x)) == wanted


def test_cost_without_network():
    assert method_cost(Mean(), 48, 64) == Cost(0, 0)


def test_cost_is_counted_at_the_padded_size_and_leaves_the_method_alone():
    network = nn.Conv2d(1, 3, 3, padding=1, bias=False)

    class OneInput(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = network

        def forward(self, visible, infrared):
            return self.conv(visible + infrared)

    method = Wrapped(OneInput(), stride=8)
    assert method_cost(method, 9, 20) == Cost(27, 16 * 24 * 27)
    assert {p.device.type for p in network.parameters()} == {"cpu"}


def test_rgb_methods_get_three_channels():
    class Colour(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1, bias=False)

        def forward(self, visible, infrared):
            return self.conv(visible)

    assert method_cost(Wrapped(Colour(), color="rgb"), 4, 5) == Cost(9, 20 * 9)


def test_networks_that_read_values_are_counted_on_real_tensors():
    assert method_cost(Wrapped(Reader()), 6, 7) == Cost(20, 42 * 18)


def test_published_cost_of_an_x_restormer_block():
    def cost(width, heads):
        with torch.device("meta"):
            block = XRestormerBlock(width, heads, heads, 16, 8, 0.5, 2.66).eval()
            x = torch.empty(1, width, 480, 640)
        norms = 4 * 5 * x.numel()
        return (multiply_accumulates(lambda: block(x)) - norms) / 1e9

    assert cost(48, 1) == pytest.approx(19.87, rel=0.01)
    assert cost(64, 2) == pytest.approx(34.56, rel=0.01)


def test_base_has_the_published_size():
    with torch.device("meta"):
        method = Wrapped(RegionFuse(BASE).eval())
    cost = method_cost(method)
    assert cost.parameters == pytest.approx(2.82e6, rel=0.005)
    assert cost.multiply_accumulates == pytest.approx(455.82e9, rel=0.01)


def test_meta_count_equals_real_count():
    config = replace(TINY, width=8, heads=2, region=16, reach=32)
    method = Wrapped(RegionFuse(config).eval())
    counted = method_cost(method, 40, 56)
    x = torch.rand(1, 1, 40, 56)
    with method.network.attention_form("dense"), whole_images():
        assert multiply_accumulates(lambda: method.network(x, x)) == counted.multiply_accumulates


def test_dense_and_own_form_of_mora_by_formula():
    torch.manual_seed(0)
    layer = MixtureOfRegionAttention(6, 2, 8, 12, 2, experts=4, top_k=2, router_hidden=5).eval()
    x = torch.rand(1, 6, 40, 24)
    pixels, width, tokens, length = 40 * 24, 6, 6 * 5 * 3, 144
    convolutions = pixels * (width * 3 * width + 3 * width * 9 + width * width)
    router = tokens * (length * 5 + 5 * 4)
    # five rows in four tiles of two, three columns in two tiles of two: (channels x regions)^2 pairs a head
    pairs = 2 * (3 * 2 * 2) ** 2 * (4 * 2)
    layer.form = "dense"
    assert multiply_accumulates(lambda: layer(x)) == convolutions + router + pairs * length * (1 + 4)
    layer.form = "folded"
    fold = pairs * 2 * 4  # sums of the exponentials and their factors, for every expert
    with whole_images():
        assert multiply_accumulates(lambda: layer(x)) == convolutions + router + pairs * length * 2 + fold
    # rows at the borders of strips are computed twice
    assert multiply_accumulates(lambda: layer(x)) >= convolutions + router + pairs * length * 2 + fold


def test_own_form_costs_less():
    method = Wrapped(RegionFuse(replace(TINY, width=6, heads=6)).eval())
    assert (
        own_form_cost(method, 96, 96).multiply_accumulates < method_cost(method, 96, 96).multiply_accumulates
    )
