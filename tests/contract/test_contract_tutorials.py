"""Every block of docs/your-method.md is used: files are written as they stand there, commands are run.

Commands of this package run in this process. Two lines are replaced, so that no network is needed: the
example package goes into a folder of its own, and the second environment borrows packages of this one.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import site
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from regionfuse.datasets.images import read_rgb8, write_png
from regionfuse.fusion.check_scenes import make_scene
from regionfuse.fusion.registry import create, names
from regionfuse.pipeline.cli import app
from regionfuse.pipeline.config import Config

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "your-method.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "tests" / "example_package"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = {"matlab"}  # there is no MATLAB here; the Python block below it does the same


def section(title: str) -> list[tuple[str, str, str]]:
    """Return the blocks of a section: language, file name or label, text."""
    (part,) = [part for part in re.split(r"^## ", TEXT, flags=re.MULTILINE) if part.startswith(title + "\n")]
    return [(language, name, body) for language, name, body in BLOCK.findall(part)]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with three pairs, in which the commands run."""
    for number, (height, width) in enumerate([(64, 80), (64, 80), (49, 61)]):
        scene = make_scene(height, width, seed=number)
        write_png(
            tmp_path / "pairs" / "ir" / f"{number:03}.png", np.rint(scene.infrared * 255).astype(np.uint8)
        )
        write_png(
            tmp_path / "pairs" / "vis" / f"{number:03}.png", np.rint(scene.visible * 255).astype(np.uint8)
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield tmp_path
    for name in ("brighter", "export_torchscript", "brighter_fusion"):
        sys.modules.pop(name, None)


Blocks = list[tuple[str, str, str]]


def follow(blocks: Blocks, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what the blocks of a section say, in their order."""
    assert blocks
    for language, name, body in blocks:
        if language == "sh":
            for line in body.splitlines():
                run(line, work, monkeypatch)
        elif name:
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, encoding="utf-8")
            if language == "yaml":
                make_sources(path, work)
        else:
            assert language in NOT_RUN


def run(line: str, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line)
    if words[0] == "regionfuse":
        result = CliRunner().invoke(app, words[1:], catch_exceptions=True)
        assert result.exit_code == 0, (line, result.output, result.exception)
        if words[1:3] == ["methods", "check"]:
            assert "FAILED" not in result.output, result.output
            assert "warning" not in result.output.replace("card: warning", ""), result.output
        return
    if words[:2] == ["pip", "install"]:
        target = work / "site"
        # The build needs setuptools and nothing else; both are there, so no network is asked for.
        line = (
            f"{shlex.quote(sys.executable)} -m pip install -q --no-index --no-deps --no-build-isolation "
            f"--disable-pip-version-check --target {shlex.quote(str(target))} {words[2]}"
        )
        monkeypatch.syspath_prepend(str(target))
    elif words[:3] == ["python3", "-m", "venv"]:
        line = f"{shlex.quote(sys.executable)} -m venv --without-pip {words[3]}"
    elif words[0] == "other/bin/pip":
        (packages,) = (work / "other" / "lib").glob("python*/site-packages")
        (packages / "from_the_test.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
        return
    elif words[0] == "python":
        line = shlex.quote(sys.executable) + line.removeprefix("python")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=work)
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    if words[0] == "sha256sum":
        assert [len(row) for row in done.stdout.split()] == [16] * 3


def make_sources(path: Path, work: Path) -> None:
    """The sources of a configuration are valid and can be made."""
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    config = Config.model_validate({"dataset": {"root": work}, **given})
    for source in config.sources:
        card = create(source.spec, weights=source.weights, options=source.options).card
        assert card.title == source.options.get("title", card.title)


def brightened(work: Path, stem: str) -> np.ndarray:
    """What all examples make, in grey levels."""
    visible = read_rgb8(work / "pairs" / "vis" / f"{stem}.png").astype(float)
    infrared = read_rgb8(work / "pairs" / "ir" / f"{stem}.png")[..., 0].astype(float)
    rise = np.maximum(infrared - visible @ [0.299, 0.587, 0.114], 0)[..., None]
    return np.clip(np.rint(visible + rise), 0, 255)


def test_folder_of_images(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(section("A folder of images"), work, monkeypatch)
    for stem in ("000", "001", "002"):
        assert np.abs(read_rgb8(work / "fused" / f"{stem}.png") - brightened(work, stem)).max() <= 1


def test_python_file_and_network_files(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(section("One Python file"), work, monkeypatch)
    for stem in ("000", "002"):
        assert np.abs(read_rgb8(work / "by_file" / f"{stem}.png") - brightened(work, stem)).max() <= 1
    blocks = [block for block in section("A network in a file") if block[:2] != ("sh", "onnx")]
    follow(blocks, work, monkeypatch)
    card = create(str(work / "brighter.pt")).card  # the card beside it is the last block
    assert (card.title, card.trained_on, card.weights_license) == ("Brighter", ("MSRS",), "MIT")


def test_onnx_export(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ("onnx", "onnxscript", "onnxruntime")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:  # exporting needs more than running does
        pytest.skip(f"the ONNX export of the tutorial needs {', '.join(missing)}")
    files = [block for block in (*section("One Python file"), *section("A network in a file")) if block[1]]
    follow([block for block in files if block[0] in ("python", "sh")], work, monkeypatch)
    infrared, visible = torch.rand(1, 1, 40, 70), torch.rand(1, 1, 40, 70)
    fused = create(str(work / "brighter.onnx")).fuse(infrared, visible)
    assert torch.allclose(fused, torch.maximum(infrared, visible), atol=1e-5)


def test_package_with_an_entry_point(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("setuptools")
    follow(section("A package"), work, monkeypatch)
    assert create("brighter").card.title == "Brighter"
    assert "brighter" in names()


def test_command_in_its_own_environment(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(section("A command in its own environment"), work, monkeypatch)
    assert (work / "other" / "pyvenv.cfg").is_file()


def test_hashes_of_training_images(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(section("What readers of your tables will ask"), work, monkeypatch)


def test_the_example_package_is_the_one_of_the_tutorial() -> None:
    blocks = {name: body for _, name, body in section("A package") if name.startswith("brighter-package/")}
    assert len(blocks) == 2
    for name, body in blocks.items():
        assert (EXAMPLE / name.removeprefix("brighter-package/")).read_text(encoding="utf-8") == body


def test_no_block_is_left_out() -> None:
    titles = re.findall(r"^## (.+)$", TEXT, flags=re.MULTILINE)
    assert sum(len(section(title)) for title in titles) == TEXT.count("\n```") // 2
