"""Scenes and condition tags from index ranges and tables (our own JSON: test_datasets_load)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from regionfuse.datasets.conditions import read_conditions
from regionfuse.datasets.errors import DataError


def ranges(tmp_path: Path) -> Path:
    file = tmp_path / "scenario.json"
    file.write_text(
        json.dumps(
            [
                {
                    "name": "night",
                    "scene": [{"name": "alley", "range": [{"min": 1, "max": 3}, {"min": 9, "max": 9}]}],
                },
                {"name": "challenge", "scene": [{"name": "fog", "range": [{"min": 3, "max": 8}]}]},
            ]
        )
    )
    return file


def test_each_contiguous_range_is_a_scene_and_its_condition_a_tag(tmp_path: Path) -> None:
    stems = ["00001", "00003", "00004", "00009", "00010", "street"]
    assert read_conditions(tmp_path, stems, ranges(tmp_path)) == {
        "00001": ("night/alley 1-3", ("night",)),
        "00003": ("night/alley 1-3", ("night", "challenge")),  # in two ranges: the shorter names the scene
        "00004": ("challenge/fog 3-8", ("challenge",)),
        "00009": ("night/alley 9-9", ("night",)),
    }


def test_public_ranges_of_m3fd(shared: Path) -> None:
    folder = shared / "data" / "m3fd_annotations"
    found = read_conditions(folder, [f"{number:05}" for number in range(4200)], folder / "scenario.json")
    assert len(found) == 4089 and len({scene for scene, _ in found.values()}) >= 99
    assert {tag for _, tags in found.values() for tag in tags} == {
        "night",
        "daytime",
        "challenge",
        "overcast",
    }
    assert found["00324"] == ("night/alley 324-341", ("night",))


def test_tables(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_text("image,tag\n00001.png,night\na/b/00001,rain\n00002,\n\n", encoding="utf-8-sig")
    assert read_conditions(tmp_path, (), file) == {"00001": (None, ("night", "rain")), "00002": (None, ())}
    file.write_text("Image,Tag,Scene\n1,night,s1\n1,rain,\n2,,s2\n")
    assert read_conditions(tmp_path, (), file) == {"1": ("s1", ("night", "rain")), "2": ("s2", ())}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "stem,tag\n1,night", "expected the columns image,tag"),
        ("a.csv", "", "expected the columns"),
        ("a.csv", "image,tag\n1", "line 2: expected image,tag"),
        ("a.csv", "image,tag,scene\n1,n,a\n1,n,b", "line 3: '1' is in the scenes 'a' and 'b'"),
        ("a.json", '[{"name": "night"}]', "expected .* KeyError 'scene'"),
        ("a.json", "[1]", "expected"),
        ("a.json", "[]", "expected a JSON object"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words) as error:
        read_conditions(tmp_path, (), tmp_path / name)
    assert "\n" not in str(error.value) and name in str(error.value)
    with pytest.raises(DataError, match="cannot be read"):
        read_conditions(tmp_path, (), tmp_path / f"none-{name}")
