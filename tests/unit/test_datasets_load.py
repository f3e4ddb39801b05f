"""Readers: folders by any usual name, halves by stem, labels by class name, and errors that tell."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from regionfuse.datasets.errors import ConfigError, DataError
from regionfuse.datasets.images import write_png
from regionfuse.datasets.load import _READERS, FORMATS, detect_format, load_pairs, pair_folders
from regionfuse.datasets.records import Box, size_names

CAR = ("Car", 3, 4, 12, 14)


def picture(path: Path, width: int = 20, height: int = 16, seed: int = 0) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    write_png(path, values)


def voc(path: Path, boxes: list[tuple[str, int, int, int, int]], width: int = 20, height: int = 16) -> None:
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for name, a, b, c, d in boxes
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation>{size}{objects}</annotation>", encoding="utf-8")


def m3fd(root: Path, count: int = 3, ir: str = "Ir", vis: str = "Vis", labels: str = "Annotation") -> Path:
    for index in range(count):
        picture(root / ir / f"{index:05}.png", seed=index)
        picture(root / vis / f"{index:05}.png", seed=100 + index)
        voc(root / labels / f"{index:05}.xml", [CAR])
    return root


@pytest.mark.parametrize(
    ("ir", "vis", "labels"),
    [
        ("Ir", "Vis", "Annotation"),
        ("ir", "vi", "labels"),
        ("infrared", "visible", "Annotations"),
        ("IR_images", "VIS-images", "annotation"),
        ("thermal", "RGB", "xml"),
        ("M3FD_Detection/Ir", "M3FD_Detection/Vis", "M3FD_Detection/Annotation"),
    ],
)
def test_folder_spellings(tmp_path: Path, ir: str, vis: str, labels: str) -> None:
    pairs = load_pairs("m3fd", m3fd(tmp_path, ir=ir, vis=vis, labels=labels))
    assert [pair.stem for pair in pairs] == ["00000", "00001", "00002"]
    first = pairs["00000"]
    assert (first.width, first.height) == (20, 16)
    assert first.boxes == (
        Box("Car", (2.0, 3.0, 12.0, 14.0)),
    )  # VOC counts from 1 and includes the last pixel
    assert first.infrared.parent.name == Path(ir).name and first.visible.parent.name == Path(vis).name
    assert pairs.classes == ("People", "Car", "Bus", "Motorcycle", "Lamp", "Truck")
    assert pairs.name == "m3fd" and not pairs.synthetic
    assert detect_format(tmp_path) == "m3fd"


def test_explicit_folders_win(tmp_path: Path) -> None:
    m3fd(tmp_path / "set")
    m3fd(tmp_path / "other", count=1, ir="x y", vis="Bäume", labels="zeichen")
    other = tmp_path / "other"
    pairs = load_pairs(
        "m3fd",
        tmp_path / "set",
        infrared=other / "x y",
        visible=other / "Bäume",
        annotations=other / "zeichen",
        classes=["Truck", "Car"],
    )
    assert len(pairs) == 1 and pairs.classes == ("Truck", "Car")


def test_stems_match_across_extensions_and_unicode_spellings(tmp_path: Path) -> None:
    import unicodedata

    picture(tmp_path / "ir" / (unicodedata.normalize("NFD", "Straße é") + ".PNG"))
    picture(tmp_path / "vi" / (unicodedata.normalize("NFC", "Straße é") + ".png"))
    picture(tmp_path / "vi" / ".hidden.png")
    (tmp_path / "vi" / "notes.txt").write_text("x")
    pairs = load_pairs("folders", tmp_path)
    assert [pair.stem for pair in pairs] == [unicodedata.normalize("NFC", "Straße é")]


@pytest.mark.parametrize("names", [("IR_07", "VIS_07"), ("07_ir", "07_vis"), ("ir07", "vi07")])
def test_modality_in_the_file_name(tmp_path: Path, names: tuple[str, str]) -> None:
    picture(tmp_path / "ir" / f"{names[0]}.png")
    picture(tmp_path / "vis" / f"{names[1]}.png")
    assert [pair.stem for pair in load_pairs("tno", tmp_path)] == ["07"]


def test_missing_halves_are_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = m3fd(tmp_path)
    (root / "Vis" / "00001.png").unlink()
    picture(root / "Vis" / "99.png")
    with caplog.at_level(logging.WARNING):
        pairs = load_pairs("m3fd", root)
    assert [pair.stem for pair in pairs] == ["00000", "00002"]
    assert "2 image(s)" in caplog.text and "00001.png" in caplog.text


def test_train_and_test_subfolders(tmp_path: Path) -> None:
    for subset, stem in (("train", "010001"), ("test", "190001")):
        picture(tmp_path / "infrared" / subset / f"{stem}.png")
        picture(tmp_path / "visible" / subset / f"{stem}.png")
        voc(tmp_path / "Annotations" / f"{stem}.xml", [("person", 1, 1, 5, 9)])
    pairs = load_pairs("llvip", tmp_path)
    assert [pair.stem for pair in pairs] == ["010001", "190001"]
    assert pairs.classes == ("person",) and detect_format(tmp_path) == "llvip"


def test_msrs_layout(tmp_path: Path) -> None:
    for subset, stem in (("train", "00004N"), ("test", "00055D")):
        picture(tmp_path / subset / "ir" / f"{stem}.png")
        picture(tmp_path / subset / "vi" / f"{stem}.png")
    pairs = load_pairs("msrs", tmp_path)
    assert [pair.stem for pair in pairs] == ["00004N", "00055D"]
    assert pairs.classes == () and detect_format(tmp_path) == "msrs"


def test_roadscene_layout(tmp_path: Path) -> None:
    for folder in ("cropinfrared", "crop_LR_visible", "crop_HR_visible"):
        size = 40 if "HR" in folder else 20
        picture(tmp_path / folder / "FLIR_00018.png", width=size)
    pairs = load_pairs("roadscene", tmp_path)
    assert pairs["FLIR_00018"].visible.parent.name == "crop_LR_visible"
    assert detect_format(tmp_path) == "roadscene"


def flir_json(path: Path) -> None:
    path.write_text(
        json.dumps(
            {
                "categories": [{"id": 2, "name": "car"}, {"id": 1, "name": "person"}],
                "images": [
                    {"id": "a", "file_name": "FLIR_00097_PreviewData.jpg", "width": 20, "height": 16},
                    {"id": "b", "file_name": "FLIR_00200_PreviewData.jpg", "width": 20, "height": 16},
                ],
                "annotations": [
                    {"id": 1, "image_id": "a", "category_id": 2, "bbox": [1, 2, 5, 6], "iscrowd": 0},
                    {"id": 2, "image_id": "a", "category_id": 1, "bbox": [0, 0, 5, 6], "iscrowd": 1},
                ],
            }
        )
    )


@pytest.mark.parametrize("together", [True, False])
def test_flir_endings_and_coco_labels(tmp_path: Path, together: bool) -> None:
    for stem in ("FLIR_00097", "FLIR_00200"):
        picture(tmp_path / ("JPEGImages" if together else "infrared") / f"{stem}_PreviewData.png")
        picture(tmp_path / ("JPEGImages" if together else "visible") / f"{stem}_RGB.png")
    flir_json(tmp_path / "annotations.json")
    pairs = load_pairs("flir", tmp_path)
    assert [pair.stem for pair in pairs] == ["FLIR_00097", "FLIR_00200"]
    assert pairs.classes == ("person", "car")
    crowd = Box("person", (0.0, 0.0, 5.0, 6.0), ignore=True)
    assert pairs["FLIR_00097"].boxes == (Box("car", (1.0, 2.0, 6.0, 8.0)), crowd)
    assert pairs["FLIR_00097"].objects == pairs["FLIR_00097"].boxes[:1]
    assert pairs["FLIR_00097"].ignored == (crowd,)
    assert pairs["FLIR_00097"].infrared.name.endswith("_PreviewData.png")
    assert pairs["FLIR_00200"].boxes == ()
    assert detect_format(tmp_path) == "flir"


def test_a_condition_code_in_coco_labels_is_no_scene(tmp_path: Path) -> None:
    """Public labels of M3FD have a field ``scene`` with the numbers 0 to 4: day, night and so on."""
    for folder in ("ir", "vi"):
        picture(tmp_path / folder / "00002.png")
    image = {"id": "00002", "file_name": "00002.png", "width": 64, "height": 48, "scene": 3}
    labels = {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "Car"}]}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    pairs = load_pairs("folders", tmp_path, annotations=tmp_path / "labels.json")
    assert pairs["00002"].scene is None


def test_pair_folders(tmp_path: Path) -> None:
    picture(tmp_path / "one" / "a.png")
    picture(tmp_path / "two" / "a.jpg.png")
    picture(tmp_path / "two" / "a.png")
    pairs = pair_folders(tmp_path / "one", tmp_path / "two")
    assert len(pairs) == 1 and pairs.classes == ()
    assert pairs["a"].infrared == tmp_path / "one" / "a.png"
    with pytest.raises(DataError, match="no such folder"):
        pair_folders(tmp_path / "one", tmp_path / "three")


def test_conditions_and_synthetic_mark(tmp_path: Path) -> None:
    root = m3fd(tmp_path)
    (root / "conditions.json").write_text(json.dumps({"00001": {"scene": "s7", "tags": ["night", "smoke"]}}))
    (root / "synthetic.json").write_text("{}")
    pairs = load_pairs("m3fd", root)
    assert pairs.synthetic and pairs.name == "synthetic"
    assert pairs["00001"].scene == "s7" and pairs["00001"].tags == ("night", "smoke")
    assert pairs["00000"].scene is None and pairs["00000"].tags == ()
    for bad in ("[1]", '{"00001": 3}', '{"00001": {"tags": "night"}}', "{"):
        (root / "conditions.json").write_text(bad)
        with pytest.raises(DataError, match=r"conditions\.json"):
            load_pairs("m3fd", root)


def test_a_conditions_file_elsewhere(tmp_path: Path) -> None:
    root, file = m3fd(tmp_path), tmp_path / "tags.csv"
    file.write_text("image,tag,scene\n00001.png,fog,s1\n")
    assert load_pairs("m3fd", root, conditions=file)["00001"].scene == "s1"
    file.write_text("image,tag\nother,fog\n")
    with pytest.raises(DataError, match=r"tags\.csv: names none of the images"):
        load_pairs("m3fd", root, conditions=file)


def test_no_boxes_and_no_labels(tmp_path: Path) -> None:
    root = m3fd(tmp_path)
    voc(root / "Annotation" / "00001.xml", [])
    (root / "Annotation" / "00002.xml").unlink()
    pairs = load_pairs("m3fd", root)
    assert pairs["00001"].boxes == () and pairs["00001"].annotation is not None
    assert pairs["00002"].boxes == () and pairs["00002"].annotation is None
    for file in (root / "Annotation").iterdir():
        file.unlink()
    (root / "Annotation" / "00000.txt").write_text("0 0.5 0.5 0.1 0.1")  # numbers mean nothing without names
    assert load_pairs("m3fd", root).classes == ()


def test_boxes_are_cut_to_the_image_and_lost_when_nothing_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = m3fd(tmp_path, count=1)
    boxes = [("Car", -3, -1, 30, 99), ("Bus", 5, 5, 4, 9), ("Lamp", 25, 1, 30, 5), ("Truck", 1, 1, 20, 16)]
    voc(root / "Annotation" / "00000.xml", boxes)
    with caplog.at_level(logging.WARNING):
        found = load_pairs("m3fd", root)["00000"].boxes
    assert found == (Box("Car", (0.0, 0.0, 20.0, 16.0)), Box("Truck", (0.0, 0.0, 20.0, 16.0)))
    assert "2 box(es)" in caplog.text


def test_repeated_boxes_are_used_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = m3fd(tmp_path, count=1)
    twice = [("Car", 3, 4, 12, 14), ("Car", 3, 4, 12, 14), ("Bus", 3, 4, 12, 14), ("Car", 3, 4, 12, 13)]
    voc(root / "Annotation" / "00000.xml", twice)
    with caplog.at_level(logging.WARNING):
        assert [box.label for box in load_pairs("m3fd", root)["00000"].boxes] == ["Car", "Bus", "Car"]
    assert "1 box(es) given more than once" in caplog.text
    merged = load_pairs("m3fd", root, merge_classes={"Bus": "Car"})["00000"].boxes
    assert len(merged) == 2  # merging made a third twin


def test_difficult_objects_are_ignored(tmp_path: Path) -> None:
    root = m3fd(tmp_path, count=1)
    file = root / "Annotation" / "00000.xml"
    file.write_text(file.read_text().replace("</name>", "</name><difficult>1</difficult>"))
    assert load_pairs("m3fd", root)["00000"].boxes == (Box("Car", (2.0, 3.0, 12.0, 14.0), ignore=True),)


@pytest.mark.parametrize(
    ("shown", "shift"), [((0, 4, 9, 9), 0), ((1, 0, 9, 9), 0), ((1, 4.5, 9, 9), 0), ((1, 1, 9, 9), 1)]
)
def test_a_set_counts_from_zero_or_from_one(
    tmp_path: Path, shown: tuple[float, ...], shift: int, caplog: pytest.LogCaptureFixture
) -> None:
    """One box with an edge at 0 or a fraction tells it for every file of the set."""
    root = m3fd(tmp_path)
    voc(root / "Annotation" / "00002.xml", [("Bus", *shown)])  # type: ignore[list-item]
    with caplog.at_level(logging.WARNING):
        pairs = load_pairs("m3fd", root)
    assert pairs["00000"].boxes[0].xyxy == (3.0 - shift, 4.0 - shift, 12.0, 14.0)
    assert pairs["00002"].boxes[0].xyxy == (shown[0] - shift, shown[1] - shift, *shown[2:])
    assert ("count pixels from 0" in caplog.text) == (shift == 0)


def test_objects_without_name_or_box_are_counted_not_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = m3fd(tmp_path)
    voc(root / "Annotation" / "00000.xml", [("", 1, 1, 5, 5), CAR])
    voc(root / "Annotation" / "00001.xml", [("*", 1, 1, 5, 5), CAR])
    polygon = "<object><name>Car</name><polygon><x1>1</x1></polygon></object>"
    file = root / "Annotation" / "00002.xml"
    file.write_text(file.read_text().replace("<object>", f"{polygon}<object>", 1), encoding="utf-8-sig")
    with caplog.at_level(logging.WARNING):
        assert [len(pair.boxes) for pair in load_pairs("m3fd", root)] == [1, 1, 1]
    assert "2 labelled object(s) without a class name" in caplog.text
    assert "1 labelled object(s) without a bndbox" in caplog.text


def test_all_broken_label_files_are_counted(tmp_path: Path) -> None:
    root = m3fd(tmp_path)
    break_xml(root)
    (root / "Annotation" / "00002.xml").write_text("<")
    with pytest.raises(DataError, match=r"00001\.xml.*1 more label file"):
        load_pairs("m3fd", root)


def coco(root: Path, names: list[str], labels: list[str], image: str = "00000.png") -> Path:
    path = root / "labels.json"
    content = {
        "images": [{"id": 1, "file_name": image, "width": 20, "height": 16}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": names.index(label), "bbox": [1, 2, 3, 4]}
            for number, label in enumerate(labels, start=1)
        ],
    }
    path.write_text(json.dumps(content))
    return path


def test_ignored_and_merged_classes(tmp_path: Path) -> None:
    path = coco(m3fd(tmp_path), ["car", "dog", "truck", "van"], ["truck", "dog", "car"])
    pairs = load_pairs(
        "folders",
        tmp_path,
        annotations=path,
        ignore_classes=["dog"],
        merge_classes={"truck": "car", "van": "car"},
    )
    assert pairs.classes == ("car",)
    place = (1.0, 2.0, 4.0, 6.0)
    assert pairs["00000"].boxes == (Box("car", place), Box("dog", place, ignore=True))
    renamed = load_pairs(
        "folders", tmp_path, annotations=path, merge_classes={"truck": "vehicle", "car": "vehicle"}
    )
    assert renamed.classes == ("vehicle", "dog", "van")
    fixed = load_pairs("m3fd", tmp_path, merge_classes={"Truck": "Car"}, ignore_classes=["Lamp"])
    assert fixed.classes == ("People", "Car", "Bus", "Motorcycle")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"ignore_classes": ["dgo"]}, "ignore_classes: unknown class 'dgo'; did you mean 'dog'"),
        ({"merge_classes": {"Truck": "car"}}, "merge_classes: unknown class 'Truck'; did you mean 'truck'"),
        ({"merge_classes": {"truck": "Car"}}, "merge_classes: unknown class 'Car'; did you mean 'car'"),
        ({"merge_classes": {"truck": "van", "van": "car"}}, "'van', which is merged into 'car'"),
        ({"merge_classes": {"dog": "car"}, "ignore_classes": ["dog"]}, "also in ignore_classes"),
        ({"classes": ["car", "car"]}, "names a class twice"),
    ],
)
def test_wrong_class_rules_give_one_clear_line(tmp_path: Path, rules: dict, words: str) -> None:
    path = coco(m3fd(tmp_path), ["car", "dog", "truck", "van"], ["truck", "dog", "car"])
    with pytest.raises(ConfigError) as error:
        load_pairs("folders", tmp_path, annotations=path, **rules)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_no_class_is_called_background(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = m3fd(tmp_path)
    path = coco(root, ["background", "car"], ["car"])
    with caplog.at_level(logging.WARNING):
        assert load_pairs("folders", root, annotations=path).classes == ("car",)
    assert "'background' has no objects and is left out" in caplog.text
    path = coco(root, ["background", "car"], ["car", "background"])
    with pytest.raises(DataError, match=r"labels\.json: has objects of a class 'background'.*rename"):
        load_pairs("folders", root, annotations=path)
    assert load_pairs("folders", root, annotations=path, ignore_classes=["background"]).classes == ("car",)


@pytest.mark.parametrize("label", ["07", "07_ir", "VIS_07"])
def test_labels_may_be_named_like_either_half(tmp_path: Path, label: str) -> None:
    picture(tmp_path / "ir" / "07_ir.png")
    picture(tmp_path / "vi" / "07_vis.png")
    voc(tmp_path / "xml" / f"{label}.xml", [CAR])
    assert len(load_pairs("folders", tmp_path)["07"].boxes) == 1
    path = coco(tmp_path, ["Car"], ["Car"], image=f"{label}.png")
    assert len(load_pairs("folders", tmp_path, annotations=path)["07"].boxes) == 1
    if label != "07":
        voc(tmp_path / "xml" / "07_rgb.xml", [CAR])
        with pytest.raises(DataError, match="label the same pair '07'"):
            load_pairs("folders", tmp_path)


def test_labels_of_other_images_are_refused(tmp_path: Path) -> None:
    root = m3fd(tmp_path)
    path = coco(root, ["car"], ["car"], image="frame_7.png")
    with pytest.raises(
        DataError, match="none of them among the pairs: first 'frame_7', the pairs are called '00000'"
    ):
        load_pairs("folders", root, annotations=path)
    (root / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no image is labelled in it"):
        load_pairs("m3fd", root, annotations=root / "empty")


def test_size_names_are_those_of_pycocotools() -> None:
    from pycocotools.cocoeval import Params

    parameters = Params("bbox")
    ranges = dict(zip(parameters.areaRngLbl, parameters.areaRng, strict=True))
    areas = [0, 1023.9, 1024, 1024.1, 9215.9, 9216, 9216.1, 1e5]
    names = size_names(areas)
    assert names.tolist() == ["small"] * 3 + ["medium"] * 3 + ["large"] * 2
    for area, name in zip(areas, names, strict=True):
        low, high = ranges[name]
        assert low <= area <= high
    assert size_names(np.empty(0)).dtype == object and size_names([[1.0]]).shape == (1, 1)


def test_wrong_size_in_xml_loses_against_the_image(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = m3fd(tmp_path, count=1)
    voc(root / "Annotation" / "00000.xml", [CAR], width=640, height=480)
    with caplog.at_level(logging.WARNING):
        pair = load_pairs("m3fd", root)["00000"]
    assert (pair.width, pair.height) == (20, 16) and pair.boxes[0].xyxy == (2.0, 3.0, 12.0, 14.0)
    assert "another size" in caplog.text


def break_class(root: Path) -> None:
    voc(root / "Annotation" / "00001.xml", [("car", 1, 1, 5, 5)])


def break_typo(root: Path) -> None:
    voc(root / "Annotation" / "00001.xml", [("Truk", 1, 1, 5, 5)])


def break_size(root: Path) -> None:
    picture(root / "Vis" / "00001.png", width=22)


def break_bomb(root: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>'
    (root / "Annotation" / "00001.xml").write_text(bomb)


def break_bomb_utf16(root: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb">]><annotation>&b;</annotation>'
    (root / "Annotation" / "00001.xml").write_bytes(bomb.encode("utf-16"))


def break_xml(root: Path) -> None:
    (root / "Annotation" / "00001.xml").write_text("<annotation><object>")


def break_number(root: Path) -> None:
    path = root / "Annotation" / "00001.xml"
    path.write_text(path.read_text().replace("<xmin>3<", "<xmin>nan<"))


def break_twin(root: Path) -> None:
    picture(root / "Ir" / "00001.bmp.png")
    (root / "Ir" / "00001.bmp.png").rename(root / "Ir" / "00001.bmp")


def break_header(root: Path) -> None:
    (root / "Ir" / "00001.png").write_text("nothing")


def break_link(root: Path) -> None:
    (root / "Ir" / "00001.png").unlink()
    (root / "Ir" / "00001.png").symlink_to(root / "gone.png")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (break_class, ["00001.xml", "unknown class 'car'", "did you mean 'Car'", "Truck"]),
        (break_typo, ["did you mean 'Truck'"]),
        (break_size, ["00001.png is 20 x 16", "22 x 16"]),
        (break_bomb, ["00001.xml", "document type"]),
        (break_bomb_utf16, ["00001.xml", "document type"]),
        (break_xml, ["00001.xml", "not well-formed"]),
        (break_number, ["00001.xml", "object 1", "xmin", "nan"]),
        (break_twin, ["00001.bmp", "00001.png", "share a stem"]),
        (break_header, ["00001.png", "not an image"]),
        (break_link, ["00001.png", "No such file"]),
    ],
)
def test_broken_data_give_one_clear_line(
    tmp_path: Path, damage: Callable[[Path], None], words: list[str]
) -> None:
    damage(m3fd(tmp_path))
    with pytest.raises(DataError) as error:
        load_pairs("m3fd", tmp_path)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        load_pairs("m3fd", tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no folder with infrared images.*found no folders"):
        load_pairs("m3fd", tmp_path)
    (tmp_path / "Ir").mkdir()
    (tmp_path / "Pictures").mkdir()
    with pytest.raises(DataError, match=r"no folder with visible images.*found Ir, Pictures"):
        load_pairs("m3fd", tmp_path)
    (tmp_path / "Vis").mkdir()
    with pytest.raises(DataError, match=r"no complete pair.*holds no images"):
        load_pairs("m3fd", tmp_path)
    picture(tmp_path / "Ir" / "1.png")
    picture(tmp_path / "Vis" / "2.png")
    with pytest.raises(DataError, match=r"1 image\(s\) such as 1.png.*1 image\(s\) such as 2.png"):
        load_pairs("m3fd", tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="found a file"):
        load_pairs("m3fd", tmp_path / "file")
    with pytest.raises(DataError, match="unknown data set format 'm3df'"):
        load_pairs("m3df", tmp_path)
    with pytest.raises(DataError, match="annotations do not exist"):
        load_pairs("m3fd", m3fd(tmp_path / "x"), annotations=tmp_path / "no.json")


def test_several_sets_below_one_root(tmp_path: Path) -> None:
    m3fd(tmp_path / "first")
    m3fd(tmp_path / "second")
    with pytest.raises(DataError, match=r"several data sets.*first, second"):
        load_pairs("m3fd", tmp_path)


def test_one_image_is_enough(tmp_path: Path) -> None:
    assert len(load_pairs("m3fd", m3fd(tmp_path, count=1))) == 1


def test_all_formats_have_a_reader() -> None:
    assert FORMATS == tuple(_READERS) == ("m3fd", "llvip", "flir", "msrs", "roadscene", "tno", "folders")


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"images": [], "annotations": []}',
        '{"images": [{"id": 1}], "annotations": [], "categories": []}',
        '{"images": [], "annotations": [{"image_id": 1, "category_id": 1}], "categories": []}',
    ],
)
def test_bad_coco_files(tmp_path: Path, content: str) -> None:
    root = m3fd(tmp_path)
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(DataError, match=r"labels\.json") as error:
        load_pairs("folders", root, annotations=tmp_path / "labels.json")
    assert "\n" not in str(error.value)
