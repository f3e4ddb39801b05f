"""``regionfuse reproduce`` on a handful of tiny synthetic pairs: results, reuse, kill and go on, failures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from regionfuse.datasets.synthetic.generate import generate
from regionfuse.pipeline.console import Screen
from regionfuse.pipeline.reproduce import efficiency
from regionfuse.pipeline.reproduce import run as module
from regionfuse.pipeline.reproduce.material import Request
from regionfuse.pipeline.reproduce.run import Order, Reproduction, reproduce
from regionfuse.pipeline.reproduce.scale import SMALL
from regionfuse.pipeline.store import Store

pytestmark = pytest.mark.xdist_group("reproduce")

TINY = replace(
    SMALL,
    training={**SMALL.training, "epochs": 2, "steps_per_epoch": 1, "batch_size": 1, "patch": 32},
    network={"reach": 96, "width": 4, "heads": 4, "router_hidden": 4, "decoder_width": 4},
    test_images=2,
    test_size=(64, 48),
    detection_images=3,
    detection_side=128,
    strengths=(1.0, 2.5),
    timing_seconds=0.1,
    timing_runs=1,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduce é")
    generate(folder / "data", images=8, size=(128, 96), seed=3)
    return folder


@pytest.fixture(autouse=True)
def tiny_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "scale_named", {"small": TINY}.__getitem__)


def run(home: Path, *names: str, out: str = "out") -> Reproduction:
    data = Request((f"m3fd:{home / 'data'}",), None, f"m3fd:{home / 'data'}")
    if not {"contrast", "fig7"} & set(names):
        data = replace(data, detection=None)
    return reproduce(Order(names, home / out, data=data, device="cpu"), Screen(-1))


def test_table_beside_the_paper_s_then_reuse(home: Path) -> None:
    first = run(home, "table2", out="a")
    assert not first.failed
    assert first.pdf.read_bytes().startswith(b"%PDF")
    table = pd.read_csv(home / "a" / "tables" / "table2.csv")
    assert table["variant"].astype(str).tolist() == ["1", "2", "5", "10", "20"]
    assert table.loc[2, "SF_paper"] == 12.115
    assert table[["SF", "VIF", "MR"]].notna().all(axis=None)
    assert r"\begin{table}" in (home / "a" / "tables" / "table2.tex").read_text()
    trained = sorted((home / "a" / "units" / "train-fusion").glob("*/unit.json"))
    assert len(trained) == 6  # five weights and the second seed
    before = {path: path.stat().st_mtime_ns for path in trained}
    second = run(home, "table2", "table3", out="a")
    assert not second.failed
    assert {path: path.stat().st_mtime_ns for path in trained} == before
    # The default configuration and its second seed are shared: four trainings more.
    assert len(list((home / "a" / "units" / "train-fusion").glob("*/unit.json"))) == 10


def test_failed_variant_is_a_row_and_the_rest_goes_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from regionfuse.fusion.training import trainer

    work = trainer.train

    def train(options, *rest, **named):  # type: ignore[no-untyped-def]
        if options.region == 16:
            raise RuntimeError("CUDA out of memory. Tried to allocate 9.00 GiB")
        return work(options, *rest, **named)

    monkeypatch.setattr(trainer, "train", train)
    result = run(home, "table1", out="b")
    assert any("region 16" in what for what in result.failed)
    table = pd.read_csv(home / "b" / "tables" / "table1.csv").set_index("variant")
    assert table.loc[16, "status"] == "failed"
    assert table.loc[16, "reason"] == "out of memory"
    assert table.loc[[64, 48, 32], "SF"].notna().all()
    monkeypatch.setattr(trainer, "train", work)
    assert not run(home, "table1", out="b").failed


def test_interrupted_run_goes_on_where_it_stopped(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    execute, started = Store.execute, 0

    def interrupted(store, unit, progress):  # type: ignore[no-untyped-def]
        nonlocal started
        started += 1
        if started == 6:
            raise KeyboardInterrupt
        return execute(store, unit, progress)

    monkeypatch.setattr(Store, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(home, "table2", out="c")
    monkeypatch.setattr(Store, "execute", execute)
    run(home, "table2", out="c")
    run(home, "table2", out="a")  # done already, unless this test runs alone
    whole, resumed = (pd.read_csv(home / out / "tables" / "table2.csv") for out in ("a", "c"))
    pd.testing.assert_frame_equal(whole, resumed)


def test_light_and_detection(home: Path) -> None:
    result = run(home, "fig3", "contrast", "fig7", out="d")
    assert not result.failed
    shares = pd.read_csv(home / "d" / "tables" / "fig3.csv").set_index("method")
    average = shares.loc["Average", ["under-exposed", "normal", "over-exposed"]].astype(float).dropna()
    assert average.tolist() == pytest.approx([0.5] * len(average), abs=0.1)
    assert "normal" in average
    contrast = pd.read_csv(home / "d" / "tables" / "contrast.csv")
    assert set(contrast["k"]) == {1.0, 2.5}
    assert contrast["mAP50"].between(0, 1).all()
    assert {chapter.experiment.name for chapter in result.chapters} == {"fig3", "contrast", "fig7"}


def test_cost_of_methods(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"sage", "regionfuse tiny"}
    monkeypatch.setattr(efficiency, "ENTRIES", [each for each in efficiency.ENTRIES if each.label in kept])
    monkeypatch.setattr(efficiency, "HEIGHT", 64)
    monkeypatch.setattr(efficiency, "WIDTH", 64)
    result = run(home, "table4", out="e")
    assert not result.failed
    table = pd.read_csv(home / "e" / "tables" / "table4.csv").set_index("method")
    assert table.loc["SAGE", "Params (M)"] == pytest.approx(0.135617)
    assert table.loc["SAGE", "Params (M)_paper"] == 0.14
    assert (table["Time (ms)"] > 0).all()
    assert (table["low (ms)"] <= table["high (ms)"]).all()
    assert table.loc["RegionFuse (tiny)", "own FLOPs (G)"] > 0
