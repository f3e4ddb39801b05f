"""The whole pipeline on a handful of synthetic pairs: stable paths, reuse, failures, kill -9."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from regionfuse.datasets.errors import DataError
from regionfuse.datasets.synthetic.generate import generate
from regionfuse.pipeline.config_file import load_config
from regionfuse.pipeline.console import Screen
from regionfuse.pipeline.run import RunResult, run_pipeline
from regionfuse.pipeline.summary import print_summary

pytestmark = pytest.mark.xdist_group("pipeline")

SETTINGS: dict[str, Any] = {
    "dataset": {"format": "m3fd", "root": "data"},
    "split": {"kind": "scenes", "fractions": [0.5, 0.2, 0.3], "guard": 0},
    "sources": ["visible", "infrared", "average", "regionfuse"],
    "fusion": {"preset": "tiny", "epochs": 1, "steps_per_epoch": 2, "batch_size": 2, "patch": 48},
    "detector": {
        "model": "yolo-micro.yaml",
        "epochs": 2,
        "image_size": 96,
        "batch_size": 4,
        "optimizer": "AdamW",
    },
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 24 small pairs and a configuration."""
    folder = tmp_path_factory.mktemp("pipeline é run")
    generate(folder / "data", images=24, size=(128, 96), seed=3)
    (folder / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
    return folder


@pytest.fixture(scope="module")
def first(home: Path) -> RunResult:
    return run(home)


def run(home: Path, *overrides: str, out: str = "run") -> RunResult:
    return run_pipeline(load_config(home / "config.yaml", overrides), home / out, Screen(-1))


def units(run_folder: Path) -> dict[str, int]:
    """Return unit folder -> modification time."""
    return {
        f"{path.parent.name}/{path.name}": path.stat().st_mtime_ns
        for path in (run_folder / "units").glob("*/*")
        if path.parent.name != ".partial"
    }


def tables(run_folder: Path) -> dict[str, bytes]:
    """Return the tables that must not depend on the course of a run (fusion.csv holds measured times)."""
    return {
        path.name: path.read_bytes()
        for path in sorted((run_folder / "tables").iterdir())
        if path.suffix in (".csv", ".parquet") and path.name != "fusion.csv"
    }


def test_everything_stands_at_its_documented_path(first: RunResult) -> None:
    folder = first.run
    assert not first.failed
    assert (folder / "report" / "report.pdf").read_bytes().startswith(b"%PDF")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["schema"], manifest["reference"]) == (2, "visible")
    assert manifest["notice"] == "synthetic: shows that the pipeline works, not how good a method is"
    split = json.loads((folder / "split.json").read_text())
    for name in ("train", "val", "test"):
        truth = json.loads((folder / "ground_truth" / f"{name}.json").read_text())
        assert sorted(image["stem"] for image in truth["images"]) == sorted(split[name])
    for source in SETTINGS["sources"]:
        for name in ("val", "test"):
            assert sorted(p.stem for p in (folder / "fused" / source / name).iterdir()) == sorted(split[name])
        for protocol in ("retrained", "frozen"):
            path = folder / "predictions" / protocol / source / "seed0" / "test.json"
            assert isinstance(json.loads(path.read_text()), list)
    detection = pd.read_csv(folder / "tables" / "detection.csv")
    assert {"source", "protocol", "seed", "split", "mAP50", "mAP75", "mAP50_95", "images", "objects"} <= set(
        detection
    )
    test = detection[detection["split"] == "test"]
    assert len(test) == 8
    assert (test["images"] == len(split["test"])).all()
    for name in (
        "per_class.csv",
        "confusion.csv",
        "objects.parquet",
        "fusion.csv",
        "differences.csv",
        "operating.csv",
        "misclassifications.csv",
        "changes.csv",
    ):
        assert (folder / "tables" / name).is_file()
    quality = pd.read_csv(folder / "tables" / "quality.csv", dtype={"image": str})
    assert list(quality)[:8] == ["source", "split", "image", "SF", "AG", "VIF", "Qabf", "Qcb"]
    assert list(quality["source"].unique()) == SETTINGS["sources"]
    assert set(quality["split"]) == {"test"}
    for _, rows in quality.groupby("source"):
        assert sorted(rows["image"]) == sorted(f"{stem}.png" for stem in split["test"])
    for name in ("detection", "differences", "operating", "balance", "misclassifications", "objects"):
        assert (folder / "tables" / f"{name}.tex").is_file(), "the report's tables as LaTeX"


def test_the_frozen_protocol_uses_the_visible_detector(first: RunResult) -> None:
    rows = [
        first.run / "predictions" / p / "visible" / "seed0" / "test.json" for p in ("retrained", "frozen")
    ]
    assert rows[0].read_bytes() == rows[1].read_bytes()


def test_a_second_run_does_nothing(home: Path, first: RunResult) -> None:
    before = units(first.run)
    files = {name: (first.run / name).read_bytes() for name in ("manifest.json", "report/report.pdf")}
    stamp = first.report.stat().st_mtime_ns
    again = run(home)
    assert again.reused == again.units
    assert units(first.run) == before
    assert first.report.stat().st_mtime_ns == stamp
    for name, content in files.items():
        assert (first.run / name).read_bytes() == content


def test_an_earlier_schema_is_made_anew_and_finished_work_is_kept(home: Path, first: RunResult) -> None:
    out = home / "earlier"
    shutil.copytree(first.run, out)
    for path in (out / "units" / "evaluate").iterdir():
        shutil.rmtree(path)
    (out / "tables" / "swaps.csv").write_text("source,count\n")
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").unlink()
    (out / "manifest.json").write_text(json.dumps({**manifest, "schema": 1}))
    again = run(home, out="earlier")
    assert again.reused == again.units - 1  # all but the evaluation
    assert json.loads((out / "manifest.json").read_text())["schema"] == 2
    assert not (out / "tables" / "swaps.csv").exists()
    assert tables(out) == tables(first.run)


def test_evaluation_settings_decide_the_tables_alone(home: Path, first: RunResult) -> None:
    out = home / "settings"
    shutil.copytree(first.run, out)
    again = run(home, "evaluation.per_class_thresholds=true", "evaluation.draws=10", out="settings")
    assert again.reused == again.units - 1
    new = set(units(out)) - set(units(first.run))
    assert len(new) == 1
    record = json.loads((out / "units" / new.pop() / "unit.json").read_text())
    assert record["stage"] == "evaluate"
    settings = {"reference": "visible", "image_size": 96, "per_class": True, "draws": 10}
    assert record["params"]["settings"] == settings


def test_the_summary_says_what_differs(first: RunResult, capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(first)
    printed = capsys.readouterr().out
    for words in ("protocol retrained", "protocol frozen", "to visible", "balance", str(first.report)):
        assert words in printed
    summary = pd.read_csv(first.run / "tables" / "detection_summary.csv")
    for value in summary.loc[summary["split"] == "test", "mAP50_mean"]:
        assert f"{100 * value:.1f}" in printed
    assert "these trained detectors" in printed


def test_a_changed_method_redoes_only_what_depends_on_it(home: Path, first: RunResult) -> None:
    out = home / "changed"
    shutil.copytree(first.run, out)
    run(home, "fusion.learning_rate=0.002", out="changed")
    new = set(units(out)) - set(units(first.run))
    stages = sorted((name.split("/")[0], name.split("/")[1].split("-")[0]) for name in new)
    assert {stage for stage, _ in stages} == {
        *("train-fusion", "fuse", "train-detector", "predict", "quality", "evaluate"),
    }
    for stage, name in stages:
        if stage in ("train-fusion", "fuse", "train-detector", "quality"):
            assert name == "regionfuse"
    assert sum(stage == "predict" for stage, _ in stages) == 2


def test_a_source_that_fails_is_a_row_with_its_reason(home: Path) -> None:
    (home / "bad.py").write_text(
        "from regionfuse.fusion.card import MethodCard\n"
        "from regionfuse.fusion.contract import FusionMethod\n"
        "class Bad(FusionMethod):\n"
        "    card = MethodCard(name='bad', title='Bad', kind='learned')\n"
        "    def fuse(self, infrared, visible):\n"
        "        return infrared * float('nan')\n"
    )
    result = run(
        home,
        "sources=[visible, average, {name: bad, method: 'bad.py:Bad'}, {name: sage, train: {labels: bad}}]",
        "detector.epochs=1",
        out="failing",
    )
    assert next(iter(result.failed)) == "fuse bad"
    assert "bad" in result.failed["fuse bad"]
    detection = pd.read_csv(result.run / "tables" / "detection.csv")
    bad = detection[(detection["source"] == "bad") & (detection["split"] == "test")]
    assert set(bad["status"]) == {"failed"}
    assert bad["mAP50"].isna().all()
    assert bad["reason"].str.len().gt(5).all()
    fusion = pd.read_csv(result.run / "tables" / "fusion.csv", index_col="source")
    assert fusion.loc["sage", "status"] == "failed"
    assert pd.isna(fusion.loc["sage", "trained_here"])  # it was not: its teacher failed
    good = detection[(detection["source"] == "average") & (detection["split"] == "test")]
    assert set(good["status"]) == {"ok"}
    quality = pd.read_csv(result.run / "tables" / "quality.csv")
    assert set(quality["source"]) == {"visible", "average"}
    assert result.report.is_file()


def test_a_set_without_boxes_stops_before_anything_is_trained(home: Path) -> None:
    shutil.copytree(home / "data", home / "unlabelled")
    for path in (home / "unlabelled" / "Annotation").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no annotated objects"):
        run(home, "dataset.root=unlabelled", out="none")
    assert not list((home / "none" / "units").glob("fuse/*"))


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_tables(home: Path, first: RunResult) -> None:
    seed = int(os.environ.get("REGIONFUSE_KILL_SEED", "0"))
    chance = random.Random(seed)
    command = [
        sys.executable,
        "-m",
        "regionfuse",
        "run",
        str(home / "config.yaml"),
        "--out",
        str(home / "killed"),
        "-q",
    ]
    kills = 0
    for _ in range(30):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # Early kills hit the stages before the long imports are over; later ones the trainings.
        deadline = time.monotonic() + chance.uniform(2.0, 9.0) + 2.0 * kills
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert process.returncode == 0, process.stderr.read().decode() if process.stderr else ""
    assert kills >= 1
    assert tables(home / "killed") == tables(first.run)
