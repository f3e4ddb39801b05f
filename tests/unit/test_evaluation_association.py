"""Correlation of metrics with detection within images: by hand, against scipy, on simulated data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from regionfuse.detection.evaluation.association import associate, association_table


def test_without_ties_it_is_the_mean_of_spearman() -> None:
    rng = np.random.default_rng(0)
    metric, outcome = rng.normal(size=(2, 5, 30))
    expected = np.mean([stats.spearmanr(metric[:, i], outcome[:, i])[0] for i in range(30)])
    found = associate(metric, outcome, np.arange(30) // 3, 10)
    assert found.within == pytest.approx(expected)
    assert found.units == 30 and found.within_without.shape == (10,)


def test_by_hand() -> None:
    metric = np.array([[1.0, 5], [2, 5], [3, 5.1]])
    outcome = np.array([[0.0, 1], [1, 0], [1, 0]])
    # Ranks around 0: (-1, 0, 1) with (-1, .5, .5), and (-.5, -.5, 1) with (1, -.5, -.5).
    found = associate(metric, outcome, np.array([0, 1]), 2)
    assert found.within == pytest.approx((1.5 - 0.75) / np.sqrt((2 + 1.5) * (1.5 + 1.5)))
    assert found.within_without == pytest.approx([-0.75 / 1.5, 1.5 / np.sqrt(3)])
    # Less the mean of each source, (-.75, -.25, 1) and (0, 0, 0): only the first side has means.
    beyond = np.array([[-0.25, 0.25], [0.25, -0.25], [0, 0]])
    second = np.array([[-1, 1], [0.5, -0.5], [0.5, -0.5]])
    expected = (beyond * second).sum() / np.sqrt((beyond**2).sum() * (second**2).sum())
    assert found.beyond_sources == pytest.approx(expected)
    assert np.isnan(found.beyond_sources_without).all()  # a single unit is its own mean


def test_units_that_say_nothing_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    metric, outcome = rng.normal(size=(2, 4, 20))
    block = np.arange(20) // 5
    expected = associate(metric, outcome, block, 4)
    flat = np.concatenate([metric, np.ones((4, 2)), rng.normal(size=(4, 3))], axis=1)
    also_flat = np.concatenate([outcome, rng.normal(size=(4, 2)), np.ones((4, 3))], axis=1)
    also_flat[0, -1] = np.nan
    found = associate(flat, also_flat, np.concatenate([block, [0, 1, 2, 3, 3]]), 4)
    assert found.units == 20
    assert found.within == pytest.approx(expected.within)
    assert found.beyond_sources == pytest.approx(expected.beyond_sources)
    np.testing.assert_allclose(found.beyond_sources_without, expected.beyond_sources_without)


def test_without_a_block_is_a_new_computation() -> None:
    rng = np.random.default_rng(2)
    metric = rng.normal(size=(4, 60)) + np.arange(4)[:, None]
    outcome = (metric + rng.normal(size=(4, 60)) > 1).astype(float)
    block = rng.integers(0, 6, 60)
    found = associate(metric, outcome, block, 7)  # none in the last
    assert found.within_without[6] == pytest.approx(found.within)
    for left_out in range(6):
        kept = block != left_out
        again = associate(metric[:, kept], outcome[:, kept], block[kept], 7)
        assert found.within_without[left_out] == pytest.approx(again.within)
        assert found.beyond_sources_without[left_out] == pytest.approx(again.beyond_sources)


@pytest.mark.parametrize("shape", [(2, 10), (4, 0)])
def test_too_little(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(3).normal(size=shape)
    found = associate(values, values, np.arange(shape[1]), shape[1])
    assert np.isnan([found.within, found.beyond_sources]).all()
    assert np.isnan(found.within_without).all() and len(found.within_without) == shape[1]


def simulated(seed: int, effect: float, *, sources: float, scenes: int = 30) -> tuple[np.ndarray, ...]:
    """Objects in scenes under 6 sources: found depends on the metric by ``effect``, both on the source."""
    rng = np.random.default_rng(seed)
    block = np.repeat(np.arange(scenes), 20)
    quality = sources * np.linspace(-1, 1, 6)[:, None]
    local = 0.7 * rng.normal(size=(6, scenes))[:, block] + 0.7 * rng.normal(size=(6, len(block)))
    hard = rng.normal(size=scenes)[block] + rng.normal(size=len(block))
    luck = 0.5 * rng.normal(size=(6, scenes))[:, block] + rng.normal(size=(6, len(block)))
    found = quality + effect * local - hard + luck > 0
    return quality + local, found.astype(float), block


def test_sign_of_the_effect() -> None:
    assert associate(*simulated(0, 1.0, sources=0), 30).beyond_sources > 0.2
    assert associate(*simulated(0, -1.0, sources=0), 30).beyond_sources < -0.2


def test_what_only_the_sources_share_is_not_beyond_them() -> None:
    found = associate(*simulated(0, 0.0, sources=1.0), 30)
    assert found.within > 0.25
    assert abs(found.beyond_sources) < 0.05


def test_the_jackknife_over_blocks_holds() -> None:
    """Without an effect about 5 % of intervals over blocks exclude zero; over objects it is too many."""

    def excludes_zero(found_value: float, without: np.ndarray) -> bool:
        number = len(without)
        error = np.sqrt((number - 1) / number * ((without - without.mean()) ** 2).sum())
        return abs(found_value) > stats.t.ppf(0.975, number - 1) * error

    by_block, by_object = 0, 0
    for seed in range(200):
        metric, outcome, block = simulated(seed, 0.0, sources=1.0)
        found = associate(metric, outcome, block, 30)
        by_block += excludes_zero(found.beyond_sources, found.beyond_sources_without)
        alone = associate(metric, outcome, np.arange(len(block)), len(block))
        by_object += excludes_zero(alone.beyond_sources, alone.beyond_sources_without)
    assert 2 <= by_block <= 20
    assert by_object > by_block


def test_table_tells_a_metric_that_goes_with_detection_from_one_that_does_not() -> None:
    """Images and objects; the inputs stay out, a metric that is better when lower is turned round."""
    rng = np.random.default_rng(0)
    sources, images = ["average", "maximum", "mine", "laplacian"], 60
    objects, quality, regions = [], [], []
    for source in [*sources, "visible"]:
        for image in range(images):
            sharp = rng.normal()
            quality.append({"source": source, "image": f"{image}.png", "good": sharp, "noise": rng.normal(),
                            "bad": -sharp})  # fmt: skip
            for number in range(4):
                clear = rng.normal()
                right = rng.normal() < sharp + clear
                regions.append({"source": source, "object_id": 4 * image + number, "clear": clear})
                objects.append({"protocol": "frozen", "source": source, "seed": 0, "kind": "object",
                                "stem": str(image), "block": f"b{image // 5}",
                                "object_id": 4 * image + number,
                                "outcome": "correct" if right else "missed"})  # fmt: skip
    table = association_table(
        pd.DataFrame(objects), pd.DataFrame(quality), pd.DataFrame(regions), sources, {"bad"}
    ).set_index(["level", "metric"])
    assert set(table.sources) == {4} and set(table.blocks) == {12}
    for key in (("image", "good"), ("object", "clear"), ("image", "bad")):
        assert table.loc[key, "beyond_sources_low"] > 0, key
    assert table.loc[("image", "noise"), "within_low"] < 0 < table.loc[("image", "noise"), "within_high"]
    assert table.loc[("image", "good"), "within"] == pytest.approx(table.loc[("image", "bad"), "within"])
