"""The verdict says what the simultaneous intervals say, and names what is not in them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regionfuse.reports.blocks import Table
from regionfuse.reports.context import Context, make_context
from regionfuse.reports.sections.detection import established_both_ways, score_table
from regionfuse.reports.sections.limits import limits_section
from regionfuse.reports.sections.operating import points_table
from regionfuse.reports.sections.summary import summary_section
from regionfuse.reports.stored import load_results
from regionfuse.reports.verdict import make_verdict

sys.path.append(str(Path(__file__).resolve().parents[1]))
from reports_fake_run import Fake, write_fake_run

THREE: dict[str, Any] = {
    "images": 10,
    "objects_per_image": 4,
    "blocks": 6,
    "sources": ("visible", "average", "regionfuse"),
    "protocols": ("retrained",),
    "pictures": False,
    "quality": False,
}


def context_of(folder: Path, **facts: Any) -> Context:
    return make_context(load_results(write_fake_run(folder, Fake(**{**THREE, **facts}))))


def edited(run: Path, table: str, where: dict[str, Any], values: dict[str, Any]) -> Context:
    """Change the rows of a stored table that ``where`` names, at least one."""
    path = run / "tables" / f"{table}.csv"
    frame = pd.read_csv(path, keep_default_na=True)
    rows = pd.Series(True, index=frame.index)
    for column, value in where.items():
        rows &= frame[column].isna() if value is None else frame[column] == value
    assert rows.any()
    for column, value in values.items():
        frame[column] = frame[column].astype(object)
        frame.loc[rows, column] = value
    frame.to_csv(path, index=False)
    return make_context(load_results(run))


def verdict_with(folder: Path, *, seeds: tuple[int, ...] = (0,), **values: Any) -> Context:
    """RegionFuse is best; its mAP50 difference to visible is as given, that of average is unsure."""
    run = write_fake_run(folder, Fake(**{**THREE, "seeds": seeds}))
    for source, score in (("visible", 0.5), ("average", 0.505), ("regionfuse", 0.5 + values["value"])):
        edited(run, "detection", {"source": source, "split": "test"}, {"mAP50": score})
    to_visible = {"reference": "visible", "quantity": "mAP50", "stratum": "all"}
    covers = {1: "these detectors", 2: "few seeds"}.get(len(seeds), "methods")
    common = {"covers": covers, "seeds": len(seeds), "blocks": 6, "equivalent": "False", "detectable": 0.028}
    wide = {"value": 0.005, "low": -0.02, "high": 0.03, "simultaneous_low": -0.03, "simultaneous_high": 0.04}
    edited(run, "differences", {**to_visible, "source": "average"}, {**common, **wide})
    return edited(run, "differences", {**to_visible, "source": "regionfuse"},
                  {**common, "p_sign_flip": 0.03, **values})  # fmt: skip


SIMULTANEOUS_INCLUDES = {
    "value": 0.031, "low": 0.004, "high": 0.058, "simultaneous_low": -0.006, "simultaneous_high": 0.068,
}  # fmt: skip
SIMULTANEOUS_EXCLUDES = {
    "value": 0.06, "low": 0.03, "high": 0.09, "simultaneous_low": 0.012, "simultaneous_high": 0.108,
}  # fmt: skip


def test_the_best_of_many_is_judged_by_the_simultaneous_interval(tmp_path: Path) -> None:
    context = verdict_with(tmp_path / "run", **SIMULTANEOUS_INCLUDES)
    said = make_verdict(context)[0]
    assert "RegionFuse scores highest of 3 sources" in said
    assert "No difference to visible-only is established" in said
    assert "+3.1 AP (−0.6 to +6.8)" in said and "+0.4" not in said
    assert "could have shown 2.8 AP" in said
    assert "none is shown to be equivalent within ±1 AP" in said
    bold = [cell.text for row in score_table(context, "retrained").rows for cell in row if cell.bold]
    assert "+3.1" not in bold
    assert "0 of 2 differences in mAP50 established" in repr(limits_section(context))


def test_an_established_difference_is_named_with_what_it_covers(tmp_path: Path) -> None:
    said = make_verdict(verdict_with(tmp_path / "one", **SIMULTANEOUS_EXCLUDES))[0]
    assert "Established for these trained detectors against visible-only" in said
    assert "one seed per source: the chance in training is not in them" in said
    assert "RegionFuse +6.0 AP (+1.2 to +10.8)" in said
    assert "Not established: Average" in said
    assert "over 6 blocks" in said
    said = make_verdict(verdict_with(tmp_path / "three", seeds=(0, 1, 2), **SIMULTANEOUS_EXCLUDES))[0]
    assert "Established against visible-only" in said and "these trained detectors" not in said
    assert "6 blocks and 3 seeds, which cover the choice of images and the chance in training" in said


@pytest.mark.parametrize("values", [SIMULTANEOUS_INCLUDES, SIMULTANEOUS_EXCLUDES])
def test_with_one_seed_no_page_claims_more_than_these_detectors(
    tmp_path: Path, values: dict[str, float]
) -> None:
    context = verdict_with(tmp_path / "run", **values)
    verdict = " ".join(make_verdict(context))
    assert "chance in training is not in them" in verdict
    blocks = summary_section(context)
    assert isinstance(blocks, list)
    for table in (block for block in blocks if isinstance(block, Table)):
        assert "for these trained detectors (1 seed)" in table.caption
        assert not any(cell.text in ("better", "worse") for row in table.rows for cell in row)


def test_the_sign_flip_test_is_heard(tmp_path: Path) -> None:
    said = make_verdict(verdict_with(tmp_path / "a", **{**SIMULTANEOUS_EXCLUDES, "p_sign_flip": 0.09}))[0]
    assert "A sign-flip test over blocks confirms none of them" in said
    assert "sign-flip" not in make_verdict(verdict_with(tmp_path / "b", **SIMULTANEOUS_EXCLUDES))[0]


def test_equivalence_is_said_only_where_it_is_shown(tmp_path: Path) -> None:
    near = {
        "value": 0.001,
        "low": -0.006,
        "high": 0.008,
        "simultaneous_low": -0.008,
        "simultaneous_high": 0.01,
    }
    said = make_verdict(verdict_with(tmp_path / "run", **{**near, "equivalent": "True"}))[0]
    assert "equivalent within ±1 AP: RegionFuse" in said


@pytest.mark.parametrize("blocks", [1, 4])
def test_with_fewer_than_five_blocks_there_is_no_interval_and_nothing_is_established(
    tmp_path: Path, blocks: int
) -> None:
    context = context_of(tmp_path / "run", blocks=blocks)
    said = " ".join(make_verdict(context))
    word = "1 block of test images is" if blocks == 1 else "4 blocks of test images are"
    assert f"No difference is established: {word} too few for an interval (at least 5 are needed)" in said
    assert "Established" not in said and " to +" not in said and " to −" not in said
    blocks_of_summary = summary_section(context)
    assert isinstance(blocks_of_summary, list)
    cells = [
        cell for block in blocks_of_summary if isinstance(block, Table) for row in block.rows for cell in row
    ]
    assert not any(cell.bold for cell in cells)
    assert not any(cell.text.startswith("[") for cell in cells)
    table = next(block for block in blocks_of_summary if isinstance(block, Table))
    assert [column.head for column in table.columns][-2:] == ["P(best)", "rank"]
    assert {cell.text for row in table.rows for cell in row[-2:]} == {"–"}


def test_the_balance_is_the_one_at_equal_precision(tmp_path: Path) -> None:
    """A detector that only lowers its threshold gains at its own best F1 and nothing at equal precision."""
    run = write_fake_run(tmp_path / "run", Fake(**THREE))
    best = make_context(load_results(run)).rival("retrained")
    assert best is not None
    to_visible = {"source": best.source, "reference": "visible", "class": "all"}
    for point, fixed, broken in (("equal_precision", 3, 9), ("own_best_f1", 12, 2)):
        counts = {"fixed": fixed, "broken": broken, "balance": fixed - broken, "precision": 0.75,
                  "reference_precision": 0.75, "false_alarms_per_image": 1.25,
                  "reference_false_alarms_per_image": 1.5}  # fmt: skip
        edited(run, "balance", {**to_visible, "operating_point": point}, counts)
    where = {"source": best.source, "reference": "visible", "quantity": "balance", "stratum": "all"}
    bounds = {"value": -6, "simultaneous_low": -14, "simultaneous_high": 2}
    edited(run, "differences", {**where, "operating_point": "equal_precision"}, bounds)
    bounds = {"value": 10, "simultaneous_low": 1, "simultaneous_high": 19}
    context = edited(run, "differences", {**where, "operating_point": "own_best_f1"}, bounds)
    said = make_verdict(context)[1]
    assert "at equal precision" in said
    assert "a balance of −6 of 40 objects (−14 to +2: not established)" in said
    assert "75 % precision against 75 %" in said and "1.25 false alarms per image against 1.50" in said
    assert "+10" not in said and "no fair one" not in said
    far = edited(run, "balance", {**to_visible, "operating_point": "equal_precision"}, {"precision": 0.93})
    assert "did not make precision equal on test, so this balance is no fair one" in make_verdict(far)[1]
    # What is not comparable is never bold, however sure its interval looks, and stands last.
    rows = points_table(context, "retrained").rows
    titles = [row[0].text for row in rows if row[0].span > 1]
    assert titles[0] == "equal precision" and titles[-1] == "own best F1 (not comparable)"
    start = next(at for at, row in enumerate(rows) if row[0].text == titles[-1])
    assert any(cell.text == "+10" for row in rows[start:] for cell in row)
    assert not any(cell.bold for row in rows[start:] for cell in row)


def test_truck_called_car_is_counted_by_top_label(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run", Fake(**THREE))
    best = make_context(load_results(run)).rival("retrained")
    assert best is not None
    for true, predicted, top in (("Truck", "Car", 3), ("Car", "Truck", 4)):
        where = {"true": true, "predicted": predicted, "operating_point": "equal_precision"}
        counts = {"same_class_first": 0, "objects": 12}
        edited(run, "misclassifications", {**where, "source": "visible"}, {**counts, "top_label": top - 1})
        edited(run, "misclassifications", {**where, "source": best.source}, {**counts, "top_label": top})
    said = make_verdict(make_context(load_results(run)))[1]
    assert f"Truck is called Car for 2 of 12 with visible-only and 3 with {best.title}" in said
    assert f"Car is called Truck for 3 of 12 with visible-only and 4 with {best.title}" in said


def test_pairs_are_established_only_if_they_are_from_both_sides(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run", Fake(**THREE))
    pair = {"quantity": "mAP50", "stratum": "all"}
    sure = {"value": 0.05, "simultaneous_low": 0.01, "simultaneous_high": 0.09}
    unsure = {"value": -0.05, "simultaneous_low": -0.11, "simultaneous_high": 0.01}
    edited(run, "differences", {**pair, "source": "regionfuse", "reference": "average"}, sure)
    context = edited(run, "differences", {**pair, "source": "average", "reference": "regionfuse"}, unsure)
    assert established_both_ways(context, "retrained", "regionfuse", "average") is None
    flipped = {"value": -0.05, "simultaneous_low": -0.09, "simultaneous_high": -0.01}
    context = edited(run, "differences", {**pair, "source": "average", "reference": "regionfuse"}, flipped)
    assert established_both_ways(context, "retrained", "regionfuse", "average") is not None


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"failed": ("visible", "regionfuse"), "sources": ("visible", "regionfuse")}, "all of them failed"),
        ({"absent": Fake().classes}, "no score is defined"),
        ({"sources": ("visible",)}, "no other source was evaluated"),
        ({"failed": ("visible",)}, "visible-only has no result"),
    ],
)
def test_runs_that_show_nothing(tmp_path: Path, facts: dict[str, Any], words: str) -> None:
    first, second = make_verdict(context_of(tmp_path / "run", **facts))
    assert words in first
    assert second.endswith(".")
