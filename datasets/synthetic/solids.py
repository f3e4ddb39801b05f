"""Building blocks of the objects: extruded bodies, patches on their panels, discs, limbs.

Frame of a solid: x forward, y left, z up, in metres, origin on the ground below its middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .canvas import BLACK, RGB, Face, Surface


@dataclass(frozen=True, slots=True)
class Panel:
    """One strip of an extruded body: a quad with corners (from left, from right, to right, to left)."""

    corners: np.ndarray  # 4 x 3 metres
    normal: tuple[float, float, float]

    def patch(self, across: tuple[float, float], along: tuple[float, float]) -> np.ndarray:
        """Return the ``4 x 3`` corners of a part of it; ``across`` 0 is left, ``along`` 0 is the start."""
        a, b, c, d = self.corners
        corners = []
        for u, v in (
            (across[0], along[0]),
            (across[1], along[0]),
            (across[1], along[1]),
            (across[0], along[1]),
        ):
            corners.append((a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v)
        return np.array(corners)


def extrude(profile: Sequence[tuple[float, float, float]]) -> tuple[list[Panel], np.ndarray]:
    """Sweep a side view across the body.

    Args:
        profile: (x, z, half width) from the rear bottom over the roof to the front bottom.

    Returns:
        The panels in that order, and the left side as ``N x 3`` points (mirror y for the right side).
    """
    panels = []
    for (x0, z0, w0), (x1, z1, w1) in pairwise(profile):
        corners = np.array([(x0, w0, z0), (x0, -w0, z0), (x1, -w1, z1), (x1, w1, z1)])
        length = max(float(np.hypot(x1 - x0, z1 - z0)), 1e-6)
        panels.append(Panel(corners, ((z0 - z1) / length, 0.0, (x1 - x0) / length)))
    return panels, np.array([(x, w, z) for x, z, w in profile])


def mirror(points: np.ndarray) -> np.ndarray:
    """Reflect points to the other side of the body."""
    return points * np.array([1.0, -1.0, 1.0])


def on_side(shape: Sequence[tuple[float, float]], half_width: float) -> np.ndarray:
    """Place an (x, z) polygon on the left side of a body."""
    return np.array([(x, half_width, z) for x, z in shape])


def disc(x: float, z: float, radius: float, half_width: float, corners: int = 14) -> np.ndarray:
    """Return a wheel-like disc on the left side of a body as ``corners x 3`` points."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.stack(
        [x + radius * np.cos(turn), np.full(corners, half_width), z + radius * np.sin(turn)], axis=1
    )


def flat(shape: Sequence[tuple[float, float]]) -> np.ndarray:
    """Place a cut-out's (right, up) polygon in the solid's frame (it is turned towards the camera later)."""
    return np.array([(0.0, -right, up) for right, up in shape])


def ellipse(right: float, up: float, a: float, b: float, corners: int = 12) -> list[tuple[float, float]]:
    """Return an ellipse of half axes ``a`` and ``b`` as (right, up) points of a cut-out."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return list(zip((right + a * np.cos(turn)).tolist(), (up + b * np.sin(turn)).tolist(), strict=True))


def limb(
    start: tuple[float, float], end: tuple[float, float], width: float, end_width: float | None = None
) -> list[tuple[float, float]]:
    """Return a tapered bar from ``start`` to ``end`` as (right, up) points of a cut-out."""
    (x0, y0), (x1, y1) = start, end
    length = max(float(np.hypot(x1 - x0, y1 - y0)), 1e-6)
    nx, ny = (y0 - y1) / length, (x1 - x0) / length
    a, b = width / 2, (width if end_width is None else end_width) / 2
    return [
        (x0 + nx * a, y0 + ny * a),
        (x1 + nx * b, y1 + ny * b),
        (x1 - nx * b, y1 - ny * b),
        (x0 - nx * a, y0 - ny * a),
    ]


def cutout(parts: Sequence[tuple[Sequence[tuple[float, float]], RGB, float]]) -> Face:
    """Make a camera-facing face of (polygon, colour, degrees Celsius) parts, painted in order."""
    return Face(None, tuple(Surface(flat(shape), colour, celsius) for shape, colour, celsius in parts))


def box(
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    colour: RGB,
    celsius: float,
    glow: RGB = BLACK,
) -> list[Face]:
    """Return the five upper faces of an upright box."""
    (x0, x1), (y0, y1), (z0, z1) = x, y, z
    quads = {
        (1.0, 0.0, 0.0): [(x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)],
        (-1.0, 0.0, 0.0): [(x0, y0, z0), (x0, y1, z0), (x0, y1, z1), (x0, y0, z1)],
        (0.0, 1.0, 0.0): [(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)],
        (0.0, -1.0, 0.0): [(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)],
        (0.0, 0.0, 1.0): [(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)],
    }
    return [Face(normal, (Surface(np.array(quad), colour, celsius, glow),)) for normal, quad in quads.items()]
