"""Paired augmentation: same geometry, repeatable, and varied."""

from __future__ import annotations

import numpy as np
import pytest

from regionfuse.datasets.augment import PairedAugmentation


def ramp(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """An infrared image whose value tells the pixel, and a visible one that repeats it in three channels."""
    infrared = (np.arange(height * width, dtype=np.float32) / (height * width)).reshape(height, width)
    visible = np.stack([infrared, infrared * 0.5, 1 - infrared], axis=2)
    return infrared, visible


@pytest.mark.parametrize("size", [(40, 60), (33, 47), (10, 50), (5, 7), (1, 9), (32, 32)])
def test_geometry_is_shared_and_size_is_the_patch(size: tuple[int, int]) -> None:
    infrared, visible = ramp(*size)
    augment = PairedAugmentation(32, seed=1)
    for index in range(12):
        patch, colour = augment(infrared, visible, epoch=0, index=index)
        assert patch.shape == (32, 32) and colour.shape == (32, 32, 3)
        assert patch.dtype == colour.dtype == np.float32
        np.testing.assert_array_equal(colour[..., 0], patch)
        np.testing.assert_allclose(colour[..., 2], 1 - patch, atol=1e-6)


def test_same_key_same_patch_whatever_came_before() -> None:
    infrared, visible = ramp(64, 80)
    first, second = PairedAugmentation(16, seed=3), PairedAugmentation(16, seed=3)
    wanted = first(infrared, visible, epoch=2, index=5)
    for index in range(4):
        second(infrared, visible, epoch=0, index=index)
    again = second(infrared, visible, epoch=2, index=5)
    np.testing.assert_array_equal(wanted[0], again[0])
    np.testing.assert_array_equal(wanted[1], again[1])


def test_epoch_index_and_seed_all_matter() -> None:
    infrared, visible = ramp(64, 80)
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    patches = [PairedAugmentation(16, s)(infrared, visible, epoch=e, index=i)[0] for s, e, i in keys]
    for a in range(len(patches)):
        for b in range(a):
            assert not np.array_equal(patches[a], patches[b])


def test_all_eight_turns_happen_independently_of_the_crop() -> None:
    infrared, visible = ramp(9, 8)  # two crops possible
    augment = PairedAugmentation(8, seed=0)
    seen = {augment(infrared, visible, epoch=0, index=i)[0].tobytes() for i in range(200)}
    assert len(seen) == 16


def test_different_sizes_are_refused() -> None:
    infrared, visible = ramp(20, 20)
    with pytest.raises(ValueError, match="differ in size"):
        PairedAugmentation(8, 0)(infrared[:-1], visible, epoch=0, index=0)
