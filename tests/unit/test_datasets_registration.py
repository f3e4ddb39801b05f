"""The doctor's registration check: a known shift is recovered, registered halves are not flagged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from regionfuse.datasets.doctor import examine
from regionfuse.datasets.images import write_png
from regionfuse.datasets.registration import Registration, measure

SHIFT = (4, -3)  # of the visible half, right and down


def scene(seed: int, width: int = 224, height: int = 176) -> tuple[np.ndarray, np.ndarray]:
    """Return infrared and visible of shapes that are of unrelated grey levels in the two."""
    rng = np.random.default_rng(seed)
    halves = [np.full((height, width), rng.integers(60, 190), np.float32) for _ in range(2)]
    for _ in range(30):
        corners = rng.integers((0, 0), (width, height), (3, 2)) + rng.integers(-30, 30, (3, 2))
        for half in halves:
            cv2.fillPoly(half, [corners.astype(np.int32)], float(rng.integers(0, 256)))
    noisy = [
        np.clip(cv2.GaussianBlur(half, (0, 0), 1) + rng.normal(0, 4, half.shape), 0, 255) for half in halves
    ]
    return noisy[0].astype(np.uint8), noisy[1].astype(np.uint8)


def folder(root: Path, shift: tuple[int, int], count: int = 9) -> list[tuple[Path, Path]]:
    files = []
    for seed in range(count):
        infrared, visible = scene(seed)
        right, down = shift
        pair = root / "ir" / f"{seed}.png", root / "vi" / f"{seed}.png"
        write_png(pair[0], infrared[20:156, 20:204])
        write_png(pair[1], visible[20 - down : 156 - down, 20 - right : 204 - right])
        files.append(pair)
    return files


def test_a_known_shift_is_recovered(tmp_path: Path) -> None:
    result = measure(folder(tmp_path, SHIFT))
    assert result is not None and result.measured >= 7
    assert (result.dx, result.dy) == pytest.approx(SHIFT, abs=0.3)
    assert result.error_x < 0.3 and result.far == 1 and result.significant
    report = examine("folders", tmp_path)
    (found,) = [each for each in report.findings if each.code == "registration"]
    assert found.level == "warning" and "+4.0 px right and -3.0 px below" in found.message


def test_registered_halves_are_not_flagged(tmp_path: Path) -> None:
    result = measure(folder(tmp_path, (0, 0)))
    assert result is not None and result.measured >= 7 and not result.significant
    assert np.hypot(result.dx, result.dy) < 0.3 and result.far < 0.2
    assert "registration" not in {each.code for each in examine("folders", tmp_path).findings}


def test_unrelated_halves_are_not_measured(tmp_path: Path) -> None:
    files = folder(tmp_path, (0, 0))
    strange = [(files[k][0], files[(k + 1) % len(files)][1]) for k in range(len(files))]
    result = measure(strange)
    assert result is not None and not result.significant and result.measured < 5
    assert measure(files[:1]) is None and measure([]) is None


def test_what_is_significant() -> None:
    one = Registration(40, 30, dx=3.0, dy=0.0, error_x=0.5, error_y=0.5, spread=1.0, far=0.3)
    assert one.significant
    assert not Registration(40, 30, 3.0, 0.0, 1.5, 1.5, 1.0, 0.3).significant  # not certain
    assert not Registration(40, 30, 0.8, 0.0, 0.1, 0.1, 1.0, 0.3).significant  # certain, too small to matter
    assert Registration(40, 30, 0.1, 0.0, 0.5, 0.5, 4.0, 0.9).significant  # every pair by another offset
    assert not Registration(40, 4, 9.0, 9.0, 0.1, 0.1, 1.0, 1.0).significant  # too few pairs
