"""Every fusion metric against stored values of the reference evaluators, and against plain code."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from regionfuse.fusion.metrics.benchmark import scene
from regionfuse.fusion.metrics.registry import METRICS
from regionfuse.fusion.metrics.score import score_files, score_images

STORED = tuple(METRICS)[:14]
LOOSE = {"Qcb": 5e-4, "Qcb_zoo": 5e-4}


@pytest.mark.parametrize(
    "chosen", [("SAGE", "tno", "05.png"), ("SHIP", "tno", "06.png"), ("SHIP", "tno", "03.png")]
)
def test_values_of_the_reference_evaluators(shared: Path, chosen: tuple[str, str, str]) -> None:
    _compare(shared, [row for row in _rows(shared) if (row["method"], row["set"], row["image"]) == chosen])


@pytest.mark.slow
def test_all_values_of_the_reference_evaluators(shared: Path) -> None:
    _compare(shared, _rows(shared))


def _rows(shared: Path) -> list[dict[str, object]]:
    path = shared / "golden" / "metrics.json"
    if not path.is_file():
        pytest.skip("the stored values of the reference evaluators are not here")
    return json.loads(path.read_bytes())


def _compare(shared: Path, rows: list[dict[str, object]]) -> None:
    assert rows
    for row in rows:
        files = [shared / str(row[role]) for role in ("infrared", "visible", "fused")]
        found = score_files(*files, STORED)
        assert list(found) == list(STORED)
        for name, value in found.items():
            assert value == pytest.approx(row[name], rel=LOOSE.get(name, 1e-5)), f"{name} of {files[2]}"


@pytest.mark.parametrize("size", [(97, 64), (64, 81)])
def test_plain_numpy_and_scipy_agree(size: tuple[int, int]) -> None:
    pytest.importorskip("scipy")
    from regionfuse.fusion.metrics.plain import PLAIN

    images = scene(*size, seed=3)
    found = score_images(*images, PLAIN)
    assert set(PLAIN) == set(tuple(METRICS)[:13])
    for name, function in PLAIN.items():
        assert found[name] == pytest.approx(function(*images), rel=1e-6), name


def test_nabf_is_what_preservation_and_loss_leave() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    images = [image.astype(np.float64) for image in scene(41, 53, seed=4)]
    gradients = []
    for image in images:
        x, y = (ndimage.sobel(image, axis=axis, mode="nearest") / 8 for axis in (1, 0))
        angle = np.where(x == 0, np.pi / 2, np.arctan(-y / np.where(x == 0, 1, x)))
        gradients.append((np.hypot(x, y), angle))
    (g_f, a_f) = gradients[2]
    kept = lost = made_up = weights = 0.0
    for index in np.ndindex(g_f.shape):
        stronger = all(g_f[index] > g[index] for g, _ in gradients[:2])
        for g, a in gradients[:2]:
            low, high = sorted((g[index], g_f[index]))
            ratio = low / high if high else 0.0
            turned = abs(abs(a[index] - a_f[index]) - math.pi / 2) / (math.pi / 2)
            of_strength = 0.9999 / (1 + math.exp(-19 * (ratio - 0.5)))
            of_angle = 0.9995 / (1 + math.exp(-22 * (turned - 0.5)))
            quality = math.sqrt(of_strength * of_angle)
            weight = g[index] ** 1.5 if g[index] >= 2 else 0.001
            weights += weight
            kept += quality * weight
            made_up += (1 - quality) * weight * stronger
            lost += (1 - quality) * weight * (not stronger)
    assert kept + lost + made_up == pytest.approx(weights)
    assert score_images(*images, ["Nabf"])["Nabf"] == pytest.approx(made_up / weights, rel=1e-5)


def test_multiscale_similarity_of_two_dimensional_windows() -> None:
    signal = pytest.importorskip("scipy.signal")
    images = [image.astype(np.float64) for image in scene(181, 177, seed=5)]
    axis = np.arange(11) - 5
    window = np.exp(-(axis[:, None] ** 2 + axis**2) / 4.5)
    window /= window.sum()

    def index(first: np.ndarray, second: np.ndarray) -> float:
        result = 1.0
        for scale, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
            if scale:
                first, second = (_halved(image) for image in (first, second))
            m1, m2, s1, s2, s12 = (
                signal.convolve2d(image, window, mode="valid")
                for image in (first, second, first * first, second * second, first * second)
            )
            likeness = (2 * (s12 - m1 * m2) + 58.5225) / (s1 - m1**2 + s2 - m2**2 + 58.5225)
            if scale == 4:
                likeness = likeness * (2 * m1 * m2 + 6.5025) / (m1**2 + m2**2 + 6.5025)
            result *= float(likeness.mean()) ** exponent
        return result

    expected = (index(images[0], images[2]) + index(images[1], images[2])) / 2
    assert score_images(*images, ["MS_SSIM"])["MS_SSIM"] == pytest.approx(expected, rel=1e-9)


def _halved(image: np.ndarray) -> np.ndarray:
    height, width = (side // 2 * 2 for side in image.shape)
    cut = image[:height, :width]
    return (cut[::2, ::2] + cut[1::2, ::2] + cut[::2, 1::2] + cut[1::2, 1::2]) / 4


def test_feature_mutual_information_window_by_window() -> None:
    images = [image.astype(np.float64) for image in scene(13, 17, seed=6)]
    images[2][:4, :5] = images[0][:4, :5]  # equal windows
    images[2][8:, :6] = 90  # flat ones
    images[1][8:, :6] = 30  # flat in both
    values = []
    for top, left in np.ndindex(11, 15):
        a, b, f = (image[top : top + 3, left : left + 3].ravel() for image in images)
        values += [_shared(a, f), _shared(b, f)]
    assert score_images(*images, ["FMI"])["FMI"] == pytest.approx(np.mean(values), rel=1e-4)


def _shared(a: np.ndarray, f: np.ndarray) -> float:
    p, q = (_share(window) for window in (a, f))
    if np.allclose(p, q, atol=1e-12):
        return 1.0
    if np.ptp(p) < 1e-12 or np.ptp(q) < 1e-12:
        return 0.0
    correlation = np.corrcoef(p, q)[0, 1]
    cp, cq = np.concatenate([[0], np.cumsum(p)]), np.concatenate([[0], np.cumsum(q)])

    def bound(i: int, j: int) -> float:  # the joint distribution function
        return min(cp[i], cq[j]) if correlation >= 0 else max(cp[i] + cq[j] - 1, 0)

    cells = [(i, j) for i in range(9) for j in range(9)]
    extreme = np.array(
        [
            [bound(i + 1, j + 1) - bound(i, j + 1) - bound(i + 1, j) + bound(i, j) for j in range(9)]
            for i in range(9)
        ]
    )
    position = np.arange(9)
    means = p @ position, q @ position
    covariance = sum(extreme[i, j] * (i - means[0]) * (j - means[1]) for i, j in cells)
    deviations = math.sqrt((p @ (position - means[0]) ** 2) * (q @ (position - means[1]) ** 2))
    weight = min(correlation * deviations / covariance, 1.0) if abs(covariance) > 1e-7 else 0.0
    joint = weight * extreme + (1 - weight) * np.outer(p, q)
    information = sum(
        joint[i, j] * math.log(joint[i, j] / (p[i] * q[j])) for i, j in cells if joint[i, j] > 1e-15
    )
    entropies = sum(-x * math.log(x) for x in (*p, *q) if x > 0)
    return 2 * information / entropies if entropies > 0 else 0.0


def _share(window: np.ndarray) -> np.ndarray:
    window = window - window.min()
    return window / window.sum() if window.sum() > 0 else np.full(9, 1 / 9)
