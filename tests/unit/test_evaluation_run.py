"""The evaluation stage as a whole: files, repeatability, workers, and awkward inputs."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regionfuse.datasets.errors import DataError, StorageError
from regionfuse.detection.evaluation import benchmark
from regionfuse.detection.evaluation.benchmark import run_benchmark, synthetic_predictions, synthetic_truth
from regionfuse.detection.evaluation.evaluate import evaluate
from regionfuse.detection.evaluation.records import (
    FailedSource,
    PredictionKey,
    discover,
    predictions_path,
)

CSV = (
    "detection",
    "per_class",
    "confusion",
    "confidence",
    "changes",
    "swaps",
    "detection_summary",
    "intervals",
)
IMAGES = 12


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with three sources, two splits and two seeds."""
    folder = tmp_path / "run mit Ü"
    for split, seed in (("test", 1), ("val", 2)):
        annotations = synthetic_truth(folder / "ground_truth" / f"{split}.json", IMAGES, seed)
        for s, source in enumerate(("visible", "infrared", "average")):
            for k in (0, 1):
                path = predictions_path(folder, PredictionKey("retrained", source, k, split))
                synthetic_predictions(path, annotations, IMAGES, 15, 10 * s + k)
    return folder


def truths(run: Path) -> dict[str, Path]:
    return {path.stem: path for path in (run / "ground_truth").glob("*.json")}


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_every_table_is_written_and_reads_back(run: Path) -> None:
    result = evaluate(discover(run), truths(run), run / "tables", resamples=20)
    names = {path.name for path in (run / "tables").iterdir()}
    assert names == {f"{name}.csv" for name in CSV} | {"objects.parquet", "warnings.json"}
    for name in CSV:
        table = getattr(result, name)
        again = pd.read_csv(run / "tables" / f"{name}.csv")
        assert list(again.columns) == list(table.columns) and len(again) == len(table) > 0
    objects = pd.read_parquet(run / "tables" / "objects.parquet")
    pd.testing.assert_frame_equal(objects, result.objects, check_dtype=False)
    assert set(result.confusion.split) == set(objects.split) == {"test"}
    assert set(result.detection.split) == {"test", "val"}


def test_objects_and_confusion_agree(run: Path) -> None:
    result = evaluate(discover(run), truths(run), run / "tables", resamples=0)
    objects = result.objects[result.objects.kind == "object"]
    detection = result.detection[result.detection.split == "test"]
    for _, row in detection.iterrows():
        mine = objects[(objects.source == row.source) & (objects.seed == row.seed)]
        assert len(mine) == row.objects
        assert (mine.outcome == "correct").sum() == pytest.approx(row.recall * row.objects)
        matrix = result.confusion[
            (result.confusion.source == row.source) & (result.confusion.seed == row.seed)
        ]
        assert matrix[matrix.true != "background"]["count"].sum() == row.objects
        diagonal = matrix[matrix.true == matrix.predicted]["count"].sum()
        assert diagonal == (mine.outcome == "correct").sum()
        shown = matrix[matrix.predicted != "background"]["count"].sum()
        assert diagonal / shown == pytest.approx(row.precision)


def test_the_same_files_give_the_same_bytes_whatever_the_order_and_the_workers(run: Path) -> None:
    found = discover(run)
    evaluate(found, truths(run), run / "a", resamples=20)
    evaluate(dict(reversed(found.items())), truths(run), run / "b", resamples=20)
    evaluate(found, truths(run), run / "c", resamples=20, workers=2)
    assert digests(run / "a") == digests(run / "b") == digests(run / "c")


def test_numbers_have_six_significant_digits(run: Path) -> None:
    evaluate(discover(run), truths(run), run / "tables", resamples=20)
    for name in CSV:
        table = pd.read_csv(run / "tables" / f"{name}.csv", dtype=str)
        for cell in table.to_numpy().ravel():
            try:
                value = float(cell)
            except (TypeError, ValueError):
                continue
            assert math.isnan(value) or float(f"{value:.6g}") == value


def test_progress_goes_from_nothing_to_all(run: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    evaluate(
        discover(run),
        truths(run),
        run / "t",
        resamples=0,
        progress=lambda *step: seen.append(step),
        workers=2,
    )
    assert [done for done, *_ in seen] == list(range(9))
    assert {total for _, total, _ in seen} == {8} and seen[-1][2] == "done"


def test_an_error_in_a_worker_is_the_same_error(run: Path) -> None:
    path = predictions_path(run, PredictionKey("retrained", "infrared", 1, "test"))
    path.write_text("[{}]")
    for workers in (1, 2):
        with pytest.raises(DataError, match="prediction 0 has no 'image_id'") as raised:
            evaluate(discover(run), truths(run), run / "t", workers=workers)
        assert str(path) in str(raised.value)
    assert not (run / "t").exists()


@pytest.mark.parametrize("kind", ["guarded", "unguarded", "standard input"])
def test_workers_run_from_any_script(kind: str, run: Path, tmp_path: Path) -> None:
    """A script without a main guard cannot have workers; it still gets its tables."""
    code = (
        "import sys; from pathlib import Path\n"
        "from regionfuse.detection.evaluation.evaluate import evaluate\n"
        "from regionfuse.detection.evaluation.records import discover\n"
        "run = Path(sys.argv[1])\n"
        "truth = {p.stem: p for p in (run / 'ground_truth').glob('*.json')}\n"
    )
    call = "evaluate(discover(run), truth, run / sys.argv[2], resamples=20, workers=2)\n"
    code += f"if __name__ == '__main__':\n    {call}" if kind == "guarded" else call
    script = tmp_path / "script.py"
    script.write_text(code)
    program = "-" if kind == "standard input" else str(script)
    evaluate(discover(run), truths(run), run / "a", resamples=20)
    command = [sys.executable, program, str(run), "b"]
    subprocess.run(command, input=code, text=True, check=True, capture_output=True, timeout=60)
    assert digests(run / "a") == digests(run / "b")


def truth_file(path: Path, objects: list[dict[str, Any]], images: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    categories = [{"id": 1, "name": "Car"}, {"id": 2, "name": "Truck"}]
    records = [{"id": i, "file_name": f"{i}.png"} for i in range(1, images + 1)]
    path.write_text(json.dumps({"images": records, "annotations": objects, "categories": categories}))
    return path


def results_file(path: Path, items: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(items))
    return path


KEY = PredictionKey("frozen", "visible", 0, "test")
OTHER = PredictionKey("frozen", "other", 0, "test")
OBJECT = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 40, 40]}
FOUND = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 40, 40], "score": 0.9}


FAINT = FOUND | {"score": 0.01}


@pytest.mark.parametrize(
    ("images", "objects", "items"),
    [(0, [], []), *((n, o, i) for n in (1, 2) for o in ([], [OBJECT]) for i in ([], [FOUND], [FAINT]))],
)
def test_next_to_nothing(images: int, objects: list[Any], items: list[Any], tmp_path: Path) -> None:
    truth = truth_file(tmp_path / "gt.json", objects, images)
    found = results_file(tmp_path / "p.json", items)
    result = evaluate({KEY: found, OTHER: found}, {"test": truth}, tmp_path / "out")
    assert result.detection.images.tolist() == [images] * 2
    assert result.detection.mAP50.isna().all() == (not objects)
    assert result.intervals.delta.isna().all() == (not objects)
    assert len(result.objects) == 2 * (len(objects) + (bool(items) and items[0] == FOUND and not objects))
    assert any("no objects at all" in warning for warning in result.warnings) == (not objects)
    for name in CSV:
        pd.read_csv(tmp_path / "out" / f"{name}.csv")
    assert pd.read_parquet(tmp_path / "out" / "objects.parquet").columns.tolist()[0] == "protocol"


def test_validation_alone(tmp_path: Path) -> None:
    truth = truth_file(tmp_path / "gt.json", [OBJECT])
    key = PredictionKey("frozen", "visible", 0, "val")
    result = evaluate({key: results_file(tmp_path / "p.json", [FOUND])}, {"val": truth}, tmp_path / "out")
    assert result.detection.threshold.tolist() == [0.9] and result.objects.empty and result.swaps.empty


def test_every_source_failed(tmp_path: Path) -> None:
    failed = [FailedSource("frozen", "visible", 0, "broken image")]
    result = evaluate({}, {}, tmp_path / "out", failed=failed)
    assert result.detection.status.tolist() == ["failed"]
    assert (tmp_path / "out" / "detection.csv").read_text().endswith("failed,broken image\n")


def test_without_the_reference_nothing_is_compared(tmp_path: Path) -> None:
    truth, found = truth_file(tmp_path / "gt.json", [OBJECT]), results_file(tmp_path / "p.json", [FOUND])
    result = evaluate({OTHER: found}, {"test": truth}, tmp_path / "out")
    assert result.changes.empty and result.intervals.empty
    assert result.confidence.delta_visible.isna().all() and result.detection_summary.mAP50_delta.isna().all()
    assert any("no test result of 'visible'" in warning for warning in result.warnings)


def test_nothing_to_evaluate_and_missing_ground_truth_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no predictions to evaluate"):
        evaluate({}, {}, tmp_path / "out")
    with pytest.raises(DataError, match=r"split 'test' but no ground truth of it \(given: val\)"):
        evaluate({KEY: tmp_path / "p.json"}, {"val": tmp_path / "gt.json"}, tmp_path / "out")


def test_an_output_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    truth, found = truth_file(tmp_path / "gt.json", [OBJECT]), results_file(tmp_path / "p.json", [FOUND])
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(StorageError, match="out"):
        evaluate({KEY: found}, {"test": truth}, tmp_path / "out")


def test_the_benchmark_measures_every_step(tmp_path: Path) -> None:
    result = run_benchmark(2, 3, 4, folder=tmp_path, workers=1)
    one, naive = "scores of one source", "naive scores of one source"
    assert list(result) == ["generate", "evaluate", one, naive, "naive / ours"]
    assert min(result.values()) > 0 and result["naive / ours"] == result[naive] / result[one]
    assert len(pd.read_csv(tmp_path / "tables" / "detection.csv")) == 2
    truth, found = tmp_path / "ground_truth" / "test.json", discover(tmp_path)
    scores = benchmark.naive_scores(truth, found[PredictionKey("retrained", "visible", 0, "test")])
    visible = pd.read_csv(tmp_path / "tables" / "detection.csv").query("source == 'visible'").iloc[0]
    assert visible.mAP50 == pytest.approx(scores["mAP50"], rel=1e-5)


def test_the_benchmark_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_benchmark(1, 2, 2, workers=1)
    assert list(tmp_path.iterdir()) == []
