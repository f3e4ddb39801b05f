"""The benchmarks of MoRA and of the network measure what they say."""

from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from regionfuse.fusion.peak_memory import peak_mebibytes
from regionfuse.fusion.regionfuse.benchmark import MoraProblem, run_mora
from regionfuse.fusion.regionfuse.benchmark_network import STEPS, NetworkProblem, network_cost, part_seconds
from regionfuse.pipeline.cli import app

SMALL = MoraProblem.of(region=8, experts=4, top_k=2, channels=8, heads=2, height=33, width=40)


def hold(mebibytes):
    return lambda: torch.ones(mebibytes, 1 << 20, dtype=torch.uint8)


def test_peak_memory_of_a_call_of_known_size():
    assert peak_mebibytes(hold, 96) == pytest.approx(96, abs=8)


@pytest.mark.parametrize("backward", [False, True])
def test_forms_are_compared_with_the_dense_one(backward, monkeypatch):
    monkeypatch.setattr("regionfuse.fusion.regionfuse.benchmark.peak_mebibytes", lambda *_: 1.0)
    rows = run_mora(replace(SMALL, backward=backward), repeats=1)
    assert [row.form for row in rows] == ["dense", "folded", "packed", "auto"]
    assert rows[0].difference == 0
    assert all(row.seconds > 0 and row.difference < 1e-5 for row in rows)
    literal = run_mora(SMALL, repeats=1, forms=("dense", "literal"))[1]
    assert literal.difference > 1e-4, "another formula gives another result"


def test_parts_add_up_and_cost_is_that_of_the_preset():
    problem = NetworkProblem("tiny", 64, 64, calls=1)
    parts = part_seconds(problem)
    assert parts["all"] == pytest.approx(sum(seconds for name, seconds in parts.items() if name != "all"))
    assert all(parts[name] > 0 for name in ("encoders", "MoRA", "MLP", "RFCM", "decoder"))
    dense, own = network_cost(problem)
    assert dense.parameters == own.parameters == sum(p.numel() for p in problem.network().parameters())
    assert 0 < own.multiply_accumulates < dense.multiply_accumulates


def test_every_step_but_the_trials_builds_on_the_one_before():
    kept = [step for step in STEPS if step.keeps]
    assert kept[-1] == replace(kept[-1], gradients=False, freed=True, whole=False)
    assert not (kept[-1].autocast or kept[-1].compiled)


def test_command_line(monkeypatch):
    monkeypatch.setattr("regionfuse.fusion.regionfuse.benchmark.peak_mebibytes", lambda *_: 1.0)
    options = ["--height", "24", "--width", "24", "--channels", "8", "--heads", "2", "--region", "8"]
    result = CliRunner().invoke(app, ["bench", "mora", "--repeats", "1", *options])
    assert result.exit_code == 0, result.output
    assert "E4-K2" in result.output and "folded" in result.output
    refused = CliRunner().invoke(app, ["bench", "mora", "--channels", "8", "--heads", "3"])
    assert refused.exit_code != 0
