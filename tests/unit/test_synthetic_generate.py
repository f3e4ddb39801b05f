"""The synthetic set on disk: format, repeatability, and what happens to folders that are already there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import cv2
import pytest

from regionfuse.datasets.errors import DataError, StorageError
from regionfuse.datasets.load import load_pairs
from regionfuse.datasets.synthetic.conditions import CONDITIONS
from regionfuse.datasets.synthetic.generate import NOTICE, generate, scene_plan

CLASSES = {"People", "Car", "Bus", "Motorcycle", "Lamp", "Truck"}
SIZE = (160, 120)


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "set"
    generate(root, images=16, size=SIZE, seed=4)
    return root


def test_same_seed_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", images=16, size=SIZE, seed=4)
    assert contents(tmp_path / "again") == contents(made)


def test_another_seed_gives_other_pictures(made: Path, tmp_path: Path) -> None:
    generate(tmp_path / "other", images=1, size=SIZE, seed=5)
    assert (tmp_path / "other/Vis/00000.png").read_bytes() != (made / "Vis/00000.png").read_bytes()


def test_images_do_not_depend_on_how_many_follow(made: Path, tmp_path: Path) -> None:
    generate(tmp_path / "few", images=10, size=SIZE, seed=4)
    everything, few = contents(made), contents(tmp_path / "few")
    for name in few:
        if name.endswith((".png", ".xml")):
            assert few[name] == everything[name], name


def test_layout_is_that_of_m3fd(made: Path) -> None:
    stems = [f"{i:05d}" for i in range(16)]
    assert sorted(path.name for path in made.iterdir()) == [
        "Annotation",
        "Ir",
        "Vis",
        "conditions.json",
        "synthetic.json",
    ]
    for folder, ending in (("Ir", ".png"), ("Vis", ".png"), ("Annotation", ".xml")):
        assert sorted(path.name for path in (made / folder).iterdir()) == [stem + ending for stem in stems]
    infrared = cv2.imread(str(made / "Ir/00003.png"), cv2.IMREAD_UNCHANGED)
    visible = cv2.imread(str(made / "Vis/00003.png"), cv2.IMREAD_UNCHANGED)
    assert infrared.shape == visible.shape == (120, 160, 3)
    assert (infrared[..., 0] == infrared[..., 1]).all() and (infrared[..., 0] == infrared[..., 2]).all()
    assert (visible[..., 0] != visible[..., 2]).any()


def test_annotations_are_valid_voc(made: Path) -> None:
    for path in sorted((made / "Annotation").iterdir()):
        root = ET.parse(path).getroot()
        assert root.tag == "annotation" and root.findtext("filename") == f"{path.stem}.png"
        assert (root.findtext("size/width"), root.findtext("size/height"), root.findtext("size/depth")) == (
            "160",
            "120",
            "3",
        )
        for element in root.iter("object"):
            assert element.findtext("name") in CLASSES
            xmin, ymin, xmax, ymax = (
                int(element.findtext(f"bndbox/{k}", "")) for k in ("xmin", "ymin", "xmax", "ymax")
            )
            assert 1 <= xmin < xmax <= 160
            assert 1 <= ymin < ymax <= 120


def test_conditions_name_contiguous_scenes(made: Path) -> None:
    conditions = json.loads((made / "conditions.json").read_text())
    assert sorted(conditions) == [f"{i:05d}" for i in range(16)]
    scenes = [conditions[stem]["scene"] for stem in sorted(conditions)]
    assert scenes == sorted(scenes), "scenes are numbered in the order of the stems"
    lengths = list(Counter(scenes).values())
    assert len(lengths) >= 4 and all(3 <= length <= 5 for length in lengths[:-1])
    assert all(entry["tags"] for entry in conditions.values())


def test_reader_takes_it_as_synthetic_m3fd(made: Path) -> None:
    pairs = load_pairs("m3fd", made)
    assert pairs.synthetic and len(pairs) == 16 and set(pairs.classes) == CLASSES
    assert all(pair.scene and pair.tags for pair in pairs)
    assert {box.label for pair in pairs for box in pair.boxes} == CLASSES
    assert all(
        0 <= b.xyxy[0] < b.xyxy[2] <= 160 and 0 <= b.xyxy[1] < b.xyxy[3] <= 120
        for p in pairs
        for b in p.boxes
    )


def test_parameters_and_notice_are_recorded(made: Path) -> None:
    recorded = json.loads((made / "synthetic.json").read_text())
    assert recorded == {"generator": 2, "seed": 4, "images": 16, "size": [160, 120], "notice": NOTICE}
    assert NOTICE == "synthetic: shows that the pipeline works, not how good a method is"


def test_every_block_of_scenes_has_every_condition() -> None:
    plan = scene_plan(0)
    for _ in range(3):
        assert {next(plan)[0] for _ in CONDITIONS} == set(CONDITIONS)


def test_progress_is_reported(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    generate(
        tmp_path / "set", images=3, size=SIZE, progress=lambda done, total, _: calls.append((done, total))
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_identical_set_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "set"
    generate(root, images=2, size=SIZE)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    generate(root, images=2, size=SIZE, progress=lambda *_: pytest.fail("nothing was to be done"))
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_incomplete_set_is_made_again(tmp_path: Path) -> None:
    root = tmp_path / "set"
    generate(root, images=2, size=SIZE)
    whole = contents(root)
    (root / "Ir/00001.png").unlink()
    generate(root, images=2, size=SIZE)
    assert contents(root) == whole


def test_set_of_other_parameters_is_replaced(tmp_path: Path) -> None:
    root = tmp_path / "set"
    generate(root, images=3, size=SIZE)
    generate(root, images=2, size=SIZE)
    assert len(list((root / "Ir").iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_empty_folder_is_used(tmp_path: Path) -> None:
    root = tmp_path / "ein Ordner [ä]"
    root.mkdir()
    generate(root, images=1, size=SIZE)
    assert (root / "Vis/00000.png").is_file()


@pytest.mark.parametrize("foreign", ["holiday.jpg", "Ir/00000.png", "synthetic.json"])
def test_foreign_folder_is_refused_and_untouched(tmp_path: Path, foreign: str) -> None:
    root = tmp_path / "mine"
    (root / foreign).parent.mkdir(parents=True)
    (root / foreign).write_bytes(b"{}")
    with pytest.raises(DataError, match="another folder or empty"):
        generate(root, images=1, size=SIZE)
    assert contents(root) == {foreign: b"{}"}


def test_users_file_within_our_set_is_not_lost(tmp_path: Path) -> None:
    root = tmp_path / "set"
    generate(root, images=1, size=SIZE)
    (root / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"notes\.txt"):
        generate(root, images=2, size=SIZE)
    assert (root / "notes.txt").read_text() == "mine"


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("a file")
    with pytest.raises(DataError, match="found a file"):
        generate(tmp_path / "set", images=1, size=SIZE)


@pytest.mark.parametrize(
    "wrong",
    [{"images": 0}, {"size": (161, 120)}, {"size": (32, 32)}, {"seed": -1}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_parameters_out_of_range_are_refused(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(DataError, match="expected images"):
        generate(tmp_path / "set", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_parent_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        generate(tmp_path / "file" / "set", images=1, size=SIZE)


def test_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "set", images=3, size=SIZE, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_killed_run_leaves_no_half_set(tmp_path: Path) -> None:
    root = tmp_path / "set"
    code = (
        "import sys; from pathlib import Path; from regionfuse.datasets.synthetic.generate import generate; "
        "generate(Path(sys.argv[1]), images=5000, size=(160, 120))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(root)])
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".set.partial-*/Annotation/00002.xml")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not root.exists()
    left = next(tmp_path.glob(".set.partial-*"))
    generate(root, images=1, size=SIZE)
    assert len(list((root / "Vis").iterdir())) == 1
    # A run beside ours could still be writing there; an old one is cleared away.
    assert left.exists()
    os.utime(left, (time.time() - 7200,) * 2)
    generate(root, images=2, size=SIZE)
    assert not left.exists()
