"""Colour and 8-bit conversions that the authors' scripts use, unlike the one the harness uses for all.

Tensors are ``B x 3 x H x W`` (RGB) or ``B x 1 x H x W`` (one plane), float32 in [0, 1].
"""

from __future__ import annotations

import torch

from ..chroma import YCbCr, luminance


def split_0713(rgb: torch.Tensor) -> YCbCr:
    """Planes by OpenCV's factors 0.713 and 0.564 in floating point; not clamped."""
    red, _, blue = rgb.split(1, dim=-3)
    y = luminance(rgb)
    return YCbCr(y=y, cb=(blue - y) * 0.564 + 0.5, cr=(red - y) * 0.713 + 0.5)


def join_0713(planes: YCbCr) -> torch.Tensor:
    """RGB from planes by the inverse that goes with :func:`split_0713`, to three digits; not clamped."""
    cb, cr = planes.cb - 0.5, planes.cr - 0.5
    parts = (planes.y + 1.403 * cr, planes.y - 0.714 * cr - 0.344 * cb, planes.y + 1.773 * cb)
    return torch.cat([torch.as_tensor(part) for part in parts], dim=-3)


def levels(image: torch.Tensor) -> torch.Tensor:
    """Grey levels 0..255, int32, of an image that was read from an 8-bit file."""
    return (image * 255).round().to(torch.int32)


def split_8bit(rgb: torch.Tensor) -> YCbCr:
    """Planes of 8 bits as OpenCV's fixed-point conversion gives them, over 255."""
    red, green, blue = levels(rgb).split(1, dim=-3)
    half = 1 << 13
    y = (4899 * red + 9617 * green + 1868 * blue + half) >> 14
    cr = (((red - y) * 11682 + half) >> 14) + 128
    cb = (((blue - y) * 9241 + half) >> 14) + 128
    return YCbCr(y=y / 255, cb=cb.clamp(0, 255) / 255, cr=cr.clamp(0, 255) / 255)


def grey_8bit(rgb: torch.Tensor) -> torch.Tensor:
    """Grey of 8 bits as OpenCV's fixed-point conversion gives it, over 255."""
    red, green, blue = levels(rgb).split(1, dim=-3)
    return ((9798 * red + 19235 * green + 3735 * blue + (1 << 14)) >> 15) / 255


def grey_rounded(rgb: torch.Tensor) -> torch.Tensor:
    """Grey in floating point, rounded to a grey level, over 255."""
    return luminance(levels(rgb).to(torch.float32)).round() / 255


def truncated(image: torch.Tensor) -> torch.Tensor:
    """Cut [0, 1] down to the grey level below."""
    return (image.clamp(0, 1) * 255).floor() / 255


def rounded(image: torch.Tensor) -> torch.Tensor:
    """Round [0, 1] to the nearest grey level."""
    return (image.clamp(0, 1) * 255).round() / 255


def stretched(image: torch.Tensor) -> torch.Tensor:
    """Stretch each image of a batch to 0..1, all channels alike; a flat one is clamped instead."""
    low, high = image.amin(dim=(1, 2, 3), keepdim=True), image.amax(dim=(1, 2, 3), keepdim=True)
    spread = high - low
    return torch.where(spread > 0, (image - low) / spread.clamp_min(1e-12), image.clamp(0, 1))
