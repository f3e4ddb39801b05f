"""What gets between the scene and the visible camera: smoke, dazzling light, uneven exposure."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import SUPERSAMPLE
from .noise import clouds
from .scene import Scene


@dataclass(frozen=True)
class Smoke:
    """Smoke between camera and scene in one frame.

    Attributes:
        thickness: optical thickness in the visible, ``H x W`` float32.
        colour: what the smoke scatters towards the camera, ``H x W x 3`` float32 linear RGB.
    """

    thickness: np.ndarray
    colour: np.ndarray


def draw_smoke(scene: Scene, depth: np.ndarray, frame: int) -> Smoke | None:
    """Return the smoke of a frame: a drifting low-frequency volume around the scene's plume, or None.

    Args:
        scene: gives the plume's place and its thickness.
        depth: ``H x W`` float32, metres, of what is behind the smoke.
        frame: number of the frame in its scene.
    """
    conditions, camera = scene.conditions, scene.camera
    if conditions.smoke == 0:
        return None
    height, width = camera.height, camera.width
    drift = round(frame * 0.012 * width)
    field = clouds(scene.stream(40), (height, 2 * width), width / 4, 4)[:, drift : drift + width]
    plume_x, plume_z = scene.plume
    (column, row), _ = (v[0] for v in camera.project(np.array([[plume_x, 1.2, plume_z + 3.5]])))
    across = (np.arange(width, dtype=np.float32) - column) / (0.30 * width)
    down = (np.arange(height, dtype=np.float32) - row) / (0.33 * height)
    # Dense in the middle, thinning outwards with ragged edges; nothing in front of the plume is hidden.
    distance = np.sqrt(across[None] ** 2 + down[:, None] ** 2) + 0.16 * field
    body = 1 / (1 + np.exp((distance - 0.95) * 5.5))
    behind = np.clip((depth - plume_z + 1.5) / 4.5, 0, 1)
    thickness = conditions.smoke * body * (0.9 + 0.12 * field) * behind
    tone = np.array([0.60, 0.60, 0.61], np.float32) * (np.asarray(conditions.ambient, np.float32) * 0.85)
    if conditions.night:
        tone = tone + np.array([0.030, 0.026, 0.020], np.float32)  # street light scattered by the smoke
    billows = 1 + 0.09 * np.clip(field, -2, 2)
    return Smoke(np.maximum(thickness, 0).astype(np.float32), (billows[..., None] * tone).astype(np.float32))


def dazzle(radiance: np.ndarray, scene: Scene) -> np.ndarray:
    """Add a low sun that shines into the lens: disc, halo, rays and the veil over the picture."""
    conditions, camera = scene.conditions, scene.camera
    if conditions.name != "glare":
        return radiance
    direction = np.asarray(conditions.sun_direction)
    (column, row), _ = (
        v[0] for v in camera.project(camera.above_ground * np.array([[0.0, 1.0, 0.0]]) + 500 * direction)
    )
    across = (np.arange(camera.width, dtype=np.float32) - column) / camera.width
    down = (np.arange(camera.height, dtype=np.float32) - row) / camera.width
    radius = np.sqrt(across[None] ** 2 + down[:, None] ** 2)
    angle = np.arctan2(down[:, None], across[None])
    rays = 1 + 0.35 * np.cos(6 * angle + scene.index) ** 8 + 0.2 * np.cos(7 * angle) ** 12
    glow = 6.0 * np.exp(-((radius / 0.03) ** 2)) + rays * (
        0.95 * np.exp(-radius / 0.085) + 0.42 * np.exp(-radius / 0.36)
    )
    return radiance + glow[..., None] * np.array([1.0, 0.86, 0.62], np.float32)


def rainfall(radiance: np.ndarray, scene: Scene, frame: int) -> np.ndarray:
    """Add streaks of falling rain, thin and pale, drawn anew for every frame."""
    camera = scene.camera
    if "rain" not in scene.conditions.tags:
        return radiance
    rng = scene.stream(42, frame)
    streaks = np.zeros((camera.height, camera.width), np.uint8)
    for x, y, long in rng.random((int(0.003 * streaks.size), 3)):
        start = (round(x * camera.width), round(y * camera.height))
        end = (start[0] - 1, start[1] + round((0.02 + 0.04 * long) * camera.height))
        cv2.line(streaks, start, end, 255, 1, cv2.LINE_AA)
    share = 0.11 * streaks[..., None].astype(np.float32) / 255
    return radiance * (1 - share) + 0.9 * np.asarray(scene.conditions.ambient, np.float32) * share


def uneven_exposure(scene: Scene) -> np.ndarray:
    """Return the gain over the picture, ``H x W`` float32: one part in deep shadow, the other burnt out."""
    camera = scene.camera
    if scene.conditions.name != "exposure":
        return np.ones((camera.height, camera.width), np.float32)
    rng = scene.stream(41)
    tilt, where = rng.uniform(-0.5, 0.5), rng.uniform(-0.12, 0.12)
    side = 1.0 if rng.random() < 0.5 else -1.0
    across = np.linspace(-0.5, 0.5, camera.width, dtype=np.float32)[None]
    down = np.linspace(-0.5, 0.5, camera.height, dtype=np.float32)[:, None]
    edge = side * (across + tilt * down - where)
    share = 1 / (1 + np.exp(-edge * 16))
    dark, bright = rng.uniform(0.018, 0.035), rng.uniform(2.6, 3.8)
    return np.exp(np.log(dark) * (1 - share) + np.log(bright) * share).astype(np.float32)


def depth_of(light: np.ndarray) -> np.ndarray:
    """Return the nearest depth per picture pixel from the supersampled light buffer."""
    height, width = light.shape[:2]
    return cv2.resize(
        np.ascontiguousarray(light[..., 3]),
        (width // SUPERSAMPLE, height // SUPERSAMPLE),
        interpolation=cv2.INTER_NEAREST,
    )
