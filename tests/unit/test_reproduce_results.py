"""Tables beside the paper's, shares of infrared, grain, prepared pairs, the rules of the panels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regionfuse.datasets.errors import ConfigError, DataError
from regionfuse.datasets.images import read_visible
from regionfuse.datasets.load import load_pairs
from regionfuse.datasets.records import PairSet
from regionfuse.datasets.synthetic.generate import generate
from regionfuse.pipeline.execute import Outcome
from regionfuse.pipeline.reproduce.allocation import shares
from regionfuse.pipeline.reproduce.chapter import reason, shortened
from regionfuse.pipeline.reproduce.compare import Row, comparison, finding, frame, seed_spread
from regionfuse.pipeline.reproduce.encoder import flat_pixels, grain
from regionfuse.pipeline.reproduce.estimate import spoken
from regionfuse.pipeline.reproduce.experiments import EXPERIMENTS
from regionfuse.pipeline.reproduce.material import (
    Material,
    Request,
    gather,
    spread,
    spread_over_classes,
)
from regionfuse.pipeline.reproduce.panels import SCENES, choose
from regionfuse.pipeline.reproduce.paper_values import LAMBDA, QUALITY
from regionfuse.pipeline.reproduce.prepared import enhance, prepare_unit, read_prepared
from regionfuse.pipeline.reproduce.scale import PAPER, SMALL
from regionfuse.pipeline.reproduce.zones import exposure_zones, infrared_share, share_map
from regionfuse.pipeline.store import Store, Unit

BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}


def silent(done: int, total: int, message: str) -> None:
    """Report nothing."""


def values(number: float) -> dict[str, float]:
    return dict.fromkeys(QUALITY, number)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    root = tmp_path_factory.mktemp("set") / "data"
    generate(root, images=8, size=(128, 96), seed=5)
    return load_pairs("m3fd", root)


def material(pairs: PairSet) -> Material:
    hashes = {path: path.name + path.parent.name for pair in pairs for path in (pair.visible, pair.infrared)}
    return Material((), (), pairs, pairs, hashes, True, ())


# Tables ----------------------------------------------------------------------------------------------


def test_our_own_values_in_the_paper_s_place_agree_everywhere() -> None:
    experiment = BY_NAME["table2"]
    rows = [Row(label, dict(zip(QUALITY, numbers, strict=False))) for label, numbers in LAMBDA.rows.items()]
    table = frame(experiment, rows)
    for name in (*QUALITY, "MR", "RoR"):
        assert table[name].tolist() == pytest.approx(table[f"{name}_paper"].tolist()), name
    said = finding(experiment, table)
    assert "the same as in the paper in 5 of 5 metrics" in said
    assert "Best mean rank: 5 here, 5 in the paper" in said


def test_failed_variant_is_a_row_with_its_reason() -> None:
    experiment = BY_NAME["table1"]
    rows = [
        Row("64", values(1.0)),
        Row("48", values(2.0)),
        Row("32", values(3.0)),
        Row("16", None, "why not"),
    ]
    table = frame(experiment, rows)
    assert table.loc[3, "status"] == "failed"
    assert np.isnan(table.loc[3, "SF"])
    printed = comparison(experiment, table, SMALL, values(0.5))
    assert len(printed.rows) == 4
    assert "R 16 failed here: why not." in printed.note
    assert "R 16 in the paper: out of memory." in printed.note
    assert "Two seeds" in printed.note
    bold = {row[0].text: [cell.bold for cell in row[1:]] for row in printed.rows}
    assert bold["32"][0::2] == [True] * 5
    assert bold["48 (default)"][1::2] == [True] * 5
    assert "not values to compare" in printed.caption
    assert "not values to compare" not in comparison(experiment, table, PAPER, None).caption


def test_everything_failed() -> None:
    experiment = BY_NAME["table2"]
    table = frame(experiment, [Row(variant.label, None, "x") for variant in experiment.variants])
    assert "failed" in finding(experiment, table)
    assert len(comparison(experiment, table, SMALL, None).rows) == 5


def test_lead_within_the_spread_of_seeds_is_said() -> None:
    experiment = BY_NAME["table2"]
    rows = [Row(variant.label, values(1.0 + 0.01 * i)) for i, variant in enumerate(experiment.variants)]
    table = frame(experiment, rows)
    assert "in none of" in finding(experiment, table, values(0.5))
    assert "in 5 of 5" in finding(experiment, table, values(1e-4))


def test_spread_of_seeds() -> None:
    assert seed_spread(values(1.0), values(1.25)) == values(0.25)


def test_reasons() -> None:
    unit = Unit("train-fusion", "x", {}, print)
    assert reason(unit, Outcome()) == "not run"
    assert reason(unit, Outcome(done={unit.key})) is None
    assert reason(unit, Outcome(failed={unit.key: "OutOfMemoryError: CUDA out of memory. Tried"})) == (
        "out of memory"
    )
    assert len(shortened("x" * 1000)) == 160


def test_shares_are_means_over_the_stages() -> None:
    log = pd.DataFrame(
        {
            "epoch": [1, 2],
            "share_stage1_expert0": [0.2, 0.4],
            "share_stage1_expert1": [0.8, 0.6],
            "share_stage2_expert0": [0.4, 0.6],
            "share_stage2_expert1": [0.6, 0.4],
        }
    )
    table = shares(log)
    assert table["expert0"].tolist() == pytest.approx([0.3, 0.5])
    assert table[["expert0", "expert1"]].sum(axis=1).tolist() == pytest.approx([1, 1])


# Light -----------------------------------------------------------------------------------------------


def test_enhancement_is_the_formula() -> None:
    image = np.array([0.0, 0.25, 0.5, 0.6, 1.0])
    assert enhance(image, 2.5) == pytest.approx([0, 0, 0.5, 0.75, 1])
    assert enhance(image, 1.0) == pytest.approx(image)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_share_of_a_blend_is_its_weight(share: float) -> None:
    rng = np.random.default_rng(0)
    visible, infrared = rng.random((40, 70)), rng.random((40, 70))
    fused = (1 - share) * visible + share * infrared
    everywhere = np.ones(visible.shape, bool)
    assert infrared_share(fused, visible, infrared, everywhere).share == pytest.approx(share)
    assert share_map(fused, visible, infrared) == pytest.approx(np.full((2, 3), share))


def test_share_is_unknown_where_the_inputs_are_alike() -> None:
    flat = np.full((32, 32), 0.4)
    assert np.isnan(share_map(flat, flat, flat)).all()


def test_zones_part_the_image() -> None:
    visible = np.linspace(0, 1, 101)[None]
    zones = exposure_zones(visible)
    assert sum(where.sum() for where in zones.values()) == 101
    assert zones["under-exposed"].sum() == 3
    assert zones["over-exposed"].sum() == 3


def test_grain_measures_noise_and_not_edges() -> None:
    rng = np.random.default_rng(0)
    image = np.full((60, 80), 100.0)
    image[:, 40:] = 200
    flat = flat_pixels(image, image)
    noisy = image + rng.normal(0, 5, image.shape)
    assert grain(image, flat) < 0.5
    assert 3 < grain(noisy, flat) < 5


# Data ------------------------------------------------------------------------------------------------


def test_prepared_pairs_are_cropped_at_the_centre(pairs: PairSet, tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.execute(prepare_unit(material(pairs), pairs, crop=(64, 48)), silent)
    ready = read_prepared(folder)
    assert len(ready) == len(pairs)
    assert {(pair.width, pair.height) for pair in ready} == {(64, 48)}
    original = read_visible(pairs.pairs[0].visible)
    assert read_visible(ready.pairs[0].visible) == pytest.approx(original[24:72, 32:96], abs=1e-6)


def test_boxes_shrink_with_their_image(pairs: PairSet, tmp_path: Path) -> None:
    store = Store(tmp_path)
    ready = read_prepared(store.execute(prepare_unit(material(pairs), pairs, side=64), silent))
    for before, after in zip(pairs, ready, strict=True):
        assert (after.width, after.height) == (64, 48)
        assert [box.xyxy for box in after.boxes] == [
            pytest.approx([edge / 2 for edge in box.xyxy]) for box in before.boxes
        ]


def test_contrast_changes_the_visible_image_alone(pairs: PairSet, tmp_path: Path) -> None:
    store = Store(tmp_path)
    before = read_prepared(store.execute(prepare_unit(material(pairs), pairs), silent)).pairs[0]
    after = read_prepared(store.execute(prepare_unit(material(pairs), pairs, strength=3.0), silent)).pairs[0]
    assert before.infrared.read_bytes() == after.infrared.read_bytes()
    wanted = enhance(read_visible(before.visible), 3.0)
    assert read_visible(after.visible) == pytest.approx(wanted, abs=0.51 / 255)


def test_test_pairs_are_never_trained_on(pairs: PairSet, tmp_path: Path) -> None:
    named = f"m3fd:{pairs.root}"
    found = gather(Request((named,), named), SMALL, tmp_path, silent, trains=True, detects=False)
    assert len(found.test) == SMALL.test_images
    assert {pair.stem for pair in found.train} == {pair.stem for pair in pairs} - {p.stem for p in found.test}
    assert "left out of the training" in " ".join(found.remarks)


def test_nothing_left_to_train_on(pairs: PairSet, tmp_path: Path) -> None:
    named = f"m3fd:{pairs.root}"
    with pytest.raises(DataError, match="no training pairs are left"):
        gather(Request((named,), named, named), SMALL, tmp_path, silent, trains=True, detects=True)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(("m3fd:{root}",), "m3fd:{root}"), "--scale paper needs --train msrs:ROOT"),
        (Request((), None), "--scale paper needs --train msrs:ROOT"),
    ],
)
def test_paper_scale_wants_msrs(pairs: PairSet, tmp_path: Path, request_: Request, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        gather(request_, PAPER, tmp_path, silent, trains=True, detects=False)


def test_wrong_entry_names_its_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--train nowhere: expected a folder, or FORMAT:ROOT"):
        gather(Request(("nowhere",)), SMALL, tmp_path, silent, trains=True, detects=False)


def test_spread_covers_the_list(pairs: PairSet) -> None:
    chosen = [pair.stem for pair in spread(pairs.pairs, 2)]
    assert chosen == [pairs.pairs[2].stem, pairs.pairs[6].stem]
    assert spread(pairs.pairs, None) == spread(pairs.pairs, 100) == list(pairs)


def test_pairs_for_detection_show_every_class(pairs: PairSet) -> None:
    present = {box.label for pair in pairs for box in pair.boxes}
    chosen = spread_over_classes(pairs, 5)
    assert len({pair.stem for pair in chosen}) == 5
    assert {box.label for pair in chosen for box in pair.boxes} == present
    assert len(spread_over_classes(pairs, None)) == sum(bool(pair.boxes) for pair in pairs)


# Panels ----------------------------------------------------------------------------------------------


def outcomes(rows: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
    """A table of objects: class, outcome, predicted."""
    return pd.DataFrame(
        [
            {"kind": "object", "object_id": number, "class": name, "outcome": outcome, "predicted": predicted,
             "confidence": 0.5, "area": 10.0 * number}
            for number, (name, outcome, predicted) in enumerate(rows, start=1)
        ]
    )  # fmt: skip


def test_truck_called_a_car_is_preferred() -> None:
    visible = outcomes(
        [("Truck", "missed", ""), ("Truck", "misclassified", "Car"), ("Truck", "misclassified", "Bus")]
    )
    fused = outcomes([("Truck", "correct", "Truck")] * 3)
    choice = choose({"visible": visible, "infrared": fused, "average": fused}, SCENES[0])
    assert choice.object_id == 2
    assert "1 of 3 such objects meet it" in choice.rule
    assert choice.title(SCENES[0]) == SCENES[0].title


def test_weaker_rules_are_said() -> None:
    visible = outcomes([("Truck", "missed", ""), ("Truck", "correct", "Truck")])
    fused = outcomes([("Truck", "correct", "Truck"), ("Truck", "correct", "Truck")])
    choice = choose({"visible": visible, "average": fused}, SCENES[0])
    assert choice.object_id == 1
    assert "No object met it" in choice.rule
    assert "none here" in choice.title(SCENES[0])
    largest = choose({"visible": fused, "average": fused}, SCENES[0])
    assert largest.object_id == 2
    assert "largest" in largest.rule


def test_no_person_at_all() -> None:
    visible = outcomes([("Truck", "correct", "Truck")])
    assert choose({"visible": visible, "average": visible}, SCENES[1]).object_id is None


def test_durations_in_words() -> None:
    assert [spoken(s) for s in (3, 60, 1300, 20000, 9e5)] == [
        "about 10 s", "about 60 s", "about 22 min", "about 5.6 h", "about 10 days",
    ]  # fmt: skip
