"""Batches: a function of (seed, epoch), the same union for any number of processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from regionfuse.datasets.errors import ConfigError, DataError
from regionfuse.datasets.images import write_png
from regionfuse.datasets.records import Pair
from regionfuse.fusion.training.data import (
    DecodedPairs,
    EpochOrder,
    epoch_draws,
    hash_pairs,
    patch_loader,
)
from regionfuse.fusion.training.options import TrainingOptions


def make_pairs(folder: Path, count: int, width: int = 40, height: int = 36) -> list[Pair]:
    rng = np.random.default_rng(3)
    pairs = []
    for number in range(count):
        paths = [folder / kind / f"{number:03d}.png" for kind in ("ir", "vis")]
        write_png(paths[0], rng.integers(0, 256, (height, width), dtype=np.uint8))
        write_png(paths[1], rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        pairs.append(Pair(f"{number:03d}", *paths, width, height))
    return pairs


def batches(pairs: list[Pair], options: TrainingOptions, epoch: int, workers: int = 0) -> list[torch.Tensor]:
    order = EpochOrder(len(pairs), options)
    loader = patch_loader(DecodedPairs(pairs), order, options, workers, pin=False)
    order.epoch = epoch
    return [torch.cat([batch.rgb, batch.infrared], 1) for batch in loader]


def test_draws_are_whole_passes_with_distinct_draw_numbers() -> None:
    draws = epoch_draws(5, 12, seed=1, epoch=2)
    assert len(draws) == 12
    assert sorted(index for _, index, _ in draws[:5]) == [0, 1, 2, 3, 4]
    assert sorted(index for _, index, _ in draws[5:10]) == [0, 1, 2, 3, 4]
    assert len({draw for *_, draw in draws}) == 12
    assert {epoch for epoch, *_ in draws} == {2}


def test_order_depends_on_seed_and_epoch_only() -> None:
    assert epoch_draws(9, 9, 0, 1) == epoch_draws(9, 9, 0, 1)
    assert [d[1] for d in epoch_draws(9, 9, 0, 1)] != [d[1] for d in epoch_draws(9, 9, 0, 2)]
    assert epoch_draws(9, 9, 0, 1) != epoch_draws(9, 9, 1, 1)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_processes_share_each_batch(size: int) -> None:
    options = TrainingOptions(batch_size=4)
    alone = [set(batch) for batch in EpochOrder(10, options)]
    shares = [list(EpochOrder(10, options, rank, size)) for rank in range(size)]
    assert len(alone) == 3
    for number, whole in enumerate(alone):
        parts = [share[number] for share in shares]
        assert {len(part) for part in parts} == {4 // size}
        assert set().union(*parts) == whole


def test_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigError, match="use 6 or 9"):
        EpochOrder(10, TrainingOptions(batch_size=8), 0, 3)


def test_steps_per_epoch() -> None:
    assert len(EpochOrder(3, TrainingOptions(batch_size=8))) == 1
    assert len(EpochOrder(3, TrainingOptions(batch_size=8, steps_per_epoch=5))) == 5
    assert [len(batch) for batch in EpochOrder(3, TrainingOptions(batch_size=8, steps_per_epoch=5))] == [
        8
    ] * 5


def test_patches_repeat_exactly_and_change_with_the_epoch(tmp_path: Path) -> None:
    pairs = make_pairs(tmp_path, 3)
    options = TrainingOptions(batch_size=2, patch=16, steps_per_epoch=3)
    first, again, later = (batches(pairs, options, epoch) for epoch in (0, 0, 1))
    assert first[0].shape == (2, 4, 16, 16)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, later, strict=True))


def test_workers_change_nothing(tmp_path: Path) -> None:
    pairs = make_pairs(tmp_path, 3)
    options = TrainingOptions(batch_size=2, patch=16, steps_per_epoch=3)
    for a, b in zip(batches(pairs, options, 1), batches(pairs, options, 1, workers=2), strict=True):
        assert torch.equal(a, b)


def test_cache_decodes_once_within_its_limit(tmp_path: Path) -> None:
    pairs = make_pairs(tmp_path, 3)
    one = 40 * 36 * 4
    decoded = DecodedPairs(pairs, limit=2 * one)
    before = [decoded[index][0].copy() for index in range(3)]
    for pair in pairs:
        pair.visible.unlink()
    for index in range(2):
        assert np.array_equal(decoded[index][0], before[index])
    with pytest.raises(DataError):
        decoded[2]


def test_decoding_is_exact(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_png(tmp_path / "ir.png", levels)
    write_png(tmp_path / "vis.png", np.dstack([levels, levels.T, 255 - levels]))
    visible, infrared = DecodedPairs([Pair("a", tmp_path / "ir.png", tmp_path / "vis.png", 16, 16)])[0]
    assert np.array_equal(infrared, levels)
    assert np.array_equal(visible[..., 2], 255 - levels)


def test_halves_of_different_size_are_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "ir.png", np.zeros((8, 9), np.uint8))
    write_png(tmp_path / "vis.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match=r"8 x 8 but .* is 9 x 8"):
        DecodedPairs([Pair("a", tmp_path / "ir.png", tmp_path / "vis.png", 8, 8)])[0]


def test_hash_follows_contents_not_place(tmp_path: Path) -> None:
    here, there = make_pairs(tmp_path / "a", 2), make_pairs(tmp_path / "b", 2)
    assert hash_pairs(here) == hash_pairs(there[::-1])
    write_png(there[0].infrared, np.zeros((36, 40), np.uint8))
    assert hash_pairs(here)[0] != hash_pairs(there)[0]
    assert hash_pairs(here)[1] == hash_pairs(there)[1]
