"""Predictions: COCO results in original pixels, mapped by name, in a fixed order."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as mask_utils

sys.path.insert(0, str(Path(__file__).parents[1]))
from detector_toy import CLASSES, toy_pairs

from regionfuse.datasets.errors import ConfigError, DataError, DetectorError
from regionfuse.detection.checkpoint import load_detector, save_detector
from regionfuse.detection.predict import detect, predict_images
from regionfuse.detection.recipe import DetectorRecipe

RECIPE = DetectorRecipe(image_size=64, batch_size=4, device="cpu")
IDS = {"People": 1, "Car": 2, "Lamp": 3}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, _ = load_detector("yolo-micro.yaml", CLASSES, seed=0)
    for branch in model.model[-1].cv3:
        branch[-1].bias.data += torch.tensor([4.0, 1.0, -1.0])
    return save_detector(model, tmp_path_factory.mktemp("weights") / "w.safetensors", dtype=torch.float32)


def images(folder: Path, **size: int) -> list[tuple[int, Path]]:
    return [(10 + n, pair.visible) for n, pair in enumerate(toy_pairs(folder, 5, **size))]


def read(path: Path) -> list[dict]:
    return json.loads(path.read_text())


def test_results_are_coco_and_inside_the_image(tmp_path: Path, weights: Path) -> None:
    rows = images(tmp_path / "images", width=90, height=50)
    out = predict_images(weights, rows, IDS, RECIPE, tmp_path / "p.json")
    results = read(out)
    assert {row["image_id"] for row in results} == {10, 11, 12, 13, 14}
    for row in results:
        left, top, width, height = row["bbox"]
        assert left >= 0 and top >= 0 and left + width <= 90.001 and top + height <= 50.001
        assert width > 0 and height > 0
        assert 0.001 <= row["score"] <= 1 and row["category_id"] in (1, 2, 3)
    assert max(sum(row["image_id"] == i for row in results) for i in range(10, 15)) <= 300
    order = [(row["image_id"], -row["score"]) for row in results]
    assert order == sorted(order)


def test_repeated_runs_and_other_orders_are_identical(tmp_path: Path, weights: Path) -> None:
    rows = images(tmp_path / "images")
    first = predict_images(weights, rows, IDS, RECIPE, tmp_path / "a.json").read_bytes()
    assert predict_images(weights, rows, IDS, RECIPE, tmp_path / "b.json").read_bytes() == first
    assert not list(tmp_path.glob(".*")), "no temporary file stays"


def test_batches_give_what_single_images_give(tmp_path: Path, weights: Path) -> None:
    rows = images(tmp_path / "images")
    batched = read(predict_images(weights, rows, IDS, RECIPE, tmp_path / "a.json"))
    single = read(predict_images(weights, rows, IDS, replace(RECIPE, batch_size=1), tmp_path / "b.json"))
    assert len(batched) == pytest.approx(len(single), abs=5)
    best = [(a, b) for a, b in zip(batched[:20], single[:20], strict=True)]
    for a, b in best:
        assert a["score"] == pytest.approx(b["score"], abs=2e-4)


def test_boxes_come_back_in_original_pixels(tmp_path: Path) -> None:
    """A network that always answers the same box, in the pixels of the letterboxed image."""

    class Fixed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stride = torch.tensor([8.0, 16.0, 32.0])
            self.names = dict(enumerate(CLASSES))

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            assert batch.shape[1:] == (3, 64, 128)  # 200 x 80 -> 128 x 51 -> 128 x 64
            answer = torch.zeros(len(batch), 7, 2)
            answer[:, :, 0] = torch.tensor([64.0, 32.0, 32.0, 16.0, 0.1, 0.9, 0.0])
            return answer

    image = np.zeros((80, 200, 3), np.uint8)
    recipe = replace(RECIPE, image_size=128, multi_label=False)
    (found,) = detect(Fixed(), [image], recipe, torch.device("cpu"))  # type: ignore[arg-type]
    # The centre stays the centre; 32 x 16 input pixels are 50 x 25.1 original ones (51 rows stand for 80).
    assert found.shape == (1, 6)
    expected = [75.0, 40 - 8 * 80 / 51, 125.0, 40 + 8 * 80 / 51, 0.9, 1.0]
    assert found[0] == pytest.approx(expected, abs=1.0)
    both = detect(Fixed(), [image], replace(recipe, multi_label=True), torch.device("cpu"))  # type: ignore[arg-type]
    assert both[0][:, 5].tolist() == [1, 0]


def test_images_of_several_sizes_and_no_images(tmp_path: Path, weights: Path) -> None:
    rows = [*images(tmp_path / "a"), (99, images(tmp_path / "b", width=33, height=70)[0][1])]
    seen: list[int] = []
    out = predict_images(
        weights, rows, IDS, RECIPE, tmp_path / "p.json", progress=lambda *step: seen.append(step[0])
    )
    assert {row["image_id"] for row in read(out)} == {10, 11, 12, 13, 14, 99}
    assert seen[-1] == 6
    assert read(predict_images(weights, [], IDS, RECIPE, tmp_path / "none.json")) == []


def test_classes_are_mapped_by_name(tmp_path: Path, weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = images(tmp_path / "images")
    everything = read(predict_images(weights, rows, IDS, RECIPE, tmp_path / "a.json"))
    with caplog.at_level(logging.WARNING):
        swapped = read(predict_images(weights, rows, {"people": 7, "Tram": 8}, RECIPE, tmp_path / "b.json"))
    assert {row["category_id"] for row in swapped} == {7}
    assert len(swapped) == sum(row["category_id"] == 1 for row in everything)
    assert "Car, Lamp" in caplog.text and "Tram" in caplog.text
    with pytest.raises(DetectorError, match="no name in common"):
        predict_images(weights, rows, {"Tram": 1}, RECIPE, tmp_path / "c.json")


def test_a_class_map_names_what_the_data_set_calls_otherwise(
    tmp_path: Path, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = images(tmp_path / "images")
    everything = read(predict_images(weights, rows, IDS, RECIPE, tmp_path / "a.json"))
    recipe = replace(RECIPE, class_map={"people": "Pedestrian"})
    with caplog.at_level(logging.WARNING):
        found = read(predict_images(weights, rows, {"Pedestrian": 7, "Tram": 8}, recipe, tmp_path / "b.json"))
    assert [row["bbox"] for row in found] == [row["bbox"] for row in everything if row["category_id"] == 1]
    assert {row["category_id"] for row in found} == {7}
    assert "cannot name the classes Tram" in caplog.text and "class_map" in caplog.text


@pytest.mark.parametrize(
    ("mapped", "words"),
    [
        ({"Poeple": "Car"}, "unknown class 'Poeple'; did you mean 'People'"),
        ({"People": "Caar"}, "People: the data set: unknown class 'Caar'; did you mean 'Car'"),
    ],
)
def test_wrong_names_in_a_class_map(tmp_path: Path, weights: Path, mapped: dict, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        predict_images(weights, [], IDS, replace(RECIPE, class_map=mapped), tmp_path / "p.json")
    assert words in str(error.value) and "\n" not in str(error.value)


def test_two_outputs_of_one_category_do_not_report_an_object_twice(tmp_path: Path, weights: Path) -> None:
    """The detector's car and lamp are both the data set's Car: of overlapping ones the better stays."""

    def largest_overlap(results: list[dict]) -> float:
        boxes = [np.array([row["bbox"] for row in results if row["image_id"] == image]) for image in (10, 11)]
        return max((mask_utils.iou(each, each, [0] * len(each)) - np.eye(len(each))).max() for each in boxes)

    rows = images(tmp_path / "images")[:2]
    recipe = replace(RECIPE, class_map={"Lamp": "Car"})
    apart = read(predict_images(weights, rows, {"Car": 1, "Lamp": 2}, RECIPE, tmp_path / "a.json"))
    merged = read(predict_images(weights, rows, {"Car": 1}, recipe, tmp_path / "b.json"))
    assert largest_overlap(apart) > 0.99 and largest_overlap(merged) <= RECIPE.nms_iou + 1e-3
    best = max(row["score"] for row in apart if row["image_id"] == 10)
    assert merged[0]["score"] == best


def test_a_damaged_image_leaves_no_result(tmp_path: Path, weights: Path) -> None:
    rows = images(tmp_path / "images")
    path = rows[3][1]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=path.name):
        predict_images(weights, rows, IDS, RECIPE, tmp_path / "p.json")
    assert not (tmp_path / "p.json").exists()
