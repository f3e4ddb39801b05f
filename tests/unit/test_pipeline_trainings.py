"""Sources that a run trains: what the configuration may say, what decides the unit, how it is marked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regionfuse.datasets.errors import ConfigError, MethodError
from regionfuse.datasets.images import write_png
from regionfuse.datasets.records import Pair, PairSet
from regionfuse.datasets.splits import Leakage, Split
from regionfuse.detection.recipe import DetectorRecipe
from regionfuse.pipeline.config import Config
from regionfuse.pipeline.config_file import load_config
from regionfuse.pipeline.plan import Plan, make_plan
from regionfuse.pipeline.store import Store, Unit
from regionfuse.pipeline.trainings import (
    is_trained_here,
    require_trainable,
    trained_here,
    training_options,
)
from regionfuse.pipeline.workload import Workload

DIVIDED = Unit("split", "m3fd", {}, lambda _work, _progress: None)
SPLIT = Split("list", 0, "m3fd", 0, ("0", "1"), ("2",), ("3",), (), Leakage(()))


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    pairs, hashes = [], {}
    for number in range(4):
        files = tmp_path / "ir" / f"{number}.png", tmp_path / "vi" / f"{number}.png"
        for path in files:
            write_png(path, np.full((8, 8), number * 10, np.uint8))
            hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        pairs.append(Pair(str(number), *files, 8, 8))
    return Workload(PairSet("m3fd", tmp_path, tuple(pairs), ()), (), hashes)


def config_of(*sources: dict[str, Any], **more: Any) -> Config:
    return Config.model_validate({"dataset": {"root": "."}, "sources": list(sources), **more})


def plan_of(config: Config, workload: Workload, folder: Path) -> Plan:
    return make_plan(config, DetectorRecipe(), None, workload, SPLIT, DIVIDED, Store(folder / "run"))


def read(folder: Path, sources: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(f"dataset: {{root: {folder}}}\nsources: {sources}\n")
    return load_config(path, [])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("cddfuse", "'cddfuse' has no weights; give weights: FILE.*or train: true"),
        ("{name: a, method: 'dcevo:published'}", "'a' has no weights"),
        ("ddfm", "'ddfm' has no weights; give weights"),
        ("{name: ship, train: false}", "'ship' has no weights"),
        (
            "{name: average, train: true}",
            "'average' cannot be trained here; trainable are regionfuse, piafusion",
        ),
        ("{name: ddfm, train: true}", "'ddfm' cannot be trained here"),
        ("{name: ship, train: true, weights: x.pth}", "both weights and train"),
        ("{name: ship, train: {epoch: 3}}", "epoch"),
        ("{name: sage, train: {labels: sage}}", "'sage' cannot learn from 'sage'"),
    ],
)
def test_mistakes_are_found_while_reading(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read(tmp_path, f"[{source}]")
    assert "\n" not in str(caught.value).strip()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"name": "sage", "train": True}, "learns from a teacher's images"),
        ({"name": "cddfuse", "train": {"network": {"width": 3}}}, "no option network"),
        ({"name": "dcevo", "train": {"warmup_epochs": 3}}, "no option warmup_epochs"),
        ({"name": "piafusion", "train": {"network": {"encoder": "resnet"}}}, "encoder must be one of"),
    ],
)
def test_mistakes_are_found_before_anything_runs(source: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        require_trainable(config_of(source))


def test_options_are_the_publications_unless_said() -> None:
    config = config_of(
        {"name": "cddfuse", "train": True},
        {"name": "short", "method": "ship:published", "train": {"epochs": 2, "patch": 32}},
        fusion={"seed": 7, "epochs": 3, "device": "cpu"},
    )
    long, short = (training_options(source, config.fusion) for source in config.sources)
    assert (long.method, long.epochs, long.gradient_clip, long.seed) == ("cddfuse", 120, 0.01, 7)
    assert (short.method, short.epochs, short.patch, short.batch_size) == ("ship", 2, 32, 4)
    require_trainable(config)


def test_regionfuse_can_stand_several_times_with_settings_of_its_own() -> None:
    config = config_of(
        {"name": "regionfuse"},
        {"name": "more", "method": "regionfuse", "train": {"network": {"experts": 6}, "epochs": 2}},
        {"name": "shipped", "method": "regionfuse", "train": False},
        fusion={"epochs": 9, "network": {"top_k": 1}},
    )
    plain, more, shipped = config.sources
    assert training_options(plain, config.fusion).epochs == 9
    options = training_options(more, config.fusion)
    assert (options.epochs, options.network) == (2, {"top_k": 1, "experts": 6})
    assert options.warmup_epochs == 1
    assert [is_trained_here(source, config.fusion) for source in config.sources] == [True, True, False]
    assert not is_trained_here(shipped, config.fusion)


def test_units_are_trained_and_marked(workload: Workload, tmp_path: Path) -> None:
    config = config_of({"name": "piafusion", "train": {"epochs": 5}}, protocols=["retrained"])
    plan = plan_of(config, workload, tmp_path)
    assert plan.fused["piafusion"].needs == (plan.trained["piafusion"],)
    assert trained_here(config.sources[0], config, workload, SPLIT) == "2 pairs, 5 epochs"
    other = config_of({"name": "piafusion", "train": {"epochs": 6}}, protocols=["retrained"])
    again = plan_of(other, workload, tmp_path)
    assert again.trained["piafusion"].key != plan.trained["piafusion"].key


def test_a_folder_of_labels_counts_by_content(workload: Workload, tmp_path: Path) -> None:
    def key(stems: str) -> str:
        for stem in stems:
            write_png(tmp_path / "made" / f"{stem}.png", np.full((8, 8), 9 * len(stems), np.uint8))
        config = config_of({"name": "sage", "train": {"labels": str(tmp_path / "made")}})
        return plan_of(config, workload, tmp_path).trained["sage"].key

    with pytest.raises(MethodError, match="2 of 3 fused images are missing"):
        key("0")
    first = key("012")
    assert first == key("012")
    assert first != key("0123")  # other pictures for the same stems


def test_labels_may_come_from_another_source(workload: Workload, tmp_path: Path) -> None:
    sources: list[dict[str, Any]] = [
        {"name": "sage", "train": {"labels": "laplacian", "epochs": 1}},
        {"name": "again", "method": "sage", "train": {"labels": "laplacian", "epochs": 2}},
        {"name": "laplacian"},
    ]
    plan = plan_of(config_of(*sources, protocols=["retrained"]), workload, tmp_path)
    assert plan.trained["sage"].needs == (plan.fused["laplacian"],)
    order: list[Unit] = list(plan)
    assert order.index(plan.fused["laplacian"]) < order.index(plan.trained["sage"])
    assert len(order) == len(plan) == len({unit.key for unit in order})
    assert list(plan.fused) == ["visible", "sage", "again", "laplacian"]

    # One frozen detector needs no train pictures of the teacher: they are made apart, once for all pupils.
    frozen = plan_of(config_of(*sources, protocols=["frozen"]), workload, tmp_path)
    (lessons,) = frozen.trained["sage"].needs
    assert frozen.trained["again"].needs == (lessons,) and lessons.stage == "fuse"
    order = list(frozen)
    assert len(order) == len({unit.key for unit in order}) and order.index(lessons) < order.index(
        frozen.trained["sage"]
    )
    alone = plan_of(config_of({"name": "laplacian"}, protocols=["frozen"]), workload, tmp_path)
    assert alone.fused["laplacian"].key == frozen.fused["laplacian"].key != lessons.key


def test_nobody_learns_from_a_learner(workload: Workload) -> None:
    with pytest.raises(ValueError, match="'a' cannot learn from 'b', which learns from a source itself"):
        config_of(
            {"name": "a", "method": "sage", "train": {"labels": "b"}},
            {"name": "b", "method": "sage", "train": {"labels": "average"}},
            {"name": "average"},
        )
