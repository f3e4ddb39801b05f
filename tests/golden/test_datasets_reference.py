"""Readers, signatures and leakage on real data beside the project; skipped where they are not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from regionfuse.datasets.blocks import find_blocks
from regionfuse.datasets.coco import read_coco_labels
from regionfuse.datasets.doctor import examine
from regionfuse.datasets.leakage import Leakage, leakage
from regionfuse.datasets.load import detect_format, load_pairs
from regionfuse.datasets.records import Box, Pair, PairSet
from regionfuse.datasets.similarity import near_duplicates, signatures
from regionfuse.datasets.splits import make_split

CLASSES = ("People", "Car", "Bus", "Motorcycle", "Lamp", "Truck")


@pytest.mark.parametrize(
    ("format", "count", "objects"),
    [
        ("m3fd", 27, {"People": 120, "Car": 119, "Lamp": 33, "Motorcycle": 7, "Bus": 1, "Truck": 1}),
        ("llvip", 9, {"person": 45}),
        ("flir", 40, {"car": 229, "person": 102, "bike": 33}),
        ("msrs", 220, {}),
        ("roadscene", 200, {}),
        ("tno", 6, {}),
    ],
)
def test_all_sets_load(shared: Path, format: str, count: int, objects: dict[str, int]) -> None:
    root = shared / "data" / format
    pairs = load_pairs(format, root)
    assert len(pairs) == count and detect_format(root) == format
    assert Counter(box.label for pair in pairs for box in pair.boxes) == objects
    plain = load_pairs("folders", root, annotations=_labels(pairs) if objects else None)
    assert len(plain) == count and sum(len(pair.boxes) for pair in plain) == sum(objects.values())


def _labels(pairs: PairSet) -> Path:
    annotation = pairs.pairs[0].annotation
    assert annotation is not None
    return annotation if annotation.suffix == ".json" else annotation.parent


def test_voc_boxes_agree_with_the_public_coco_conversion(shared: Path) -> None:
    pairs = load_pairs("m3fd", shared / "data" / "m3fd")
    public: dict[str, tuple[Box, ...]] = {}
    for subset in ("train", "val", "test"):
        public |= read_coco_labels(shared / "data" / "m3fd_annotations" / f"m3fd-{subset}.json").boxes
    for pair in pairs:
        assert sorted((box.label, box.xyxy) for box in pair.boxes) == sorted(
            (box.label, box.xyxy) for box in public[pair.stem]
        )


@pytest.fixture(scope="module")
def published(shared: Path) -> dict[str, list[str]]:
    folder = shared / "data" / "m3fd_annotations"
    return {
        subset: list(read_coco_labels(folder / f"m3fd-{subset}.json").boxes)
        for subset in ("train", "val", "test")
    }


def leakage_of(subsets: dict[str, list[str]]) -> Leakage:
    pairs = [Pair(stem, Path(), Path(), 1, 1) for stems in subsets.values() for stem in stems]
    return leakage(subsets, find_blocks(pairs), {})


def test_the_published_split_leaks(published: dict[str, list[str]]) -> None:
    assert sum(map(len, published.values())) == 4184
    found = leakage_of(published)
    test, val = found.relation("test", "train"), found.relation("val", "train")
    assert (test.count, val.count) == (837, 630)
    assert test.within[1] == pytest.approx(719 / 837)  # 86 %
    assert val.within[1] == pytest.approx(561 / 630)  # 89 %
    assert test.within[10] == test.same_block == 1.0


def test_the_split_by_scenes_leaks_little(shared: Path) -> None:
    folder = shared / "data" / "m3fd_annotations"
    train, test = ((folder / f"damsdet_{name}.txt").read_text().split() for name in ("train", "val"))
    found = leakage_of({"train": train, "val": [], "test": test}).relation("test", "train")
    assert found.count == 831 and found.within[1] == pytest.approx(40 / 831)  # 4.8 %


def test_our_split_of_the_whole_set_does_not_leak(shared: Path, published: dict[str, list[str]]) -> None:
    folder = shared / "data" / "m3fd_annotations"
    pairs = []
    for subset in published:
        labels = read_coco_labels(folder / f"m3fd-{subset}.json")
        pairs += [Pair(stem, folder, folder, 1024, 768, boxes) for stem, boxes in labels.boxes.items()]
    whole = PairSet("m3fd", folder, tuple(sorted(pairs, key=lambda pair: pair.stem)), CLASSES)
    split = make_split(whole)
    ours = split.leakage.relation("test", "train")
    assert ours.within[2] == 0 < ours.within[50] < ours.same_block and split.guard == 2
    assert len(split.dropped) < 0.02 * 4184
    for stems, share in ((split.train, 0.7), (split.val, 0.1), (split.test, 0.2)):
        assert len(stems) / 4184 == pytest.approx(share, abs=0.02)
        assert {box.label for stem in stems for box in whole[stem].boxes} == set(CLASSES)
    random = make_split(whole, kind="random").leakage.relation("test", "train")
    assert random.within[1] > 0.88  # what a plain 7:1:2 shuffle does


def test_near_duplicates_in_real_images(shared: Path) -> None:
    wanted = {
        "m3fd": {
            *((f"0000{index}", f"0000{index + 1}") for index in range(1, 5)),
            *((f"0000{index}", f"0000{index + 2}") for index in range(1, 4)),
            ("00001", "00004"),
            ("00001", "00005"),
            ("00002", "00005"),
            ("00111", "00112"),
            ("00240", "00242"),
            ("00349", "00365"),
            ("00349", "00370"),
            ("00365", "00370"),
            ("00869", "00887"),
        },
        "roadscene": {
            ("FLIR_09465", "FLIR_video_02829"),
            ("FLIR_07119", "FLIR_07125"),
            ("FLIR_06099", "FLIR_06128"),
            ("FLIR_09437", "FLIR_video_02223"),
        },
        "flir": set(),
        "llvip": set(),
        "tno": set(),
    }
    for format, couples in wanted.items():
        found = near_duplicates(signatures(load_pairs(format, shared / "data" / format)))
        assert {(found.stems[first], found.stems[second]) for first, second in found.couples} == couples


def test_m3fd_excerpt_splits_without_leakage(shared: Path) -> None:
    pairs = load_pairs("m3fd", shared / "data" / "m3fd")
    found = signatures(pairs)
    for seed in range(3):
        split = make_split(pairs, seed=seed, signatures=found)
        test = split.leakage.relation("test", "train")
        assert test.within[2] == test.near_duplicates == 0 and len(split.test) >= 4 and len(split.val) >= 2
        trained = {box.label for stem in split.train for box in pairs[stem].boxes}
        assert trained == set(CLASSES)


@pytest.mark.parametrize("format", ["m3fd", "llvip", "flir", "tno"])
def test_doctor_finds_no_errors_in_real_sets(shared: Path, format: str) -> None:
    report = examine(format, shared / "data" / format)
    assert report.errors == () and report.pairs > 0
    codes = {finding.code for finding in report.findings}
    assert ("black-border" in codes) == (format in ("m3fd", "flir", "tno"))
    assert not codes & {"duplicate-visible", "duplicate-infrared", "missing-half", "box-degenerate"}
