"""Splits and leakage: what stays together, what is dropped, what is repeatable."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from regionfuse.datasets.blocks import find_blocks
from regionfuse.datasets.errors import DataError
from regionfuse.datasets.leakage import Leakage, leakage
from regionfuse.datasets.partition import without_near
from regionfuse.datasets.records import Box, Pair, PairSet
from regionfuse.datasets.similarity import Near, Signatures, near_duplicates
from regionfuse.datasets.splits import Split, make_split

LENGTH = 64


def numbered_set(
    numbers: list[int], *, scene: int | None = None, labels: dict[int, str] | None = None
) -> PairSet:
    """A set without files: make_split looks at names, scenes and boxes only."""
    labels = labels or {}
    pairs = tuple(
        Pair(
            f"{number:05}",
            Path("i"),
            Path("v"),
            64,
            48,
            (Box(labels[number], (0, 0, 9, 9)),) if number in labels else (),
            scene=None if scene is None else f"s{number // scene}",
        )
        for number in numbers
    )
    return PairSet("m3fd", Path("root"), pairs, tuple(sorted(set(labels.values()))))


def fake_signatures(pairs: PairSet, scene_of: dict[str, int]) -> Signatures:
    """Signatures that are equal within a scene and nearly unrelated between scenes."""
    rng = np.random.default_rng(0)
    bases = {scene: rng.normal(size=(2, LENGTH)) for scene in sorted(set(scene_of.values()))}
    vectors = np.stack([bases[scene_of[pair.stem]] for pair in pairs]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    stems = tuple(pair.stem for pair in pairs)
    return Signatures(stems, vectors, stems)


def neighbour_share(split: Split) -> float:
    return split.leakage.relation("test", "train").within[1]


def near_share(split: Split) -> float | None:
    return split.leakage.relation("test", "train").near_duplicates


def subsets(split: Split) -> dict[str, str]:
    return {stem: name for name in ("train", "val", "test") for stem in getattr(split, name)}


def assert_sound(split: Split, pairs: PairSet) -> None:
    everything = [*split.train, *split.val, *split.test, *split.dropped]
    assert sorted(everything) == [pair.stem for pair in pairs]
    for name in ("train", "val", "test", "dropped"):
        assert list(getattr(split, name)) == sorted(getattr(split, name))
    assert split.train and split.val and split.test


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 9, 12, 20, 27, 60, 150, 1000])
@pytest.mark.parametrize("scene", [None, 4, 15])
def test_every_size_gives_a_split_and_the_guard_holds(count: int, scene: int | None) -> None:
    pairs = numbered_set(list(range(count)), scene=scene)
    split = make_split(pairs, seed=1)
    assert_sound(split, pairs)
    home = subsets(split)
    kept = sorted(home)
    for first, second in pairwise(kept):
        if home[first] != home[second]:
            assert int(second) - int(first) > split.guard
    if count >= 12:
        assert split.guard == 2 and neighbour_share(split) == 0
    if count >= 60 and (scene, count) != (15, 60):  # four scenes of 15 are worth more than the right sizes
        assert abs(len(split.test) / len(home) - 0.2) < 0.06 and abs(len(split.val) / len(home) - 0.1) < 0.06
        assert len(split.dropped) <= 0.2 * count


def test_scenes_are_not_torn() -> None:
    pairs = numbered_set(list(range(240)), scene=6)
    split = make_split(pairs)
    home = subsets(split)
    for number in range(40):
        stems = [f"{index:05}" for index in range(6 * number, 6 * number + 6)]
        assert len({home[stem] for stem in stems if stem in home}) <= 1


def test_gaps_in_the_numbers_part_runs_without_loss() -> None:
    numbers = [100 * run + frame for run in range(20) for frame in range(5)]
    pairs = numbered_set(numbers)
    split = make_split(pairs)
    home = subsets(split)
    assert split.dropped == () and neighbour_share(split) == 0
    for run in range(20):
        assert len({home[f"{100 * run + frame:05}"] for frame in range(5)}) == 1


def test_near_duplicates_far_apart_stay_together() -> None:
    numbers = [10 * index for index in range(40)]  # no neighbours at all
    pairs = numbered_set(numbers)
    scene_of = {pair.stem: index % 20 for index, pair in enumerate(pairs)}  # each scene twice, 200 apart
    signatures = fake_signatures(pairs, scene_of)
    split = make_split(pairs, signatures=signatures)
    assert_sound(split, pairs)
    home = subsets(split)
    for scene in range(20):
        assert len({home[stem] for stem in home if scene_of[stem] == scene}) == 1
    assert near_share(split) == 0
    loose = [make_split(pairs, kind="random", seed=seed, signatures=signatures) for seed in range(5)]
    assert all(near_share(each) for each in loose)


def test_content_breaks_part_a_gapless_run() -> None:
    pairs = numbered_set(list(range(200)))
    scene_of = {pair.stem: index // 20 for index, pair in enumerate(pairs)}
    split = make_split(pairs, signatures=fake_signatures(pairs, scene_of))
    home = subsets(split)
    for scene in range(10):
        assert len({home[stem] for stem in home if scene_of[stem] == scene}) == 1
    assert neighbour_share(split) == near_share(split) == 0


def test_one_long_static_scene_still_splits_and_says_what_it_is_worth() -> None:
    pairs = numbered_set(list(range(50)))
    signatures = fake_signatures(pairs, {pair.stem: 0 for pair in pairs})
    split = make_split(pairs, signatures=signatures)
    assert_sound(split, pairs)
    assert near_share(split) == 1.0 and neighbour_share(split) == 0


@pytest.mark.parametrize("seed", range(4))
def test_rare_classes_go_to_train(seed: int) -> None:
    numbers = [10 * index for index in range(30)]
    labels = dict.fromkeys(numbers, "Car") | {50: "Truck", 120: "Bus"}
    pairs = numbered_set(numbers, labels=labels)
    split = make_split(pairs, seed=seed)
    trained = {box.label for stem in split.train for box in pairs[stem].boxes}
    assert trained == {"Car", "Truck", "Bus"}


@pytest.mark.parametrize("kind", ["scenes", "random"])
def test_seeds(kind: str) -> None:
    pairs = numbered_set(list(range(0, 400, 4)))
    first, again, other = (make_split(pairs, kind=kind, seed=seed) for seed in (5, 5, 6))
    assert first == again and first.sha256 == again.sha256
    assert first.sha256 != other.sha256


def test_random_sizes_and_leakage() -> None:
    pairs = numbered_set(list(range(1000)))
    split = make_split(pairs, kind="random")
    assert (len(split.train), len(split.val), len(split.test)) == (700, 100, 200)
    assert neighbour_share(split) > 0.8 and near_share(split) is None
    for count in (3, 4, 5):
        assert_sound(
            make_split(numbered_set(list(range(count))), kind="random"), numbered_set(list(range(count)))
        )


def test_narrower_guard_is_announced(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        split = make_split(numbered_set([0, 1, 2]))
    assert split.guard == 0 and "too few" in caplog.text


def test_bad_requests() -> None:
    pairs = numbered_set([0, 1, 2, 3])
    for count in (0, 1, 2):
        with pytest.raises(DataError, match=f"at least 3 pairs, found {count}"):
            make_split(numbered_set(list(range(count))))
    for fractions in ((0.5, 0.5), (0.7, 0.2, 0.2), (0.0, 0.5, 0.5), (1.2, -0.4, 0.2), (0.5, 0.5, 0.0)):
        with pytest.raises(DataError, match="fractions"):
            make_split(pairs, fractions=fractions)
    with pytest.raises(DataError, match="'scene'"):
        make_split(pairs, kind="scene")
    with pytest.raises(DataError, match="needs a file"):
        make_split(pairs, kind="list")


def test_val_may_be_left_out_on_purpose() -> None:
    split = make_split(numbered_set(list(range(60))), fractions=(0.8, 0.0, 0.2))
    assert split.val == () and split.train and split.test


def test_file_round_trip_and_hash(tmp_path: Path) -> None:
    pairs = numbered_set(list(range(30)))
    split = make_split(pairs)
    path = tmp_path / "run" / "split.json"
    split.save(path)
    assert Split.load(path) == split
    content = json.loads(path.read_text())
    canonical = {name: sorted(content[name]) for name in ("train", "val", "test")}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    assert content["sha256"] == split.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert content["schema"] == 2 and content["leakage"]["relations"][0]["count"] == len(split.test)
    assert content["blocks"].keys() == {pair.stem for pair in pairs}


def test_damaged_split_files(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    make_split(numbered_set(list(range(30)))).save(path)
    content = json.loads(path.read_text())
    moved = {**content, "train": content["train"][1:], "test": [*content["test"], content["train"][0]]}
    for bad, words in (
        (json.dumps(moved), "edited"),
        (json.dumps({**content, "schema": 99}), "schema 99"),
        (json.dumps({**content, "schema": 1}), "schema 1, .* divide the set anew, or .* kind: list"),
        (json.dumps({key: value for key, value in content.items() if key != "val"}), "not a split file"),
        ("[1]", "not a split file"),
        ("{", "not a split file"),
    ):
        path.write_text(bad)
        with pytest.raises(DataError, match=words) as error:
            Split.load(path)
        assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="cannot be read"):
        Split.load(tmp_path / "none.json")


def write_lists(tmp_path: Path, form: str) -> Path:
    lists = {"train": ["00000", "00001"], "val": ["00002"], "test": ["00003"]}
    if form == "ours":
        path = tmp_path / "split.json"
        make_split(numbered_set([0, 1, 2, 3]), kind="list", file=write_lists(tmp_path, "json")).save(path)
        return path
    if form == "json":
        path = tmp_path / "lists.json"
        path.write_text(json.dumps(lists))
        return path
    if form == "yaml":
        path = tmp_path / "lists.yaml"
        path.write_text("train: [00000, 00001.png]\nvalid:\n  - 00002\ntest: [Vis/00003.png]\n")
        return path
    for name, stems in lists.items():
        (tmp_path / f"m3fd_{name}.txt").write_text(
            "# comment\n" + "\n".join(f"a\\b/{stem}.PNG" for stem in stems)
        )
        (tmp_path / f"{name}.txt").write_text("\n".join(stems) + "\n\n")
    return tmp_path if form == "folder" else tmp_path / "m3fd_test.txt"


@pytest.mark.parametrize("form", ["ours", "json", "yaml", "txt", "folder"])
def test_list_files(tmp_path: Path, form: str) -> None:
    split = make_split(numbered_set([0, 1, 2, 3, 9]), kind="list", file=write_lists(tmp_path, form))
    assert split.train == ("00000", "00001") and split.val == ("00002",) and split.test == ("00003",)
    assert split.dropped == ("00009",) and split.kind == "list" and split.guard == 0
    assert neighbour_share(split) == 0  # 00003's neighbour 00002 is in val


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"train": ["00000"], "val": ["00001"]}, "no list 'test'"),
        ({"train": ["00000"], "val": ["00001"], "test": []}, "'test' is empty"),
        ({"train": ["00000"], "val": ["00001"], "test": ["00001"]}, "stands in val and test"),
        ({"train": ["00000", "00000"], "val": ["00001"], "test": ["00002"]}, "twice in train"),
        ({"train": ["0000"], "val": ["00001"], "test": ["00002"]}, "did you mean"),
        ({"train": [0], "val": ["00001"], "test": ["00002"]}, "list of texts"),
        ([], "expected the keys"),
    ],
)
def test_bad_list_files(tmp_path: Path, content: object, words: str) -> None:
    path = tmp_path / "lists.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=words) as error:
        make_split(numbered_set([0, 1, 2]), kind="list", file=path)
    assert "\n" not in str(error.value)


def test_unreadable_list_files(tmp_path: Path) -> None:
    pairs = numbered_set([0, 1, 2])
    (tmp_path / "a.yaml").write_text("train: [1\nval: {")
    (tmp_path / "b_train.txt").write_text("00000")
    (tmp_path / "names.txt").write_text("00000")
    for name, words in (
        ("a.yaml", "cannot be read"),
        ("none.json", "cannot be read"),
        ("b_train.txt", "no list 'test'"),
        ("none.txt", "must end in"),
        ("none_train.txt", "no such file"),
        ("names.txt", "must end in"),
    ):
        with pytest.raises(DataError, match=words) as error:
            make_split(pairs, kind="list", file=tmp_path / name)
        assert "\n" not in str(error.value)


def test_relations_by_hand() -> None:
    """Ten images in two scenes: 0..5 and 6..9; 20 shows what 0 shows."""
    pairs = numbered_set([*range(10), 20])
    scene_of = {f"{number:05}": 0 if number < 6 or number == 20 else 1 for number in (*range(10), 20)}
    named = [replace(pair, scene=f"s{scene_of[pair.stem]}") for pair in pairs if pair.stem != "00020"]
    pairs = PairSet(pairs.name, pairs.root, (*named, pairs["00020"]))
    signatures = fake_signatures(pairs, scene_of)
    near = near_duplicates(signatures)
    subsets = {
        "train": ["00000", "00001", "00007"],
        "val": ["00008"],
        "test": ["00004", "00006", "00020"],
    }
    scenes = {pair.stem: pair.scene for pair in pairs}
    found = leakage(subsets, find_blocks(pairs, signatures, near), scenes, near)
    test = found.relation("test", "train")
    # 4 is three numbers from 1; 6 is one from 7; 20 is far from all, but shows their scene.
    assert test.count == 3
    assert [test.within[each] for each in (1, 2, 5, 50)] == [1 / 3, 1 / 3, 2 / 3, 2 / 3]
    assert (test.same_block, test.same_scene, test.near_duplicates) == (1.0, 2 / 3, 1.0)
    assert test.examples[0] == ("00004", "00000", "near-duplicate")
    val = found.relation("val", "train")
    assert (val.count, val.within[1], val.same_block) == (1, 1.0, 1.0)
    assert found.relation("test", "val").within == {1: 0, 2: 1 / 3, 5: 1 / 3, 10: 1 / 3, 20: 1 / 3, 50: 1 / 3}
    assert Leakage.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    blind = leakage(subsets, find_blocks(numbered_set([*range(10), 20])), {})
    first = blind.relation("test", "train")
    assert first.within[1] == 1 / 3 and first.within[5] == 2 / 3  # numbers alone run across the change
    assert first.same_scene is None and first.near_duplicates is None
    assert first.examples == (("00006", "00007", "neighbour"), ("00004", "00001", "neighbour"))
    nothing = leakage({"train": [], "val": [], "test": []}, find_blocks([]), {})
    assert [each.same_block for each in nothing.relations] == [0.0] * 3


def test_leakage_of_a_split_by_scenes_can_fail() -> None:
    """A long scene must be torn; the guard parts neighbours, and the curve says what is left."""
    pairs = numbered_set(list(range(60)))
    split = make_split(pairs, signatures=fake_signatures(pairs, {pair.stem: 0 for pair in pairs}))
    test = split.leakage.relation("test", "train")
    assert split.guard == 2 and test.within[1] == test.within[2] == 0
    assert 0 < test.within[5] < test.within[20] and test.within[50] == test.same_block == 1
    assert split.leakage.relation("val", "train").near_duplicates == 1


def test_what_is_given_up_is_recorded_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    pairs = numbered_set(list(range(60)))
    split = make_split(pairs, signatures=fake_signatures(pairs, {pair.stem: 0 for pair in pairs}))
    text = " | ".join(split.given_up)
    assert "not kept together" in text and "train image(s) are near-duplicates of val or test images" in text
    assert all(each in caplog.text for each in split.given_up)
    free = make_split(numbered_set(list(range(200)), scene=10))
    assert free.given_up == ()


def test_near_duplicates_between_val_and_test_are_dropped() -> None:
    near = Near(("a", "b", "c", "d", "e", *"fghijklmnopqrstuvwxyz"), np.array([[0, 1], [2, 3]]), np.ones(2))
    subset = dict.fromkeys(near.stems, 0) | {"a": 1, "b": 2, "c": 0, "d": 1, "e": 1, "f": 1}
    kept, said = without_near(subset, near)
    assert sorted(subset.keys() - kept.keys()) == ["a", "c"] and said == ()
    subset = dict.fromkeys(near.stems, 0) | {"a": 1, "b": 2}  # the only val image
    kept, said = without_near(subset, near)
    assert kept == subset and said == (
        "1 val image(s) are near-duplicates of test images and stay: without them too little would be left",
    )


def test_a_named_scene_stays_whole_even_far_apart() -> None:
    pairs = numbered_set([100 * run + frame for run in range(12) for frame in range(10)])
    named = PairSet("m3fd", pairs.root, tuple(replace(p, scene=f"s{int(p.stem) // 100 % 6}") for p in pairs))
    split = make_split(named)
    home = subsets(split)
    for scene in range(6):
        assert (
            len({home[pair.stem] for pair in named if pair.scene == f"s{scene}" and pair.stem in home}) == 1
        )
    assert split.leakage.relation("test", "train").same_scene == 0


def test_a_last_bit_changes_no_split() -> None:
    pairs = numbered_set(list(range(120)))
    signatures = fake_signatures(pairs, {pair.stem: index // 7 for index, pair in enumerate(pairs)})
    shaken = np.nextafter(signatures.vectors, np.float32(2))
    assert make_split(
        pairs, signatures=Signatures(signatures.stems, shaken, signatures.hashes)
    ) == make_split(pairs, signatures=signatures)


@pytest.mark.parametrize("kind", ["scenes", "random", "list"])
def test_every_kind_has_blocks(tmp_path: Path, kind: str) -> None:
    pairs = numbered_set([*range(10), *range(100, 110), *range(200, 204)])
    file = tmp_path / "lists.json"
    stems = [pair.stem for pair in pairs]
    file.write_text(json.dumps({"train": stems[::3], "val": stems[1::3], "test": stems[2::3]}))
    split = make_split(pairs, kind=kind, file=file if kind == "list" else None)
    assert set(split.blocks.values()) == {"00000..00009", "00100..00109", "00200..00203"}
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == split


def test_a_list_without_val_gets_it_out_of_train_by_blocks(tmp_path: Path) -> None:
    pairs = numbered_set([100 * run + frame for run in range(20) for frame in range(6)])
    stems = [pair.stem for pair in pairs]
    (tmp_path / "mine_train.txt").write_text("\n".join(stems[:90]))
    (tmp_path / "mine_test.txt").write_text("\n".join(stems[90:]))
    split = make_split(pairs, kind="list", file=tmp_path / "mine_test.txt")
    assert split.test == tuple(stems[90:]) and sorted(split.train + split.val) == stems[:90]
    assert 0.05 < len(split.val) / 90 < 0.2  # 1/8 is asked for
    assert not {split.blocks[stem] for stem in split.val} & {split.blocks[stem] for stem in split.train}
    assert "no val" in split.given_up[0]
    none = make_split(pairs, kind="list", file=tmp_path, fractions=(0.8, 0.0, 0.2))
    assert none.val == () and none.train == tuple(stems[:90])
