"""Published splits: folders, lists beside the images, files of other people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from regionfuse.datasets.errors import DataError
from regionfuse.datasets.official import official_lists
from regionfuse.datasets.records import Pair, PairSet
from regionfuse.datasets.splits import make_split


def in_folders(tmp_path: Path, places: dict[str, str], form: str = "{modality}/{subset}") -> PairSet:
    """Pairs without files: stem -> subset folder."""

    def path(modality: str, stem: str) -> Path:
        return tmp_path / form.format(modality=modality, subset=places[stem]) / f"{stem}.png"

    pairs = (Pair(stem, path("infrared", stem), path("visible", stem), 8, 8) for stem in sorted(places))
    return PairSet("llvip", tmp_path, tuple(pairs))


def flir(tmp_path: Path, count: int) -> PairSet:
    folder = tmp_path / "JPEGImages"
    stems = [f"FLIR_{number:05}" for number in range(count)]
    return PairSet(
        "flir",
        tmp_path,
        tuple(
            Pair(stem, folder / f"{stem}_PreviewData.jpg", folder / f"{stem}_RGB.jpg", 8, 8) for stem in stems
        ),
    )


@pytest.mark.parametrize("form", ["{modality}/{subset}", "{subset}/{modality}"])
def test_folders(tmp_path: Path, form: str) -> None:
    """LLVIP keeps visible/train, MSRS train/vi."""
    places = {f"{number:06}": "train" if number < 120 else "test" for number in range(160)}
    pairs = in_folders(tmp_path, places, form)
    lists, said = official_lists(pairs)
    assert (len(lists["train"]), len(lists["test"]), said) == (120, 40, ())
    split = make_split(pairs, kind="official")
    assert split.test == lists["test"] and 8 <= len(split.val) <= 22  # 1/8 of 120
    assert {*split.train, *split.val, *split.dropped} == set(lists["train"])
    assert "no val" in split.given_up[0]
    assert len(set(split.blocks.values())) == 1  # the published parts are of one run of numbers
    assert split.leakage.relation("test", "train").same_block == 1.0


def test_published_val_is_kept(tmp_path: Path) -> None:
    places = {"1": "train", "2": "valid", "3": "Testing"}
    split = make_split(in_folders(tmp_path, places), kind="official")
    assert (split.train, split.val, split.test) == (("1",), ("2",), ("3",)) and split.given_up == ()


def test_halves_in_different_subsets(tmp_path: Path) -> None:
    pair = Pair("1", tmp_path / "infrared/train/1.png", tmp_path / "visible/test/1.png", 8, 8)
    with pytest.raises(DataError, match="different subsets"):
        official_lists(PairSet("llvip", tmp_path, (pair,)))


def test_lists_beside_the_images(tmp_path: Path) -> None:
    """FLIR-aligned: entries with the ending of one modality, and a validation part that is the test set."""
    pairs = flir(tmp_path, 60)
    stems = [f"{pair.stem}_PreviewData" for pair in pairs]
    (tmp_path / "align_train.txt").write_text("\n".join(stems[:40]))
    (tmp_path / "align_validation.txt").write_text("\n".join(stems[40:]))
    lists, said = official_lists(pairs)
    assert lists["test"] == tuple(f"FLIR_{number:05}" for number in range(40, 60))
    assert said == ("the published split has no test part: its validation part is the test set",)
    assert make_split(pairs, kind="official").given_up[0] == said[0]


def test_one_coco_file_per_subset(tmp_path: Path) -> None:
    pairs = flir(tmp_path, 4)
    for name, stem in (("train", 0), ("val", 1), ("test", 2)):
        image = {"file_name": f"FLIR_{stem:05}_RGB.jpg"}
        (tmp_path / f"set-{name}.json").write_text(json.dumps({"images": [image], "annotations": []}))
    for kind in ("official", "list"):
        split = make_split(pairs, kind=kind, file=tmp_path / "set-test.json")
        assert (split.train, split.val, split.test) == (("FLIR_00000",), ("FLIR_00001",), ("FLIR_00002",))
        assert split.dropped == ("FLIR_00003",)


def test_no_published_split(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no published split found"):
        official_lists(in_folders(tmp_path, {"1": "all", "2": "all"}))
    with pytest.raises(DataError, match="no test part, found train"):
        official_lists(in_folders(tmp_path, {"1": "train", "2": "train"}))
    pairs = flir(tmp_path, 4)
    for name in ("a_train", "a_test", "b_train"):
        (tmp_path / f"{name}.txt").write_text("FLIR_00000")
    with pytest.raises(DataError, match="lists of several splits"):
        official_lists(pairs)


def test_public_lists_of_m3fd(shared: Path) -> None:
    folder = shared / "data" / "m3fd_annotations"
    stems = [f"{number:05}" for number in range(4200)]
    pairs = PairSet(
        "m3fd", folder, tuple(Pair(s, folder / f"{s}.png", folder / f"{s}.png", 8, 8) for s in stems)
    )
    split = make_split(pairs, kind="official", file=folder / "m3fd-test.json")
    assert (len(split.train), len(split.val), len(split.test)) == (2717, 630, 837)
    split = make_split(pairs, kind="official", file=folder / "damsdet_val.txt")
    assert len(split.test) == 831 and len(split.val) / 3368 == pytest.approx(1 / 8, abs=0.04)
    assert len(split.train) + len(split.val) > 3300
    assert split.leakage.relation("val", "train").within[2] == 0
