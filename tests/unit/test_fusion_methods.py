"""The sources without training: what each promises, at awkward sizes too."""

from __future__ import annotations

import pytest
import torch

from regionfuse.fusion.apply import fuse_tensors
from regionfuse.fusion.chroma import rgb_to_ycbcr
from regionfuse.fusion.contract import FusionMethod
from regionfuse.fusion.methods.controls import Infrared, Visible
from regionfuse.fusion.methods.guided import Guided, guided_filter, window_mean
from regionfuse.fusion.methods.laplacian import Laplacian, decompose, pyramid_levels, reconstruct
from regionfuse.fusion.methods.trivial import Average, Maximum

SIMPLE = [Visible, Infrared, Average, Maximum, Laplacian, Guided]


def _pair(height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.rand(2, 1, height, width, generator=generator),
        torch.rand(2, 3, height, width, generator=generator),
    )


@pytest.mark.parametrize("cls", SIMPLE)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (31, 17), (97, 64)])
def test_any_size_gives_finite_rgb_of_that_size(cls: type[FusionMethod], height: int, width: int) -> None:
    infrared, visible = _pair(height, width)
    fused = fuse_tensors(cls(), infrared, visible)
    assert fused.shape == visible.shape
    assert fused.dtype == torch.float32
    assert bool(torch.isfinite(fused).all())
    assert 0.0 <= float(fused.min()) <= float(fused.max()) <= 1.0


@pytest.mark.parametrize("cls", SIMPLE)
def test_equal_images_fuse_to_themselves(cls: type[FusionMethod]) -> None:
    grey = torch.rand(1, 1, 70, 90, generator=torch.Generator().manual_seed(3))
    fused = fuse_tensors(cls(), grey, grey.expand(-1, 3, -1, -1))
    assert torch.allclose(fused, grey.expand(-1, 3, -1, -1), atol=2e-5)


@pytest.mark.parametrize("cls", [Average, Maximum, Laplacian, Guided])
def test_luminance_methods_keep_the_chroma(cls: type[FusionMethod]) -> None:
    infrared, visible = _pair(40, 48)
    infrared, visible = 0.4 + 0.2 * infrared, 0.45 + 0.1 * visible  # nothing to clip
    fused, seen = rgb_to_ycbcr(fuse_tensors(cls(), infrared, visible)), rgb_to_ycbcr(visible)
    assert torch.allclose(torch.as_tensor(fused.cb), torch.as_tensor(seen.cb), atol=1e-5)
    assert torch.allclose(torch.as_tensor(fused.cr), torch.as_tensor(seen.cr), atol=1e-5)


def test_controls_return_one_modality() -> None:
    infrared, visible = _pair(20, 30)
    assert torch.equal(fuse_tensors(Visible(), infrared, visible), visible)
    assert torch.equal(fuse_tensors(Infrared(), infrared, visible), infrared.expand(-1, 3, -1, -1))


def test_average_and_maximum() -> None:
    infrared, y = torch.tensor([0.2, 0.9]).view(1, 1, 1, 2), torch.tensor([0.6, 0.1]).view(1, 1, 1, 2)
    assert torch.allclose(Average().fuse(infrared, y), torch.tensor([0.4, 0.5]).view(1, 1, 1, 2))
    assert torch.allclose(Maximum().fuse(infrared, y), torch.tensor([0.6, 0.9]).view(1, 1, 1, 2))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 16), (37, 53), (128, 96)])
def test_laplacian_pyramid_reconstructs(height: int, width: int) -> None:
    image = _pair(height, width)[0]
    pyramid = decompose(image, pyramid_levels(height, width))
    assert torch.allclose(reconstruct(pyramid), image, atol=1e-6)


def test_laplacian_levels_follow_the_size() -> None:
    assert pyramid_levels(7, 1000) == 0
    assert pyramid_levels(15, 15) == 1
    assert pyramid_levels(768, 1024) == 6
    assert pyramid_levels(480, 640) == 6


def test_laplacian_keeps_the_stronger_detail_and_the_mean_base() -> None:
    flat = torch.full((1, 1, 64, 64), 0.3)
    detailed = 0.7 + 0.1 * torch.sign(torch.sin(torch.arange(64.0) * 3.0)).expand(1, 1, 64, 64)
    fused = Laplacian().fuse(flat, detailed)
    assert float(fused.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(fused.std()) == pytest.approx(float(detailed.std()), rel=0.1)


def test_guided_takes_detail_from_the_salient_image() -> None:
    generator = torch.Generator().manual_seed(0)
    visible = 0.5 + 0.1 * torch.randn(1, 1, 96, 96, generator=generator).clamp(-2, 2)
    infrared = torch.full((1, 1, 96, 96), 0.5)
    fused = Guided().fuse(infrared, visible)
    assert torch.allclose(fused, visible, atol=0.02)
    assert torch.allclose(Guided().fuse(visible, infrared), visible, atol=0.02)


def test_window_mean_is_cut_off_at_the_border() -> None:
    image = torch.arange(5.0).view(1, 1, 1, 5).double()
    assert window_mean(image, 1)[0, 0, 0].tolist() == [0.5, 1.0, 2.0, 3.0, 3.5]
    assert window_mean(image, 99)[0, 0, 0].tolist() == [2.0] * 5
    assert window_mean(image, 4)[0, 0, 0].tolist() == [2.0] * 5


def test_guided_filter_smooths_flat_parts_and_keeps_an_edge() -> None:
    step = (torch.arange(64) >= 32).double().expand(1, 1, 64, 64)
    noisy = step + 0.05 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)).double()
    out = guided_filter(step, noisy, 5, 1e-4)
    assert float((out - step).abs().mean()) < float((noisy - step).abs().mean()) / 2
    assert float(out[..., 40].mean() - out[..., 20].mean()) == pytest.approx(1.0, abs=0.02)
