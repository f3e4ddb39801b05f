"""Cut the same window out of stored pictures and enlarge it for print."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..datasets.errors import ReportError

ASPECT = 3 / 2
CONTEXT = 2.6  # window height over the height that the object needs
SMALLEST = 72.0  # pixels: below this an enlarged picture is only blur
PRINT_WIDTH = 520  # pixels: about 240 dots per inch at the width of a panel's column
OVERVIEW_WIDTH = 640
QUALITY = 92


@dataclass(frozen=True)
class Window:
    """A rectangle in absolute pixels of the original image, right and bottom exclusive."""

    left: float
    top: float
    width: float
    height: float

    def relative(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """An xyxy box as left, top, width and height in fractions of the window."""
        x1, y1, x2, y2 = box
        return (
            (x1 - self.left) / self.width,
            (y1 - self.top) / self.height,
            (x2 - x1) / self.width,
            (y2 - y1) / self.height,
        )

    def overlaps(self, box: tuple[float, float, float, float]) -> bool:
        """Whether an xyxy box shows in the window."""
        x1, y1, x2, y2 = box
        right, bottom = self.left + self.width, self.top + self.height
        return x1 < right and x2 > self.left and y1 < bottom and y2 > self.top


def window_around(box: tuple[float, float, float, float], image_width: int, image_height: int) -> Window:
    """The window that shows an object with its surroundings, inside the image, 3:2 where the image allows.

    Args:
        box: xyxy, absolute pixels of the original image.
        image_width: width of the image.
        image_height: height of the image.
    """
    x1, y1, x2, y2 = box
    height = max(CONTEXT * max(y2 - y1, (x2 - x1) / ASPECT), SMALLEST, 0.1 * image_height)
    height = min(height, image_height, image_width / ASPECT)
    width = height * ASPECT
    left = min(max((x1 + x2 - width) / 2, 0), image_width - width)
    top = min(max((y1 + y2 - height) / 2, 0), image_height - height)
    return Window(left, top, width, height)


def read_picture(path: Path) -> np.ndarray | None:
    """A stored picture, uint8 ``H x W x 3`` RGB; None when there is no file."""
    if not path.is_file():
        return None
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: cannot be read as an image ({error}); fuse this source again") from error


def cut(picture: np.ndarray | None, window: Window) -> bytes:
    """The window enlarged (bicubic) as JPEG; a grey field when there is no picture.

    Args:
        picture: uint8 ``H x W x 3`` RGB of the original size.
        window: what to cut.
    """
    size = (PRINT_WIDTH, max(1, round(PRINT_WIDTH * window.height / window.width)))
    if picture is None:
        return _jpeg(Image.new("RGB", size, (225, 227, 230)))
    box = (window.left, window.top, window.left + window.width, window.top + window.height)
    height, width = picture.shape[:2]
    inside = (max(0.0, box[0]), max(0.0, box[1]), min(float(width), box[2]), min(float(height), box[3]))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        return _jpeg(Image.new("RGB", size, (225, 227, 230)))
    return _jpeg(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC, box=inside))


def shrink(picture: np.ndarray | None, image_width: int, image_height: int) -> bytes:
    """The whole picture at the size of a thumbnail, as JPEG."""
    size = (OVERVIEW_WIDTH, max(1, round(OVERVIEW_WIDTH * image_height / image_width)))
    if picture is None:
        return _jpeg(Image.new("RGB", size, (225, 227, 230)))
    return _jpeg(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()
