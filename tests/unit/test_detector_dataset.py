"""Training data: labels by name, awkward boxes and files, and batches that depend on seed and epoch alone."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from detector_toy import CLASSES, toy_pairs

from regionfuse.datasets.errors import DataError
from regionfuse.datasets.records import Box, Pair
from regionfuse.detection.dataset import DetectionDataset, make_loader
from regionfuse.detection.recipe import DetectorRecipe

RECIPE = DetectorRecipe(image_size=64, batch_size=4, epochs=4, close_mosaic=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy_pairs(tmp_path / "images")
    return tmp_path / "images"


def image_of(folder: Path) -> Callable[[str], Path]:
    return lambda stem: folder / f"{stem}.png"


def dataset(folder: Path, recipe: DetectorRecipe = RECIPE, seed: int = 0) -> DetectionDataset:
    return DetectionDataset(toy_pairs(folder).pairs, CLASSES, image_of(folder), recipe, seed)


def batches(data: DetectionDataset, epoch: int, workers: int = 0) -> list[dict]:
    loader = make_loader(data, 4, workers, pin=False)
    loader.sampler.epoch = epoch  # type: ignore[attr-defined]
    return list(loader)


def test_no_hidden_augmentation(folder: Path) -> None:
    """Blur, ToGray and CLAHE come with albumentations unasked; none of it may be in the pipeline."""
    text = repr(dataset(folder).mixed) + repr(dataset(folder).plain)
    names = {type(step).__name__ for step in dataset(folder).mixed.transforms}
    assert names == {"Compose", "MixUp", "CutMix", "RandomHSV", "RandomFlip", "Format"}
    for word in ("Albumentations", "Blur", "ToGray", "CLAHE"):
        assert word not in text


def test_without_augmentation_the_image_arrives_unchanged(folder: Path) -> None:
    still = replace(RECIPE, mosaic=0.0, translate=0.0, scale=0.0, fliplr=0.0, hsv_h=0.0, hsv_s=0.0, hsv_v=0.0)
    data = dataset(folder, still)
    from regionfuse.datasets.images import read_rgb8

    for index, pair in enumerate(data.pairs):
        sample = data[0, index]
        assert np.array_equal(sample["img"].permute(1, 2, 0).numpy(), read_rgb8(pair.visible)), (
            "RGB, same pixels"
        )
        assert [CLASSES[int(c)] for c in sample["cls"][:, 0]] == [box.label for box in pair.boxes]
        corners = np.array([box.xyxy for box in pair.boxes]).reshape(-1, 2, 2)
        expected = np.concatenate([corners.mean(1), corners[:, 1] - corners[:, 0]], axis=1) / 64
        assert np.allclose(sample["bboxes"], expected, atol=1e-6)


def test_batches_depend_on_seed_and_epoch_alone(folder: Path) -> None:
    first, again = batches(dataset(folder), 1), batches(dataset(folder), 1)
    data = dataset(folder)
    batches(data, 0)  # history
    later = batches(data, 1)
    with_workers = batches(dataset(folder), 1, workers=2)
    for other in (again, later, with_workers):
        for a, b in zip(first, other, strict=True):
            assert a["im_file"] == b["im_file"]
            assert torch.equal(a["img"], b["img"])
            assert torch.equal(a["bboxes"], b["bboxes"])
    assert not torch.equal(first[0]["img"], batches(dataset(folder), 2)[0]["img"])
    assert not torch.equal(first[0]["img"], batches(dataset(folder, seed=1), 1)[0]["img"])


def test_mosaic_closes_by_epoch(folder: Path) -> None:
    data = dataset(folder)
    empty = len(data) - 1  # the pair without objects gets some only through mosaic
    assert any(len(data[epoch, empty]["cls"]) for epoch in range(3))
    assert len(data[3, empty]["cls"]) == 0


def test_fitting_canvas(tmp_path: Path) -> None:
    pairs = toy_pairs(tmp_path, 4, width=128, height=72)
    recipe = replace(RECIPE, image_size=128, canvas="fit")
    data = DetectionDataset(pairs.pairs, CLASSES, image_of(tmp_path), recipe, 0)
    assert data[0, 0]["img"].shape == (3, 96, 128)
    assert data[3, 0]["img"].shape == (3, 96, 128)
    square = DetectionDataset(pairs.pairs, CLASSES, image_of(tmp_path), replace(recipe, canvas="square"), 0)
    assert square[0, 0]["img"].shape == (3, 128, 128)


def test_awkward_boxes(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    pair = toy_pairs(folder).pairs[0]
    boxes = (
        Box("Car", (-10, -10, 20, 20)),
        Box("Lamp", (60, 60, 90, 90)),
        Box("People", (70, 10, 80, 20)),
        Box("People", (10, 10, 10, 20)),
    )
    with caplog.at_level(logging.WARNING):
        data = DetectionDataset([replace(pair, boxes=boxes)], CLASSES, image_of(folder), RECIPE, 0)
    assert data.labels[0]["cls"].ravel().tolist() == [1, 2]
    assert np.allclose(data.labels[0]["bboxes"][0] * 64, [10, 10, 20, 20])
    assert caplog.text.count("no area inside the image") == 2


def test_regions_to_ignore_are_grey_and_no_targets(folder: Path) -> None:
    pair = toy_pairs(folder).pairs[0]
    boxes = (
        Box("Car", (20, 20, 40, 40)),
        Box("Car", (0, 0, 30, 30), ignore=True),
        Box("Dog", (50.5, 0, 60, 10), ignore=True),  # of an ignored class: not among the classes
    )
    still = replace(RECIPE, mosaic=0.0, translate=0.0, scale=0.0, fliplr=0.0, hsv_h=0.0, hsv_s=0.0, hsv_v=0.0)
    plain = DetectionDataset([replace(pair, boxes=boxes[:1])], CLASSES, image_of(folder), still, 0)
    data = DetectionDataset([replace(pair, boxes=boxes)], CLASSES, image_of(folder), still, 0)
    assert data.labels[0]["cls"].ravel().tolist() == [CLASSES.index("Car")]
    before, after = (each[0, 0]["img"].permute(1, 2, 0).numpy() for each in (plain, data))
    hidden = np.zeros((64, 64), dtype=bool)
    hidden[:30, :30] = hidden[:10, 50:60] = True
    hidden[20:40, 20:40] = False  # the object keeps its pixels
    assert (after[hidden] == 114).all() and not (before[hidden] == 114).all()
    assert np.array_equal(after[~hidden], before[~hidden])


def test_unknown_class_and_wrong_size_are_errors(folder: Path) -> None:
    pair = toy_pairs(folder).pairs[0]
    strange = replace(pair, boxes=(Box("Tram", (1, 1, 9, 9)),))
    with pytest.raises(DataError, match="'Tram' is not one of People, Car, Lamp"):
        DetectionDataset([strange], CLASSES, image_of(folder), RECIPE, 0)
    with pytest.raises(DataError, match="expected 65 x 64"):
        DetectionDataset([replace(pair, width=65)], CLASSES, image_of(folder), RECIPE, 0)


def test_truncated_and_missing_images_are_named(folder: Path) -> None:
    pairs = toy_pairs(folder).pairs
    content = (folder / "00001.png").read_bytes()
    (folder / "00001.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"00001\.png"):
        DetectionDataset(pairs, CLASSES, image_of(folder), RECIPE, 0)
    (folder / "00001.png").unlink()
    with pytest.raises(DataError, match=r"00001\.png"):
        DetectionDataset(pairs, CLASSES, image_of(folder), RECIPE, 0)


def test_odd_names_grey_files_and_links(tmp_path: Path, folder: Path) -> None:
    import cv2

    odd = tmp_path / "Straße mit Leerzeichen"
    odd.mkdir()
    (odd / "夜 1.png").symlink_to(folder / "00000.png")
    grey = cv2.imread(str(folder / "00001.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(odd / "images.png"), grey)  # a name that means something to Ultralytics
    pairs = [
        Pair(stem, odd / f"{stem}.png", odd / f"{stem}.png", 64, 64, (Box("Car", (1, 1, 20, 20)),))
        for stem in ("images", "夜 1")
    ]
    data = DetectionDataset(pairs, CLASSES, image_of(odd), RECIPE, 0)
    assert [data[0, index]["img"].shape for index in (0, 1)] == [(3, 64, 64)] * 2
    assert sorted(path.name for path in odd.iterdir()) == ["images.png", "夜 1.png"], "no cache files"


def test_large_sets_are_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = dataset(folder)
    monkeypatch.setattr("regionfuse.detection.dataset.MEMORY_LIMIT", 10)
    read = dataset(folder)
    assert kept._memory
    assert not read._memory
    assert torch.equal(kept[0, 2]["img"], read[0, 2]["img"])
