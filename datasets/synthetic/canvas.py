"""Camera and painter: flat 3-D surfaces become pixels of colour, light, temperature, depth and identity.

World frame: X right, Y up, Z away from the camera, in metres; the camera stands at the origin of X and Z.
Visible light and temperature are drawn side by side from the same surfaces: both spectra share one geometry
and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

SUPERSAMPLE = 2  # edges are drawn at twice the size and averaged down
_SHIFT = 4  # sub-pixel bits of OpenCV's polygon filler
FAR = 1000.0  # depth of the sky in metres

RGB = tuple[float, float, float]
BLACK: RGB = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Surface:
    """A flat polygon of one material.

    Attributes:
        points: N x 3 float64, metres, in the frame of the solid it belongs to.
        colour: diffuse reflectance, linear RGB in [0, 1].
        celsius: temperature it shows in the thermal infrared (reflected sky included).
        glow: emitted visible light, linear RGB; black when it does not shine.
    """

    points: np.ndarray
    colour: RGB
    celsius: float
    glow: RGB = BLACK


@dataclass(frozen=True, slots=True)
class Face:
    """Surfaces in one plane, painted in order; culled when the plane looks away from the camera.

    Attributes:
        normal: outward normal in the solid's frame (x forward, y left, z up), or None for a flat cut-out that
            always faces the camera.
        surfaces: what is painted, first to last.
    """

    normal: tuple[float, float, float] | None
    surfaces: tuple[Surface, ...]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with an upright sensor, so that verticals stay vertical.

    Attributes:
        width: picture width in pixels.
        height: picture height in pixels.
        above_ground: height of the lens over the road in metres.
        pan: rotation to the right in radians.
        horizon: row of the horizon as a share of the picture height.
    """

    width: int
    height: int
    above_ground: float
    pan: float
    horizon: float = 0.42

    @property
    def focal(self) -> float:
        """Focal length in pixels: about 61 degrees of horizontal field of view."""
        return 0.85 * self.width

    def project(self, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project ``N x 3`` world points to ``N x 2`` pixels (x right, y down) and ``N`` depths in metres."""
        sine, cosine = np.sin(self.pan), np.cos(self.pan)
        right = world[:, 0] * cosine - world[:, 2] * sine
        depth = np.maximum(world[:, 0] * sine + world[:, 2] * cosine, 0.05)
        across = self.width / 2 + self.focal * right / depth
        down = self.horizon * self.height + self.focal * (self.above_ground - world[:, 1]) / depth
        return np.stack([across, down], axis=1), depth

    def ground(self, scale: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Back-project every pixel of the ``scale`` times larger picture onto the road plane.

        Returns:
            World X and Z, each ``H x W`` float32 in metres, and the ``H x W`` bool mask of the pixels below
            the horizon.
        """
        column = (np.arange(self.width * scale, dtype=np.float32) + 0.5) / scale - self.width / 2
        row = (np.arange(self.height * scale, dtype=np.float32) + 0.5) / scale - self.horizon * self.height
        below = row > 0.4
        depth = self.focal * self.above_ground / np.where(below, row, 0.4)
        right = column[None, :] * (depth / self.focal)[:, None]
        sine, cosine = np.float32(np.sin(self.pan)), np.float32(np.cos(self.pan))
        forward = depth[:, None]
        mask = np.repeat(below[:, None], len(column), axis=1)
        return right * cosine + forward * sine, forward * cosine - right * sine, mask


@dataclass
class Canvas:
    """What the camera sees before any optics, at ``SUPERSAMPLE`` times the picture size.

    Attributes:
        camera: the camera that projects onto it.
        matter: ``H x W x 4`` float32: reflected light (linear RGB), temperature (degrees Celsius).
        light: ``H x W x 4`` float32: emitted light (linear RGB), depth (metres).
        identity: ``H x W`` int32: number of the actor seen, 0 for the background.
    """

    camera: Camera
    matter: np.ndarray = field(init=False)
    light: np.ndarray = field(init=False)
    identity: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        shape = (self.camera.height * SUPERSAMPLE, self.camera.width * SUPERSAMPLE)
        self.matter = np.zeros((*shape, 4), np.float32)
        self.light = np.zeros((*shape, 4), np.float32)
        self.light[..., 3] = FAR
        self.identity = np.zeros(shape, np.int32)

    def copy(self) -> Canvas:
        """Return an independent copy, to paint a frame over a shared background."""
        other = Canvas.__new__(Canvas)
        other.camera = self.camera
        other.matter, other.light, other.identity = (
            self.matter.copy(),
            self.light.copy(),
            self.identity.copy(),
        )
        return other

    def fill(
        self, pixels: np.ndarray, colour: RGB, celsius: float, glow: RGB, depth: float, identity: int
    ) -> None:
        """Fill one polygon, ``N x 2`` float pixels of the picture, over everything painted so far."""
        corners = fixed_point(pixels)
        cv2.fillPoly(self.matter, [corners], (*colour, celsius), shift=_SHIFT)
        cv2.fillPoly(self.light, [corners], (*glow, depth), shift=_SHIFT)
        cv2.fillPoly(self.identity, [corners], (identity,), shift=_SHIFT)


def fixed_point(pixels: np.ndarray) -> np.ndarray:
    """Convert picture pixels to OpenCV's fixed-point coordinates on the supersampled canvas."""
    scaled = (np.clip(pixels, -4000, 4000) * SUPERSAMPLE - 0.5) * (1 << _SHIFT)
    return np.rint(scaled).astype(np.int32)


def shade_mask(canvas: Canvas, polygons: list[np.ndarray], softness: float) -> np.ndarray:
    """Draw polygons (picture pixels) into a soft ``H x W`` float32 mask in [0, 1] of the canvas size."""
    mask = np.zeros(canvas.identity.shape, np.uint8)
    for pixels in polygons:
        cv2.fillPoly(mask, [fixed_point(pixels)], (255,), shift=_SHIFT)
    sigma = softness * SUPERSAMPLE * canvas.camera.width / 320
    blurred = cv2.GaussianBlur(mask, (0, 0), sigma)
    return blurred.astype(np.float32) / 255
