"""Inference in strips: the same as the plain layers, for any size and any cut."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from regionfuse.fusion.regionfuse.config import TINY
from regionfuse.fusion.regionfuse.model import RegionFuse
from regionfuse.fusion.regionfuse.padding import mirror_inwards, mirror_pad
from regionfuse.fusion.regionfuse.strips import by_strips, strips
from regionfuse.fusion.regionfuse.xrestormer import XRestormerBlock


@pytest.mark.parametrize(
    ("height", "halo", "step"), [(40, 0, 1), (41, 2, 1), (40, 2, 8), (3, 1, 1), (8, 2, 8)]
)
def test_strips_cover_every_row_of_every_image_once(height, halo, step, monkeypatch):
    monkeypatch.setattr("regionfuse.fusion.regionfuse.strips.STRIP_PIXELS", 70)
    x = torch.zeros(2, 3, height, 10)
    seen = torch.zeros(2, height)
    for strip in strips(x, halo, step):
        assert strip.rows.start % step == 0
        assert strip.outer.start == max(0, strip.rows.start - halo)
        assert strip.outer.stop == min(height, strip.rows.stop + halo)
        seen[strip.image, strip.rows] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("pixels", [1, 60, 333, 10**6])
def test_by_strips_equals_the_function(pixels, monkeypatch):
    monkeypatch.setattr("regionfuse.fusion.regionfuse.strips.STRIP_PIXELS", pixels)
    x, y = torch.randn(2, 3, 23, 17), torch.randn(2, 3, 23, 17)
    kernels = torch.randn(4, 3, 5, 5)
    calls = []

    def function(x, y):
        calls.append(x.shape[-2])
        return F.conv2d(x * y, kernels, padding=2)

    wanted = by_strips(function, x, y, halo=2)
    assert calls == [23], "with gradients in one go"
    with torch.no_grad():
        found = by_strips(function, x, y, halo=2)
    assert len(calls) > 2
    assert torch.allclose(found, wanted, atol=1e-5)
    with torch.no_grad():
        assert pixels > 500 or not torch.allclose(by_strips(function, x, y, halo=1), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("channel_heads", "spatial_heads", "overlap"), [(1, 1, 0.5), (2, 2, 0.0), (4, 1, 1.0)]
)
def test_block_in_strips(channel_heads, spatial_heads, overlap, monkeypatch):
    monkeypatch.setattr("regionfuse.fusion.regionfuse.strips.STRIP_PIXELS", 24 * 16)
    torch.manual_seed(0)
    block = XRestormerBlock(8, channel_heads, spatial_heads, 6, 8, overlap, 2.0).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(2, 8, 56, 24, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        found = block(x)
    wanted = block(x)
    assert wanted.requires_grad and not found.requires_grad
    assert torch.allclose(found, wanted, atol=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"experts": 6, "top_k": 1},
        {"region": 16, "reach": 48},
        {"attention": "plain", "encoder": "restormer"},
        {"routing": "sample", "compression": "convolution"},
        {"gammas": (0.0, 1.0, 1.5)},
        {"decoder_blocks": 1, "spatial_heads": 2, "channel_heads": 2},
    ],
)
@pytest.mark.parametrize(("batch", "height", "width"), [(1, 70, 101), (2, 33, 8)])
def test_network_in_strips(change, batch, height, width, monkeypatch):
    monkeypatch.setattr("regionfuse.fusion.regionfuse.strips.STRIP_PIXELS", 1000)
    monkeypatch.setattr("regionfuse.fusion.regionfuse.region_stream.BLOCK_BYTES", 1 << 18)
    torch.manual_seed(0)
    network = RegionFuse(replace(TINY, **change)).eval()
    torch.nn.init.normal_(network.decoder.image.weight, std=0.1)
    visible, infrared = torch.rand(2, batch, 1, height, width)
    with torch.inference_mode():
        found = network(visible, infrared)
    wanted = network(visible, infrared)
    assert wanted.requires_grad
    assert torch.allclose(found, wanted, atol=1e-5)


def test_strips_in_bfloat16():
    torch.manual_seed(0)
    network = RegionFuse(TINY).eval()
    torch.nn.init.normal_(network.decoder.image.weight, std=0.1)
    visible, infrared = torch.rand(2, 1, 1, 70, 90)
    with torch.inference_mode():
        exact = network(visible, infrared)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = network(visible, infrared)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.02


@pytest.mark.parametrize(("height", "width"), [(5, 9), (1, 1), (2, 30)])
def test_mirror_inwards_equals_mirror_pad(height, width):
    x = torch.randn(1, 2, height, width)
    wanted = mirror_pad(x, 3, 7, 3, 11)
    found = torch.full_like(wanted, float("nan"))
    found[..., 3 : 3 + height, 3 : 3 + width] = x
    mirror_inwards(found, 3, width, 3, height)
    assert torch.equal(found, wanted)
