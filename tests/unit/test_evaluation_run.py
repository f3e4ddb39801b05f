"""The evaluation stage as a whole: files, repeatability, workers, agreement of tables, and awkward inputs."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regionfuse.datasets.errors import DataError, StorageError
from regionfuse.detection.evaluation.benchmark import Workload, run_benchmark
from regionfuse.detection.evaluation.coco import coco_scores
from regionfuse.detection.evaluation.detector import Settings
from regionfuse.detection.evaluation.evaluate import Evaluation, evaluate
from regionfuse.detection.evaluation.load import load_ground_truth, load_predictions
from regionfuse.detection.evaluation.operating import HEADLINE, POINTS
from regionfuse.detection.evaluation.outcomes import OUTCOMES
from regionfuse.detection.evaluation.records import (
    FailedSource,
    PredictionKey,
    discover,
    predictions_path,
)

sys.path.append(str(Path(__file__).resolve().parents[1]))
from evaluation_made import CAR, TRUCK, Case, random_case, results_of, truth_of

pytestmark = [pytest.mark.filterwarnings("error::RuntimeWarning", "error::FutureWarning")]

SETTINGS = Settings(draws=50, image_size=320)
SOURCES = ("visible", "average", "infrared")
CSV = [field.name for field in fields(Evaluation) if field.name not in ("packed_objects", "warnings")]


def write_run(folder: Path, sources: tuple[str, ...] = SOURCES, seeds: int = 2) -> Path:
    """Write a run folder with predictions of random quality."""
    for split, number, per_block in (("test", 18, 3), ("val", 10, 2)):
        base = random_case(number, images=number, per_block=per_block)
        for source in sources:
            for seed in range(seeds):
                mixed = sum(map(ord, source)) + 1000 * seed + number
                case = random_case(mixed, truth=base.truth, quality=0.65)
                path = predictions_path(folder, PredictionKey("retrained", source, seed, split))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(case.results))
        (folder / "ground_truth").mkdir(exist_ok=True)
        (folder / "ground_truth" / f"{split}.json").write_text(json.dumps(base.truth))
    return folder


def truths(run: Path) -> dict[str, Path]:
    return {path.stem: path for path in (run / "ground_truth").glob("*.json")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluation]:
    """Return a run folder with its tables, which no test changes."""
    run = write_run(tmp_path_factory.mktemp("evaluation") / "run mit Ü")
    return run, evaluate(discover(run), truths(run), run / "tables", settings=SETTINGS)


@pytest.fixture
def run(finished: tuple[Path, Evaluation], tmp_path: Path) -> Path:
    """Return a copy of the run folder without tables."""
    return shutil.copytree(finished[0], tmp_path / "run", ignore=shutil.ignore_patterns("tables"))


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_every_table_is_written_and_reads_back(finished: tuple[Path, Evaluation]) -> None:
    folder, result = finished
    names = {path.name for path in (folder / "tables").iterdir()}
    assert names == {f"{name}.csv" for name in CSV} | {"objects.parquet", "warnings.json"}
    for name in CSV:
        table = getattr(result, name)
        again = pd.read_csv(folder / "tables" / f"{name}.csv")
        assert list(again.columns) == list(table.columns) and len(again) == len(table) > 0
        numbers = table.select_dtypes("number").columns
        np.testing.assert_allclose(again[numbers], table[numbers].astype(float), rtol=1e-5, atol=1e-300)
    objects = pd.read_parquet(folder / "tables" / "objects.parquet")
    pd.testing.assert_frame_equal(objects, result.objects, check_dtype=False)
    assert set(result.detection.split) == set(result.per_class.split) == {"test", "val"}
    assert set(result.operating.split) == set(objects.split) == {"test"}


def test_undefined_numbers_are_empty_cells(finished: tuple[Path, Evaluation]) -> None:
    for name in CSV:
        text = (finished[0] / "tables" / f"{name}.csv").read_text(encoding="utf-8").lower()
        cells = {cell for line in text.splitlines() for cell in line.split(",")}
        assert not cells & {"nan", "none", "-1.0", "inf", "-inf", "<na>"}, name


def test_published_thresholds_are_exactly_those_applied(finished: tuple[Path, Evaluation]) -> None:
    """Counted again from the stored files with the threshold as the table has it."""
    folder, _ = finished
    operating = pd.read_csv(folder / "tables" / "operating.csv")
    objects = pd.read_parquet(folder / "tables" / "objects.parquet")
    for row in operating.itertuples():
        mine = objects[(objects.source == row.source) & (objects.seed == row.seed)]
        mine = mine[mine.kind == "object"]
        names = mine["class"].to_numpy()
        called = (mine.top_score >= row.threshold).to_numpy() & (mine.top_label != "").to_numpy()
        assert (called & (mine.top_label == names).to_numpy()).sum() == row.correct
        found = (mine.true_score > 0) & (mine.true_score >= row.threshold)
        assert found.sum() == pytest.approx(row.recall * row.objects, abs=0.01)


def test_tables_agree_with_each_other(finished: tuple[Path, Evaluation]) -> None:
    _, result = finished
    objects = result.objects[result.objects.kind == "object"]
    confusion, key = result.confusion, ["source", "seed"]
    for row in result.operating.itertuples():
        point = row.operating_point
        mine = objects[(objects.source == row.source) & (objects.seed == row.seed)]
        column = mine["outcome" if point == HEADLINE else f"outcome_{point}"]
        assert len(mine) == row.objects == sum(getattr(row, name) for name in OUTCOMES)
        assert all((column == name).sum() == getattr(row, name) for name in OUTCOMES)
        matrix = confusion[(confusion.source == row.source) & (confusion.seed == row.seed)]
        matrix = matrix[matrix.operating_point == point]
        top, first = (matrix[matrix.matching == name] for name in ("top_label", "same_class_first"))
        for part in (top, first):
            assert part[part.true != "background"]["count"].sum() == row.objects
        assert top[top.true == top.predicted]["count"].sum() == row.correct
        diagonal = first[first.true == first.predicted]["count"].sum()
        shown = first[first.predicted != "background"]["count"].sum()
        assert diagonal == pytest.approx(row.recall * row.objects)
        assert diagonal == pytest.approx(row.precision * shown) if shown else math.isnan(row.precision)
        assert shown - diagonal == pytest.approx(row.false_alarms_per_image * 18)
        if diagonal:
            assert row.f1 == pytest.approx(2 / (1 / row.precision + 1 / row.recall))
        if point == HEADLINE:
            wrong = result.objects[(result.objects.source == row.source) & (result.objects.seed == row.seed)]
            assert (wrong.kind == "prediction").sum() == shown - diagonal
    balance = result.balance
    classes = balance[balance["class"] != "all"].groupby([*key, "operating_point"])[["fixed", "broken"]].sum()
    total = balance[balance["class"] == "all"].set_index([*key, "operating_point"])
    pd.testing.assert_frame_equal(classes, total[["fixed", "broken"]].sort_index(), check_dtype=False)
    changes = result.changes.groupby([*key, "change"]).size()
    for (source, seed, point), row in total.iterrows():
        assert row.balance == row.fixed - row.broken
        right = result.operating.set_index([*key, "operating_point"]).correct
        assert row.balance == right[source, seed, point] - right["visible", seed, point]
        if point == HEADLINE:
            assert (
                changes[source, seed, "fixed"] == row.fixed and changes[source, seed, "broken"] == row.broken
            )
    for source in ("average", "infrared"):
        row = result.difference(source, "visible", "balance")
        assert row.value == pytest.approx(
            total.loc[source].xs(HEADLINE, level="operating_point").balance.mean()
        )
    strata = result.strata.set_index([*key, "stratum"])
    per_class = result.per_class[result.per_class.split == "test"].set_index([*key, "class"])
    for (source, seed, name), row in per_class.iterrows():
        assert strata.loc[(source, seed, f"class:{name}"), "mAP50"] == pytest.approx(row.AP50)
        assert strata.loc[(source, seed, f"class:{name}"), "objects"] == row.objects
    for kind in ("condition", "visibility", "size"):
        mine = result.strata[result.strata.stratum.str.startswith(f"{kind}:")]
        assert (mine.groupby(key).objects.sum() == objects.groupby(key).size()).all()
    wrong = result.misclassifications[result.misclassifications.operating_point == HEADLINE]
    for row in wrong.itertuples():
        mine = objects[(objects.source == row.source) & (objects.seed == row.seed)]
        mine = mine[mine["class"] == row.true]
        called = mine[mine.outcome.isin(["ambiguous", "misclassified"]) & (mine.predicted == row.predicted)]
        assert len(called) == row.top_label and len(mine) == row.objects
    always = wrong[(wrong.true == "Truck") & (wrong.predicted == "Car")]
    assert len(always) == 6


def test_differences_are_those_of_the_tables(finished: tuple[Path, Evaluation]) -> None:
    _, result = finished
    mean = result.detection[result.detection.split == "test"].groupby("source").mean(numeric_only=True)
    point = (
        result.operating[result.operating.operating_point == "fppi_1"]
        .groupby("source")
        .mean(numeric_only=True)
    )
    confidence = result.confidence.groupby("source").mean(numeric_only=True)
    for source, reference in (("average", "visible"), ("visible", "average"), ("infrared", "average")):
        for name in ("mAP50", "mAP75", "mAP50_95", "log_average_miss_rate"):
            row = result.difference(source, reference, name)
            assert row.value == pytest.approx(mean.loc[source, name] - mean.loc[reference, name])
            assert row.seeds == 2 and row.covers == "few seeds"
            assert row.low < row.value < row.high
            assert row.simultaneous_low <= row.low and row.high <= row.simultaneous_high
        row = result.difference(source, reference, "recall", operating_point="fppi_1")
        assert row.value == pytest.approx(point.loc[source, "recall"] - point.loc[reference, "recall"])
        for name in ("raw", "calibrated", "rank"):
            row = result.difference(source, reference, f"confidence_{name}")
            assert row.value == pytest.approx(confidence.loc[source, name] - confidence.loc[reference, name])
    first = result.differences.reference.iloc[0]
    assert (
        first == "visible"
        and not result.differences.duplicated(
            ["protocol", "reference", "source", "quantity", "stratum", "operating_point"]
        ).any()
    )
    # Parts of the test set are compared with the reference only.
    parts = result.differences[result.differences.stratum.str.startswith("condition:")]
    assert len(parts) and set(parts.reference) == {"visible"}
    with pytest.raises(DataError, match=r"expected one difference of mAP50 .* found 0"):
        result.difference("nobody", "visible")


def test_the_same_files_give_the_same_bytes_whatever_the_order_and_the_workers(
    finished: tuple[Path, Evaluation], tmp_path: Path
) -> None:
    run, _ = finished
    found = dict(reversed(discover(run).items()))
    evaluate(found, dict(reversed(truths(run).items())), tmp_path / "b", settings=SETTINGS)
    evaluate(found, truths(run), tmp_path / "c", settings=SETTINGS, workers=2)
    assert digests(run / "tables") == digests(tmp_path / "b") == digests(tmp_path / "c")


def test_thresholds_do_not_move_with_the_test_set(finished: tuple[Path, Evaluation], run: Path) -> None:
    for path in run.glob("predictions/*/*/*/test.json"):
        path.write_text(json.dumps(json.loads(path.read_text())[::2]))
    after = evaluate(discover(run), truths(run), settings=SETTINGS).operating
    before = finished[1].operating
    for column in ("threshold", "val_precision", "val_recall", "reached"):
        pd.testing.assert_series_equal(before[column], after[column])
    assert (before.recall != after.recall).any()
    assert (before.groupby(["source", "seed"]).threshold.nunique() > 2).all()


def test_another_source_changes_no_row_about_the_others(finished: tuple[Path, Evaluation], run: Path) -> None:
    without = {key: path for key, path in discover(run).items() if key.source != "average"}
    result = evaluate(without, truths(run), settings=SETTINGS)
    for name in CSV:
        before, after = getattr(finished[1], name), getattr(result, name)
        if name in ("detection_summary", "ranks"):
            continue
        before = before[before.source != "average"]
        if "reference" in before:
            before = before[before.reference != "average"]
        if name == "misclassifications":  # lists pairs that any source confuses
            keys = ["source", "seed", "operating_point", "true", "predicted"]
            before = before.set_index(keys).loc[after.set_index(keys).index].reset_index()
        if name == "differences":
            columns = ["value", "low", "high", "se_blocks", "se_val", "se_seeds", "p", "df", "detectable"]
            keys = ["reference", "source", "quantity", "stratum", "operating_point"]
            before = before.set_index(keys).loc[after.set_index(keys).index]
            # Seeds and degrees of freedom are pooled over sources.
            columns = ["value", "se_blocks", "se_val", "blocks", "seeds"]
            pd.testing.assert_frame_equal(before[columns], after.set_index(keys)[columns])
            continue
        pd.testing.assert_frame_equal(
            before.reset_index(drop=True)[after.columns], after.reset_index(drop=True), check_dtype=False
        )


def test_progress_goes_from_nothing_to_all(run: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    evaluate(
        discover(run), truths(run), run / "t", settings=SETTINGS, progress=lambda *step: seen.append(step)
    )
    assert [done for done, *_ in seen] == list(range(10))
    assert {total for _, total, _ in seen} == {9} and seen[-1][2] == "done"


def test_an_error_in_a_worker_is_the_same_error(run: Path) -> None:
    path = predictions_path(run, PredictionKey("retrained", "infrared", 1, "test"))
    path.write_text("[{}]")
    with pytest.raises(DataError, match="prediction 0 has no 'image_id'") as raised:
        evaluate(discover(run), truths(run), run / "t", workers=2)
    assert str(path) in str(raised.value)
    assert not (run / "t").exists()


def test_workers_run_from_a_script_without_a_main_guard(
    finished: tuple[Path, Evaluation], run: Path, tmp_path: Path
) -> None:
    """It cannot have workers; it still gets its tables."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from regionfuse.detection.evaluation.detector import Settings\n"
        "from regionfuse.detection.evaluation.evaluate import evaluate\n"
        "from regionfuse.detection.evaluation.records import discover\n"
        "run = Path(sys.argv[1])\n"
        "truth = {p.stem: p for p in (run / 'ground_truth').glob('*.json')}\n"
        "settings = Settings(draws=50, image_size=320)\n"
        "evaluate(discover(run), truth, run / 'b', settings=settings, workers=2)\n"
    )
    subprocess.run([sys.executable, str(script), str(run)], check=True, capture_output=True, timeout=60)
    assert digests(finished[0] / "tables") == digests(run / "b")


KEY = PredictionKey("frozen", "visible", 0, "test")
OTHER = PredictionKey("frozen", "other", 0, "test")
BOX = [0, 0, 40, 40]
FOUND, FAINT = results_of([(1, CAR, 0.9, BOX)]), results_of([(1, CAR, 0.01, BOX)])


def judge(
    tmp_path: Path, truth: dict[str, Any], results: dict[PredictionKey, list[dict]], **options: Any
) -> Evaluation:
    """Evaluate ``results`` on one ground truth for all splits."""
    predictions, ground_truth = {}, {}
    for number, (key, items) in enumerate(results.items()):
        ground_truth[key.split], predictions[key] = Case(truth, items).save(tmp_path, str(number))
    return evaluate(predictions, ground_truth, tmp_path / "out", **({"settings": SETTINGS} | options))


@pytest.mark.parametrize(
    ("images", "objects", "items"),
    [(0, [], []), *((n, o, i) for n in (1, 2) for o in ([], [(1, CAR, BOX)]) for i in ([], FOUND, FAINT))],
)
def test_next_to_nothing(images: int, objects: list[Any], items: list[Any], tmp_path: Path) -> None:
    result = judge(tmp_path, truth_of(objects, images), {KEY: items, OTHER: items})
    assert result.detection.images.tolist() == [images] * 2
    assert result.detection.mAP50.isna().all() == (not objects)
    assert result.operating.recall.isna().all() == (not objects)
    assert (result.objects.kind == "object").sum() == 2 * len(objects) if len(result.objects) else not objects
    assert any("no objects at all" in warning for warning in result.warnings) == (not objects)
    assert any("predicts nothing on test" in warning for warning in result.warnings) == (not items)
    assert result.differences.low.isna().all()
    for name in CSV:
        assert len(pd.read_csv(tmp_path / "out" / f"{name}.csv").columns) > 4
    assert pd.read_parquet(tmp_path / "out" / "objects.parquet").columns.tolist()[0] == "protocol"


def test_a_class_that_is_absent_from_test_is_left_out_and_said(tmp_path: Path) -> None:
    result = judge(tmp_path, truth_of([(1, CAR, BOX)]), {KEY: FOUND})
    assert result.detection.mAP50.iloc[0] == pytest.approx(1) and result.detection.classes.tolist() == [1]
    truck = result.per_class.set_index("class").loc["Truck"]
    assert truck.isna()[["AP50", "AP75", "AP50_95", "oLRP"]].all() and truck.objects == 0
    assert any("no object of Person, Truck" in warning for warning in result.warnings)


def test_without_val_thresholds_are_chosen_on_test_and_said(run: Path) -> None:
    predictions_path(run, PredictionKey("retrained", "infrared", 1, "val")).unlink()
    result = evaluate(discover(run), truths(run), settings=SETTINGS)
    said = [w for w in result.warnings if "no predictions on val" in w]
    assert len(said) == 1 and said[0].startswith("retrained, seed 1: no predictions on val for infrared, so")
    # For all sources of seed 1: what is compared is chosen on the same images.
    one = result.operating[(result.operating.seed == 1) & (result.operating.operating_point == "own_best_f1")]
    np.testing.assert_allclose(one.val_precision, one.precision)
    zero = result.operating[
        (result.operating.seed == 0) & (result.operating.operating_point == "own_best_f1")
    ]
    assert (zero.val_precision != zero.precision).all()
    # Seeds with and without val still make one comparison.
    row = result.difference("infrared", "visible", "recall")
    assert row.seeds == 2 and row.low < row.value < row.high and row.se_val > 0


def test_validation_alone(tmp_path: Path) -> None:
    result = judge(tmp_path, truth_of([(1, CAR, BOX)]), {replace_split(KEY): FOUND})
    assert (
        result.detection.mAP50.iloc[0] == pytest.approx(1)
        and result.objects.empty
        and result.differences.empty
    )


def replace_split(key: PredictionKey) -> PredictionKey:
    return replace(key, split="val")


def test_failed_sources_are_rows_with_a_reason(run: Path) -> None:
    failed = [
        FailedSource("retrained", "average", 1, "broken\nimage"),
        FailedSource("frozen", "new", 0, "none"),
    ]
    result = evaluate(discover(run), truths(run), settings=SETTINGS, failed=failed * 2)
    rows = result.detection[result.detection.status == "failed"]
    assert rows[["protocol", "source", "seed", "reason"]].to_numpy().tolist() == [
        ["frozen", "new", 0, "none"], ["retrained", "average", 1, "broken image"]
    ]  # fmt: skip
    assert rows.mAP50.isna().all()
    assert "retrained/average/1 failed; the predictions it left behind are not used" in result.warnings
    summary = result.detection_summary.set_index(["source", "split"])
    assert summary.loc[("average", "test"), "seeds"] == 1 and math.isnan(
        summary.loc[("average", "test"), "mAP50_std"]
    )
    assert result.difference("average", "visible").seeds == 1


def test_every_source_failed(tmp_path: Path) -> None:
    failed = [FailedSource("frozen", "visible", 0, "broken image")]
    result = evaluate({}, {}, tmp_path / "out", failed=failed)
    assert result.detection.status.tolist() == ["failed"]
    assert (tmp_path / "out" / "detection.csv").read_text().endswith("failed,broken image\n")
    for name in CSV:  # tables without rows have columns
        assert list(pd.read_csv(tmp_path / "out" / f"{name}.csv").columns) == list(
            getattr(result, name).columns
        )
    assert list(pd.read_parquet(tmp_path / "out" / "objects.parquet").columns) == list(result.objects.columns)


def points_compared(result: Evaluation) -> dict[str, int]:
    """Return operating point -> seeds of the difference in recall between two sources."""
    rows = result.differences[result.differences.reference == "average"]
    rows = rows[(rows.source == "infrared") & (rows.quantity == "recall")]
    return dict(zip(rows.operating_point, rows.seeds, strict=True))


def test_without_the_reference_nothing_is_compared_at_points_that_it_sets(run: Path) -> None:
    found = {key: path for key, path in discover(run).items() if key.source != "visible"}
    result = evaluate(found, truths(run), settings=SETTINGS)
    assert sum("no test result of 'visible'" in warning for warning in result.warnings) == 2
    assert result.balance.empty and result.changes.empty and result.confidence.raw_difference.isna().all()
    headline = result.operating[result.operating.operating_point == HEADLINE]
    assert len(headline) == 4 and not headline.reached.any()
    set_by_it = ("equal_precision", "kept_threshold")
    assert points_compared(result) == {p: 2 for p in sorted(POINTS) if p not in set_by_it}


def test_a_seed_without_the_reference_is_looked_at_as_another_seed_of_it_sets(run: Path) -> None:
    found = {key: path for key, path in discover(run).items() if key.source != "visible" or key.seed}
    result = evaluate(found, truths(run), settings=SETTINGS)
    assert set(result.balance.seed) == set(result.changes.seed) == {1}
    kept = result.operating[result.operating.operating_point == "kept_threshold"]
    assert kept.threshold.nunique() == 1 and len(kept) == 5
    assert points_compared(result) == dict.fromkeys(sorted(POINTS), 2)
    # That seed chose on test: then it sets nothing for one that chose on val.
    del found[PredictionKey("retrained", "average", 1, "val")]
    result = evaluate(found, truths(run), settings=SETTINGS)
    set_by_it = ("equal_precision", "kept_threshold")
    assert points_compared(result) == {p: 1 if p in set_by_it else 2 for p in sorted(POINTS)}


def test_a_val_set_of_few_blocks_is_resampled_by_image(run: Path) -> None:
    path = run / "ground_truth" / "val.json"
    truth = json.loads(path.read_text())
    for image in truth["images"]:
        image["block"] = "one"
    path.write_text(json.dumps(truth))
    result = evaluate(discover(run), truths(run), settings=SETTINGS)
    assert any(w.startswith("val has fewer than 5 blocks") for w in result.warnings)
    assert result.detection[result.detection.split == "val"].blocks.unique().tolist() == [10]
    assert result.difference("average", "visible", "recall").se_val > 0


@pytest.mark.parametrize("blocks", [4, 5])
def test_intervals_need_five_blocks(blocks: int, tmp_path: Path) -> None:
    truth = random_case(3, images=3 * blocks, per_block=3).truth
    made = {key: random_case(n, truth=truth).results for n, key in enumerate((KEY, OTHER))}
    result = judge(tmp_path, truth, made)
    row = result.difference("other", "visible")
    assert math.isnan(row.low) == (blocks < 5) and not math.isnan(row.value)
    assert any("intervals need at least 5" in w for w in result.warnings) == (blocks < 5)


def test_ground_truth_without_blocks_warns_and_a_scene_is_never_one(tmp_path: Path) -> None:
    case = random_case(5, images=6)
    for image in case.truth["images"]:
        del image["block"]
        image |= {"scene": str(image["id"] % 2), "file_name": f"{1000 * image['id']:04d}.png"}
    result = judge(tmp_path, case.truth, {KEY: case.results})
    assert result.detection.blocks.tolist() == [6]
    said = [w for w in result.warnings if "names no blocks" in w]
    assert len(said) == 1 and "(6 blocks of 6 images)" in said[0]
    blocks = {f"{1000 * i:04d}": "a" if i < 4 else "b" for i in range(1, 7)}
    given = judge(tmp_path, case.truth, {KEY: case.results}, blocks=blocks)
    assert given.detection.blocks.tolist() == [2] and set(given.objects.block) == {"a", "b"}
    assert not any("names no blocks" in w for w in given.warnings)


def test_more_blocks_than_help_are_joined(tmp_path: Path) -> None:
    truth = truth_of([(i, CAR, BOX) for i in range(1, 601)], 600)
    rows = [(i, CAR, 0.5, BOX) for i in range(1, 601, 2)]
    result = judge(tmp_path, truth, {KEY: results_of(rows), OTHER: results_of(rows[:-9])})
    assert result.detection.blocks.tolist() == [250, 250]
    assert any(w.startswith("test has 600 blocks of images; for resampling") for w in result.warnings)
    assert any("test has 600 blocks for 600 images" in w for w in result.warnings)
    assert result.objects.block.iloc[0] == "block 0 to block 2"


def test_more_than_a_hundred_objects_of_a_class_are_said(tmp_path: Path) -> None:
    objects = [(1, CAR, [10 * k, 0, 9, 9]) for k in range(101)]
    rows = results_of([(1, CAR, 0.9, box) for _, _, box in objects])
    result = judge(tmp_path, truth_of([*objects, (1, TRUCK, [0, 90, 9, 9])]), {KEY: rows})
    assert any("1 image(s) have more than 100 objects of a class" in w for w in result.warnings)
    assert result.detection.mAR100.iloc[0] == pytest.approx(100 / 101 / 2, abs=1e-6)


def test_classes_may_have_thresholds_of_their_own(run: Path) -> None:
    settings = replace(SETTINGS, per_class=True)
    result = evaluate(discover(run), truths(run), settings=settings)
    own = result.operating[result.operating.operating_point == "own_best_f1"]
    assert own.threshold.isna().all() and own.recall.notna().all()
    assert result.difference("average", "visible", "recall").low < 1


def test_ranks_and_draws(finished: tuple[Path, Evaluation], run: Path) -> None:
    ranks = finished[1].ranks
    assert ranks.source.tolist()[0] == "visible" and ranks.p_best.sum() == pytest.approx(1)
    summary = finished[1].detection_summary.set_index(["source", "split"]).mAP50_mean
    for row in ranks.itertuples():
        assert row.value == pytest.approx(summary[row.source, "test"])
        assert 1 <= row.rank_low <= row.rank_high <= 3 and row.draws == 50
    assert evaluate(discover(run), truths(run), settings=replace(SETTINGS, draws=0)).ranks.empty


def test_nothing_to_evaluate_and_missing_ground_truth_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no predictions to evaluate"):
        evaluate({}, {}, tmp_path / "out")
    with pytest.raises(DataError, match=r"split 'test' but no ground truth of it \(given: val\)"):
        evaluate({KEY: tmp_path / "p.json"}, {"val": tmp_path / "gt.json"}, tmp_path / "out")


def test_an_output_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(StorageError, match="out"):
        judge(tmp_path, truth_of([(1, CAR, BOX)]), {KEY: FOUND})


def test_the_benchmark_measures_every_step(tmp_path: Path) -> None:
    workload = Workload(sources=2, images=30, predictions=9, seeds=2)
    result = run_benchmark(workload, folder=tmp_path, workers=1)
    assert {"generate", "evaluate", "pycocotools"} <= set(result.seconds) and min(result.seconds.values()) > 0
    assert result.memory > 50 * 2**20
    found = discover(tmp_path)
    assert len(found) == 2 * workload.detectors == 8
    differences = pd.read_csv(tmp_path / "tables" / "differences.csv")
    assert len(differences) == result.differences > 100
    truth = load_ground_truth(tmp_path / "ground_truth" / "test.json")
    predictions = load_predictions(found[PredictionKey("retrained", "visible", 0, "test")], truth)
    assert np.bincount(predictions.image).tolist() == 30 * [9]
    scores = coco_scores(truth, predictions, fast=False).summary
    visible = pd.read_csv(tmp_path / "tables" / "detection.csv").query(
        "source == 'visible' and seed == 0 and split == 'test'"
    )
    assert visible.mAP50.item() == pytest.approx(scores["mAP50"], rel=1e-5)
