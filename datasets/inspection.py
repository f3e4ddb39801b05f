"""Facts about single image files that the doctor needs."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import DataError
from .images import channels_equal, decode
from .similarity import pixel_hash

BORDER_SHARE = 0.005
"""A black region at the edge counts from this share of the image."""
_BLACK = 8  # grey levels of 255; JPEG leaves a little noise in black
_ORIENTATION = 0x0112  # tag of the EXIF orientation
_STRAIGHT = 1.5  # pixels by which the inner edge of a border may leave a straight line


@dataclass(frozen=True)
class ImageFacts:
    """What one image file holds.

    Attributes:
        path: the file.
        error: why it cannot be read; None when it can. The other fields are then empty.
        size: (width, height) in pixels.
        bits: bits per channel, 8 or 16.
        grey: whether all channels are equal.
        pixels: hash of the decoded pixels, the same for a grey image stored in one or in three channels.
        border: share of the image that is black border, see :func:`black_border`.
        orientation: EXIF orientation, 1 (as stored) to 8.
    """

    path: Path
    error: str | None = None
    size: tuple[int, int] = (0, 0)
    bits: int = 8
    grey: bool = False
    pixels: str = ""
    border: float = 0.0
    orientation: int = 1


def inspect_image(path: Path) -> ImageFacts:
    """Decode a file and return its facts; never raises for a bad file."""
    try:
        image = decode(path)
    except DataError as error:
        return ImageFacts(path, error=str(error))
    grey = image.ndim == 2 or channels_equal(image)
    plane = image if image.ndim == 2 else np.ascontiguousarray(image[..., 0])
    return ImageFacts(
        path,
        size=(image.shape[1], image.shape[0]),
        bits=8 * image.dtype.itemsize,
        grey=grey,
        pixels=pixel_hash(plane if grey else image),
        border=black_border(plane if grey else _brightest(image)),
        orientation=exif_orientation(path),
    )


def exif_orientation(path: Path) -> int:
    """Return the EXIF orientation of an image file from its header: 1 (as stored) to 8; 1 for none."""
    try:
        with Image.open(path) as image:
            exif = image.getexif() if image.format != "PNG" else Image.Exif()
            if image.format == "PNG" and "exif" in image.info:  # getexif would decode a PNG without EXIF
                exif.load(image.info["exif"])
            orientation = exif.get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, struct.error):  # damaged EXIF turns no image
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def black_border(plane: NDArray[Any]) -> float:
    """Return the share of an image that is black border.

    Registration fills what lies outside the source image with black: strips and wedges whose inner edge is a
    straight line. A dark sky is no border: its lower edge follows the skyline.

    Args:
        plane: ``H x W`` uint8 or uint16.
    """
    black = plane <= (_BLACK if plane.dtype == np.uint8 else 0)
    if black.all():
        return 0.0
    border = np.zeros_like(black)
    for turns in range(4):
        seen, marked = (
            np.rot90(black, turns),
            np.rot90(border, turns),
        )  # views: the side in question is on top
        full = seen.all(axis=0)
        depth = np.where(full, 0, np.argmin(seen, axis=0))
        columns = np.flatnonzero(depth)
        # The ends are left out of the fit, because there the border of the next side adds to the depth.
        middle = columns[len(columns) // 8 : len(columns) - len(columns) // 8]
        if len(middle) < max(8, len(depth) // 8):
            continue
        line = np.polyval(np.polyfit(middle, depth[middle], 1), np.arange(len(depth)))
        if np.quantile(np.abs(depth - line)[middle], 0.9) <= _STRAIGHT:
            marked |= np.arange(seen.shape[0])[:, None] < np.where(full, line, depth)
    return float(border.mean())


def _brightest(image: NDArray[Any]) -> NDArray[Any]:
    return np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])
