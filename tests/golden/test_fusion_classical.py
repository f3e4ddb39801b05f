"""Laplacian pyramid and guided filter against slow references written with other libraries."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage

from regionfuse.datasets.images import read_infrared, read_visible
from regionfuse.fusion.methods.guided import Guided
from regionfuse.fusion.methods.laplacian import Laplacian, pyramid_levels


def _pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth noise with edges, float32 in [0, 1]: an infrared and a visible luminance."""
    random = np.random.default_rng(height * 1000 + width)
    images = []
    for blur in (4.0, 1.5):
        image = ndimage.gaussian_filter(random.random((height, width)), blur)
        image = (image - image.min()) / (np.ptp(image) + 1e-9)
        image[height // 4 : height // 2, width // 3 : width // 2] = random.random()
        images.append(np.rint(image * 255).astype(np.float32) / 255)
    return images[0], images[1]


def _fuse(method: Laplacian | Guided, infrared: np.ndarray, visible: np.ndarray) -> np.ndarray:
    fused = method.fuse(torch.from_numpy(infrared)[None, None], torch.from_numpy(visible)[None, None])
    return fused[0, 0].numpy()


def _reference_laplacian(infrared: np.ndarray, visible: np.ndarray) -> np.ndarray:
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256.0

    def shrink(image: np.ndarray) -> np.ndarray:
        return ndimage.convolve(image, kernel, mode="mirror")[::2, ::2]

    def grow(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        spread = np.zeros(shape)
        spread[::2, ::2] = image
        return ndimage.convolve(spread, 4 * kernel, mode="mirror")

    first, second = infrared.astype(np.float64), visible.astype(np.float64)
    details = []
    for _ in range(pyramid_levels(*infrared.shape)):
        small = shrink(first), shrink(second)
        a, b = first - grow(small[0], first.shape), second - grow(small[1], second.shape)
        details.append(np.where(np.abs(a) > np.abs(b) + 1e-6, a, b))
        first, second = small
    fused = (first + second) / 2
    for detail in reversed(details):
        fused = detail + grow(fused, detail.shape)
    return fused


def _reference_guided(infrared: np.ndarray, visible: np.ndarray) -> np.ndarray:
    images = [infrared.astype(np.float64), visible.astype(np.float64)]

    def box(image: np.ndarray, radius: int) -> np.ndarray:
        size = (2 * radius + 1, 2 * radius + 1)
        total = cv2.boxFilter(image, cv2.CV_64F, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
        count = cv2.boxFilter(
            np.ones_like(image), cv2.CV_64F, size, normalize=False, borderType=cv2.BORDER_CONSTANT
        )
        return total / count

    def filtered(guide: np.ndarray, image: np.ndarray, radius: int, eps: float) -> np.ndarray:
        mean_g, mean_i = box(guide, radius), box(image, radius)
        a = (box(guide * image, radius) - mean_g * mean_i) / (box(guide**2, radius) - mean_g**2 + eps)
        return box(a, radius) * guide + box(mean_i - a * mean_g, radius)

    bases = [cv2.blur(image, (31, 31), borderType=cv2.BORDER_REPLICATE) for image in images]
    saliencies = []
    for image in images:
        strength = np.abs(ndimage.laplace(image, mode="nearest"))
        saliencies.append(
            cv2.GaussianBlur(strength, (11, 11), 5.0, sigmaY=5.0, borderType=cv2.BORDER_REPLICATE)
        )
    top = np.maximum(*saliencies)
    maps = [(saliency >= top - 1e-7).astype(np.float64) for saliency in saliencies]
    fused = np.zeros_like(images[0])
    details = [image - base for image, base in zip(images, bases, strict=True)]
    for layers, radius, eps in ((bases, 45, 0.3), (details, 7, 1e-6)):
        weights = [
            np.clip(filtered(image, chosen, radius, eps), 0, 1) + 1e-12
            for image, chosen in zip(images, maps, strict=True)
        ]
        fused += sum(w * x for w, x in zip(weights, layers, strict=True)) / sum(weights)
    return fused


@pytest.mark.parametrize(("height", "width"), [(9, 9), (16, 31), (65, 40), (120, 161)])
def test_laplacian_equals_the_reference(height: int, width: int) -> None:
    infrared, visible = _pair(height, width)
    np.testing.assert_allclose(
        _fuse(Laplacian(), infrared, visible), _reference_laplacian(infrared, visible), atol=2e-5
    )


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 120), (121, 97)])
def test_guided_equals_the_reference(height: int, width: int) -> None:
    infrared, visible = _pair(height, width)
    fused, wanted = _fuse(Guided(), infrared, visible), _reference_guided(infrared, visible)
    # Where the two saliencies nearly tie, the last digit decides: a handful of pixels at most.
    assert np.mean(np.abs(fused - wanted) > 1e-4) < 0.001
    np.testing.assert_allclose(fused, wanted, atol=5e-3)


def test_on_a_real_pair(shared: Path) -> None:
    root = shared / "data" / "msrs"
    path = sorted((root / "ir").iterdir())[0]
    infrared, visible = read_infrared(path), read_visible(root / "vi" / path.name).mean(axis=2)
    fused = _fuse(Laplacian(), infrared, visible)
    wanted = _reference_laplacian(infrared, visible)
    assert np.mean(np.abs(fused - wanted) > 2e-5) < 1e-5
    fused, wanted = _fuse(Guided(), infrared, visible), _reference_guided(infrared, visible)
    assert np.mean(np.abs(fused - wanted) > 1e-4) < 0.001
