"""The colour step: BT.601, exact inverse, no way to swap Cb and Cr."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from regionfuse.fusion.chroma import YCbCr, attach_chroma, luminance, rgb_to_ycbcr, ycbcr_to_rgb


@pytest.fixture
def rgb() -> torch.Tensor:
    return torch.rand(2, 3, 17, 23, generator=torch.Generator().manual_seed(0))


def test_primaries_have_the_values_of_the_standard() -> None:
    # JFIF: red is Y 0.299, Cb 0.5 - 0.168736, Cr 1; blue is Y 0.114, Cb 1, Cr 0.5 - 0.081312.
    planes = rgb_to_ycbcr(np.array([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]]]))
    np.testing.assert_allclose(planes.y, [[0.299, 0.114, 1.0]], atol=1e-6)
    np.testing.assert_allclose(planes.cb, [[0.5 - 0.168736, 1.0, 0.5]], atol=1e-6)
    np.testing.assert_allclose(planes.cr, [[1.0, 0.5 - 0.081312, 0.5]], atol=1e-6)


def test_round_trip_is_exact(rgb: torch.Tensor) -> None:
    back = ycbcr_to_rgb(rgb_to_ycbcr(rgb))
    assert isinstance(back, torch.Tensor)
    assert float((back - rgb).abs().max()) < 1e-5
    array = rgb[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ycbcr_to_rgb(rgb_to_ycbcr(array)), array, atol=1e-5)


def test_torch_and_numpy_agree(rgb: torch.Tensor) -> None:
    tensor = rgb_to_ycbcr(rgb)
    array = rgb_to_ycbcr(rgb.permute(0, 2, 3, 1).numpy())
    for plane in ("y", "cb", "cr"):
        np.testing.assert_allclose(getattr(tensor, plane)[:, 0].numpy(), getattr(array, plane), atol=1e-6)


def test_agrees_with_opencv_whose_order_is_y_cr_cb() -> None:
    image = np.random.default_rng(0).random((9, 11, 3)).astype(np.float32)
    theirs = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    ours = rgb_to_ycbcr(image)
    # Their chroma factors are rounded to three digits.
    np.testing.assert_allclose(ours.y, theirs[..., 0], atol=1e-5)
    np.testing.assert_allclose(ours.cr, theirs[..., 1], atol=2e-3)
    np.testing.assert_allclose(ours.cb, theirs[..., 2], atol=2e-3)


def test_planes_cannot_be_given_by_position() -> None:
    plane = torch.zeros(1, 1, 2, 2)
    with pytest.raises(TypeError):
        YCbCr(plane, plane, plane)  # type: ignore[misc]
    with pytest.raises(TypeError):
        _, _, _ = YCbCr(y=plane, cb=plane, cr=plane)  # type: ignore[misc]


def test_own_luminance_gives_the_same_bytes(rgb: torch.Tensor) -> None:
    rgb = (rgb * 255).round() / 255
    again = attach_chroma(luminance(rgb), rgb)
    assert torch.equal((again * 255).round(), (rgb * 255).round())


def test_chroma_comes_from_the_visible_image_and_luminance_from_the_fused() -> None:
    rgb = torch.tensor([0.5, 0.4, 0.45]).view(1, 3, 1, 1)
    fused = torch.full((1, 1, 1, 1), 0.6)
    out = rgb_to_ycbcr(attach_chroma(fused, rgb))
    seen = rgb_to_ycbcr(rgb)
    assert float(out.y) == pytest.approx(0.6, abs=1e-6)
    assert float(out.cb) == pytest.approx(float(seen.cb), abs=1e-6)
    assert float(out.cr) == pytest.approx(float(seen.cr), abs=1e-6)


def test_result_is_clipped() -> None:
    rgb = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    out = attach_chroma(torch.ones(1, 1, 1, 1), rgb)
    assert float(out.min()) >= 0.0
    assert float(out.max()) <= 1.0


@pytest.mark.parametrize("shape", [(2, 1, 4, 4), (4, 4), (1, 4, 4, 4)])
def test_not_rgb_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="3 channels"):
        luminance(torch.zeros(shape))


def test_luminance_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="fused luminance"):
        attach_chroma(torch.zeros(1, 1, 1, 4), torch.zeros(1, 3, 4, 4))
