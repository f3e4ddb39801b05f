"""Smooth random fields: clouds, worn asphalt, uneven walls, smoke."""

from __future__ import annotations

import cv2
import numpy as np


def clouds(rng: np.random.Generator, shape: tuple[int, int], coarsest: float, octaves: int = 4) -> np.ndarray:
    """Return multi-scale value noise.

    Args:
        rng: source of randomness.
        shape: height and width.
        coarsest: size of the largest blobs in pixels; every octave halves it.
        octaves: number of scales; each has half the strength of the one before.

    Returns:
        ``H x W`` float32 with mean about 0 and standard deviation about 1.
    """
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        cell = max(coarsest / 2**octave, 1.0)
        grid = rng.standard_normal((int(height / cell) + 3, int(width / cell) + 3), dtype=np.float32)
        wide, tall = int(grid.shape[1] * cell) + 1, int(grid.shape[0] * cell) + 1
        field = cv2.resize(grid, (max(wide, width), max(tall, height)), interpolation=cv2.INTER_CUBIC)
        total += field[:height, :width] * 0.5**octave
    return total / max(float(total.std()), 1e-6)


def on_ground(tile: np.ndarray, x: np.ndarray, z: np.ndarray, metres: float) -> np.ndarray:
    """Lay a square noise tile of ``metres`` length on the road, mirrored over and over; sample it at x and z.

    Far away, where a pixel covers much ground, the texture fades to its mean instead of flickering.
    """
    size = tile.shape[0]
    u = np.abs(np.mod(x / metres, 2.0) - 1.0) * (size - 1)  # mirrored, so that tiles meet without a seam
    v = np.abs(np.mod(z / metres, 2.0) - 1.0) * (size - 1)
    sampled = cv2.remap(tile, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR)
    return sampled * np.clip(14.0 / np.maximum(np.abs(z), 1.0), 0.0, 1.0).astype(np.float32)
