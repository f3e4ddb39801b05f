"""``regionfuse compare``: from files made anywhere to tables, in one process without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import regionfuse.detection.evaluation as api
from regionfuse.detection.evaluation.benchmark import synthetic_predictions, synthetic_truth
from regionfuse.pipeline import cli
from regionfuse.reports import stored

pytestmark = pytest.mark.xdist_group("cli")

COLUMNS = {
    *("reference", "source", "quantity", "stratum", "operating_point", "value", "low", "high"),
    *("simultaneous_low", "simultaneous_high", "p_holm", "blocks", "seeds"),
}
IMAGES = {"gt": 84, "val": 70}  # six and five blocks of 14


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ground truth and predictions of three sources, two seeds, on test (``gt``) and val."""
    folder = tmp_path_factory.mktemp("compare é")
    for number, (split, images) in enumerate(IMAGES.items()):
        annotations = synthetic_truth(folder / f"{split}.json", images, number)
        for s, source in enumerate(("visible", "mine", "other")):
            for seed in (0, 1):
                path = folder / f"{source}{seed}-{split}.json"
                synthetic_predictions(path, annotations, images, 20, 10 * s + seed)
    return folder


def call(monkeypatch: pytest.MonkeyPatch, home: Path, *arguments: object) -> int:
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "argv", ["regionfuse", *map(str, arguments)])
    return cli.main()


def entries(option: str, split: str, *names: str) -> list[str]:
    """``--option visible=visible0-gt.json``; the second ``visible`` is its second seed."""
    words = []
    for position, name in enumerate(names):
        words += [option, f"{name}={name}{names[:position].count(name)}-{split}.json"]
    return words


TWO = ["--ground-truth", "gt.json", *entries("--predictions", "gt", "visible", "mine")]


def differences(folder: Path, quantity: str, **where: str) -> pd.DataFrame:
    table = pd.read_csv(folder / "differences.csv", keep_default_na=False, na_values=[""])
    rows = table[(table.quantity == quantity) & (table.stratum == "all")]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows


def test_tables_stand_in_the_folder_and_what_matters_is_printed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [*TWO, *entries("--predictions", "gt", "other")]
    assert call(monkeypatch, home, "compare", *sources, "--out", tmp_path / "out") == 0
    printed, err = capsys.readouterr()
    table = pd.read_csv(tmp_path / "out" / "differences.csv")
    assert set(table) >= COLUMNS
    assert set(table.quantity) >= {"mAP50", "mAP75", "mAP50_95", "recall", "balance"}
    pairs = set(zip(table.reference, table.source, strict=True))
    assert len(pairs) == 6, "every source with every other, both ways"
    for words in (
        *(
            "mAP50",
            "P(best)",
            "equal precision (headline)",
            "own best F1 (not comparable)",
            "fixed",
            "broken",
        ),
        *("Truck called Car", "Car called Truck", "6 blocks (as the ground truth says)", "detectable"),
        *("these trained detectors (one seed: chance in training is not in them)", "Ultralytics"),
        "hold for all 2 sources together",
    ):
        assert words in printed
    assert printed.index("equal precision (headline)") < printed.index("own best F1")
    assert "Operating points were chosen on the test images" in printed
    assert "chosen on test itself" in err
    row = differences(tmp_path / "out", "mAP50", reference="visible", source="mine").iloc[0]
    value = f"{abs(100 * row.value):.1f}"
    assert f"{'+' if row.value > 0 else '−'}{value}" in printed


def test_val_sets_the_operating_points(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    val = ["--val-ground-truth", "val.json", *entries("--val-predictions", "val", "visible", "mine")]
    assert call(monkeypatch, home, "compare", *TWO, *val, "--out", tmp_path / "out") == 0
    printed, err = capsys.readouterr()
    assert "chosen on val.json" in printed
    assert "themselves" not in printed and "chosen on test" not in err
    operating = pd.read_csv(tmp_path / "out" / "operating.csv")
    reference = operating[(operating.source == "visible") & (operating.operating_point == "equal_precision")]
    mine = operating[(operating.source == "mine") & (operating.operating_point == "equal_precision")]
    assert mine.val_precision.item() == pytest.approx(reference.val_precision.item(), abs=0.02)
    balance = differences(tmp_path / "out", "balance", operating_point="equal_precision", reference="visible")
    counted = pd.read_csv(tmp_path / "out" / "balance.csv")
    counted = counted[(counted["class"] == "all") & (counted.operating_point == "equal_precision")]
    assert balance.value.item() == pytest.approx(counted.balance.item())


def test_a_repeated_name_is_another_seed_and_numbers_of_seeds_may_differ(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ["--ground-truth", "gt.json", *entries("--predictions", "gt", *(2 * ["visible", "mine"]))]
    assert call(monkeypatch, home, "compare", *both, "--out", tmp_path / "two") == 0
    assert "two seeds" in capsys.readouterr().out
    row = differences(tmp_path / "two", "mAP50", reference="visible").iloc[0]
    assert (row.seeds, row.covers) == (2, "few seeds") and row.se_seeds >= 0
    one = ["--ground-truth", "gt.json", *entries("--predictions", "gt", "visible", "mine", "mine")]
    assert call(monkeypatch, home, "compare", *one, "--out", tmp_path / "one") == 0
    assert "another of its seeds sets the operating points" in capsys.readouterr().err
    row = differences(tmp_path / "one", "mAP50", reference="visible").iloc[0]
    assert (row.seeds, row.covers) == (1, "these detectors")
    scores = pd.read_csv(tmp_path / "one" / "detection.csv").set_index(["source", "seed"]).mAP50
    assert row.value == pytest.approx(scores["mine"].mean() - scores["visible", 0], abs=1e-5)


def test_files_of_ultralytics_are_read_by_file_name(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in ("visible", "mine"):
        rows = json.loads((home / f"{source}0-gt.json").read_text())
        for row in rows:
            stem = f"{row['image_id']:05d}"
            row |= {"image_id": int(stem) + 7000, "file_name": f"{stem}.jpg"}
        (tmp_path / f"{source}.json").write_text(json.dumps(rows))
    theirs = [f"--predictions={name}={tmp_path / name}.json" for name in ("visible", "mine")]
    assert call(monkeypatch, home, "compare", *TWO, "--out", tmp_path / "a") == 0
    assert (
        call(monkeypatch, home, "compare", "--ground-truth", "gt.json", *theirs, "--out", tmp_path / "b") == 0
    )
    for name in ("differences.csv", "objects.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_blocks_come_from_the_list_if_there_is_one(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{i:05d}.png,{(i - 1) // 7}" for i in range(1, IMAGES["gt"] + 1)]
    (tmp_path / "blocks.csv").write_text("\n".join(["image,block", *lines]))
    listed = ["--blocks", tmp_path / "blocks.csv"]
    assert call(monkeypatch, home, "compare", *TWO, *listed, "--out", tmp_path / "out") == 0
    assert "12 blocks (as the list says)" in capsys.readouterr().out
    assert differences(tmp_path / "out", "mAP50").blocks.max() == 12


def test_evaluate_is_another_name(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("compare", "evaluate"):
        assert call(monkeypatch, home, command, *TWO, "--out", tmp_path / command) == 0
    tables = [
        {path.name: path.read_bytes() for path in (tmp_path / command).iterdir() if path.stem != "manifest"}
        for command in ("compare", "evaluate")
    ]
    assert tables[0] == tables[1] and len(tables[0]) > 15


def test_the_manifest_says_what_is_known(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        *TWO,
        "--reference",
        "mine",
        "--title",
        "A title",
        "--image-size",
        "640",
        "--out",
        tmp_path / "o",
    ]
    assert call(monkeypatch, home, "compare", *words) == 0
    manifest = json.loads((tmp_path / "o" / "manifest.json").read_text())
    assert (manifest["schema"], manifest["title"], manifest["reference"]) == (2, "A title", "mine")
    assert [source["name"] for source in manifest["sources"]] == ["visible", "mine"]
    assert manifest["protocols"] == ["given"] and manifest["dataset"]["classes"][0] == "People"
    assert {item["file"] for item in manifest["inputs"]} == {"gt.json", "visible0-gt.json", "mine0-gt.json"}
    assert not (tmp_path / "o" / "report").exists()


@pytest.mark.skipif(stored.SCHEMA < 2, reason="the report reads schema 1")
def test_report_is_a_pdf(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, home, "compare", *TWO, "--report", "--out", tmp_path / "out") == 0
    assert (tmp_path / "out" / "report" / "report.pdf").read_bytes().startswith(b"%PDF")


VAL = ["--val-ground-truth", "val.json"]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--predictions", "third"], ["third", "NAME=FILE"]),
        (["--predictions", "third=nowhere.json"], ["nowhere.json", "no file"]),
        (["--predictions", "visible=visible0-gt.json"], ["given twice"]),
        (["--reference", "visble"], ["visble", "did you mean 'visible'"]),
        (["--reference", "xyz"], ["xyz", "visible, mine"]),
        (["--blocks", "nowhere.csv"], ["nowhere.csv", "image,block"]),
        (["--blocks", "gt.json"], ["gt.json", "image,block"]),
        (VAL, ["--val-predictions", "belong together"]),
        (["--val-predictions", "visible=visible0-val.json"], ["--val-ground-truth", "belong together"]),
        (
            [*VAL, *entries("--val-predictions", "val", "visible", "mine", "other")],
            ["no --predictions of 'other'"],
        ),
        (
            [*VAL, *entries("--val-predictions", "val", "visible", "visible", "mine")],
            ["2 file(s) on val but 1"],
        ),
        ([*VAL, *entries("--val-predictions", "val", "visible")], ["none of 'mine'"]),
        (["--predictions", "third=gt.json"], ["gt.json", "expected a list of COCO results"]),
        (
            ["--predictions", "third=visible0-val.json", "--ground-truth", "visible0-gt.json"],
            ["expected COCO"],
        ),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    extra: list[str],
    words: list[str],
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, home, "compare", *TWO, *extra, "--out", tmp_path / "out") == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]
    assert not (tmp_path / "out").exists()


def test_the_folder_of_a_run_is_left_alone(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.json").write_text('{"schema": 2, "units": []}')
    assert call(monkeypatch, home, "compare", *TWO, "--out", tmp_path) == 1
    assert "holds the manifest of a run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_neither_torch_nor_ultralytics_is_imported(home: Path, tmp_path: Path) -> None:
    report = ["--report"] if stored.SCHEMA >= 2 else []
    arguments = ["regionfuse", "compare", *TWO, *report, "--out", str(tmp_path / "out")]
    code = (
        "import sys\n"
        f"sys.argv = {arguments!r}\n"
        "from regionfuse.pipeline.cli import main\n"
        "assert main() == 0\n"
        "print([name for name in ('torch', 'ultralytics') if name in sys.modules])\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines()[-1] == "[]"


def test_the_example_of_the_documentation_runs(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, stored_as in (("test", "gt"), ("val", "val")):
        (tmp_path / f"gt-{split}.json").symlink_to(home / f"{stored_as}.json")
        for source in ("visible", "mine"):
            (tmp_path / f"{source}-{split}.json").symlink_to(home / f"{source}0-{stored_as}.json")
    monkeypatch.chdir(tmp_path)
    example = api.__doc__.split("::\n", 1)[1].split("``result``")[0]
    lines = [line.removeprefix("    ") for line in example.strip("\n").splitlines()]
    assert 8 <= len([line for line in lines if line]) <= 12
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)
    assert "these detectors" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "tables" / "differences.csv")
    assert set(table.source) == {"visible", "mine"}
    row = differences(tmp_path / "tables", "mAP50", source="mine").iloc[0]
    assert row.value == pytest.approx(scope["row"].value, abs=1e-5)
