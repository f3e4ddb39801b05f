"""Fusion metrics on cases worked out by hand, on degenerate images, in batches and on a GPU."""

from __future__ import annotations

import inspect
import math
import re

import numpy as np
import pytest
import torch

from regionfuse.datasets.errors import ConfigError, DataError
from regionfuse.fusion.metrics.benchmark import scene
from regionfuse.fusion.metrics.filters import filter_valid, gaussian
from regionfuse.fusion.metrics.registry import METRICS, PAPER, select
from regionfuse.fusion.metrics.score import score_images
from regionfuse.fusion.metrics.triple import Triple

GREY = np.full((180, 180), 70, dtype=np.uint8)


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return scene(184, 180, seed=1)


def test_registry_lists_the_metrics_in_the_order_of_tables() -> None:
    expected = "EN SD SF AG MI SCD CC MSE PSNR VIF Qabf SSIM Qcb Qcb_zoo MS_SSIM FMI Nabf"
    assert list(METRICS) == expected.split()
    assert PAPER == ("SF", "AG", "VIF", "Qabf", "Qcb")
    assert {name for name, metric in METRICS.items() if metric.direction == "lower"} == {"MSE", "Nabf"}


@pytest.mark.parametrize("name", METRICS)
def test_definition_is_written_down(name: str) -> None:
    metric = METRICS[name]
    text = inspect.getdoc(metric.function)
    assert text is not None and text.startswith(f"{name}:")
    assert "Range" in text and f"{metric.direction} is" in text
    assert name == "Qcb_zoo" or re.search(r"Source:.*(19|20)\d\d", text, re.DOTALL)


def test_select_keeps_the_order_and_explains_itself() -> None:
    assert [metric.name for metric in select(["vif", "EN"])] == ["EN", "VIF"]
    with pytest.raises(ConfigError, match="did you mean Qabf"):
        select(["Qafb"])
    with pytest.raises(ConfigError, match="no metric"):
        select([])


def test_small_image_by_hand() -> None:
    fused = np.array([[0, 4, 0], [0, 4, 0], [0, 4, 0]], dtype=np.uint8)
    infrared, visible = fused + 2, np.array([[4, 0, 4]] * 3, dtype=np.uint8)
    found = score_images(infrared, visible, fused, ["EN", "SD", "SF", "AG", "MI", "CC", "MSE", "PSNR"])
    third, bits = 1 / 3, math.log2(3)
    entropy = bits - 2 * third
    assert found["EN"] == pytest.approx(entropy)
    assert found["SD"] == pytest.approx(math.sqrt(32 / 9))
    assert found["SF"] == pytest.approx(4.0)
    assert found["AG"] == pytest.approx(2 * third * 4 / math.sqrt(2))  # gx = 4, 0, -4
    assert found["MI"] == pytest.approx(2 * entropy * math.log(2))  # both sources tell the fused level
    assert found["CC"] == pytest.approx(0.0, abs=1e-12)  # 1 and -1
    assert found["MSE"] == pytest.approx((4 + 16) / 2)
    assert found["PSNR"] == pytest.approx(10 * math.log10(16 / 10))


def test_scd_is_two_for_a_sum(images: list[np.ndarray]) -> None:
    first, second = (np.floor(image / 2) for image in images[:2])
    assert score_images(first, second, first + second, ["SCD"])["SCD"] == pytest.approx(2.0)


def test_three_equal_images(images: list[np.ndarray]) -> None:
    found = score_images(images[0], images[0], images[0])
    expected = {
        "CC": 1,
        "MSE": 0,
        "PSNR": math.inf,
        "VIF": 2,
        "SSIM": 2,
        "Qcb": 1,
        "MS_SSIM": 1,
        "FMI": 1,
        "Nabf": 0,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert found["MI"] == pytest.approx(2 * found["EN"] * math.log(2))
    assert found["SCD"] == 0.0  # F - B is flat
    assert 0.95 < found["Qabf"] < 0.988


def test_flat_images_have_defined_values() -> None:
    found = score_images(GREY, GREY, GREY)
    assert {name for name, value in found.items() if math.isnan(value)} == set()
    nothing = {"EN": 0, "SD": 0, "SF": 0, "AG": 0, "MI": 0, "SCD": 0, "CC": 0, "MSE": 0, "Nabf": 0}
    assert {name: found[name] for name in nothing} == nothing
    assert found["PSNR"] == math.inf
    assert {name: found[name] for name in ("VIF", "SSIM", "Qcb", "FMI")} == {
        "VIF": 2,
        "SSIM": 2,
        "Qcb": 1,
        "FMI": 1,
    }


@pytest.mark.parametrize("flat", [0, 1, 2])
def test_one_flat_image_gives_no_nan(images: list[np.ndarray], flat: int) -> None:
    cut = [image[:180, :180].copy() for image in images]
    cut[flat] = GREY
    found = score_images(*cut)
    assert not [name for name, value in found.items() if math.isnan(value)]
    if flat == 2:  # a fused image without content keeps nothing
        assert found["VIF"] == pytest.approx(0, abs=1e-9) and found["Qcb"] == pytest.approx(0, abs=1e-9)
        assert found["FMI"] == pytest.approx(0, abs=1e-5) and found["CC"] == 0


def test_black_fused_image() -> None:
    assert score_images(GREY, GREY, GREY * 0, ["PSNR"])["PSNR"] == -math.inf


@pytest.mark.parametrize(
    ("side", "undefined"), [(6, {"VIF", "SSIM", "MS_SSIM"}), (40, {"VIF", "MS_SSIM"}), (41, {"MS_SSIM"})]
)
def test_too_small_images_are_nan_where_no_window_fits(side: int, undefined: set[str]) -> None:
    found = score_images(*scene(side, side + 3))
    assert {name for name, value in found.items() if math.isnan(value)} == undefined


def test_one_pixel_below_the_smallest_side_of_ms_ssim() -> None:
    small, large = ([image[:side] for image in scene(176, 176)] for side in (175, 176))
    assert math.isnan(score_images(*small, ["MS_SSIM"])["MS_SSIM"])
    assert 0 < score_images(*large, ["MS_SSIM"])["MS_SSIM"] < 1


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (np.full((9, 9), np.nan), "fused: 81 of 81 pixels are NaN or infinite"),
        (np.full((9, 9), np.inf), "NaN or infinite"),
        (np.full((9, 9), 256.0), "0..255, found 256 to 256"),
        (np.full((9, 9), -1), "0..255, found -1"),
        (np.zeros((9, 8)), r"infrared 9 x 9, visible 9 x 9, fused 9 x 8"),
        (np.zeros((9, 9, 3)), "one size|grey image"),
        (np.zeros((2, 9)), "at least 3 x 3"),
        (np.zeros((0, 9, 9)), "at least 3 x 3"),
        (np.zeros(9), "grey image"),
    ],
)
def test_wrong_input_is_one_clear_error(broken: np.ndarray, message: str) -> None:
    good = np.zeros((9, 9))
    with pytest.raises(DataError, match=message) as error:
        score_images(good, good, broken, ["SF"])
    assert "\n" not in str(error.value)


def test_batches_score_each_image(images: list[np.ndarray]) -> None:
    other = [np.ascontiguousarray(image[::-1, ::-1]) for image in scene(184, 180, seed=2)]
    batch = [torch.from_numpy(np.stack(pair)[:, None]) for pair in zip(images, other, strict=True)]
    with pytest.raises(DataError, match="batch of 2"):
        score_images(*batch)
    singles = [score_images(*images), score_images(*other)]
    for name, metric in METRICS.items():
        values = metric(*batch)
        assert values.shape == (2,) and values.dtype == torch.float64
        assert values.tolist() == pytest.approx([single[name] for single in singles], rel=1e-9), name


def test_order_of_the_sources_and_type_of_the_input_do_not_matter(images: list[np.ndarray]) -> None:
    infrared, visible, fused = images
    expected = score_images(infrared, visible, fused)
    assert score_images(visible, infrared, fused) == pytest.approx(expected, rel=1e-9)
    assert score_images(*(torch.from_numpy(image.astype(np.uint8)) for image in images)) == expected
    assert score_images(*(image.astype(np.float64) for image in images)) == expected


def test_input_is_not_changed(images: list[np.ndarray]) -> None:
    before = [image.copy() for image in images]
    score_images(*images)
    assert all(np.array_equal(image, old) for image, old in zip(images, before, strict=True))


def test_noise_is_found_by_nabf_and_punished_by_the_rest(images: list[np.ndarray]) -> None:
    infrared, visible, fused = images
    noisy = np.clip(fused + np.random.default_rng(0).normal(0, 12, fused.shape), 0, 255).round()
    clean, dirty = score_images(infrared, visible, fused), score_images(infrared, visible, noisy)
    assert dirty["Nabf"] > 2 * clean["Nabf"]
    for name in ("VIF", "Qabf", "SSIM", "Qcb", "MS_SSIM", "FMI", "MI", "CC"):
        assert dirty[name] < clean[name], name


def test_shared_histograms_count_every_pixel(images: list[np.ndarray]) -> None:
    triple = Triple.of(*images)
    joint = triple.infrared_joint
    level = int(images[2][0, 0]), int(images[0][0, 0])
    assert joint[0, level[0], level[1]] == np.sum((images[2] == level[0]) & (images[0] == level[1]))
    assert joint.sum() == images[0].size


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("size", [(17, 17), (90, 131), (67, 40)])
def test_separable_filter_is_the_two_dimensional_one(size: tuple[int, int], step: int) -> None:
    image = torch.rand(2, *size, dtype=torch.float64)
    kernel = torch.tensor(gaussian(17, 3.4), dtype=torch.float64)
    window = torch.outer(kernel, kernel)[None, None]
    expected = torch.nn.functional.conv2d(image[:, None], window)[:, 0, ::step, ::step]
    assert torch.allclose(filter_valid(image, tuple(kernel.tolist()), step), expected, atol=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_gives_the_values_of_the_cpu(images: list[np.ndarray]) -> None:
    on_gpu = score_images(*(torch.from_numpy(image).cuda() for image in images))
    assert on_gpu == pytest.approx(score_images(*images), rel=1e-6)
