"""The one colour step: RGB to luminance for the method, chroma of the visible image back for the detector.

Full-range BT.601 (the JPEG convention), written out here so that no library's channel order can leak in:
planes are named, never indexed, so Cb and Cr cannot change places.

Arrays follow the habit of their library: torch tensors carry the channels at dimension -3
(``B x 3 x H x W`` or ``3 x H x W``), numpy arrays carry them last (``H x W x 3``). A single plane is
``B x 1 x H x W`` in torch and ``H x W`` in numpy. All values are floats in [0, 1], colour order RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

Array = TypeVar("Array", torch.Tensor, np.ndarray)

# ITU-R BT.601-7, section 2.5.1: weights of R, G and B in the luminance.
RED, GREEN, BLUE = 0.299, 0.587, 0.114
# Chroma is (B - Y) and (R - Y), scaled to [-0.5, 0.5] and shifted by a half.
CB_SCALE, CR_SCALE = 2.0 * (1.0 - BLUE), 2.0 * (1.0 - RED)


@dataclass(frozen=True, kw_only=True, slots=True)
class YCbCr:
    """An image split into named planes; made by keyword only.

    Attributes:
        y: luminance in [0, 1].
        cb: blue chroma in [0, 1], 0.5 for grey.
        cr: red chroma in [0, 1], 0.5 for grey.
    """

    y: torch.Tensor | np.ndarray
    cb: torch.Tensor | np.ndarray
    cr: torch.Tensor | np.ndarray


def _split(rgb: Array) -> tuple[Array, Array, Array]:
    """Return the R, G and B planes."""
    axis = -3 if isinstance(rgb, torch.Tensor) else -1
    if rgb.ndim < 3 or rgb.shape[axis] != 3:
        raise ValueError(
            f"expected an RGB image with 3 channels at axis {axis}, found shape {tuple(rgb.shape)}"
        )
    if isinstance(rgb, torch.Tensor):
        red, green, blue = rgb.split(1, dim=-3)
        return red, green, blue
    return rgb[..., 0], rgb[..., 1], rgb[..., 2]


def luminance(rgb: Array) -> Array:
    """Return Y of an RGB image: ``B x 1 x H x W`` (torch) or ``H x W`` (numpy), in [0, 1]."""
    red, green, blue = _split(rgb)
    return RED * red + GREEN * green + BLUE * blue


def rgb_to_ycbcr(rgb: Array) -> YCbCr:
    """Split an RGB image into full-range BT.601 planes."""
    red, green, blue = _split(rgb)
    y = RED * red + GREEN * green + BLUE * blue
    return YCbCr(y=y, cb=(blue - y) / CB_SCALE + 0.5, cr=(red - y) / CR_SCALE + 0.5)


def ycbcr_to_rgb(planes: YCbCr) -> torch.Tensor | np.ndarray:
    """Join planes to RGB; the exact inverse of :func:`rgb_to_ycbcr`.

    Nothing is clipped: a luminance that the chroma does not fit gives values outside [0, 1].
    """
    red = planes.y + CR_SCALE * (planes.cr - 0.5)
    blue = planes.y + CB_SCALE * (planes.cb - 0.5)
    green = (planes.y - RED * red - BLUE * blue) / GREEN
    if isinstance(red, torch.Tensor):
        return torch.cat((red, torch.as_tensor(green), torch.as_tensor(blue)), dim=-3)
    return np.stack((red, green, blue), axis=-1)


def attach_chroma(fused_y: Array, visible_rgb: Array) -> Array:
    """Give a fused luminance the colours of the visible image.

    Args:
        fused_y: ``B x 1 x H x W`` (torch) or ``H x W`` (numpy), in [0, 1].
        visible_rgb: RGB of the same size, in [0, 1].

    Returns:
        RGB of the shape of ``visible_rgb``, clipped to [0, 1].
    """
    visible = rgb_to_ycbcr(visible_rgb)
    if fused_y.shape != visible.y.shape:
        raise ValueError(
            f"expected a fused luminance of shape {tuple(visible.y.shape)}, found {tuple(fused_y.shape)}"
        )
    rgb = ycbcr_to_rgb(YCbCr(y=fused_y, cb=visible.cb, cr=visible.cr))
    return rgb.clip(0.0, 1.0)  # type: ignore[return-value]
