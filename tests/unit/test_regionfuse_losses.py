"""The losses against a slow numpy reference."""

import numpy as np
import pytest
import torch

from regionfuse.fusion.regionfuse.losses import RegionFuseLoss, neighbourhood_mean, sobel_magnitude


def slow_sobel(image):
    height, width = image.shape
    padded = np.pad(image, 1, mode="edge")
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=np.float64)
    out = np.zeros_like(image)
    for i in range(height):
        for j in range(width):
            patch = padded[i : i + 3, j : j + 3]
            out[i, j] = abs((patch * kernel).sum()) + abs((patch * kernel.T).sum())
    return out


def slow_mean(values, size):
    height, width = values.shape
    out = np.zeros_like(values)
    for i in range(height):
        for j in range(width):
            rows = slice(max(0, i - size // 2), i + size - size // 2)
            columns = slice(max(0, j - size // 2), j + size - size // 2)
            out[i, j] = values[rows, columns].mean()
    return out


@pytest.mark.parametrize("region", [1, 5, 8, 40])
def test_losses_against_numpy(region):
    rng = np.random.default_rng(0)
    fused, visible, infrared = rng.random((3, 2, 13, 17))
    infrared[0] *= np.linspace(0, 2, 17)  # so that both modalities win somewhere
    intensity, gradient = [], []
    for f, v, r in zip(fused, visible, infrared, strict=True):
        gv, gr, gf = slow_sobel(v), slow_sobel(r), slow_sobel(f)
        mask = slow_mean(gv, region) > slow_mean(gr, region)
        intensity.append(((f - np.where(mask, v, r)) ** 2).mean())
        gradient.append(np.abs(gf - np.maximum(gv, gr)).mean())
    as_tensor = [torch.from_numpy(x[:, None]).float() for x in (fused, visible, infrared)]
    terms = RegionFuseLoss(3.0, 2.0, region)(*as_tensor, torch.tensor(0.7))
    assert float(terms["intensity"]) == pytest.approx(np.mean(intensity), rel=1e-5)
    assert float(terms["gradient"]) == pytest.approx(np.mean(gradient), rel=1e-5)
    assert float(terms["load"]) == pytest.approx(0.7)
    total = np.mean(intensity) + 3 * np.mean(gradient) + 2 * 0.7
    assert float(terms["total"]) == pytest.approx(total, rel=1e-5)


def test_without_load_loss_and_defaults():
    x = torch.rand(1, 1, 20, 20)
    loss = RegionFuseLoss()
    assert (loss.lambda_gradient, loss.mu_load, loss.region) == (5.0, 5.0, 48)
    terms = loss(x, x, x)
    assert set(terms) == {"total", "intensity", "gradient", "load"}
    assert terms["load"] == 0 and terms["total"] == pytest.approx(0, abs=1e-7)


def test_sharper_modality_wins_the_mask():
    flat, textured = torch.full((1, 1, 32, 32), 0.5), torch.rand(1, 1, 32, 32)
    loss = RegionFuseLoss(region=8)
    assert loss(textured, textured, flat)["intensity"] == 0
    assert loss(textured, flat, textured)["intensity"] == 0
    assert loss(flat, flat, textured)["intensity"] > 0.01


def test_half_precision_input_and_one_pixel():
    x = torch.rand(1, 1, 1, 1)
    assert torch.isfinite(RegionFuseLoss()(x.half(), x, x)["total"])
    assert sobel_magnitude(x).item() == 0
    assert neighbourhood_mean(x, 48).item() == pytest.approx(x.item())
