"""Ultralytics stays quiet: nothing in the home, no downloads, no reports, one door."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import regionfuse
from regionfuse.datasets.errors import DetectorError

ROOT = Path(regionfuse.__file__).parent

SCRIPT = """
import os, socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("network used")
socket.getaddrinfo = refuse
socket.create_connection = refuse
os.environ["OMP_NUM_THREADS"] = "2"
import torch
from pathlib import Path
sys.path.insert(0, {tests!r})
from detector_toy import toy_pairs
from regionfuse.detection.recipe import DetectorRecipe
from regionfuse.detection.train import train_detector
from regionfuse.detection.predict import predict_images
threads = torch.get_num_threads()
pairs = toy_pairs(Path("images"), 4)
stems = [pair.stem for pair in pairs]
recipe = DetectorRecipe(epochs=1, image_size=64, batch_size=4, device="cpu")
result = train_detector(recipe, pairs, stems, [], Path("images"), Path("out"), seed=0)
rows = [(1, Path("images/00000.png"))]
predict_images(result.weights, rows, {{"People": 1, "Car": 2, "Lamp": 3}}, recipe, Path("p.json"))
assert torch.get_num_threads() == threads, (threads, torch.get_num_threads())
assert os.environ["OMP_NUM_THREADS"] == "2" and "YOLO_CONFIG_DIR" not in os.environ
assert "PYTHONHASHSEED" not in os.environ
from ultralytics.utils import SETTINGS
from ultralytics.utils.events import events
assert SETTINGS["sync"] is False and not events.enabled
print("settings:", SETTINGS.file)
"""


def test_training_leaves_nothing_in_the_home_and_prints_nothing(tmp_path: Path) -> None:
    home, work, scratch = (tmp_path / name for name in ("home", "work", "tmp"))
    for folder in (home, work, scratch):
        folder.mkdir()
    names = ("YOLO_", "XDG_", "MPLCONFIGDIR", "PYTHONHASHSEED")
    env = {key: value for key, value in os.environ.items() if not key.startswith(names)}
    env |= {"HOME": str(home), "TMPDIR": str(scratch)}
    script = SCRIPT.format(tests=str(ROOT / "tests"))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=work, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [path.name for path in home.rglob("*")] == []
    assert sorted(path.name for path in work.iterdir()) == ["images", "out", "p.json"]
    assert sorted(path.name for path in (work / "out").iterdir()) == [
        "log.csv",
        "weights.json",
        "weights.safetensors",
    ]
    assert list(scratch.glob("regionfuse-ultralytics-*")) == [], "the private settings folder must go"
    (line,) = done.stdout.splitlines()
    assert str(scratch) in line, "settings must be in our private folder"


def test_missing_weights_are_one_line_and_no_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regionfuse.detection.checkpoint import load_detector

    monkeypatch.chdir(tmp_path)
    with pytest.raises(DetectorError, match=r"yolov8n\.pt are not here, and nothing is downloaded") as caught:
        load_detector("yolov8n.pt", ("a",))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_only_one_module_imports_ultralytics() -> None:
    pattern = re.compile(r"^\s*(from|import) ultralytics\b", re.MULTILINE)
    parts = ("datasets", "fusion", "detection", "reports", "pipeline")
    files = [path for part in parts for path in (ROOT / part).rglob("*.py")]
    importing = {
        path.relative_to(ROOT).as_posix() for path in files if pattern.search(path.read_text("utf-8"))
    }
    assert importing == {"detection/yolo.py", "detection/environment.py"}


def test_other_libraries_keep_their_functions() -> None:
    code = (
        "import cv2, torch; from PIL import Image;"
        "before = [Image.open, torch.save, torch.load, cv2.imread, cv2.imwrite];"
        "import regionfuse.detection.yolo;"
        "assert before == [Image.open, torch.save, torch.load, cv2.imread, cv2.imwrite]"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
