"""Made-up pairs that show whether a fusion method reads what it is given, and measures of the answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .chroma import luminance, rgb_to_ycbcr

TARGET, BACKGROUND = 0.9, 0.25
LEVEL = 1 / 255


@dataclass(frozen=True)
class Scene:
    """A pair whose left half is textured and coloured in visible light, whose right half holds a warm disc.

    Attributes:
        infrared: float32 ``H x W`` in [0, 1]; smooth but for the disc.
        visible: float32 ``H x W x 3`` RGB in [0, 1]; flat around the disc.
        target: bool ``H x W``; the disc.
        around: bool ``H x W``; a ring about the disc.
        texture: bool ``H x W``; the textured part.
    """

    infrared: np.ndarray
    visible: np.ndarray
    target: np.ndarray
    around: np.ndarray
    texture: np.ndarray

    def swapped(self) -> Scene:
        """Return the scene with the two images in each other's place (the visible one as luminance)."""
        grey = np.repeat(self.infrared[..., None], 3, axis=2)
        return Scene(luminance(self.visible), grey, self.target, self.around, self.texture)


def make_scene(height: int = 96, width: int = 128, seed: int = 0) -> Scene:
    """Draw a scene; pixel values are multiples of 1/255, as in a file."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    texture = columns < width * 0.5
    texture_y = 0.5 + 0.12 * np.sign(np.sin(rows * 1.3) * np.sin(columns * 1.1))
    y = np.where(texture, texture_y + random.normal(0, 0.02, (height, width)), 0.45)
    # Hues differ by quarter; all channels stay well inside [0, 1], so that clipping changes no colour.
    cb = np.where(rows < height / 2, 0.06, -0.06)
    cr = np.where(columns < width * 0.25, 0.06, -0.04)
    visible = np.stack((y + 1.402 * cr, y - 0.344 * cb - 0.714 * cr, y + 1.772 * cb), axis=-1)
    distance = np.hypot(rows - height * 0.5, columns - width * 0.75)
    radius = min(height, width) / 8
    target, around = distance < radius, (distance > 1.3 * radius) & (distance < 1.9 * radius)
    infrared = BACKGROUND + 0.05 * rows / height + np.where(target, TARGET - BACKGROUND, 0.0)
    return Scene(_levels(infrared), _levels(visible), target, around, texture)


def _levels(image: np.ndarray) -> np.ndarray:
    return (np.rint(np.clip(image, 0, 1) * 255) / 255).astype(np.float32)


def target_kept(scene: Scene, fused: np.ndarray) -> float:
    """Return how much of the warm disc's contrast is in the fused RGB image: 0 none, 1 all."""
    y = luminance(fused)
    contrast = float(y[scene.target].mean() - y[scene.around].mean())
    return float(np.clip(contrast / (TARGET - BACKGROUND), 0.0, 1.0))


def texture_kept(scene: Scene, fused: np.ndarray, visible_y: np.ndarray) -> float:
    """Return how much of the visible texture ``visible_y`` is in the fused RGB image: 0 none, 1 all."""
    wanted = visible_y[scene.texture] - visible_y[scene.texture].mean()
    found = luminance(fused)[scene.texture]
    slope = float((wanted * (found - found.mean())).mean() / (wanted**2).mean())
    return float(np.clip(slope, 0.0, 1.0))


def colour_change(scene: Scene, fused: np.ndarray) -> float:
    """Return the mean absolute change of Cb and Cr where the fused RGB image is not clipped."""
    inside = ((fused > 0.004) & (fused < 0.996)).all(axis=-1)
    if not inside.any():
        return 1.0
    before, after = rgb_to_ycbcr(scene.visible), rgb_to_ycbcr(fused)
    change = (np.abs(before.cb - after.cb) + np.abs(before.cr - after.cr)) / 2
    return float(change[inside].mean())
