"""Signatures: what counts as the same scene, and the cache."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from regionfuse.datasets import similarity
from regionfuse.datasets.errors import DataError
from regionfuse.datasets.images import write_png
from regionfuse.datasets.load import pair_folders
from regionfuse.datasets.records import PairSet
from regionfuse.datasets.similarity import (
    THRESHOLD,
    Near,
    Signatures,
    most_similar,
    near_duplicates,
    signature,
    signatures,
)


def scene(seed: int, height: int = 192, width: int = 256) -> np.ndarray:
    """A random scene: dark ground, bright sky, and boxes of all sizes."""
    rng = np.random.default_rng(seed)
    image = np.linspace(200, 60, height)[:, None] * np.ones(width)
    for _ in range(30):
        x, y = rng.integers(0, width - 20), rng.integers(0, height - 20)
        w, h = rng.integers(8, 70, 2)
        image[y : y + h, x : x + w] = rng.integers(0, 256)
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(signature(first) @ signature(second))


def moved(image: np.ndarray, right: int, down: int) -> np.ndarray:
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    return cv2.warpAffine(image, matrix, image.shape[::-1], borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("seed", range(5))
def test_what_keeps_an_image_the_same(seed: int) -> None:
    image = scene(seed)
    noisy = image + np.random.default_rng(9).normal(0, 12, image.shape)
    for changed in (
        moved(image, 5, 2),
        (image * 0.5 + 20).astype(np.uint8),
        np.clip(image * 1.2 + 10.0, 0, 255).astype(np.uint8),
        np.clip(noisy, 0, 255).astype(np.uint8),
        cv2.resize(image, (410, 300), interpolation=cv2.INTER_AREA),
        cv2.copyMakeBorder(image, 20, 12, 30, 0, cv2.BORDER_CONSTANT, value=0),
        np.dstack([image] * 3),
        image.astype(np.uint16) * 16 + 7000,
    ):
        assert cosine(image, changed) > THRESHOLD + 0.1


def test_other_scenes_are_other() -> None:
    vectors = np.stack([signature(scene(seed)) for seed in range(40)])
    similar = vectors @ vectors.T
    assert similar[np.triu_indices(40, 1)].max() < THRESHOLD - 0.1


def test_flat_images_resemble_only_each_other() -> None:
    black, grey = np.zeros((60, 80), np.uint8), np.full((60, 80), 90, np.uint8)
    assert cosine(black, grey) == pytest.approx(1)
    assert cosine(black, scene(0)) == 0
    assert np.linalg.norm(signature(np.zeros((1, 1), np.uint8))) == pytest.approx(1)


@pytest.fixture
def pairs(tmp_path: Path) -> PairSet:
    # 1 and 4 show one scene; 2 shares only its infrared image with 3.
    for stem, infrared, visible in (("1", 0, 10), ("2", 1, 11), ("3", 1, 12), ("4", 0, 10)):
        first, second = scene(infrared), scene(visible)
        if stem == "4":
            first, second = moved(first, 3, 1), moved(second, 3, 1)
        write_png(tmp_path / "ir" / f"{stem}.png", first)
        write_png(tmp_path / "vi" / f"{stem}.png", np.dstack([second] * 3))
    return pair_folders(tmp_path / "ir", tmp_path / "vi")


def named(near: Near) -> list[tuple[str, str]]:
    return [(near.stems[first], near.stems[second]) for first, second in near.couples]


def test_both_modalities_must_agree(pairs: PairSet) -> None:
    found = signatures(pairs)
    near = near_duplicates(found)
    assert named(near) == [("1", "4")] and near.similar[0] == found.similarity(*np.array([[0], [3]]))[0, 0]
    assert most_similar(found.select(["4", "2"]), found.select(["1", "3"]))[0] == (
        "1",
        float(near.similar[0]),
    )
    assert most_similar(found.select(["4", "2"]), found.select(["1", "3"]))[1][1] < THRESHOLD
    assert len(set(found.hashes)) == 4


def test_blocks_change_nothing(pairs: PairSet, monkeypatch: pytest.MonkeyPatch) -> None:
    found = signatures(pairs)
    whole = near_duplicates(found, threshold=-1)
    monkeypatch.setattr(similarity, "_BLOCK", 3)
    part = near_duplicates(found, threshold=-1)
    assert len(whole.couples) == 6 and sorted(named(part)) == sorted(named(whole))
    by_couple = dict(zip(named(whole), whole.similar, strict=True))
    assert by_couple == dict(zip(named(part), part.similar, strict=True))


def test_similarities_are_exact_whatever_the_order_of_sums() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 2, 1025)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    stems = tuple(str(number) for number in range(50))
    order = np.random.default_rng(1).permutation(1025)
    rows = np.arange(50)
    plain, shuffled = Signatures(stems, vectors, stems), Signatures(stems, vectors[:, :, order], stems)
    np.testing.assert_array_equal(plain.similarity(rows, rows), shuffled.similarity(rows, rows))
    np.testing.assert_array_equal(
        plain.similarity(rows, rows)[rows[:-1], rows[1:]], plain.couples(rows[:-1], rows[1:])
    )
    exact = np.einsum("imd,jmd->ijm", vectors.astype(float), vectors).min(axis=2)
    assert np.abs(plain.similarity(rows, rows) - exact).max() < 2e-3


def test_cache(pairs: PairSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache.npz"
    calls: list[tuple[int, int, str]] = []
    first = signatures(pairs, progress=lambda *call: calls.append(call), cache=cache)
    assert [call[:2] for call in calls] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    read: list[Path] = []
    original = similarity.decode

    def watched(path: Path) -> np.ndarray:
        read.append(path)
        return original(path)

    monkeypatch.setattr(similarity, "decode", watched)
    again = signatures(pairs, cache=cache)
    assert read == []
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert first.hashes == again.hashes
    write_png(pairs["2"].visible, scene(77))
    changed = signatures(pairs, cache=cache)
    assert read == [pairs["2"].infrared, pairs["2"].visible]
    assert not np.array_equal(first.vectors[1], changed.vectors[1])


def test_damaged_cache_is_made_anew(pairs: PairSet, tmp_path: Path) -> None:
    cache = tmp_path / "cache.npz"
    cache.write_bytes(b"PK not really")
    assert len(signatures(pairs, cache=cache).stems) == 4
    assert cache.stat().st_size > 1000


def test_unreadable_image(pairs: PairSet) -> None:
    pairs["3"].visible.write_bytes(b"x")
    with pytest.raises(DataError, match=r"3\.png"):
        signatures(pairs)


def test_four_thousand_pairs_are_compared_quickly() -> None:
    import time

    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4200, 2, 65)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    stems = tuple(f"{index:05}" for index in range(4200))
    start = time.process_time()
    assert len(near_duplicates(Signatures(stems, vectors, stems), threshold=0.9).couples) == 0
    assert time.process_time() - start < 10
