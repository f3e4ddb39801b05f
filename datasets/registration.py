"""How far apart the two halves of pairs lie: phase correlation of their edges.

A check, not a correction. One shift per pair is measured; parallax, which moves near objects more than far
ones, shows as a spread between pairs. A single pair is good to about 2 px on real street scenes, the median
over pairs to less than one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .findings import Findings
from .images import BT601_LUMA, decode
from .pairing import Matching

Progress = Callable[[int, int, str], None]
SAMPLED_PAIRS = 40
"""Pairs that the doctor looks at, evenly spread over the set."""
LEAST_PAIRS = 5
"""With fewer measured pairs nothing is said."""
FAR = 2.0
"""Offset in pixels from which a pair is counted as out of register."""
_SYSTEMATIC = 1.0  # px; a median offset below changes no box at the IoU of any measure used here
_CONFIDENT = 3.0  # standard errors
_BLUR = 1.0  # px; removes sensor noise before the gradient


@dataclass(frozen=True)
class Registration:
    """Offset of the visible against the infrared halves of a set, in pixels; x to the right, y downwards.

    Attributes:
        pairs: pairs looked at.
        measured: pairs whose correlation peak is higher than that of any two unrelated halves.
        dx: median offset over the measured pairs.
        dy: the same, downwards.
        error_x: standard error of ``dx``.
        error_y: standard error of ``dy``.
        spread: median distance of the measured pairs from the median offset.
        far: share of the measured pairs that are more than :data:`FAR` pixels apart.
    """

    pairs: int
    measured: int
    dx: float
    dy: float
    error_x: float
    error_y: float
    spread: float
    far: float

    @property
    def significant(self) -> bool:
        """Whether the halves are out of register: all by one offset, or most pairs each by its own."""
        if self.measured < LEAST_PAIRS:
            return False
        systematic = any(
            abs(value) > max(_SYSTEMATIC, _CONFIDENT * error)
            for value, error in ((self.dx, self.error_x), (self.dy, self.error_y))
        )
        return systematic or self.far > 0.5


def check_registration(
    matching: Matching,
    sizes: dict[str, tuple[int, int]],
    found: Findings,
    progress: Callable[[int, int, str], None] | None,
) -> None:
    """Measure a sample of the sound pairs and report when they are out of register."""
    stems = list(sizes)
    chosen = stems[:: max(1, -(-len(stems) // SAMPLED_PAIRS))]
    result = measure([matching.pairs[stem] for stem in chosen], progress)
    if result is not None and result.significant:
        example = (
            f"visible lies {result.dx:+.1f} px right and {result.dy:+.1f} px below infrared (standard errors "
            f"{result.error_x:.1f} and {result.error_y:.1f}; median of {result.measured} measured of "
            f"{result.pairs} pairs looked at), spread {result.spread:.1f} px, {100 * result.far:.0f} % of "
            f"them more than {FAR:g} px apart"
        )
        found.add("warning", "registration", "infrared and visible are out of register", example)


def measure(
    pairs: Sequence[tuple[Path, Path]], progress: Callable[[int, int, str], None] | None = None
) -> Registration | None:
    """Measure the offset of pairs of image files of equal size.

    Halves of different pairs (cut to one size) are correlated as well: their highest peak is what chance
    gives, and pairs whose own peak is not higher are not measured.

    Args:
        pairs: infrared and visible files.
        progress: called with (pairs done, pairs, message).

    Returns:
        None when fewer than two pairs are given or readable.
    """
    halves: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    with ThreadPoolExecutor(max_workers=4) as pool:
        for number, edges in enumerate(pool.map(_edges_of_pair, pairs), start=1):
            if edges is not None:
                halves.append(edges)
            if progress is not None:
                progress(number, len(pairs), "measure registration")
        if len(halves) < 2:
            return None
        count = len(halves)
        own = np.array(list(pool.map(lambda pair: offset(*pair), halves)))
        strange = [(halves[k][0], halves[(k + max(1, count // 2)) % count][1]) for k in range(count)]
        chance = max(peak for _, _, peak in pool.map(lambda pair: offset(*_cut(*pair)), strange))
    good = own[own[:, 2] > chance, :2]
    if not len(good):
        return Registration(len(pairs), 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    centre = np.median(good, axis=0)
    # 1.4826 MAD estimates a standard deviation, sqrt(pi/2) sd / sqrt(n) is the standard error of a median.
    error = np.sqrt(np.pi / 2 / len(good)) * 1.4826 * np.median(np.abs(good - centre), axis=0)
    return Registration(
        pairs=len(pairs),
        measured=len(good),
        dx=float(centre[0]),
        dy=float(centre[1]),
        error_x=float(error[0]),
        error_y=float(error[1]),
        spread=float(np.median(np.hypot(*(good - centre).T))),
        far=float(np.mean(np.hypot(*good.T) > FAR)),
    )


def edges(image: NDArray[np.floating] | NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the edge map of an image: the root of the gradient magnitude, less its mean.

    The sign of an edge differs between modalities, hence the magnitude; the root keeps a few strong edges
    (lamps, hot engines) from deciding alone.

    Args:
        image: ``H x W`` or ``H x W x 3`` RGB, any range.
    """
    plane = image.astype(np.float32)
    if plane.ndim == 3:
        plane = plane @ BT601_LUMA
    smooth = cv2.GaussianBlur(plane, (0, 0), _BLUR)
    gradient = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    root = np.sqrt(gradient)
    return (root - root.mean()).astype(np.float32)


def offset(infrared: NDArray[np.float32], visible: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return how far the visible edges lie right of and below the infrared ones, and the height of the peak.

    Args:
        infrared: edge map, ``H x W``.
        visible: edge map of the same shape.

    Returns:
        dx and dy in pixels, and the share of the correlation's energy at the peak, at most 1.
    """
    window = cv2.createHanningWindow((infrared.shape[1], infrared.shape[0]), cv2.CV_32F)
    (dx, dy), peak = cv2.phaseCorrelate(infrared, visible, window)
    return float(dx), float(dy), float(peak)


def _edges_of_pair(pair: tuple[Path, Path]) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    try:
        infrared, visible = (decode(path) for path in pair)
    except DataError:
        return None  # The doctor has told that it is unreadable.
    if infrared.shape[:2] != visible.shape[:2]:
        return None
    return edges(infrared), edges(visible)


def _cut(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    height, width = min(first.shape[0], second.shape[0]), min(first.shape[1], second.shape[1])
    return np.ascontiguousarray(first[:height, :width]), np.ascontiguousarray(second[:height, :width])
