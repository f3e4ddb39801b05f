"""Reading a run folder: what is required, what may be missing, and how a fault is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from regionfuse.datasets.errors import ReportError
from regionfuse.reports.context import make_context
from regionfuse.reports.stored import load_results

sys.path.append(str(Path(__file__).resolve().parents[1]))
from reports_fake_run import Fake, write_fake_run

SMALL = Fake(images=4, objects_per_image=4, sources=("visible", "average", "regionfuse"), pictures=False)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_fake_run(tmp_path / "run", SMALL)


def one_line(error: pytest.ExceptionInfo[ReportError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_everything_is_there(run: Path) -> None:
    results = load_results(run)
    assert results.missing == ()
    assert results.sources == ("visible", "average", "regionfuse")
    assert results.protocols == ("retrained", "frozen")
    assert [results.extent(name) for name in ("images", "objects", "blocks")] == [4, 16, 4]
    assert sum(results.class_counts.values()) == 16


@pytest.mark.parametrize("name", ["manifest.json", "tables/detection.csv"])
def test_required_files(run: Path, name: str) -> None:
    (run / name).unlink()
    with pytest.raises(ReportError) as error:
        load_results(run)
    assert name in one_line(error)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ReportError) as error:
        load_results(tmp_path / "nothing")
    assert "nothing" in one_line(error)


@pytest.mark.parametrize(
    "name",
    ["per_class.csv", "confusion.csv", "operating.csv", "differences.csv", "balance.csv", "strata.csv"],
)
def test_optional_tables_are_noted_not_demanded(run: Path, name: str) -> None:
    (run / "tables" / name).unlink()
    assert [line for line in load_results(run).missing if name in line]


def test_what_only_some_runs_have_may_be_absent_without_a_note(run: Path) -> None:
    for name in ("fusion.csv", "quality.csv"):
        (run / "tables" / name).unlink()
    assert load_results(run).missing == ()


def test_damaged_files_are_told_in_one_line(run: Path) -> None:
    (run / "tables/objects.parquet").write_bytes(b"PAR1 no parquet")
    with pytest.raises(ReportError) as error:
        load_results(run).objects("retrained", 0)
    assert "objects.parquet" in one_line(error)
    (run / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(ReportError) as error:
        load_results(run)
    assert "manifest.json" in one_line(error)


def test_a_lacking_column_is_named(run: Path) -> None:
    path = run / "tables/detection.csv"
    pd.read_csv(path).drop(columns="mAP50_95").to_csv(path, index=False)
    with pytest.raises(ReportError) as error:
        load_results(run)
    assert "mAP50_95" in one_line(error)


def test_a_run_of_another_version_is_told_what_to_do(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "schema": 1}))
    with pytest.raises(ReportError) as error:
        load_results(run)
    said = one_line(error)
    assert "found schema 1" in said and "expected 2" in said and "run `regionfuse run` again" in said


def test_a_comparison_has_its_tables_in_the_folder_itself(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "comparison"
    (run / "tables").rename(folder)
    for name in ("fusion.csv", "quality.csv"):
        (folder / name).unlink()
    results = load_results(folder)
    assert results.sources == ("average", "regionfuse", "visible") and results.reference == "visible"
    assert set(results.classes) == {name for name, number in results.class_counts.items() if number >= 0}
    assert results.missing == () and results.base == "visible-only"


def test_no_test_rows(run: Path) -> None:
    path = run / "tables/detection.csv"
    pd.read_csv(path).assign(split="val").to_csv(path, index=False)
    with pytest.raises(ReportError):
        load_results(run)


def test_other_splits_are_left_out(run: Path) -> None:
    path = run / "tables/detection.csv"
    frame = pd.read_csv(path)
    pd.concat([frame, frame.assign(split="val", mAP50=0.99)]).to_csv(path, index=False)
    frame = load_results(run).tables["detection"]
    assert set(frame["split"]) == {"test"}
    assert frame["mAP50"].max() < 0.99


def test_class_names_that_look_like_numbers_or_nothing_stay_text(tmp_path: Path) -> None:
    fake = Fake(
        images=3,
        objects_per_image=3,
        sources=("visible", "average"),
        classes=("NA", "001", "nan"),
        pictures=False,
    )
    results = load_results(write_fake_run(tmp_path / "run", fake))
    assert set(results.tables["per_class"]["class"]) == {"NA", "001", "nan"}


def test_means_over_seeds_without_those_that_failed(tmp_path: Path) -> None:
    run = write_fake_run(
        tmp_path / "run", Fake(images=3, seeds=(0, 1, 2), sources=("visible", "average"), pictures=False)
    )
    path = run / "tables/detection.csv"
    frame = pd.read_csv(path)
    retrained = (frame["protocol"] == "retrained") & (frame["split"] == "test")
    for source, values in (("visible", (0.4, 0.5, 0.6)), ("average", (0.45, 0.5, 0.58))):
        frame.loc[retrained & (frame["source"] == source), "mAP50"] = values
    # Seed 2 of the source failed: it has no part in its mean.
    broken = retrained & (frame["source"] == "average") & (frame["seed"] == 2)
    frame["status"] = frame["status"].astype(object)
    frame.loc[broken, "status"] = "failed"
    frame.to_csv(path, index=False)
    visible, average = make_context(load_results(run)).scores["retrained"]
    assert visible.mean["mAP50"] == pytest.approx(0.5)
    assert visible.std["mAP50"] == pytest.approx(0.1)
    assert average.seeds == 2
    assert average.mean["mAP50"] == pytest.approx(0.475)


def test_two_sources_with_the_same_title_are_told_apart_by_name(tmp_path: Path) -> None:
    titles = (("average", "Mine"), ("guided", "Mine"))
    fake = Fake(
        images=2, objects_per_image=2, sources=("visible", "average", "guided"), titles=titles, pictures=False
    )
    results = load_results(write_fake_run(tmp_path / "run", fake))
    assert results.titles == {"visible": "Visible", "average": "average", "guided": "guided"}


def test_every_source_has_its_own_colour(tmp_path: Path) -> None:
    sources = (
        "visible",
        "infrared",
        "average",
        "maximum",
        "laplacian",
        "guided",
        "regionfuse",
        "a",
        "b",
        "c",
    )
    run = write_fake_run(
        tmp_path / "run", Fake(images=2, objects_per_image=2, sources=sources, pictures=False)
    )
    colors = make_context(load_results(run)).colors
    assert len(set(colors.values())) == len(sources)
