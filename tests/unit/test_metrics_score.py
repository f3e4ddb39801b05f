"""Scoring files and folders, ranking, and the two commands."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from regionfuse.datasets.errors import ConfigError, DataError, MethodError
from regionfuse.datasets.load import pair_folders
from regionfuse.fusion.metrics.benchmark import TOGETHER, run_benchmark, scene
from regionfuse.fusion.metrics.ranking import mean_rank, rank_of_rank, ranks
from regionfuse.fusion.metrics.registry import METRICS, PAPER
from regionfuse.fusion.metrics.score import read_grey, score_files, score_folder, score_images, score_regions
from regionfuse.pipeline import cli
from regionfuse.pipeline.commands.score import fused_folders

SENSITIVITY = pd.DataFrame(
    {
        "SF": [12.336, 12.054, 12.115, 12.109, 12.209],
        "AG": [4.025, 3.980, 3.995, 3.997, 4.023],
        "VIF": [1.048, 1.051, 1.063, 1.057, 1.062],
        "Qabf": [0.717, 0.722, 0.723, 0.719, 0.721],
        "Qcb": [0.606, 0.603, 0.601, 0.601, 0.599],
    },
    index=["1", "2", "5", "10", "20"],
)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Three pairs with two folders of fused images: a grey one, and a coloured one of other suffix."""
    for number in range(3):
        infrared, visible, fused = (image.astype(np.uint8) for image in scene(48, 64, seed=number))
        colour = np.stack([fused, np.roll(fused, 1, 1), fused[::-1]], axis=2)
        for name, image in {"ir": infrared, "vi": visible, "grey": fused}.items():
            _write(tmp_path / name / f"{number}.png", image)
        _write(tmp_path / "colour" / f"{number}.bmp", colour)
    return tmp_path


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), image)


def test_published_ranks_come_out() -> None:
    assert mean_rank(SENSITIVITY).tolist() == pytest.approx([2.6, 3.6, 2.4, 3.4, 2.8])
    assert rank_of_rank(SENSITIVITY).tolist() == [2, 5, 1, 4, 3]


def test_ties_are_judged_as_printed_and_directions_respected() -> None:
    table = pd.DataFrame({"Qcb": [0.60141, 0.60139, 0.5, math.nan], "Nabf": [0.3, 0.2, 0.1, 0.4]})
    assert ranks(table, ["Qcb", "Nabf"])["Qcb"].tolist() == [1, 1, 3, 4]
    assert ranks(table, ["Qcb"], decimals=None)["Qcb"].tolist() == [1, 2, 3, 4]
    assert ranks(table, ["Nabf"])["Nabf"].tolist() == [3, 2, 1, 4]
    assert rank_of_rank(table, ["Qcb", "Nabf"]).tolist() == [2, 1, 2, 4]


def test_colour_is_read_as_rounded_opencv_grey(folders: Path) -> None:
    path = folders / "colour" / "1.bmp"
    expected = np.round(cv2.cvtColor(cv2.imread(str(path)).astype(np.float32), cv2.COLOR_BGR2GRAY))
    assert read_grey(path).dtype == np.float32
    assert np.array_equal(read_grey(path), expected)


def test_raw_thermal_is_stretched(tmp_path: Path) -> None:
    levels = scene(48, 64)[0]
    _write(tmp_path / "raw.png", (7000 + 3 * levels).astype(np.uint16))
    _write(tmp_path / "eight.png", levels.astype(np.uint8))
    eight = tmp_path / "eight.png"
    assert score_files(tmp_path / "raw.png", eight, eight, ["CC"])["CC"] > 0.98


def test_folder_has_a_row_for_each_pair(folders: Path) -> None:
    pairs = pair_folders(folders / "ir", folders / "vi")
    calls: list[tuple[int, int, str]] = []
    table = score_folder(
        pairs, folders / "colour", ["VIF", "SF"], lambda *call: calls.append(call), workers=2
    )
    assert list(table.columns) == ["image", "SF", "VIF"]
    assert table["image"].tolist() == ["0.bmp", "1.bmp", "2.bmp"]
    assert calls == [(1, 3, "0.bmp"), (2, 3, "1.bmp"), (3, 3, "2.bmp")]
    single = score_images(*(read_grey(folders / n) for n in ("ir/1.png", "vi/1.png", "colour/1.bmp")), ["SF"])
    assert table["SF"][1] == single["SF"]


def test_what_is_wrong_with_a_folder_is_said(folders: Path) -> None:
    pairs = list(pair_folders(folders / "ir", folders / "vi"))
    with pytest.raises(DataError, match="nowhere"):
        score_folder(pairs, folders / "nowhere")
    (folders / "grey" / "2.png").unlink()
    with pytest.raises(MethodError, match=r"1 of 3 fused images are missing in .*grey: 2"):
        score_folder(pairs, folders / "grey")
    _write(folders / "grey" / "2.png", np.zeros((48, 63), np.uint8))
    with pytest.raises(DataError, match=r"grey/2.png is 63 x 48 but .*ir/2.png is 64 x 48"):
        score_folder(pairs, folders / "grey", ["SF"])
    (folders / "grey" / "2.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"2\.png"):
        score_folder(pairs, folders / "grey", ["SF"])


def test_names_of_fused_folders(tmp_path: Path) -> None:
    (tmp_path / "a=b").mkdir()
    given = ["x/first", "SECOND=y/first", str(tmp_path / "a=b")]
    assert list(fused_folders(given)) == ["first", "SECOND", "a=b"]
    assert fused_folders(given)["SECOND"] == Path("y/first")
    with pytest.raises(ConfigError, match="NAME=DIR"):
        fused_folders(["x/first", "y/first"])
    with pytest.raises(ConfigError, match="expected DIR or NAME=DIR"):
        fused_folders(["name="])


def _call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["regionfuse", *map(str, arguments)])
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    monkeypatch.setenv("COLUMNS", "120")
    return cli.main()


def test_score_command(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["score", "--infrared", folders / "ir", "--visible", folders / "vi", "--device", "cpu"]
    out = folders / "scores.csv"
    fused = ["--fused", folders / "grey", "--fused", f"tinted={folders / 'colour'}"]
    assert _call(monkeypatch, *common, *fused, "--metrics", "SF,AG,VIF,Qabf,Qcb,Nabf", "--out", out) == 0
    shown = capsys.readouterr().out
    assert all(
        word in shown for word in ("grey", "tinted", "SF ↑", "Nabf ↓", "MR ↓", "RoR ↓", "¹", "3 images")
    )
    with out.open() as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["fused", "image", *PAPER, "Nabf"]
    assert [(row["fused"], row["image"]) for row in rows][2:4] == [("grey", "2.png"), ("tinted", "0.bmp")]
    mean = np.mean([float(row["SF"]) for row in rows[:3]])
    assert f"{mean:.3f}" in shown
    assert _call(monkeypatch, *common, "--fused", folders / "grey") == 0
    alone = capsys.readouterr()
    assert "MR" not in alone.out and "MS_SSIM is not defined for 3 image(s)" in alone.err
    assert all(name in alone.out for name in METRICS)


def test_score_command_names_the_mistake(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["score", "--infrared", folders / "ir", "--visible", folders / "vi", "--fused", folders / "grey"]
    assert _call(monkeypatch, *common, "--metrics", "SFF") == 1
    assert "did you mean SF?" in capsys.readouterr().err
    assert _call(monkeypatch, *common, "--metrics", "SF", "--out", folders) == 1
    assert "found a folder" in capsys.readouterr().err
    assert _call(monkeypatch, "bench", "metrics", "--size", "big") == 1
    assert "HEIGHTxWIDTH" in capsys.readouterr().err


def test_benchmark_compares_values_and_times() -> None:
    rows = run_benchmark(64, 72, repeats=1)
    assert [row.name for row in rows] == [*tuple(METRICS)[:13], TOGETHER]
    assert all(row.ours > 0 for row in rows)
    if rows[-1].reference is not None:
        assert rows[-1].difference is not None and rows[-1].difference < 1e-6
        assert rows[-1].ratio == pytest.approx(rows[-1].reference / rows[-1].ours)


def test_regions_score_as_their_crops_do(folders: Path) -> None:
    """A box at the border takes what there is around it; a tiny one takes a region that filters fit into."""
    files = [folders / half / "1.png" for half in ("ir", "vi", "grey")]
    boxes = np.array([[20, 12, 40, 36], [0, 0, 3, 3]], dtype=float)
    found = score_regions(*files, boxes)
    images = [read_grey(file) for file in files]
    for row, (rows, columns) in enumerate([(slice(6, 42), slice(15, 45)), (slice(0, 10), slice(0, 10))]):
        expected = score_images(*(image[rows, columns] for image in images), list(found.columns))
        assert found.iloc[row].to_dict() == pytest.approx(expected)
    assert found.notna().all(axis=None)
