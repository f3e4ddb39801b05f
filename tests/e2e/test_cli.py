"""The command line as a user types it: answers, exit codes, and one line for every mistake."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml

from regionfuse.datasets.synthetic.generate import generate
from regionfuse.pipeline import cli
from regionfuse.pipeline.commands.init import shipped_data
from regionfuse.pipeline.config_file import load_config

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli") / "m3fd"
    generate(root, images=12, size=(96, 64), seed=5)
    return root


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["regionfuse", *map(str, arguments)])
    return cli.main()


def one_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.startswith("error:")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


def test_init_prints_a_configuration_that_loads(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for scale in ("cpu", "gpu"):
        assert call(monkeypatch, "init", "--dataset", "m3fd", "--root", data, "--scale", scale) == 0
        text = capsys.readouterr().out
        path = tmp_path / f"{scale}.yaml"
        path.write_text(text)
        config = load_config(path)
        assert config.dataset.root == data
        assert config.fusion.init is None or "m3fd" not in shipped_data(), "weights that saw test images"
        assert text.count("#") > 15, "the template explains itself"
        assert yaml.safe_load(text)["schema"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["init", "--dataset", "m3df", "--root", "."], ["m3df", "did you mean 'm3fd'"]),
        (["init", "--dataset", "msrs", "--root", "."], ["no boxes", "regionfuse train"]),
        (["init", "--root", "nowhere"], ["nowhere", "not a folder"]),
        (["run", "nowhere.yaml"], ["nowhere.yaml", "regionfuse init"]),
        (["check", "nowhere.yaml"], ["nowhere.yaml"]),
        (["fuse", "--infrared", "no-ir", "--visible", "no-vis", "--out", "o"], ["no-"]),
        (["report", "nowhere"], ["nowhere"]),
        (["methods", "check", "laplacain"], ["laplacain", "did you mean 'laplacian'"]),
        (["train", "--out", "o"], ["nothing to train on"]),
        (["train", "--out", "o", "--data", "msrs"], ["FORMAT:ROOT"]),
        (["detect", "--images", "none", "--out", "o.json"], ["none", "not a folder"]),
        (["evaluate", "--ground-truth", "g.json", "--predictions", "x", "--out", "o"], ["NAME=FILE"]),
    ],
)
def test_a_mistake_is_one_line_and_a_failure(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *arguments) == 1
    line = one_line(capsys.readouterr().err)
    for word in words:
        assert word in line


def test_a_wrong_detector_key_leaves_no_folder_behind(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"dataset": {"root": str(data)}}))
    assert call(monkeypatch, "run", config, "--out", tmp_path / "out", "--set", "detector.epoch=3") == 1
    assert "did you mean 'epochs'" in one_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_damaged_image_is_said_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(data, tmp_path / "data")
    picture = tmp_path / "data" / "Vis" / "00003.png"
    picture.write_bytes(picture.read_bytes()[:500])
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"dataset": {"root": "data"}}))
    assert call(monkeypatch, "run", config, "--out", tmp_path / "out") == 1
    assert "00003.png: truncated" in one_line(capsys.readouterr().err)


def test_check_shows_doctor_split_and_plan_and_writes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"dataset": {"root": str(data)}}))
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "check", config) == 0
    out = capsys.readouterr().out
    for word in ("objects by class", "leakage", "train-detector", "nothing was run"):
        assert word in out
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_check_lists_what_is_broken(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "broken"
    for name in ("Ir", "Vis", "Annotation"):
        (root / name).mkdir(parents=True)
        for path in sorted((data / name).iterdir())[:4]:
            (root / name / path.name).write_bytes(path.read_bytes())
    picture = root / "Vis" / "00001.png"
    picture.write_bytes(picture.read_bytes()[:200])
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"dataset": {"root": str(root)}}))
    assert call(monkeypatch, "check", config) == 1
    captured = capsys.readouterr()
    assert "00001" in captured.out
    assert "mend them first" in one_line(captured.err)


def test_fuse_needs_no_configuration_and_resumes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["fuse", "--method", "laplacian", "--infrared", data / "Ir", "--visible", data / "Vis"]
    assert call(monkeypatch, *arguments, "--out", tmp_path / "out é") == 0
    pictures = sorted((tmp_path / "out é").glob("*.png"))
    assert len(pictures) == 12
    image = cv2.imdecode(np.fromfile(pictures[0], np.uint8), cv2.IMREAD_UNCHANGED)
    assert image.shape == (64, 96, 3)
    capsys.readouterr()
    assert call(monkeypatch, *arguments, "--out", tmp_path / "out é") == 0
    assert "there already" in capsys.readouterr().out


def test_evaluate_scores_predictions_made_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = {
        "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 100}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "area": 1600, "iscrowd": 0}
        ],
        "categories": [{"id": 1, "name": "Car"}, {"id": 2, "name": "Truck"}],
    }
    box = {"image_id": 1, "bbox": [10, 10, 40, 40], "score": 0.9}
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "right.json").write_text(json.dumps([{**box, "category_id": 1}]))
    (tmp_path / "wrong.json").write_text(json.dumps([{**box, "category_id": 2}]))
    arguments = ["--ground-truth", tmp_path / "gt.json", "--out", tmp_path / "tables", "--reference", "right"]
    for name in ("right", "wrong"):
        arguments += ["--predictions", f"{name}={tmp_path / name}.json"]
    assert call(monkeypatch, "evaluate", *arguments) == 0
    scores = pd.read_csv(tmp_path / "tables" / "detection.csv").set_index("source")["mAP50"]
    assert scores.to_dict() == {"right": 1.0, "wrong": 0.0}
    printed = capsys.readouterr().out
    assert "1 image in 1 block" in printed and "no interval: too few blocks" in printed
    assert "1 of 1" in printed, "the car that is called a truck"


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("open('exploded', 'w').close()",))


@pytest.mark.parametrize(
    "arguments",
    [["detect", "--images", "{data}/Vis"], ["fuse", "--infrared", "{data}/Ir", "--visible", "{data}/Vis"]],
)
def test_a_malicious_checkpoint_does_not_run(
    arguments: list[str],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"model": Bomb()}))
    filled = [word.format(data=data) for word in arguments]
    assert call(monkeypatch, *filled, "--weights", "evil.pt", "--out", "out.json") == 1
    assert "evil.pt" in one_line(capsys.readouterr().err)
    assert not (tmp_path / "exploded").exists()


def test_methods_json_has_a_record_a_method(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "methods", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"visible", "infrared", "average", "maximum", "laplacian", "guided", "regionfuse"} <= set(rows)
    for row in rows.values():
        assert {"name", "status", "parameters", "multiply_accumulates"} <= set(row)
    assert rows["regionfuse"]["parameters"] > 10_000
    assert rows["regionfuse"]["multiply_accumulates"] > 1e9


def test_an_interrupt_says_how_to_go_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("regionfuse.pipeline.commands.report.report", interrupted)
    assert call(monkeypatch, "report", tmp_path) == 130
    assert f"To go on: regionfuse report {tmp_path}" in capsys.readouterr().err


def test_help_teaches() -> None:
    for arguments in ([], ["run"], ["fuse"], ["methods", "check"]):
        answer = subprocess.run(
            [sys.executable, "-m", "regionfuse", *arguments, "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Usage: regionfuse" in answer.stdout


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("regionfuse fu", {"fuse"}),
        ("regionfuse fuse --method lap", {"laplacian"}),
        ("regionfuse init --data", {"--dataset"}),
    ],
)
def test_completion_knows_commands_options_and_methods(typed: str, words: set[str]) -> None:
    request = {
        "_REGIONFUSE_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    answer = subprocess.run(
        [sys.executable, "-m", "regionfuse"], capture_output=True, text=True, env={**os.environ, **request}
    )
    assert set(answer.stdout.split()) == words, answer.stderr
