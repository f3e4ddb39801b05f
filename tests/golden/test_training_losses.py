"""The losses of the published recipes, by hand and against plain loops in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from regionfuse.fusion.training.attack import projected_gradient
from regionfuse.fusion.training.correlation import correlation, decomposition_loss
from regionfuse.fusion.training.gradients import gradient_loss, slopes, sobel_l1
from regionfuse.fusion.training.recipe import Batch
from regionfuse.fusion.training.recipes import options_for, recipe_class
from regionfuse.fusion.training.saliency import saliency, visible_mask
from regionfuse.fusion.training.ssim import ssim, ssim_loss


def image(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows)[None, None]


def batch_of(visible: float, infrared: float, label: float | None = None, side: int = 16) -> Batch:
    def flat(value: float) -> Tensor:
        return torch.full((1, 1, side, side), value)

    rgb = flat(visible).expand(-1, 3, -1, -1)
    return Batch(flat(visible), flat(infrared), rgb, None if label is None else flat(label))


def test_sobel_of_a_single_bright_pixel() -> None:
    """Around a one the kernel appears, turned about: corners 1 + 1, sides 2, centre 0."""
    spot = torch.zeros(1, 1, 5, 5)
    spot[0, 0, 2, 2] = 1
    expected = [[2.0, 2, 2], [2, 0, 2], [2, 2, 2]]
    assert sobel_l1(spot)[0, 0, 1:4, 1:4].tolist() == expected
    assert sobel_l1(spot)[0, 0, 0].tolist() == [0] * 5


def test_gradient_loss_takes_the_steeper_source_at_each_pixel() -> None:
    left, right = torch.zeros(2, 1, 1, 5, 9)
    left[..., 2, 2], right[..., 2, 6] = 1, 0.5
    both = left + right
    assert gradient_loss(both, left, right).item() == 0  # the two rings do not meet
    # without the right spot its ring is missed: 8 pixels of 0.5 * 2 each
    assert gradient_loss(left, left, right).item() == pytest.approx(8 / 45)


def test_slopes_of_a_ramp_are_its_slope() -> None:
    ramp = torch.arange(5.0).expand(1, 1, 4, 5)
    across, down = slopes(ramp)[0]
    assert across[:, 1:-1].tolist() == [[1.0] * 3] * 4
    assert across[:, 0].tolist() == [0.5] * 4  # the border is repeated
    assert down.abs().max() == 0


def plain_ssim(first: np.ndarray, second: np.ndarray, data_range: float, padded: bool) -> np.ndarray:
    """SSIM pixel by pixel from the definition."""
    offsets = np.arange(11) - 5
    bell = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(bell, bell) / bell.sum() ** 2
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    if padded:
        first, second = np.pad(first, 5), np.pad(second, 5)
    rows, columns = first.shape[0] - 10, first.shape[1] - 10
    found = np.zeros((rows, columns))
    for y in range(rows):
        for x in range(columns):
            a, b = first[y : y + 11, x : x + 11], second[y : y + 11, x : x + 11]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * a * a).sum() - mean_a**2, (window * b * b).sum() - mean_b**2
            cov = (window * a * b).sum() - mean_a * mean_b
            above = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
            found[y, x] = above / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return found


@pytest.mark.parametrize(("data_range", "padded"), [(1.0, True), (1.0, False), (255.0, False)])
def test_ssim_against_loops(data_range: float, padded: bool) -> None:
    rng = np.random.default_rng(0)
    first = rng.random((13, 17))
    second = 0.6 * first + 0.4 * rng.random((13, 17))
    expected = plain_ssim(first, second, data_range, padded)
    tensors = (torch.from_numpy(array)[None, None] for array in (first, second))
    found = ssim(*tensors, data_range=data_range, padded=padded)[0, 0].numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-10


def test_ssim_loss_of_equal_and_of_opposite_images() -> None:
    torch.manual_seed(0)
    picture = torch.rand(2, 1, 20, 20)
    assert ssim_loss(picture, picture).item() == pytest.approx(0, abs=1e-6)
    assert 0.4 < ssim_loss(picture, 1 - picture).item() <= 0.5


def test_correlation_by_hand() -> None:
    """Channel 1: a line against itself, +1; channel 2: (0, 1, 2) with (0, 2, 1): cov 1 of lengths 2, 0.5."""
    first = torch.tensor([[[[0.0, 1, 2]], [[0.0, 1, 2]]]])
    second = torch.tensor([[[[5.0, 7, 9]], [[0.0, 2, 1]]]])
    assert correlation(first, second).item() == pytest.approx(0.75)
    assert correlation(first, -second).item() == pytest.approx(-0.75)


def test_decomposition_loss_by_hand() -> None:
    line, mixed = torch.tensor([[[[0.0, 1, 2]]]]), torch.tensor([[[[0.0, 2, 1]]]])
    assert decomposition_loss((line, line), (line, mixed)).item() == pytest.approx(0.25 / 2.01)
    assert decomposition_loss((line, mixed), (line, -line)).item() == pytest.approx(1 / 1.51)


def test_correlation_of_flat_features_has_a_finite_gradient() -> None:
    flat = torch.ones(1, 2, 3, 3, requires_grad=True)
    loss = correlation(flat, torch.rand(1, 2, 3, 3))
    loss.backward()
    assert loss.item() == 0
    assert flat.grad is not None and flat.grad.isfinite().all()


def test_saliency_by_hand() -> None:
    """Levels 0, 0, 0, 255: the bright one is 3 x 255 from the others, the dark ones 255 from it alone."""
    assert saliency(image([[0.0, 0], [0, 1]])).flatten().tolist() == [0, 0, 0, 1]
    # levels 0, 51, 51, 153: contrast 51 + 51 + 153 = 255, 51 + 102 = 153 twice, 153 + 2 * 102 = 357
    found = saliency(image([[0.0, 0.2], [0.2, 0.6]])).flatten().tolist()
    assert found == pytest.approx([(255 - 153) / (357 - 153), 0, 0, 1])
    assert saliency(torch.full((2, 1, 3, 3), 0.4)).abs().max() == 0


def test_mask_is_open_where_the_infrared_stands_out() -> None:
    visible, infrared = image([[0.0, 0.2], [0.2, 0.6]]), image([[0.0, 0], [1, 0]])
    assert visible_mask(visible, infrared).flatten().tolist() == [1, 1, 0, 1]


def border(value: float, side: int = 16) -> float:
    """Mean Sobel strength of a flat image: 4 v on an edge, 3 v + 3 v in a corner, 0 inside."""
    return value * (4 * 4 * (side - 2) + 4 * 6) / side**2


def test_ship_by_hand() -> None:
    recipe = recipe_class("ship")(options_for("ship", {}))
    batch = batch_of(0.75, 0.25)
    terms = recipe.losses(torch.full((1, 1, 16, 16), 0.5), batch)  # type: ignore[attr-defined]
    assert terms["masked"].item() == pytest.approx(0.25 + 0.5)  # nothing is salient: m = 1
    assert terms["maximum"].item() == pytest.approx(0.25)
    assert terms["gradient"].item() == pytest.approx(border(0.25), rel=1e-5)
    expected = 3 * 0.75 + 10 * 0.25 + 10 * border(0.25)
    assert terms["total"].item() == pytest.approx(expected, rel=1e-5)


def test_sage_by_hand(tmp_path: object) -> None:
    recipe = recipe_class("sage")(options_for("sage", {"labels": tmp_path}))
    terms = recipe.losses(torch.full((1, 1, 16, 16), 0.5), batch_of(0.7, 0.2, 0.6))  # type: ignore[attr-defined]
    intensity = 3 * 0.2**2 + 2 * 0.3**2 + 4 * 0.1**2
    gradient = 9 * border(0.2) + 3 * border(0.1)
    assert terms["intensity"].item() == pytest.approx(intensity, rel=1e-5)
    assert terms["gradient"].item() == pytest.approx(gradient, rel=1e-5)
    assert terms["total"].item() == pytest.approx(3 * intensity + 3 * gradient, rel=1e-5)


def test_a2rnet_by_hand(tmp_path: object) -> None:
    """Of flat images SSIM is the likeness of their means, with constants made for a range of 255."""
    recipe = recipe_class("a2rnet")(options_for("a2rnet", {"labels": tmp_path}))
    terms = recipe.losses(torch.full((1, 1, 16, 16), 0.5), batch_of(0, 0, 0.75))  # type: ignore[attr-defined]
    c1 = 2.55**2
    likeness = (2 * 0.5 * 0.75 + c1) / (0.5**2 + 0.75**2 + c1)
    assert terms["error"].item() == pytest.approx(0.0625)
    assert terms["ssim"].item() == pytest.approx(1 - likeness, abs=1e-6)
    assert terms["total"].item() == pytest.approx(6.25 + 100 * (1 - likeness), rel=1e-4)


@pytest.mark.parametrize("method", ["cddfuse", "dcevo"])
def test_second_phase_by_hand(method: str) -> None:
    recipe = recipe_class(method)(options_for(method, {}))
    batch, fused = batch_of(0.75, 0.25), torch.full((1, 1, 16, 16), 0.5)
    terms = recipe.losses(fused, batch)  # type: ignore[attr-defined]
    expected = 0.25 + 10 * border(0.25)
    if method == "dcevo":
        similarity = sum(ssim_loss(fused, source).item() for source in (batch.visible, batch.infrared))
        assert terms["ssim"].item() == pytest.approx(similarity) and similarity > 0.01
        expected += 2 * similarity
    assert terms["total"].item() == pytest.approx(expected, rel=1e-5)


class Halves(torch.nn.Module):
    """Encoder: half the image as base, the image turned over as detail. Decoder: base and 0.25 residual."""

    def forward(self, *images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        if len(images) == 1:
            return images[0] / 2, images[0].flip(-1)
        base, _, residual = images
        return base + 0.25 * residual


def test_both_phases_of_cddfuse_by_hand() -> None:
    """Put together as published: shared encoder, sums into the fusion layers, visible residual."""
    network = torch.nn.Module()
    halves = Halves()
    network.DIDF_Encoder = network.DIDF_Decoder = halves
    network.BaseFuseLayer = network.DetailFuseLayer = torch.nn.Identity()
    recipe = recipe_class("cddfuse")(options_for("cddfuse", {}))
    torch.manual_seed(0)
    visible, infrared = torch.rand(2, 2, 1, 16, 16)
    batch = Batch(visible, infrared, visible.expand(-1, 3, -1, -1))
    apart = decomposition_loss((visible, infrared), (visible.flip(-1), infrared.flip(-1))).item()

    terms = recipe.step(network, batch, epoch=39)
    # each image comes back as 0.75 of itself
    reconstruction = sum(
        5 * ssim_loss(i, 0.75 * i).item() + ((0.25 * i) ** 2).mean().item() for i in (visible, infrared)
    )
    steps = 0.25 * slopes(visible).abs().mean().item()
    assert terms["reconstruction"].item() == pytest.approx(reconstruction, rel=1e-4)
    assert terms["decomposition"].item() == pytest.approx(apart, rel=1e-4)
    assert terms["total"].item() == pytest.approx(reconstruction + 2 * apart + 5 * steps, rel=1e-4)

    fused = (visible + infrared) / 2 + 0.25 * visible
    terms = recipe.step(network, batch, epoch=40)
    expected = (fused - torch.maximum(visible, infrared)).abs().mean().item()
    expected += 10 * gradient_loss(fused, visible, infrared).item() + 2 * apart
    assert terms["total"].item() == pytest.approx(expected, rel=1e-4)


def test_attack_climbs_to_the_edge_of_its_ball() -> None:
    first, second = torch.full((1, 1, 4, 4), 0.5), torch.full((1, 1, 4, 4), 0.995)
    torch.manual_seed(0)

    def loss(a: Tensor, b: Tensor) -> Tensor:
        return (b - a).sum()

    low, high = projected_gradient(loss, first, second, steps=20, step=0.003, radius=0.015)
    assert torch.allclose(low, first - 0.015) and torch.allclose(high, torch.ones_like(high))
    start, _ = projected_gradient(loss, first, second, steps=0, step=0.003, radius=0.015)
    assert (start - first).abs().max() <= 0.015 + 1e-6 and start.std() > 0.001
    assert not low.requires_grad and math.isclose(first.mean().item(), 0.5)
