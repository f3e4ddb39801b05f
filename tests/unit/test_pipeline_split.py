"""The split of a run: what is stored, what ``check`` prints, and that the options reach it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from regionfuse.datasets.images import write_png
from regionfuse.datasets.splits import Split, make_split
from regionfuse.pipeline.commands.check import _print_split
from regionfuse.pipeline.config import Config
from regionfuse.pipeline.config_file import build_config
from regionfuse.pipeline.workload import Workload, load_workload, split_unit

NUMBERS = (*range(12), *range(100, 112))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two scenes of twelve alike pairs each, all in LLVIP's folders train and test."""
    for number in NUMBERS:
        scene = np.random.default_rng(number // 100).integers(0, 255, (8, 8))
        image = np.kron(scene, np.ones((8, 8))).astype(np.uint8)
        image[number % 50, :] = 255
        subset = "test" if number in (*range(3), *range(109, 112)) else "train"
        for modality in ("infrared", "visible"):
            write_png(tmp_path / "set" / modality / subset / f"{number:06}.png", image)
    (tmp_path / "tags.csv").write_text(
        "image,tag,scene\n" + "\n".join(f"{n:06},{'day' if n < 50 else 'night'},s{n // 100}" for n in NUMBERS)
    )
    return tmp_path


def divided(root: Path, config: Config) -> tuple[Workload, Split, dict[str, object]]:
    workload = load_workload(config, root / "hashes.json", lambda *_: None)
    unit = split_unit(config, workload, root / "signatures.npz")
    (root / "work").mkdir()
    unit.action(root / "work", lambda *_: None)
    truth = json.loads((root / "work" / "ground_truth" / "test.json").read_text())
    return workload, Split.load(root / "work" / "split.json"), truth


def shown(workload: Workload, split: Split) -> str:
    console = Console(record=True, width=200, force_terminal=False)
    _print_split(workload, split, console)
    return console.export_text()


def test_official_folders_with_scenes_from_a_table(root: Path) -> None:
    tree = {
        "dataset": {"format": "llvip", "root": "set", "conditions": "tags.csv"},
        "split": {"kind": "official", "fractions": [0.6, 0.2, 0.2], "guard": 0},
    }
    config = build_config(tree, base=root)
    assert config.dataset.conditions == root / "tags.csv"
    workload, split, truth = divided(root, config)
    assert (
        len(split.test) == 6
        and split.val
        and {*split.train, *split.val, *split.dropped}.isdisjoint(split.test)
    )
    images = truth["images"]
    assert isinstance(images, list) and {image["block"] for image in images} == {"s0", "s1"}
    assert {image["tags"][0] for image in images} == {"day", "night"}
    # Near-duplicates tie the two halves of nothing here: the scenes differ.
    assert set(split.blocks.values()) == {"s0", "s1"}
    text = shown(workload, split)
    assert "test 6 (2 blocks)" in text and "given up by the split: the lists have no val" in text


def test_check_prints_the_curve_of_a_split_that_leaks(root: Path) -> None:
    config = build_config(
        {"dataset": {"format": "llvip", "root": "set"}, "split": {"kind": "random"}}, base=root
    )
    workload, split, _ = divided(root, config)
    text = shown(workload, split)
    row = next(line.split() for line in text.splitlines() if line.startswith("test in train"))
    test = split.leakage.relation("test", "train")
    wanted = [*test.within.values(), test.same_block]
    assert row[3:10] == [f"{100 * share:.1f}" for share in wanted] and float(row[3]) > 0
    assert row[10:] == ["-", "100.0"]
    assert "val in train" in text and "test in val" in text and "near-identical framing" in text


def test_lists_of_another_file_make_another_unit(root: Path) -> None:
    stems = [f"{number:06}" for number in NUMBERS]
    units = []
    for name, first in (("a", 0), ("b", 1)):
        lists = {"train": stems[first:12], "val": stems[12:16], "test": stems[16:]}
        (root / f"{name}.json").write_text(json.dumps(lists))
        tree = {
            "dataset": {"format": "llvip", "root": "set"},
            "split": {"kind": "list", "file": f"{name}.json"},
        }
        config = build_config(tree, base=root)
        workload = load_workload(config, root / "hashes.json", lambda *_: None)
        units.append(split_unit(config, workload, root / "signatures.npz").key)
    assert units[0] != units[1]
    assert make_split(workload.pairs, kind="list", file=root / "a.json").dropped == ()
