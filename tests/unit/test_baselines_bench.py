"""``regionfuse bench methods`` and ``regionfuse methods`` with the baselines."""

from __future__ import annotations

import re

import pytest
import torch
from typer.testing import CliRunner

from regionfuse.datasets.errors import ConfigError
from regionfuse.fusion.baselines.method import SAGEMethod
from regionfuse.fusion.latency import measure
from regionfuse.fusion.registry import create
from regionfuse.pipeline.cli import app
from regionfuse.pipeline.commands.bench_methods import bench_methods
from regionfuse.pipeline.console import Screen


def test_table_sets_measurements_beside_the_papers() -> None:
    done = CliRunner().invoke(
        app, ["bench", "methods", "sage", "--size", "32x48", "--calls", "3", "--device", "cpu"]
    )
    assert done.exit_code == 0, done.output
    row = next(line.split() for line in done.stdout.splitlines() if line.startswith("sage "))
    name, parameters, work, median, spread, slower, *paper = row
    assert (name, parameters, paper) == ("sage", "0.14", ["0.14", "20.21", "2.06"])
    assert float(work) == pytest.approx(20.21 * 32 * 48 / (480 * 640), abs=0.01)
    low, high = map(float, spread.split(".."))
    assert 0 < low <= float(median) <= high
    rate = float(re.search(r"reaches ([\d.]+) GMAC/s", done.stdout)[1])  # type: ignore[index]
    assert float(slower) == pytest.approx(float(median) / 1e3 * rate / float(work), rel=0.1)
    assert "random weights" in done.stdout
    assert "32 x 48" in done.stdout


@pytest.mark.parametrize(
    ("names", "size", "message"), [(["sagee"], "8x8", "'sagee'"), (["sage"], "8", "480x640")]
)
def test_wrong_requests_are_told_before_any_work(names: list[str], size: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bench_methods(names, size, 1, "cpu", Screen(-1))


def test_latency_counts_calls_but_not_the_warm_up() -> None:
    seen: list[tuple[int, int, str]] = []
    latency = measure(
        create("average"),
        16,
        24,
        torch.device("cpu"),
        calls=4,
        warm_up=2,
        progress=lambda *report: seen.append(report),
    )
    assert len(latency.seconds) == 4
    assert latency.size == (16, 24)
    assert latency.spread[0] <= latency.median <= latency.spread[1]
    assert seen[-1] == (6, 6, "average")


def test_random_weights_are_for_timing_only() -> None:
    method = SAGEMethod.random()
    assert method.card.weights_sha256 == ""
    assert not method.network.training
    assert next(method.network.parameters()).device.type == "cpu"
    assert next(SAGEMethod.untrained().network.parameters()).is_meta
