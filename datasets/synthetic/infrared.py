"""The infrared camera: temperatures through air and lens onto a bolometer with its own faults."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import Canvas
from .painter import shrink
from .scene import Scene
from .weather import Smoke


def render_infrared(canvas: Canvas, scene: Scene, frame: int, smoke: Smoke | None) -> np.ndarray:
    """Render the thermal picture of a painted frame, from its temperatures alone.

    Args:
        canvas: the painted frame.
        scene: gives the climate and the display range.
        frame: number of the frame in its scene; seeds the temporal noise.
        smoke: the smoke of this frame, or None; it hardly counts at 8 to 14 micrometres.

    Returns:
        ``H x W`` uint8 grey, white hot.
    """
    climate, camera = scene.conditions.climate, scene.camera
    celsius = shrink(canvas.matter[..., 3])
    depth = np.minimum(shrink(canvas.light[..., 3]), 300.0)
    scale = camera.width / 320
    clear = np.exp(-(0.005 if "rain" in scene.conditions.tags else 0.0012) * depth)
    celsius = np.where(depth < 299, celsius * clear + climate.air * (1 - clear), celsius)
    if smoke is not None:
        # Droplets much smaller than the wavelength: a few per cent of the visible thickness remain.
        through = np.exp(-0.035 * smoke.thickness)
        celsius = celsius * through + (climate.air + 2.5) * (1 - through)
    # Long waves and small lenses blur; very hot spots bleed into their surroundings.
    celsius = cv2.GaussianBlur(celsius, (0, 0), 0.95 * scale)
    hot = np.maximum(celsius - climate.high, 0)
    celsius += 0.6 * cv2.GaussianBlur(hot, (0, 0), 4.0 * scale)
    celsius = _misregister(celsius, scene)

    grey = (celsius - climate.low) / (climate.high - climate.low)
    grey = np.where(grey > 0.8, 0.8 + 0.2 * np.tanh((grey - 0.8) / 0.25), grey)  # the display's shoulder
    rng = scene.stream(30, frame)
    grey += _fixed_pattern(scene) + 0.010 * rng.standard_normal(grey.shape, dtype=np.float32)
    return np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8)


def _misregister(image: np.ndarray, scene: Scene) -> np.ndarray:
    """Shift and turn by at most one pixel: the two cameras are never perfectly aligned."""
    rng = scene.stream(31)
    height, width = image.shape
    turn = rng.uniform(-0.0015, 0.0015)
    shift = rng.uniform(-0.55, 0.55, 2)
    matrix = np.array([[1, -turn, shift[0] + turn * height / 2], [turn, 1, shift[1] - turn * width / 2]])
    return cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _fixed_pattern(scene: Scene) -> np.ndarray:
    """Return the bolometer's fixed pattern, the same for the whole set: columns, pixels, warm corners."""
    rng = np.random.default_rng([scene.seed[0], 999_983])
    height, width = scene.camera.height, scene.camera.width
    columns = 0.0045 * rng.standard_normal((1, width), dtype=np.float32)
    pixels = 0.005 * rng.standard_normal((height, width), dtype=np.float32)
    v, u = (
        np.linspace(-1, 1, height, dtype=np.float32)[:, None],
        np.linspace(-1, 1, width, dtype=np.float32)[None],
    )
    return columns + pixels + 0.022 * (u * u + v * v - 0.6)
