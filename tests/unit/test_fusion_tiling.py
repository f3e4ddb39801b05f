"""Padding to the stride and overlapping tiles."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from regionfuse.fusion.padding import crop, pad_to_stride, padded_size
from regionfuse.fusion.tiling import fuse_tiled, tile_starts


def test_padding_reflects_without_repeating_the_edge() -> None:
    row = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]).view(1, 1, 1, 5)
    assert pad_to_stride(row, 8)[0, 0, 0].tolist() == [1, 2, 3, 4, 5, 4, 3, 2]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (2, 3), (5, 33), (32, 32), (480, 641)])
@pytest.mark.parametrize("stride", [1, 8, 32])
def test_padding_and_crop_are_inverse_at_any_size(height: int, width: int, stride: int) -> None:
    image = torch.rand(1, 2, height, width)
    padded = pad_to_stride(image, stride)
    assert padded.shape[-2:] == (padded_size(height, stride), padded_size(width, stride))
    assert torch.equal(crop(padded, height, width), image)
    assert padded.min() >= image.min()
    assert padded.max() <= image.max()


@pytest.mark.parametrize("size", [64, 65, 100, 127, 1000])
@pytest.mark.parametrize("stride", [1, 8])
def test_tiles_cover_everything_with_enough_overlap(size: int, stride: int) -> None:
    size, tile, overlap = padded_size(size, stride), 64, 16
    starts = tile_starts(size, tile, overlap, stride)
    assert starts[0] == 0
    assert starts[-1] + tile == max(size, tile)
    assert all(start % stride == 0 for start in starts)
    assert all(b - a <= tile - overlap + stride for a, b in pairwise(starts))


def _average(infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    return 0.5 * (infrared + visible)


@pytest.mark.parametrize(("height", "width"), [(40, 40), (40, 200), (130, 97), (300, 31)])
def test_a_pixelwise_method_does_not_notice_tiles(height: int, width: int) -> None:
    infrared, visible = torch.rand(2, 1, height, width), torch.rand(2, 3, height, width)
    tiled = fuse_tiled(_average, infrared, visible, tile=48)
    assert torch.allclose(tiled, _average(infrared, visible), atol=1e-6)


def test_brightness_that_differs_by_tile_leaves_no_seam() -> None:
    calls = 0

    def moody(infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return torch.full_like(visible, float(calls % 2))

    fused = fuse_tiled(moody, torch.rand(1, 1, 64, 400), torch.rand(1, 1, 64, 400), tile=64)
    steps = (fused[0, 0, 32, 1:] - fused[0, 0, 32, :-1]).abs()
    assert calls > 4
    assert float(fused.max() - fused.min()) > 0.9
    # A hard seam would be a step of 1; the ramp spreads it over the overlap.
    assert float(steps.max()) < 0.2


def test_a_tile_never_writes_into_its_neighbour() -> None:
    def rude(infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        visible.zero_()
        infrared.mul_(0.5)
        return visible + infrared

    infrared = torch.ones(1, 1, 50, 130)
    visible = torch.ones(1, 1, 50, 130)
    fused = fuse_tiled(rude, infrared, visible, tile=32)
    assert torch.allclose(fused, torch.full_like(fused, 0.5))
    assert torch.equal(visible, torch.ones_like(visible))


def test_tiles_keep_to_the_stride() -> None:
    shapes = set()

    def strict(infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        shapes.add(tuple(infrared.shape[-2:]))
        return visible

    fuse_tiled(strict, torch.rand(1, 1, 96, 144), torch.rand(1, 1, 96, 144), tile=50, stride=16)
    assert shapes == {(64, 64)}
