"""COCO ground truth: global ids, categories by name, and readable by pycocotools."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from regionfuse.datasets.coco import ground_truth, read_coco_labels, write_ground_truth
from regionfuse.datasets.errors import DataError
from regionfuse.datasets.records import Box, Pair, PairSet


def pair(stem: str, *boxes: Box, scene: str | None = None) -> Pair:
    return Pair(stem, Path("i"), Path("v"), 64, 48, boxes, None, ("night",) if scene else (), scene)


@pytest.fixture
def pairs() -> PairSet:
    car, bus = Box("Car", (1.0, 2.0, 11.0, 22.0)), Box("Bus", (0.0, 0.0, 64.0, 48.0))
    records = (pair("a", car), pair("b"), pair("c", bus, car, scene="s1"), pair("d", car))
    return PairSet("m3fd", Path("root"), records, ("People", "Car", "Bus"))


def test_the_format(pairs: PairSet) -> None:
    assert ground_truth(pairs, "test", ["c"], {"c": "b1"}) == {
        "info": {"dataset": "m3fd", "split": "test", "schema": 2, "synthetic": False},
        "images": [
            {
                "id": 3,
                "file_name": "c.png",
                "stem": "c",
                "width": 64,
                "height": 48,
                "scene": "s1",
                "block": "b1",
                "tags": ["night"],
            }
        ],
        "annotations": [
            {"id": 2, "image_id": 3, "category_id": 3, "bbox": [0, 0, 64, 48], "area": 3072, "iscrowd": 0},
            {"id": 3, "image_id": 3, "category_id": 2, "bbox": [1, 2, 10, 20], "area": 200, "iscrowd": 0},
        ],
        "categories": [{"id": 1, "name": "People"}, {"id": 2, "name": "Car"}, {"id": 3, "name": "Bus"}],
    }


def test_ids_do_not_depend_on_the_split(pairs: PairSet) -> None:
    whole = ground_truth(pairs, "all", ["d", "c", "b", "a"])
    images = {image["stem"]: image for image in whole["images"]}
    for stems in (["a", "d"], ["b"], ["c", "b"]):
        part = ground_truth(pairs, "x", stems)
        assert [image["stem"] for image in part["images"]] == sorted(stems)
        assert all(image == images[image["stem"]] for image in part["images"])
        assert all(annotation in whole["annotations"] for annotation in part["annotations"])


def test_unknown_stem_and_class(pairs: PairSet) -> None:
    with pytest.raises(DataError, match="'z'"):
        ground_truth(pairs, "test", ["a", "z"])
    with pytest.raises(DataError, match="'Car'"):
        ground_truth(PairSet("x", Path(), pairs.pairs, ("People",)), "test", ["a"])


def test_written_file_feeds_pycocotools(
    pairs: PairSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pycocotools.coco import COCO

    path = tmp_path / "ground_truth" / "test.json"
    write_ground_truth(pairs, "test", ["a", "b", "c"], path)
    coco = COCO(str(path))
    assert coco.getImgIds() == [1, 2, 3] and len(coco.getAnnIds()) == 3
    assert json.loads(path.read_text())["info"]["split"] == "test"
    write_ground_truth(pairs, "val", [], tmp_path / "val.json")
    assert COCO(str(tmp_path / "val.json")).getImgIds() == []


def test_own_file_reads_back_as_foreign(pairs: PairSet, tmp_path: Path) -> None:
    write_ground_truth(pairs, "test", ["b", "c"], tmp_path / "x.json")
    labels = read_coco_labels(tmp_path / "x.json")
    assert labels.classes == pairs.classes
    assert labels.boxes == {"b": (), "c": pairs["c"].boxes}
    assert [(image.stem, image.width, image.height, image.scene) for image in labels.images] == [
        ("b", 64, 48, None),
        ("c", 64, 48, "s1"),
    ]
