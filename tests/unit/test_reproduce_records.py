"""The catalogue of experiments, the paper's numbers and the scales."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from regionfuse.datasets.errors import ConfigError
from regionfuse.fusion.metrics.ranking import mean_rank, rank_of_rank
from regionfuse.fusion.metrics.registry import METRICS
from regionfuse.fusion.regionfuse.config import network_config
from regionfuse.pipeline.commands.reproduce import MINUTES
from regionfuse.pipeline.reproduce import paper_values as paper
from regionfuse.pipeline.reproduce.experiments import ALWAYS, DEFAULT, EXPERIMENTS, chosen
from regionfuse.pipeline.reproduce.material import Material
from regionfuse.pipeline.reproduce.records import Variant
from regionfuse.pipeline.reproduce.scale import PAPER, SMALL, scale_named
from regionfuse.pipeline.reproduce.shop import Shop
from regionfuse.pipeline.store import Store

BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    from regionfuse.datasets.records import PairSet

    empty = PairSet("none", tmp_path, ())
    return Shop(SMALL, Material((), (), empty, None, {}, False, ()), Store(tmp_path))


def test_every_experiment_is_there() -> None:
    names = {"table1", "table2", "table3", "table4", "table5", "fig3", "contrast", "fig4", "fig5", "fig7"}
    assert names | {"ablation"} == set(BY_NAME) == set(MINUTES)


def test_all_and_single_names() -> None:
    assert chosen(("all",)) == EXPERIMENTS
    assert [experiment.name for experiment in chosen(("fig4", "table2"))] == ["table2", "fig4"]
    with pytest.raises(ConfigError, match="did you mean 'table2'"):
        chosen(("tabel2",))


def test_tables_hold_a_number_a_column() -> None:
    tables = [value for value in vars(paper).values() if isinstance(value, paper.PaperTable)]
    assert len(tables) >= 7
    for table in tables:
        assert all(len(row) == len(table.columns) for row in table.rows.values()), table.place


def test_paper_s_ranks_follow_from_its_values() -> None:
    """Table 2 prints MR and RoR: they must come out of the values beside them by our own ranking."""
    rows = {label: values[:5] for label, values in paper.LAMBDA.rows.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(paper.QUALITY))
    printed = {label: values[5:] for label, values in paper.LAMBDA.rows.items()}
    assert mean_rank(table, paper.QUALITY).to_dict() == pytest.approx(
        {label: values[0] for label, values in printed.items()}
    )
    assert rank_of_rank(table, paper.QUALITY).to_dict() == {k: v[1] for k, v in printed.items()}


def test_paper_s_best_variants() -> None:
    for name in ("table1", "table3", "ablation"):
        experiment = BY_NAME[name]
        assert experiment.paper is not None
        for metric in range(5):
            best = max(experiment.paper.rows, key=lambda label, m=metric: experiment.paper.rows[label][m])
            assert best == experiment.default, (name, metric)


def test_quality_metrics_are_known_and_higher_is_better() -> None:
    assert all(METRICS[name].direction == "higher" for name in paper.QUALITY)


@pytest.mark.parametrize("experiment", [each for each in EXPERIMENTS if each.variants], ids=lambda e: e.name)
def test_rows_of_the_paper_have_a_variant(experiment: object) -> None:
    labels = {variant.label for variant in experiment.variants}  # type: ignore[attr-defined]
    assert experiment.default in labels  # type: ignore[attr-defined]
    table = experiment.paper  # type: ignore[attr-defined]
    if table is not None:
        assert set(table.rows) <= labels
        assert set(table.remarks) <= labels


def test_default_configuration_is_trained_once(shop: Shop) -> None:
    """The default of every experiment is one and the same unit."""
    keys = set()
    for experiment in EXPERIMENTS:
        for variant in experiment.variants:
            if variant.label == experiment.default:
                keys.add(shop.trained(variant).key)
    assert keys == {shop.trained(DEFAULT).key}


def test_other_variants_are_other_units(shop: Shop) -> None:
    for experiment in EXPERIMENTS:
        keys = [shop.trained(variant).key for variant in experiment.variants]
        assert len(set(keys)) == len(keys), experiment.name


def test_variants_build_networks_of_their_own(shop: Shop) -> None:
    for experiment in EXPERIMENTS:
        for variant in experiment.variants:
            options = shop.options(variant)
            if options.method == "regionfuse":
                config = network_config(options.preset, options.network, options.region)
                assert config.region == variant.options.get("region", 48)


def test_load_loss_in_all_epochs_is_cut_to_the_run(shop: Shop) -> None:
    options = shop.options(Variant("x", {"load_epochs": ALWAYS}))
    assert options.load_epochs == options.epochs


def test_steps_override(shop: Shop) -> None:
    options = replace(shop, steps=3).options(DEFAULT)
    assert options.epochs * (options.steps_per_epoch or 0) == 3
    options = replace(shop, steps=40).options(DEFAULT)
    assert options.epochs == SMALL.training["epochs"]
    assert 40 <= options.epochs * (options.steps_per_epoch or 0) < 40 + options.epochs


def test_paper_scale_is_the_published_recipe(shop: Shop) -> None:
    options = replace(shop, scale=PAPER).options(DEFAULT)
    assert (options.preset, options.epochs, options.warmup_epochs, options.batch_size) == ("base", 84, 4, 8)
    assert (options.patch, options.learning_rate, options.region) == (128, 1e-4, 48)
    assert (options.lambda_gradient, options.mu_load, options.load_epochs) == (5.0, 5.0, 5)
    assert options.steps_per_epoch is None
    assert options.weight_decay == 0


def test_unknown_scale() -> None:
    with pytest.raises(ConfigError, match="small or paper"):
        scale_named("medium")


def test_small_scale_says_so() -> None:
    assert "not comparable" in SMALL.notice
    assert not PAPER.notice


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys; from regionfuse.pipeline.commands.reproduce import list_experiments; list_experiments();"
        "assert not {'torch', 'pandas', 'cv2'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in BY_NAME)
