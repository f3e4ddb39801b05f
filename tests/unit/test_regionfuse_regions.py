"""Regions: embedding and reshaping are inverse, blending is smooth, padding works for any size."""

import pytest
import torch

from regionfuse.fusion.regionfuse.padding import mirror_pad
from regionfuse.fusion.regionfuse.regions import RegionGrid

SIZES = [(24, 24), (25, 47), (1, 1), (7, 100), (96, 72)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(("stride", "size"), [(24, 24), (24, 28), (24, 36), (24, 48), (8, 20), (8, 28)])
def test_merge_inverts_split(height, width, stride, size):
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    grid = RegionGrid(height, width, stride, size)
    regions = grid.split(x)
    assert regions.shape == (2, 3, grid.rows, grid.columns, size, size)
    assert grid.rows == -(-height // stride) and grid.columns == -(-width // stride)
    assert torch.allclose(grid.merge(regions), x, atol=1e-12)


def test_cores_lie_where_they_should():
    x = torch.arange(48.0 * 72).view(1, 1, 48, 72)
    grid = RegionGrid(48, 72, 24, 32)
    core = grid.split(x)[0, 0, 1, 2, 4:28, 4:28]
    assert torch.equal(core, x[0, 0, 24:48, 48:72])


def test_blending_is_smooth_across_a_border():
    grid = RegionGrid(16, 96, 48, 72)
    regions = torch.zeros(1, 1, 1, 2, 72, 72)
    regions[:, :, :, 1] = 1.0
    row = grid.merge(regions)[0, 0, 8]
    assert row[0] == 0 and row[-1] == 1
    assert torch.all(row.diff() >= -1e-6), "monotone from one region to the other"
    assert row.diff().abs().max() < 0.1, "no step"
    assert row[47] + row[48] == pytest.approx(1.0, abs=1e-6), "symmetric about the border"


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(("stride", "size"), [(24, 24), (24, 36), (8, 20)])
def test_spread_equals_merge_of_constant_regions(height, width, stride, size):
    grid = RegionGrid(height, width, stride, size)
    values = torch.randn(2, 3, grid.rows, grid.columns, dtype=torch.float64)
    constant = values[..., None, None].expand(-1, -1, -1, -1, size, size)
    assert torch.allclose(grid.spread(values), grid.merge(constant), atol=1e-12)


def test_means_are_the_means_of_the_regions():
    x = torch.randn(1, 2, 50, 70, dtype=torch.float64)
    grid = RegionGrid(50, 70, 24, 32)
    wanted = grid.split(x).mean(dim=(-1, -2))
    assert torch.allclose(grid.means(x), wanted)
    with torch.no_grad():
        assert torch.allclose(grid.means(x), wanted), "another way at inference"
        assert torch.allclose(
            RegionGrid(3, 7, 8, 20).means(x[..., :3, :7]),
            RegionGrid(3, 7, 8, 20).split(x[..., :3, :7]).mean((-1, -2)),
        )


def test_mirror_pad_beyond_the_image():
    x = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    padded = mirror_pad(x, 5, 4, 1, 0)
    assert padded.shape == (1, 1, 2, 12)
    assert padded[0, 0, 0].tolist() == [2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3]
    assert torch.equal(padded[0, 0, 0], padded[0, 0, 1])


def test_mirror_pad_agrees_with_torch_where_torch_can():
    x = torch.randn(1, 2, 9, 11)
    wanted = torch.nn.functional.pad(x, (3, 4, 2, 5), mode="reflect")
    assert torch.equal(mirror_pad(x, 3, 4, 2, 5), wanted)
    # the general path, forced by one side that exceeds the image, gives the same in the shared part
    assert torch.equal(mirror_pad(x, 3, 4, 2, 20)[..., :16, :], wanted)
