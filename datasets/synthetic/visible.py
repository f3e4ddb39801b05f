"""The visible camera: light through air, smoke and lens onto a noisy sensor."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import Canvas
from .painter import shrink
from .scene import Scene
from .weather import Smoke, dazzle, rainfall, uneven_exposure

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def render_visible(canvas: Canvas, scene: Scene, frame: int, smoke: Smoke | None) -> np.ndarray:
    """Render the visible picture of a painted frame.

    Args:
        canvas: the painted frame.
        scene: gives light, exposure and weather.
        frame: number of the frame in its scene; seeds the sensor noise.
        smoke: the smoke of this frame, or None.

    Returns:
        ``H x W x 3`` uint8 RGB (sRGB transfer curve).
    """
    conditions, camera = scene.conditions, scene.camera
    matter, light = shrink(canvas.matter), shrink(canvas.light)
    radiance = matter[..., :3] + light[..., :3]
    depth = np.minimum(light[..., 3], 300.0)
    scale = camera.width / 320

    # Haze: Koschmieder's law, with the horizon's colour as air light.
    clear = np.exp(-conditions.haze * depth)[..., None]
    radiance = radiance * clear + np.asarray(conditions.sky[1], np.float32) * (1 - clear)
    if smoke is not None:
        through = np.exp(-smoke.thickness)[..., None]
        radiance = radiance * through + smoke.colour * (1 - through)
    # Bloom: bright lamps spread in lens and eye-level moisture.
    bright = (
        np.maximum(light[..., :3] * (through if smoke is not None else 1.0) - 0.4, 0)
        if conditions.headlamps
        else None
    )
    if bright is not None:
        strength = 2.2 if "glare" in conditions.tags else 0.55
        for sigma, share in ((2.5, 0.35), (8.0, 0.35), (24.0, 0.30)):
            radiance += strength * share * cv2.GaussianBlur(bright, (0, 0), sigma * scale)
    radiance = rainfall(dazzle(radiance, scene), scene, frame)
    radiance *= conditions.exposure * uneven_exposure(scene)[..., None]
    radiance = cv2.GaussianBlur(radiance, (0, 0), 0.45 * scale)

    # Sensor: shot noise grows with the root of the signal, read noise with the gain; then clipping.
    rng = scene.stream(20, frame)
    gain = conditions.exposure
    sigma = np.sqrt(2.2e-4 * gain * np.clip(radiance, 0, 1) + (0.0022 * gain) ** 2)
    noise = rng.standard_normal(radiance.shape, dtype=np.float32)
    radiance = np.clip(radiance + sigma * noise, 0, 1)
    return np.rint(255 * _transfer(_toned(radiance))).astype(np.uint8)


def _toned(linear: np.ndarray) -> np.ndarray:
    """Lower the colour of dark parts a little, as cameras (and eyes) do."""
    grey = linear @ _LUMA
    keep = np.clip(0.55 + 3.0 * grey, 0, 1)[..., None]
    return grey[..., None] * (1 - keep) + linear * keep


def _transfer(linear: np.ndarray) -> np.ndarray:
    """sRGB transfer curve (IEC 61966-2-1)."""
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.power(np.maximum(linear, 1e-6), 1 / 2.4) - 0.055
    )
