"""The doctor lists every trouble of a set and never stops at one."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from regionfuse.datasets.doctor import DoctorReport, Finding, examine
from regionfuse.datasets.images import decode, write_png
from regionfuse.datasets.inspection import black_border, exif_orientation


def picture(path: Path, seed: int, width: int = 64, height: int = 48, grey: bool = False) -> None:
    shape = (height, width) if grey else (height, width, 3)
    write_png(path, np.random.default_rng(seed).integers(20, 256, shape, dtype=np.uint8))


def voc(path: Path, boxes: list[tuple[str, int, int, int, int]], width: int = 64, height: int = 48) -> None:
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for name, a, b, c, d in boxes
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    path.write_text(f"<annotation>{size}{objects}</annotation>")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sound set of four pairs with all six classes."""
    labels = ["People", "Car", "Bus", "Motorcycle", "Lamp", "Truck"]
    for index in range(4):
        picture(tmp_path / "Ir" / f"{index}.png", index, grey=True)
        picture(tmp_path / "Vis" / f"{index}.png", 10 + index)
        boxes = [(label, 1 + number, 2, 20 + 5 * number, 30) for number, label in enumerate(labels)]
        voc(tmp_path / "Annotation" / f"{index}.xml", boxes)
    return tmp_path


def finding(report: DoctorReport, code: str) -> Finding:
    found = [each for each in report.findings if each.code == code]
    assert len(found) == 1, [each.code for each in report.findings]
    assert "\n" not in found[0].message
    json.dumps(report.to_dict())
    return found[0]


def test_sound_set(root: Path) -> None:
    calls: list[tuple[int, int, str]] = []
    report = examine("m3fd", root, progress=lambda *call: calls.append(call))
    assert report.findings == () and report.pairs == 4
    assert report.class_counts == {
        "People": 4,
        "Car": 4,
        "Bus": 4,
        "Motorcycle": 4,
        "Lamp": 4,
        "Truck": 4,
    }
    assert report.size_counts == {"small": 16, "medium": 8, "large": 0}
    assert report.class_size_counts["Truck"] == {"small": 0, "medium": 4, "large": 0}
    assert report.image_sizes == {"64x48": 4}
    assert calls[7][:2] == (8, 8) and calls[-1][:2] == (4, 4)


def test_halves_sizes_and_unreadable_files(root: Path) -> None:
    (root / "Vis" / "0.png").unlink()
    picture(root / "Vis" / "77.png", 77)
    picture(root / "Vis" / "1.png", 5, width=66)
    content = (root / "Ir" / "2.png").read_bytes()
    (root / "Ir" / "2.png").write_bytes(content[: len(content) // 2])
    report = examine("m3fd", root)
    assert finding(report, "missing-half").level == "warning"
    assert finding(report, "missing-half").files == (str(root / "Ir" / "0.png"), str(root / "Vis" / "77.png"))
    assert finding(report, "size-mismatch").level == "error"
    assert "1.png is 66 x 48" in finding(report, "size-mismatch").message
    assert finding(report, "unreadable").files == (str(root / "Ir" / "2.png"),)
    assert "truncated" in finding(report, "unreadable").message
    assert finding(report, "label-without-pair").files == (str(root / "Annotation" / "0.xml"),)
    assert report.pairs == 3 and report.image_sizes == {"64x48": 1}
    assert [each.level for each in report.findings] == sorted(
        (each.level for each in report.findings), key=["error", "warning", "info"].index
    )


def test_pixels(root: Path) -> None:
    counts = np.random.default_rng(0).integers(7000, 9000, (48, 64), dtype=np.uint16)
    (root / "Ir" / "0.png").write_bytes(cv2.imencode(".png", counts)[1].tobytes())
    picture(root / "Ir" / "1.png", 50)  # false colours
    (root / "Vis" / "3.png").write_bytes((root / "Vis" / "2.png").read_bytes())
    picture(root / "Vis" / "1.png", 60, grey=True)
    report = examine("m3fd", root)
    assert finding(report, "16-bit").files == (str(root / "Ir" / "0.png"),)
    assert finding(report, "coloured-infrared").files == (str(root / "Ir" / "1.png"),)
    assert finding(report, "grey-visible").files == (str(root / "Vis" / "1.png"),)
    assert finding(report, "duplicate-visible").files == (
        str(root / "Vis" / "2.png"),
        str(root / "Vis" / "3.png"),
    )
    assert not report.errors


def test_same_image_in_both_halves(root: Path) -> None:
    grey = decode(root / "Ir" / "0.png")
    write_png(root / "Vis" / "0.png", np.dstack([grey] * 3))  # another file, the same picture
    assert len(finding(examine("m3fd", root), "same-halves").files) == 2


def test_boxes(root: Path) -> None:
    voc(
        root / "Annotation" / "0.xml",
        [
            ("Car", 60, 1, 70, 20),
            ("Bus", 9, 9, 5, 20),
            ("Lamp", 80, 1, 90, 9),
            ("car", 1, 1, 5, 5),
            ("Truck", 1, 1, 9, 9),
            ("Truck", 1, 1, 9, 9),
        ],
    )
    voc(root / "Annotation" / "1.xml", [])
    (root / "Annotation" / "2.xml").unlink()
    voc(root / "Annotation" / "3.xml", [("People", 1, 1, 9, 9)], width=640)
    report = examine("m3fd", root)
    assert "Car at (59, 0, 70, 20)" in finding(report, "box-outside").message
    assert finding(report, "box-degenerate").message.endswith("Lamp at (79, 0, 90, 9)")
    assert finding(report, "box-reversed").message.endswith("Bus at (8, 8, 5, 20)")
    assert "did you mean 'Car'" in finding(report, "unknown-class").message
    assert finding(report, "unknown-class").level == "error"
    assert "2 times" in finding(report, "box-repeated").message
    assert finding(report, "empty").files == (str(root / "Annotation" / "1.xml"),)
    assert finding(report, "unlabelled").message.endswith(": 2")
    assert "640 x 48" in finding(report, "annotation-size").message
    assert finding(report, "class-absent").message.count(": 3, first ") == 1
    assert report.class_counts == {"People": 1, "Car": 1, "Bus": 0, "Motorcycle": 0, "Lamp": 0, "Truck": 1}


def test_regions_to_ignore_are_told_and_not_counted(root: Path) -> None:
    file = root / "Annotation" / "0.xml"
    file.write_text(file.read_text().replace("Car</name>", "Car</name><difficult>1</difficult>"))
    report = examine("m3fd", root, ignore_classes=["Lamp"], merge_classes={"Bus": "Car"})
    assert report.classes == ("People", "Car", "Motorcycle", "Truck")
    assert report.class_counts == {"People": 4, "Car": 7, "Motorcycle": 4, "Truck": 4}
    assert sum(report.size_counts.values()) == 19
    assert finding(report, "ignored").level == "info" and ": 5, first" in finding(report, "ignored").message
    assert finding(examine("m3fd", root, ignore_classes=["Lmp"]), "classes").level == "error"


def test_how_the_labels_were_understood(root: Path) -> None:
    voc(root / "Annotation" / "2.xml", [("Car", 0, 3, 9, 9), ("", 1, 1, 3, 3)])
    report = examine("m3fd", root)
    assert "2.xml" in finding(report, "voc-from-zero").message
    assert "without a class name" in finding(report, "object-skipped").message


def test_background_is_refused(root: Path) -> None:
    voc(root / "Annotation" / "2.xml", [("background", 1, 3, 9, 9)])
    found = finding(examine("folders", root), "classes")
    assert found.level == "error" and "2.xml" in found.message and "rename" in found.message


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_exif_orientation(root: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    path = root / "Vis" / f"0.{ending}"
    image = Image.fromarray(decode(root / "Vis" / "0.png"))
    (root / "Vis" / "0.png").unlink()
    image.save(path, exif=exif)
    found = finding(examine("m3fd", root), "exif-orientation")
    assert found.level == "warning" and found.files == (str(path),) and "orientation 6" in found.message
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    assert exif_orientation(path) == 6
    assert exif_orientation(root / "Vis" / "1.png") == 1 and exif_orientation(root / "none") == 1


def test_broken_labels_do_not_hide_the_others(root: Path) -> None:
    (root / "Annotation" / "0.xml").write_text("<annotation>")
    (root / "Annotation" / "1.xml").write_text('<!DOCTYPE a [<!ENTITY b "x">]><annotation/>')
    report = examine("m3fd", root)
    assert len(finding(report, "annotation").files) == 2
    assert report.class_counts["Car"] == 2
    assert not [each for each in report.findings if each.code == "unlabelled"]


@pytest.mark.parametrize("content", ["{", "[]", '{"images": 3}'])
def test_broken_json(root: Path, content: str) -> None:
    path = root / "labels.json"
    path.write_text(content)
    report = examine("folders", root, annotations=path)
    assert finding(report, "annotation").level == "error" and report.pairs == 4
    (root / "conditions.json").write_text(content)
    assert finding(examine("m3fd", root), "conditions").level == "error"


def test_ambiguous_stem(root: Path) -> None:
    (root / "Ir" / "1.jpg").write_bytes(b"x")
    assert len(finding(examine("m3fd", root), "ambiguous-stem").files) == 2


def test_numeric_text_labels_are_pointed_out(root: Path) -> None:
    for file in (root / "Annotation").iterdir():
        file.unlink()
    (root / "Annotation" / "0.txt").write_text("0 0.5 0.5 0.1 0.1")
    report = examine("m3fd", root)
    assert finding(report, "text-labels").level == "warning" and finding(report, "no-labels").level == "info"
    assert report.class_counts == {}


def test_nothing_there(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        report = examine("m3fd", place)
        assert finding(report, "folders").level == "error" and report.pairs == 0
    assert finding(examine("typo", tmp_path), "folders").level == "error"
    (tmp_path / "Ir").mkdir()
    (tmp_path / "Vis").mkdir()
    assert finding(examine("m3fd", tmp_path), "no-pairs").level == "error"


def test_black_borders(root: Path) -> None:
    image = np.random.default_rng(0).integers(20, 256, (240, 320), dtype=np.uint8)
    assert black_border(image) == 0
    strip = image.copy()
    strip[:, :8] = 0
    assert black_border(strip) == pytest.approx(8 / 320, abs=0.002)
    wedge = image.copy()
    cv2.fillPoly(wedge, [np.array([[319, 0], [319, 239], [300, 239]])], 0)
    assert 0.02 < black_border(wedge) < 0.05
    frame = cv2.copyMakeBorder(image, 20, 20, 30, 30, cv2.BORDER_CONSTANT, value=0)
    assert black_border(frame) == pytest.approx(1 - image.size / frame.size, abs=0.01)
    night = image.copy()  # a black sky above a ragged skyline is no border
    for column in range(320):
        night[: 60 + 40 * (column * 7 % 13) // 13, column] = 0
    assert black_border(night) == 0
    assert black_border(np.zeros((20, 20), np.uint8)) == 0
    write_png(root / "Ir" / "0.png", strip[:48, :64])
    assert finding(examine("m3fd", root), "black-border").files == (str(root / "Ir" / "0.png"),)
