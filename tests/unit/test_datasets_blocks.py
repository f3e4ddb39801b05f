"""Blocks: what belongs together, whatever kind of split."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regionfuse.datasets.blocks import (
    LONGEST,
    Blocks,
    blocks_by_number,
    chains,
    connected,
    find_blocks,
    numbered,
)
from regionfuse.datasets.coco import ground_truth
from regionfuse.datasets.conditions import read_conditions
from regionfuse.datasets.records import Pair, PairSet
from regionfuse.datasets.similarity import Signatures


def pairs_of(numbers: list[int], scene: dict[int, str] | None = None) -> list[Pair]:
    return [
        Pair(f"{number:05}", Path("i"), Path("v"), 8, 8, scene=(scene or {}).get(number))
        for number in numbers
    ]


def seen(pairs: list[Pair], what: list[int]) -> Signatures:
    """Signatures by what each pair shows; different things are nearly unrelated."""
    vectors = np.random.default_rng(0).normal(size=(max(what) + 1, 2, 256))[what]
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    stems = tuple(pair.stem for pair in pairs)
    return Signatures(stems, vectors.astype(np.float32), stems)


def members(found: Blocks | dict[str, str]) -> set[frozenset[int]]:
    block = found.block if isinstance(found, Blocks) else found
    return {frozenset(int(stem) for stem in block if block[stem] == name) for name in set(block.values())}


def sets(*ranges: range | tuple[int, ...]) -> set[frozenset[int]]:
    return {frozenset(each) for each in ranges}


def test_numbers_in_stems() -> None:
    assert numbered("00012") == ("", 12, "")
    assert numbered("00004N") == ("", 4, "N")
    assert numbered("FLIR_00018") == ("FLIR_", 18, "")
    assert numbered("v2_frame7_a") == ("v2_frame", 7, "_a")
    assert numbered("street") is None


def test_chains() -> None:
    assert chains(["b2", "a1", "a2", "street", "a4", "b1"], 1) == [
        ["street"],
        ["a1", "a2"],
        ["a4"],
        ["b1", "b2"],
    ]
    assert chains(["a1", "a6", "a12"], 5) == [["a1", "a6"], ["a12"]]
    # dense: a few frames that were sorted out; sparse: four times the usual step, at most 20
    dense = [f"{number}" for number in (1, 2, 3, 8, 14, 15)]
    assert [len(chain) for chain in chains(dense)] == [4, 2]
    assert len(chains([f"{4 * number}" for number in range(9)] + ["48"])) == 1
    assert len(chains([f"{30 * number}" for number in range(9)])) == 9


def test_chains_break_where_the_name_or_the_content_changes() -> None:
    scene = {number: "s1" if number < 5 else "s2" for number in range(8)}
    assert members(find_blocks(pairs_of(list(range(12)), scene))) == sets(range(5), range(5, 8), range(8, 12))
    pairs = pairs_of(list(range(30)))
    signatures = seen(pairs, [number // 10 for number in range(30)])
    assert members(find_blocks(pairs, signatures)) == sets(range(10), range(10, 20), range(20, 30))
    assert members(find_blocks(pairs).block) == sets(range(30))
    # inside a named scene content decides nothing: a lorry that passes by is no other scene
    named = pairs_of(list(range(30)), dict.fromkeys(range(30), "s"))
    assert members(find_blocks(named, signatures)) == sets(range(30))


def test_one_odd_frame_is_no_change_of_scene() -> None:
    pairs = pairs_of(list(range(20)))
    what = [0] * 9 + [1] + [0] * 10
    assert members(find_blocks(pairs, seen(pairs, what))) == sets(range(20))


def test_near_duplicates_and_names_merge_blocks() -> None:
    numbers = [*range(5), *range(100, 105), *range(200, 205)]
    what = [0] * 5 + [1] * 5 + [0] * 5
    pairs = pairs_of(numbers)
    found = find_blocks(pairs, seen(pairs, what))
    assert members(found) == sets((*range(5), *range(200, 205)), range(100, 105))
    assert found.block["00200"] == "00000..00004" and found.notes == ()
    assert found.stretch["00200"] != found.stretch["00000"]  # no neighbours, for all that
    named = pairs_of(numbers, {number: "ab"[number // 100 % 2] for number in numbers})
    assert find_blocks(named).block["00204"] == "a"


def test_a_standing_camera_is_cut_at_its_weakest_points_and_said() -> None:
    pairs = pairs_of(list(range(1000)))
    angle = np.where(np.arange(1000) < 230, 0.0, 0.9)  # similarity 0.62: no other scene, but a weak point
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None].repeat(2, axis=1)
    stems = tuple(pair.stem for pair in pairs)
    found = find_blocks(pairs, Signatures(stems, vectors.astype(np.float32), stems))
    sizes = sorted(len(each) for each in members(found))
    assert len(sizes) >= 4 and sizes[-1] <= LONGEST and sum(sizes) == 1000
    assert found.block["00229"] == "00000..00229"
    assert "not fully independent" in found.notes[0]
    assert len(set(found.stretch.values())) == 1
    blind = find_blocks(pairs)
    assert sorted(len(each) for each in members(blind)) == [250] * 4


def test_merging_stops_before_everything_is_one_block() -> None:
    numbers = [1000 * run + frame for run in range(10) for frame in range(100)]
    pairs = pairs_of(numbers)
    found = find_blocks(pairs, seen(pairs, [0] * 1000))
    assert sorted(len(each) for each in members(found)) == [200] * 5
    assert "near-identical framing not followed" in found.notes[0]


def test_images_that_nothing_ties_are_said() -> None:
    pairs = [Pair(f"street-{word}", Path(), Path(), 8, 8) for word in "abcdefghijklmnopqrstuv"]
    found = find_blocks(pairs)
    assert len(set(found.block.values())) == 22 and "hardly anything ties them" in found.notes[0]
    named = [replace(pair, scene=f"s{number % 5}") for number, pair in enumerate(pairs)]
    assert set(find_blocks(named).block.values()) == {f"s{number}" for number in range(5)}
    assert find_blocks(named).notes == ()


def test_numbers_need_no_opencv() -> None:
    code = "import sys, regionfuse.datasets.blocks; print(*({'cv2', 'torch'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == []


def test_groups() -> None:
    assert connected([1, 1, 1, 1], [(2, 3), (0, 2)]) == ([0, 1, 0, 0], 0)
    assert connected([2, 2, 2], [(0, 1), (1, 2)], most=4) == ([0, 0, 2], 1)
    assert connected([], []) == ([], 0)


def test_numbers_alone_bridge_an_interleaved_part() -> None:
    part = [f"{number:05}" for number in range(1000) if np.random.default_rng(number).random() < 0.2]
    blocks = blocks_by_number(part)
    assert 4 <= len(set(blocks.values())) <= 40  # gapless runs would be about 160
    whole = [f"{number:05}" for number in (*range(50), *range(300, 340))]
    assert members(blocks_by_number(whole)) == sets(range(50), range(300, 340))
    assert blocks_by_number([]) == {} and blocks_by_number(["a", "b"]) == {"a": "a", "b": "b"}


def test_the_ground_truth_holds_the_block(tmp_path: Path) -> None:
    pairs = PairSet("m3fd", tmp_path, tuple(pairs_of([1, 2, 50])))
    images = ground_truth(pairs, "test", ["00001", "00050"], find_blocks(pairs).block)["images"]
    assert [image["block"] for image in images] == ["00001..00002", "00050"]


def public_split(shared: Path) -> tuple[dict[str, list[str]], dict[str, str | None]]:
    folder = shared / "data" / "m3fd_annotations"
    stems = {
        name: [Path(image["file_name"]).stem for image in json.loads(text)["images"]]
        for name in ("train", "val", "test")
        for text in ((folder / f"m3fd-{name}.json").read_text(),)
    }
    everything = [stem for part in stems.values() for stem in part]
    named = read_conditions(folder, everything, folder / "scenario.json")
    return stems, {stem: named.get(stem, (None, ()))[0] for stem in everything}


def test_blocks_of_the_public_split_of_m3fd(shared: Path) -> None:
    """98 contiguous scenes hold 810 of its 837 test images; gapless runs of its numbers were 664 blocks."""
    stems, scenes = public_split(shared)
    found = find_blocks([Pair(stem, Path(), Path(), 1, 1, scene=scene) for stem, scene in scenes.items()])
    test = {found.block[stem] for stem in stems["test"]}
    assert 95 <= len(test) <= 105
    assert max(len(each) for each in members(found)) <= 210
    # nothing but the numbers of the test images: coarser than scenes, never 664
    assert 20 <= len(set(blocks_by_number(stems["test"]).values())) <= 110


@pytest.mark.parametrize("name", ["damsdet_val.txt"])
def test_blocks_of_a_split_by_scenes(shared: Path, name: str) -> None:
    stems = (shared / "data" / "m3fd_annotations" / name).read_text().split()
    assert 15 <= len(set(blocks_by_number(stems).values())) <= 31
