"""The intervals hold in simulation, in small; ``regionfuse bench coverage`` is the large form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from regionfuse.detection.evaluation import coverage, simulation
from regionfuse.detection.evaluation.coverage import Judged, judge, replicate
from regionfuse.detection.evaluation.simulation import Cell
from regionfuse.pipeline.cli_bench import bench_app


def judged(cell: Cell, replications: int) -> Judged:
    return judge([replicate(cell, range(replications))])


def test_ten_blocks_are_covered_where_percentiles_are_not() -> None:
    """Standard error of the rate: 0.8 points."""
    found = judged(Cell("recall", 2, 10, 0.3), 800)
    assert 0.93 <= found.coverage <= 0.97
    assert found.old_coverage < 0.91


def test_the_best_of_thirty_equal_sources_is_no_verdict() -> None:
    """Standard error of the rate: 1.3 points."""
    found = judged(Cell("recall", 30, 20, 0.3), 300)
    assert found.false_verdicts <= 0.08
    assert 0.93 <= found.coverage <= 0.97
    assert found.old_false_verdicts > 0.5  # each interval by itself


def test_three_seeds_cover_the_difference_of_methods() -> None:
    found = judged(Cell("recall", 3, 20, 0.3, seeds=3, seed_sd=1.0, differ=True), 400)
    assert 0.92 <= found.coverage <= 0.98
    assert found.difference == pytest.approx(0.067, abs=0.01)


@pytest.mark.parametrize("quantity", ["recall", "precision", "average_precision", "balance"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_the_known_truth_is_what_a_large_set_gives(quantity: str, seeds: int) -> None:
    """Many objects without correlation: the difference found is the one that the closed form says."""
    large = {"average_precision": 300, "balance": 500}.get(quantity, 2000)
    cell = Cell(quantity, 3, large, 0.0, seeds=seeds, differ=True, val_blocks=large)
    sample = simulation.simulate(cell, 0.0, np.random.default_rng(0))
    difference = sample.values.mean(axis=1)
    scatter = 0.015 if large == 2000 else 0.03
    assert difference[1:] - difference[0] == pytest.approx(sample.truth, abs=scatter)
    assert np.abs(sample.truth).max() > 0.01


def test_average_precision_without_a_block_is_that_of_the_other_blocks() -> None:
    cell = Cell("average_precision", 1, 6, 0.3)
    levels = np.full((1, 1), 0.5)
    drawn = simulation._draw_set(cell, 6, levels, np.random.default_rng(0))
    full = simulation._average_precision(drawn, 0, 0)
    sizes = np.diff(np.append(drawn.starts, drawn.scores.shape[-1]))
    for left_out in range(6):
        keep = np.arange(6) != left_out
        alarms = drawn.alarms[0, 0]
        part = simulation._Set(
            drawn.scores[..., np.repeat(keep, sizes)],
            np.concatenate([[0], np.cumsum(sizes[keep])[:-1]]),
            drawn.alarms[..., keep],
            [[drawn.alarm_scores[0][0][np.repeat(keep, alarms)]]],
        )
        assert full[1 + left_out] == pytest.approx(simulation._average_precision(part, 0, 0)[0], rel=1e-5)


def test_parts_of_the_work_do_not_change_the_numbers() -> None:
    cell = Cell("recall", 3, 5, 0.1)
    assert judge([replicate(cell, range(20))]) == judge(
        [replicate(cell, range(7)), replicate(cell, range(7, 20))]
    )


def test_targets_are_judged_row_by_row() -> None:
    table = pd.DataFrame(
        {
            "blocks": [10, 5, 10, 10],
            "coverage": [0.95, 0.9, 0.92, 0.95],
            "false_verdicts": [0.06, 0.06, 0, 0.07],
        }
    )
    assert coverage.targets_met(table).tolist() == [True, True, False, False]


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        coverage, "cells", lambda _quick: [Cell("recall", 2, 10, 0.3), Cell("recall", 4, 10, 0.3)]
    )
    out = tmp_path / "coverage.csv"
    result = CliRunner().invoke(
        bench_app,
        ["coverage", "--out", str(out), "--replications", "60", "--workers", "1"],
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    table = pd.read_csv(out)
    wanted = {"sources", "blocks", "icc", "seeds", "quantity", "coverage", "false_verdicts", "replications"}
    assert wanted <= set(table.columns) and table.sources.tolist() == [2, 4]
    assert "false verdicts" in result.output and "of 2 settings" in result.output
