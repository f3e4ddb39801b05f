"""COCO ground truth: global ids, categories by name, and readable by pycocotools."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from regionfuse.datasets.coco import ground_truth, read_coco_labels, write_ground_truth
from regionfuse.datasets.errors import DataError
from regionfuse.datasets.records import Box, Pair, PairSet
from regionfuse.datasets.visibility import ObjectVisibility


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
    assert labels.sizes == {"b": (64, 48), "c": (64, 48)}


def test_regions_to_ignore_are_crowds_of_their_class_or_of_every_class() -> None:
    boxes = (
        Box("Car", (0, 0, 9, 9)),
        Box("Car", (10, 0, 30, 9), ignore=True),
        Box("Dog", (0, 20, 9, 30), ignore=True),
    )
    pairs = PairSet("x", Path(), (pair("a", *boxes), pair("b", boxes[0])), ("People", "Car"))
    found = ground_truth(pairs, "test", ["a", "b"])["annotations"]
    assert [(row["image_id"], row["category_id"], row["iscrowd"]) for row in found] == [
        (1, 2, 0),
        (1, 2, 1),
        (1, 1, 1),
        (1, 2, 1),
        (2, 2, 0),
    ]
    assert [row["bbox"] for row in found[2:4]] == [[0, 20, 9, 10]] * 2
    assert ground_truth(pairs, "test", ["b"])["annotations"] == found[4:]


def test_visibility_is_written_beside_the_objects(pairs: PairSet) -> None:
    seen = {"a": (ObjectVisibility(2.0, 0.12345, 0.0),)}
    (row,) = ground_truth(pairs, "test", ["a"], visibility=seen)["annotations"]
    assert row["contrast_infrared"] == 2.0 and row["contrast_visible"] == 0.123
    assert row["visibility"] == "infrared"
    assert "visibility" not in ground_truth(pairs, "test", ["a"])["annotations"][0]


def foreign(path: Path, names: list[str], *annotations: dict, bom: bool = False) -> Path:
    content = {
        "info": {},
        "images": [{"id": n, "file_name": name, "width": 64, "height": 48} for n, name in enumerate(names)],
        "categories": [{"id": 1, "name": "Car"}],
        "annotations": [
            {"id": number, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0} | item
            for number, item in enumerate(annotations, start=1)
        ],
    }
    path.write_text(json.dumps(content), encoding="utf-8-sig" if bom else "utf-8")
    return path


def test_crowd_and_ignore_survive_reading(tmp_path: Path) -> None:
    path = foreign(tmp_path / "x.json", ["a.png"], {}, {"iscrowd": 1}, {"ignore": 1}, bom=True)
    assert [box.ignore for box in read_coco_labels(path).boxes["a"]] == [False, True, True]


def test_file_names_of_other_systems_and_of_two_folders(tmp_path: Path) -> None:
    assert list(read_coco_labels(foreign(tmp_path / "x.json", ["rgb\\00000.png"])).boxes) == ["00000"]
    with pytest.raises(DataError, match=r"'rgb/0\.png' and 'thermal/0\.png' have the same stem"):
        read_coco_labels(foreign(tmp_path / "y.json", ["rgb/0.png", "thermal/0.png"]))


def test_one_scoring_for_ours_and_foreign_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """pycocotools scores a foreign file with a crowd region as it scores what we write of it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    crowd = {"iscrowd": 1, "bbox": [20, 20, 20, 20]}
    areas = [{"area": 12}, {"area": 400}]
    original = foreign(tmp_path / "x.json", ["a.png"], areas[0], crowd | areas[1])
    labels = read_coco_labels(original)
    own = PairSet("x", Path(), (pair("a", *labels.boxes["a"]),), labels.classes)
    write_ground_truth(own, "test", ["a"], tmp_path / "own.json")
    scores = []
    for path, image in ((original, 0), (tmp_path / "own.json", 1)):
        truth = COCO(str(path))
        found = [
            {"image_id": image, "category_id": 1, "bbox": [21, 21, 5, 5], "score": 0.9},
            {"image_id": image, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.8},
        ]
        evaluator = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
        scores.append(evaluator.stats[0])
    assert scores == pytest.approx([1.0, 1.0])  # dropped on import, the crowd made the first a false positive
