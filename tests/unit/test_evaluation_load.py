"""Ground truth and predictions from anywhere: what is right is read, what is wrong is named in one line."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from regionfuse.datasets.errors import DataError
from regionfuse.detection.evaluation.load import (
    by_image,
    join_blocks,
    load_ground_truth,
    load_predictions,
    read_blocks,
)
from regionfuse.detection.evaluation.records import GroundTruth, PredictionKey, discover, predictions_path


def truth_json() -> dict[str, Any]:
    return {
        "images": [
            {
                "id": 7,
                "file_name": "b c.png",
                "stem": "b c",
                "scene": "s",
                "tags": ["night", "smoke"],
                "width": 640,
            },
            {"id": 3, "file_name": "ä.png"},
        ],
        "annotations": [{"id": 0, "image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 5, "name": "Car"}, {"id": 2, "name": "Truck"}],
    }


@pytest.fixture
def truth(tmp_path: Path) -> GroundTruth:
    return load_ground_truth(save(tmp_path / "truth.json", truth_json()))


def save(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_ground_truth_is_sorted_by_id_and_fills_what_may_be_missing(truth: GroundTruth) -> None:
    assert [image.id for image in truth.images] == [3, 7]
    assert [image.stem for image in truth.images] == ["ä", "b c"]
    assert truth.images[1].tags == ("night", "smoke") and truth.images[0].tags == ()
    assert (truth.images[1].width, truth.images[1].height) == (640, 0)
    assert truth.classes == ("Truck", "Car")
    assert truth.image.tolist() == [1] and truth.category.tolist() == [1]
    assert truth.area.tolist() == [12] and not truth.ignore.any() and truth.visibility.tolist() == [""]


def test_predictions_are_read_by_id_or_stem(tmp_path: Path, truth: GroundTruth) -> None:
    items = [
        {"image_id": 7, "category_id": 2, "bbox": [0, 0, 1.5, 2], "score": 0.5, "extra": 1},
        {"image_id": "ä", "category_id": 5, "bbox": [0, 0, 0, 0], "score": 1},
    ]
    found = load_predictions(save(tmp_path / "p.json", items), truth)
    assert found.image.tolist() == [1, 0] and found.category.tolist() == [0, 1]
    assert found.boxes.tolist() == [[0, 0, 1.5, 2], [0, 0, 0, 0]]
    assert len(load_predictions(save(tmp_path / "empty.json", []), truth)) == 0


def test_image_ids_may_be_texts(tmp_path: Path) -> None:
    value = truth_json() | {"images": [{"id": "00012", "file_name": "x/12.png"}, {"id": "00003"}]}
    value["annotations"][0]["image_id"] = "00012"
    truth = load_ground_truth(save(tmp_path / "truth.json", value))
    found = [(image.id, image.name, image.stem) for image in truth.images]
    assert found == [(1, "00003", "00003"), (2, "00012", "12")]
    assert truth.image.tolist() == [1]
    items = [GOOD | {"image_id": name} for name in ("00012", "12", "00003")]
    assert load_predictions(save(tmp_path / "p.json", items), truth).image.tolist() == [1, 1, 0]
    # Number 2 would be an image, but not the one that a program means by it.
    with pytest.raises(DataError, match=r"needs an id of .* found 2"):
        load_predictions(save(tmp_path / "p.json", [GOOD | {"image_id": 2}]), truth)


def with_images(*images: dict[str, Any]) -> dict[str, Any]:
    entries = [image | {"id": i} for i, image in enumerate(images, start=1)]
    return truth_json() | {"images": entries, "annotations": []}


def test_predictions_are_read_by_file_name_as_ultralytics_writes_them(
    tmp_path: Path, truth: GroundTruth
) -> None:
    """Its image ids are numbers made of file names, so the name counts, whatever the ending."""
    items = [GOOD | {"image_id": 3, "file_name": "b c.jpg"}, GOOD | {"image_id": 99, "file_name": "x/ä.png"}]
    assert load_predictions(save(tmp_path / "p.json", items), truth).image.tolist() == [1, 0]
    with pytest.raises(DataError, match=r"an id of an image of .* as 'file_name', found 'none'"):
        load_predictions(save(tmp_path / "p.json", [GOOD | {"file_name": "none.png"}]), truth)
    # One entry without a name: then ids count for all.
    items = [GOOD | {"image_id": 3, "file_name": "b c.jpg"}, GOOD | {"image_id": 3}]
    assert load_predictions(save(tmp_path / "p.json", items), truth).image.tolist() == [0, 0]


def test_a_name_that_two_images_share_is_no_name(tmp_path: Path) -> None:
    value = with_images({"file_name": "day/1.png"}, {"file_name": "night/1.png"}, {"file_name": "2.png"})
    truth = load_ground_truth(save(tmp_path / "truth.json", value))
    for item in (GOOD | {"file_name": "night/1.png"}, GOOD | {"image_id": "1"}):
        with pytest.raises(DataError, match="found '1'"):
            load_predictions(save(tmp_path / "p.json", [item]), truth)
    items = [GOOD | {"image_id": 2}, GOOD | {"image_id": "2"}]
    assert load_predictions(save(tmp_path / "p.json", items), truth).image.tolist() == [1, 2]


def test_a_byte_order_mark_is_no_content(tmp_path: Path, truth: GroundTruth) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(codecs.BOM_UTF8 + json.dumps([GOOD]).encode())
    assert len(load_predictions(path, truth)) == 1


def test_regions_to_ignore_are_no_objects(tmp_path: Path) -> None:
    value = truth_json()
    value["annotations"] = [
        value["annotations"][0] | {"id": i, "iscrowd": crowd} for i, crowd in enumerate((0, 1, True, None))
    ]
    truth = load_ground_truth(save(tmp_path / "truth.json", value))
    assert truth.ignore.tolist() == [False, True, True, False] and truth.objects == 2
    assert truth.objects_per_class().tolist() == [0, 2]
    assert truth.positives().tolist() == [[0, 0], [0, 2]]


def test_blocks_are_read_from_the_file_and_scenes_are_not(tmp_path: Path) -> None:
    blocks = [
        {"file_name": f"{n}.png", "block": b, "scene": "one"} for n, b in ((1, "b"), (2, "a"), (9, "b"))
    ]
    truth = load_ground_truth(save(tmp_path / "truth.json", with_images(*blocks)))
    assert truth.block_origin == "file" and truth.blocks == ("b", "a") and truth.block.tolist() == [0, 1, 0]
    del blocks[1]["block"]
    truth = load_ground_truth(save(tmp_path / "truth.json", with_images(*blocks)))
    assert truth.block_origin == "numbers" and truth.block.tolist() == [0, 0, 1]


def test_blocks_may_be_given(tmp_path: Path) -> None:
    path = save(tmp_path / "truth.json", with_images(*({"file_name": f"{n}.png"} for n in (1, 2, 9))))
    listed = tmp_path / "blocks.csv"
    listed.write_bytes(codecs.BOM_UTF8 + b"image,block,other\n1.png,x,\nfolder/2,y,\n9,x,\n9.png,x,\n")
    truth = load_ground_truth(path, read_blocks(listed))
    assert truth.block_origin == "given" and truth.blocks == ("x", "y") and truth.block.tolist() == [0, 1, 0]
    with pytest.raises(DataError, match=r"2 image\(s\) have no block in the given list, first '2'"):
        load_ground_truth(path, {"1": "x"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected the columns image,block and at least one row, found no rows"),
        ("image,block\n", "found no rows"),
        ("image;block\n1;2\n", "found image;block"),
        ("image,block\n1,a\n1.png,b\n", "image '1' stands in two blocks"),
        ("image,block\n1,a\n2\n", "line 3 needs an image and a block, found 2"),
        ("image,block\n,a\n", "line 2 needs an image and a block, found a"),
        ("image,block\n1,\n", "line 2 needs an image and a block, found 1"),
    ],
)
def test_wrong_lists_of_blocks_are_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "blocks.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as raised:
        read_blocks(path)
    assert str(raised.value).startswith(str(path)) and "\n" not in str(raised.value)
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read_blocks(tmp_path / "none.csv")


def test_blocks_are_joined_with_their_neighbours(tmp_path: Path) -> None:
    value = with_images(*({"file_name": f"{n}.png", "block": f"b{n // 2}"} for n in range(10)))
    truth = load_ground_truth(save(tmp_path / "truth.json", value))
    assert join_blocks(truth, 5) is truth
    joined = join_blocks(truth, 2)
    assert joined.blocks == ("b0 to b2", "b3 to b4")
    assert joined.block.tolist() == [0] * 6 + [1] * 4
    assert by_image(truth).block.tolist() == list(range(10)) and by_image(truth).blocks[3] == "3"


def test_public_ground_truth_loads(shared: Path) -> None:
    truth = load_ground_truth(shared / "data" / "m3fd_annotations" / "m3fd-test.json")
    assert (len(truth.images), truth.objects) == (837, 7010)
    assert truth.classes == ("People", "Car", "Motorcycle", "Bus", "Truck", "Lamp")
    assert load_ground_truth(shared / "data" / "flir" / "annotations.json").objects == 364


GOOD = {"image_id": 7, "category_id": 2, "bbox": [0, 0, 1, 1], "score": 0.5}
BAD_PREDICTIONS = {
    "structure": ({"annotations": []}, "expected a list .* found an object with the keys annotations"),
    "text": ("abc", "found a text"),
    "entry": ([GOOD, 5], "entry 1 is a number"),
    "missing field": (
        [GOOD, {"image_id": 7, "bbox": [0, 0, 1, 1], "score": 1}],
        "1 has no 'category_id', only im",
    ),
    "unknown image": (
        [GOOD, GOOD | {"image_id": 8}],
        r"prediction 1 needs an id of .*truth.json \(3, 7\) .* found 8",
    ),
    "unknown stem": (
        [GOOD | {"image_id": "c"}],
        r"an id of .*truth.json, such as 'ä', as 'image_id', found 'c'",
    ),
    "number among stems": ([GOOD | {"image_id": "ä"}, GOOD | {"image_id": 8}], "prediction 1 .* found 8"),
    "unknown category": ([GOOD | {"category_id": 0}] * 2, r"\(2, 5\) as 'category_id', found 0; 2 entries"),
    "fractional id": ([GOOD | {"image_id": 7.5}], "whole number as 'image_id', found 7.5"),
    "boolean id": ([GOOD | {"image_id": True}], "whole number"),
    "huge id": ([GOOD | {"image_id": 10**30}], "whole number"),
    "NaN box": ([GOOD | {"bbox": [0, 0, float("nan"), 1]}], r"\[x, y, width, height\], finite"),
    "negative box": ([GOOD | {"bbox": [0, 0, -1, 1]}], r"found \[0, 0, -1, 1\]"),
    "short box": ([GOOD | {"bbox": [0, 0, 1]}], r"as 'bbox', found \[0, 0, 1\]"),
    "text in box": ([GOOD | {"bbox": [0, 0, "1", 1]}], "as 'bbox'"),
    "huge box": ([GOOD | {"bbox": [0, 0, 10**400, 1]}], "as 'bbox'"),
    "score above 1": ([GOOD | {"score": 87.5}], "a number from 0 to 1 as 'score', found 87.5"),
    "negative score": ([GOOD | {"score": -0.1}], "from 0 to 1"),
    "NaN score": ([GOOD | {"score": float("nan")}], "found nan"),
    "no score": ([GOOD | {"score": None}], "needs a number as 'score', found None"),
}


@pytest.mark.parametrize("case", BAD_PREDICTIONS)
def test_wrong_predictions_are_named(case: str, tmp_path: Path, truth: GroundTruth) -> None:
    value, message = BAD_PREDICTIONS[case]
    path = save(tmp_path / "p.json", value)
    with pytest.raises(DataError, match=message) as raised:
        load_predictions(path, truth)
    assert str(raised.value).startswith(str(path)) and "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b'[{"image_id": 7', b"\xff\xfe\x00", b"[" * 100_000])
def test_a_file_that_is_not_json_is_named(content: bytes, tmp_path: Path, truth: GroundTruth) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not JSON"):
        load_predictions(path, truth)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_ground_truth(tmp_path / "none.json")
    with pytest.raises(DataError, match="cannot be read"):
        load_ground_truth(tmp_path)


BAD_TRUTH = {
    "list": (lambda _: [], "expected COCO ground truth"),
    "mixed ids": (
        lambda t: t | {"images": [{"id": "a"}, {"id": 3}]},
        "a text as 'id' like the others, found 3",
    ),
    "repeated text": (lambda t: t | {"images": [{"id": "a"}] * 2}, "share the id 'a'"),
    "no images": (lambda t: t | {"images": None}, "expected a list under 'images', found nothing"),
    "repeated image": (lambda t: t | {"images": t["images"] * 2}, "two image entries share the id"),
    "repeated annotation": (lambda t: t | {"annotations": t["annotations"] * 2}, "share the id 0"),
    "no classes": (lambda t: t | {"categories": [], "annotations": []}, "'categories' is empty"),
    "same names": (lambda t: t | {"categories": [{"id": i, "name": "Car"} for i in (2, 5)]}, "must differ"),
    "background": (lambda t: t | {"categories": [{"id": 5, "name": "background"}]}, "must differ"),
    "unknown class": (lambda t: t | {"categories": [{"id": 2, "name": "Car"}]}, r"under 'categories' \(2\)"),
    "unknown image": (lambda t: t | {"images": t["images"][1:]}, r"under 'images' \(3\)"),
    "negative area": (lambda t: t | {"annotations": [t["annotations"][0] | {"area": -1}]}, "as 'area'"),
    "tags": (lambda t: t | {"images": [{"id": 7, "tags": "night"}]}, "'tags' of image 7 must be a list"),
}


@pytest.mark.parametrize("case", BAD_TRUTH)
def test_wrong_ground_truth_is_named(case: str, tmp_path: Path) -> None:
    change, message = BAD_TRUTH[case]
    path = save(tmp_path / "truth.json", change(truth_json()))
    with pytest.raises(DataError, match=message) as raised:
        load_ground_truth(path)
    assert str(raised.value).startswith(str(path))


def test_discover_finds_what_predictions_path_names_and_nothing_else(tmp_path: Path) -> None:
    keys = [
        PredictionKey("retrained", "visible", seed, split) for seed in (0, 10) for split in ("test", "val")
    ]
    for key in keys:
        path = predictions_path(tmp_path, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[]")
    folder = predictions_path(tmp_path, keys[0]).parent
    (folder / ".test.json.1.part").write_text("")
    (folder / ".hidden.json").write_text("")
    (folder / "notes.txt").write_text("")
    (folder.parent / "seedX").mkdir()
    (folder.parent / "seedX" / "test.json").write_text("[]")
    assert discover(tmp_path) == {key: predictions_path(tmp_path, key) for key in keys}
    assert list(discover(tmp_path)) == sorted(keys)
    assert discover(tmp_path / "nowhere") == {}


@pytest.mark.parametrize("source", ["", "..", "a/b", ".hidden", "a\\b"])
def test_a_source_cannot_lead_out_of_the_run_folder(source: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot name a folder"):
        predictions_path(tmp_path, PredictionKey("retrained", source, 0, "test"))
