"""Intervals of differences: worked out by hand, exact where an exact answer exists, and simulated."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields

import numpy as np
import pytest
from scipy import stats

from regionfuse.detection.evaluation.resample import (
    LEAST_BLOCKS,
    Comparison,
    compare,
    draw_blocks,
    ranks,
)


def ratio(hits: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of hits (..., B) in sizes (B,) over all blocks, and without each."""
    total = hits.sum(-1)
    return total / sizes.sum(), (total[..., None] - hits) / (sizes.sum() - sizes)


def means(contributions: np.ndarray, sizes: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (K, S) and leave-one-out means (K, S, B) of block means (K, S, B)."""
    sizes = np.ones(contributions.shape[-1]) if sizes is None else sizes
    return ratio(contributions * sizes, sizes)


def noisy(k: int, s: int, b: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return means(np.random.default_rng(seed).normal(size=(k, s, b)))


def same(one: Comparison, other: Comparison, but: tuple[str, ...] = ()) -> None:
    for field in fields(Comparison):
        if field.name in but or getattr(one, field.name) is None:
            continue
        np.testing.assert_array_equal(
            getattr(one, field.name), getattr(other, field.name), err_msg=field.name
        )


# By hand


def test_jackknife_of_a_ratio_by_hand() -> None:
    """Five blocks of 2, 2, 2, 2, 4 objects; the source finds 2, 1, 2, 1, 3, the reference 1, 1, 1, 1, 2."""
    sizes = np.array([2, 2, 2, 2, 4])
    values, without = ratio(np.array([[[1, 1, 1, 1, 2]], [[2, 1, 2, 1, 3]]]), sizes)
    found = compare(values, without, 0, sizes=sizes)
    # D = 9/12 - 6/12; without a block of two: 2/10 or 3/10; without the block of four: 2/8.
    d, left = 1 / 4, np.array([2, 3, 2, 3, 2.5]) / 10
    variance = 4 / 5 * ((d - left) ** 2).sum()
    assert found.value[1] == pytest.approx(d)
    assert found.se_blocks[1] == pytest.approx(math.sqrt(variance)) == pytest.approx(math.sqrt(0.008))
    # Four equal contributions: n = 4, 3 (4 - 1) - 1/2 is more than blocks - 1.
    assert found.df[1] == 4
    half = 2.7764451 * math.sqrt(0.008)
    assert (found.low[1], found.high[1]) == pytest.approx((d - half, d + half), abs=1e-6)
    assert found.p[1] == pytest.approx(2 * stats.t.sf(d / math.sqrt(0.008), 4))
    assert found.detectable[1] == pytest.approx((2.776445 + 0.940965) * math.sqrt(0.008), rel=1e-5)
    assert math.isnan(found.value[0]) and found.blocks.tolist()[1] == 5


def test_unequal_influence_costs_degrees_of_freedom() -> None:
    equal = means(np.array([[[0.0] * 10], [[1, -1] * 5]]) + 0.1)
    large = means(np.array([[[0.0] * 10], [[5, -5] + [1, -1] * 4]]) + 0.1)
    assert compare(*equal, 0).df[1] == 9
    # sum u^2 = 50 + 8, sum u^4 = 1250 + 8: about 2.7 blocks.
    assert compare(*large, 0).df[1] == pytest.approx(3 * (58**2 / 1258 - 1) - 1, rel=0.02)


def test_holm_by_hand() -> None:
    values, without = noisy(5, 1, 12)
    found = compare(values + np.array([[0], [0.1], [0.5], [0.9], [0.7]]), without + np.array(
        [[0], [0.1], [0.5], [0.9], [0.7]])[..., None], 0)  # fmt: skip
    p = found.p[1:]
    order = np.argsort(p)
    running, expected = 0.0, np.empty(4)
    for step, index in enumerate(order):
        running = max(running, min(1.0, p[index] * (4 - step)))
        expected[index] = running
    assert found.p_holm[1:] == pytest.approx(expected)
    assert math.isnan(found.p_holm[0])
    assert (found.p_holm[1:] > p).any()


def test_sign_flip_enumerates_five_blocks() -> None:
    """Contributions of blocks of unequal size, flipped in all 32 ways."""
    sizes = np.array([1.0, 2, 3, 4, 6])
    gain = np.array([0.5, 0.3, -0.1, 0.4, 0.6])
    values, without = means(np.stack([np.zeros(5), gain])[:, None], sizes)
    contributions = sizes * gain / sizes.sum()
    sums = [abs(np.dot(signs, contributions)) for signs in itertools.product([1, -1], repeat=5)]
    expected = np.mean(np.array(sums) >= contributions.sum() - 1e-12)
    assert compare(values, without, 0, sizes=sizes).p_sign_flip[1] == pytest.approx(expected)
    assert 2 / 32 < expected < 1
    assert math.isnan(compare(values, without, 0).p_sign_flip[1])


def test_sign_flip_is_adjusted_for_all_sources() -> None:
    gain = np.random.default_rng(3).normal(size=(6, 1, 9)) + 0.6 * (np.arange(6) == 1)[:, None, None]
    gain[0] = 0
    values, without = means(gain)
    found = compare(values, without, 0, sizes=np.ones(9))
    unit = gain[1:, 0] / np.sqrt((gain[1:, 0] ** 2).sum(1, keepdims=True))
    signs = np.array(list(itertools.product([1, -1], repeat=9)))
    largest = np.abs(signs @ unit.T).max(axis=1)
    expected = [(largest >= abs(row.sum()) - 1e-9).mean() for row in unit]
    assert found.p_sign_flip[1:] == pytest.approx(expected)


# Cases with a known answer


def test_equal_sources_differ_by_nothing() -> None:
    values, without = noisy(2, 1, 8)
    found = compare(values[[0, 0, 1]], without[[0, 0, 1]], 0, equivalence=0.01, sizes=np.ones(8))
    assert [found.value[1], found.low[1], found.high[1], found.p[1], found.p_sign_flip[1]] == [0, 0, 0, 1, 1]
    assert found.equivalent is not None and found.equivalent.tolist() == [False, True, False]


def test_equivalence_is_the_90_percent_interval_within_the_margin() -> None:
    values, without = noisy(2, 1, 20)
    found = compare(values, without, 0)
    edge = abs(found.value[1]) + stats.t.ppf(0.95, found.df[1]) * found.se_blocks[1]
    assert compare(values, without, 0, equivalence=edge * 1.001).equivalent.tolist() == [False, True]
    assert compare(values, without, 0, equivalence=edge * 0.999).equivalent.tolist() == [False, False]


@pytest.mark.parametrize("scale", [1e-6, 100.0, -3.0])
def test_units_do_not_matter(scale: float) -> None:
    values, without = noisy(4, 3, 12)
    sizes = np.ones(12)
    one, other = (
        compare(values, without, 1, sizes=sizes),
        compare(scale * values + 7, scale * without + 7, 1, sizes=sizes),
    )
    for name in ("p", "p_holm", "p_sign_flip", "df"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), nan_ok=True, rel=1e-6), name
    ends = [scale * one.simultaneous_low, scale * one.simultaneous_high][:: 1 if scale > 0 else -1]
    assert other.simultaneous_low == pytest.approx(ends[0], nan_ok=True, rel=2e-2)


def test_exchange_of_source_and_reference_changes_the_sign_only() -> None:
    values, without = noisy(2, 3, 10)
    one, other = compare(values, without, 0), compare(values, without, 1)
    assert (one.value[1], one.low[1], one.p[1]) == pytest.approx(
        (-other.value[0], -other.high[0], other.p[0])
    )


def test_order_of_sources_and_blocks_does_not_matter() -> None:
    values, without = noisy(5, 3, 10)
    one = compare(values, without, 0)
    turned = compare(values[::-1], without[::-1, :, ::-1], 4)
    for name in ("low", "p", "df"):
        assert getattr(turned, name)[::-1] == pytest.approx(getattr(one, name), nan_ok=True)
    assert turned.simultaneous_low[::-1] == pytest.approx(one.simultaneous_low, nan_ok=True, rel=0.02)


def test_the_same_input_gives_the_same_output() -> None:
    values, without = noisy(6, 3, 30)
    same(compare(values, without, 2, sizes=np.ones(30)), compare(values, without, 2, sizes=np.ones(30)))


def test_simultaneous_intervals_hold_the_individual_ones_and_grow_with_the_sources() -> None:
    values, without = noisy(30, 1, 40)
    widths = {}
    for k in (2, 5, 30):
        found = compare(values[:k], without[:k], 0)
        assert (found.simultaneous_low[1:] <= found.low[1:]).all()
        widths[k] = float(((found.simultaneous_high - found.simultaneous_low) / (found.high - found.low))[1])
    assert widths[2] == pytest.approx(1)
    assert 1.1 < widths[5] < widths[30] < 1.9


def test_copies_of_one_source_need_no_adjustment() -> None:
    values, without = noisy(2, 1, 200)
    many = [0] + [1] * 9
    found = compare(values[many], without[many], 0)
    alone = compare(values, without, 0)
    assert found.simultaneous_high[1] - found.value[1] < 1.2 * (alone.high[1] - alone.value[1])


# Seeds


def test_variance_over_seeds_by_hand() -> None:
    """No test noise of single seeds: the source's seeds lie at -1, 0, 1, the reference's at -2, 0, 2."""
    blocks = np.linspace(-1, 1, 10) * np.array([1.0, 2.0])[:, None]
    values, without = means(blocks[:, None] + np.array([[[-2], [0], [2]], [[-1], [0], [1]]]))
    found = compare(values, without, 0)
    pooled = (4 + 1) / 2
    assert found.se_seeds[1] == pytest.approx(math.sqrt(pooled * 2 / 3))
    assert found.seeds[1] == 3 and found.covers[1] == "methods"
    blocks_part = found.se_blocks[1] ** 2
    total, df = blocks_part + pooled * 2 / 3, compare(values[:, 1:2], without[:, 1:2], 0).df[1]
    assert found.df[1] == pytest.approx(total**2 / (blocks_part**2 / df + (pooled * 2 / 3) ** 2 / 4))


def test_paired_seeds_cancel() -> None:
    """A training that shifts all sources alike adds nothing when one detector runs on all of them."""
    blocks = np.random.default_rng(0).normal(size=(2, 1, 10))
    values, without = means(blocks + np.array([-2, 0, 2])[None, :, None])
    assert compare(values, without, 0, paired_seeds=True).se_seeds[1] == pytest.approx(0)
    assert compare(values, without, 0).se_seeds[1] == pytest.approx(math.sqrt(4 * 2 / 3))


def test_paired_seeds_of_two_sources_are_a_paired_t_test() -> None:
    level = np.array([[0.1, 0.5, 0.9], [0.4, 0.6, 1.5]])
    values, without = level, np.repeat(level[..., None], 6, axis=-1).copy()
    without += 1e-9 * np.random.default_rng(0).normal(size=(2, 1, 6))
    found = compare(values, without, 0, paired_seeds=True)
    expected = stats.ttest_rel(level[1], level[0])
    assert found.p[1] == pytest.approx(expected.pvalue, rel=1e-4)
    assert found.low[1] == pytest.approx(expected.confidence_interval().low, rel=1e-4)


def test_test_noise_of_single_seeds_is_not_counted_twice() -> None:
    """Seeds that differ by test noise alone: the spread over seeds adds next to nothing to the jackknife."""
    extra = []
    for seed in range(40):
        values, without = noisy(6, 3, 60, seed)
        found = compare(values, without, 0)
        extra.append((found.se_seeds[1:] ** 2 / found.se_blocks[1:] ** 2).mean())
    assert np.mean(extra) < 0.35  # 1 if counted twice


@pytest.mark.parametrize(("seeds", "covers"), [(1, "these detectors"), (2, "few seeds"), (3, "methods")])
def test_what_an_interval_covers(seeds: int, covers: str) -> None:
    found = compare(*noisy(2, seeds, 8), 0)
    assert found.covers[1] == covers
    assert (found.se_seeds[1] == 0) or seeds > 1


def test_missing_seeds() -> None:
    values, without = noisy(4, 3, 8)
    values, without = values.copy(), without.copy()
    values[1, 2], without[1, 2] = np.nan, np.nan  # lacks a seed
    values[2], without[2] = np.nan, np.nan  # has none
    found = compare(values, without, 0)
    assert found.seeds.tolist() == [3, 2, 0, 3]
    assert found.value[1] == pytest.approx(np.nanmean(values[1]) - values[0].mean())
    assert np.isnan([found.value[2], found.low[2], found.p_holm[2]]).all()
    assert not np.isnan([found.low[1], found.low[3], found.simultaneous_low[3]]).any()
    paired = compare(values, without, 0, paired_seeds=True)
    assert paired.value[1] == pytest.approx((values[1] - values[0])[:2].mean())
    assert np.isnan(compare(values, without, 2).value).all()


# Blocks


def test_blocks_that_do_not_matter_are_not_counted() -> None:
    sizes = np.array([3, 2, 4, 3, 2, 5, 0, 0, 0])
    hits = np.array([[[1, 1, 2, 1, 0, 2, 0, 0, 0]], [[2, 1, 2, 3, 1, 4, 0, 0, 0]]])
    all_blocks, some = compare(*ratio(hits, sizes), 0), compare(*ratio(hits[..., :6], sizes[:6]), 0)
    assert all_blocks.blocks[1] == 6
    same(all_blocks, some)


def test_a_block_with_objects_matters_even_if_its_removal_changes_nothing() -> None:
    sizes = np.array([4, 2, 2, 4, 4])
    hits = np.array([[[2, 1, 0, 3, 2]], [[2, 1, 2, 1, 2]]])  # recall one half everywhere in the first
    assert compare(*ratio(hits, sizes), 0).blocks[1] == 2
    assert compare(*ratio(hits, sizes), 0, sizes=sizes).blocks[1] == 5


@pytest.mark.parametrize("blocks", [1, LEAST_BLOCKS - 1, LEAST_BLOCKS])
def test_few_blocks_have_no_limits(blocks: int) -> None:
    values, without = noisy(3, 3, blocks) if blocks > 1 else (np.ones((3, 3)), np.zeros((3, 3, 1)))
    found = compare(values, without, 0, sizes=np.ones(blocks))
    wanted = blocks < LEAST_BLOCKS
    for name in ("low", "high", "simultaneous_low", "p", "p_holm", "p_sign_flip", "detectable"):
        assert np.isnan(getattr(found, name)[1:]).all() == wanted, name
    assert not np.isnan(found.value[1:]).any()


def test_undefined_without_a_block_is_no_interval() -> None:
    values, without = noisy(3, 1, 8)
    without = without.copy()
    without[1, 0, 3] = np.nan
    found = compare(values, without, 0)
    assert math.isnan(found.low[1]) and not math.isnan(found.low[2])


def test_variance_of_a_choice_on_val_is_added() -> None:
    values, without = noisy(2, 1, 10)
    val = values[..., None] + np.array([[[0.0] * 4], [[0.1, -0.1, 0.1, -0.1]]])
    found, fixed = compare(values, without, 0, val), compare(values, without, 0)
    assert found.se_val[1] == pytest.approx(math.sqrt(3 / 4 * 4 * 0.01))
    assert found.se_blocks[1] == fixed.se_blocks[1]
    assert found.high[1] - found.low[1] > fixed.high[1] - fixed.low[1]
    assert compare(values, without, 0, np.repeat(values[..., None], 4, -1)).low[1] == fixed.low[1]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="without"):
        compare(np.zeros((2, 3)), np.zeros((2, 4, 5)), 0)


# Draws and ranks


def test_draws_are_repeatable_and_hold_as_many_blocks_as_there_are() -> None:
    weights = draw_blocks(7, 50)
    assert weights.shape == (50, 7) and weights.dtype == np.float32 and (weights.sum(axis=1) == 7).all()
    assert (weights == draw_blocks(7, 50)).all() and (weights != draw_blocks(7, 50, seed=1)).any()


def test_ranks_of_sources_far_apart() -> None:
    draws = np.array([0.1, 0.9, 0.5])[:, None, None] + 0.01 * np.random.default_rng(0).normal(
        size=(3, 2, 400)
    )
    found = ranks(draws)
    assert found.rank.tolist() == found.low.tolist() == found.high.tolist() == [3, 1, 2]
    assert found.p_best.tolist() == [0, 1, 0]
    assert ranks(draws, larger_is_better=False).rank.tolist() == [1, 3, 2]


def test_ranks_of_equal_sources_are_open() -> None:
    found = ranks(np.random.default_rng(0).normal(size=(5, 1, 4000)), np.zeros((5, 1)))
    assert found.p_best == pytest.approx([0.2] * 5, abs=0.03)
    assert found.rank.tolist() == [3] * 5
    assert found.low.tolist() == [1] * 5 and found.high.tolist() == [5] * 5


def test_a_monotone_transformation_changes_no_rank() -> None:
    draws = np.random.default_rng(0).normal(size=(4, 1, 500)) + np.arange(4)[:, None, None]
    one, other = ranks(draws), ranks(np.exp(draws))
    for name in ("p_best", "rank", "low", "high"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_twins_share_the_first_place() -> None:
    draws = np.random.default_rng(0).normal(size=(1, 1, 100)).repeat(2, axis=0)
    assert ranks(draws).p_best.tolist() == [0.5, 0.5]


def test_seeds_are_drawn_for_each_source_or_for_all_together() -> None:
    """Seeds at 0 and 1 of both sources: drawn together neither wins, apart the luckier one does."""
    draws = np.tile(np.array([0.0, 1.0])[None, :, None], (2, 1, 2000))
    draws[1] += 0.1
    assert ranks(draws, paired_seeds=True).p_best.tolist() == [0, 1]
    # Apart: the first wins with a larger mean, (1/4 1/2) + (1/2 1/4) + (1/4 1/4).
    assert ranks(draws).p_best[0] == pytest.approx(5 / 16, abs=0.04)


def test_parts_of_the_variance() -> None:
    generator = np.random.default_rng(0)
    draws = np.array([-1.0, 0.0, 1.0])[None, :, None] + 0.3 * generator.normal(size=(2, 1, 5000))
    found = ranks(draws)
    assert found.se_seeds == pytest.approx([1 / math.sqrt(3)] * 2)
    assert found.se_blocks == pytest.approx([0.3] * 2, rel=0.05)


def test_missing_seeds_and_draws_in_ranks() -> None:
    draws = np.random.default_rng(0).normal(size=(3, 2, 300)) + np.array([0, 5, 0])[:, None, None]
    draws[1, 1], draws[2] = np.nan, np.nan
    draws[0, :, 7] = np.nan  # a draw without an object
    found = ranks(draws)
    assert found.rank[:2].tolist() == [2, 1] and found.p_best[:2].tolist() == [0, 1]
    assert found.se_seeds[1] == 0
    assert np.isnan([found.rank[2], found.p_best[2], found.low[2], found.se_blocks[2]]).all()
