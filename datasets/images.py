"""Image files in, arrays out, and back: the one place that knows OpenCV's channel order.

Everything outside this module sees RGB. Files are decoded as they are (no EXIF rotation), so that pixel
coordinates of annotations stay valid.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from .errors import DataError
from .storage import write_bytes

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
BT601_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of R, G, B in luminance Y (ITU-R BT.601)."""
RAW_THERMAL_PERCENTILES = (0.1, 99.9)
"""16-bit infrared files hold raw sensor counts that fill a small, camera-dependent part of the range; they
are stretched linearly between these percentiles of each image, as by a thermal camera's gain."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def decode(path: Path | str) -> NDArray[Any]:
    """Decode a file to its own bit depth, without any scaling.

    Returns:
        uint8 or uint16; ``H x W`` grey or ``H x W x 3`` RGB. An alpha channel is dropped.

    Raises:
        DataError: the file is missing, truncated, corrupt, or holds floating-point pixels.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    _require_complete(path, content)
    try:
        image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise DataError(f"{path}: cannot be decoded as an image: {error.err}") from error
    if image is None:
        raise DataError(f"{path}: cannot be decoded as an image (truncated, corrupt, or not an image file)")
    if image.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path}: expected 8- or 16-bit pixels, found {image.dtype}; convert the file")
    if image.ndim == 2:
        return image
    if image.shape[2] == 1:
        return np.ascontiguousarray(image[..., 0])
    if image.shape[2] == 2:  # grey with alpha
        return np.ascontiguousarray(image[..., 0])
    return np.ascontiguousarray(image[..., 2::-1])  # BGR(A) -> RGB


def read_visible(path: Path | str) -> NDArray[np.float32]:
    """Read a visible image.

    Grey files are replicated over the three channels; 16-bit files are divided by 65535.

    Returns:
        float32 ``H x W x 3`` RGB in [0, 1].

    Raises:
        DataError: see :func:`decode`.
    """
    image = decode(path)
    scaled = image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    return scaled if scaled.ndim == 3 else np.repeat(scaled[..., None], 3, axis=2)


def read_infrared(path: Path | str) -> NDArray[np.float32]:
    """Read an infrared image.

    A three-channel file with equal channels (M3FD) gives exactly that channel; with unequal channels its
    BT.601 luminance. 16-bit files are stretched between :data:`RAW_THERMAL_PERCENTILES`.

    Returns:
        float32 ``H x W`` in [0, 1].

    Raises:
        DataError: see :func:`decode`.
    """
    image = decode(path)
    grey: NDArray[np.float32]
    if image.ndim == 2 or channels_equal(image):
        grey = (image if image.ndim == 2 else image[..., 0]).astype(np.float32)
    else:
        grey = image.astype(np.float32) @ BT601_LUMA
    if image.dtype == np.uint8:
        return grey / np.float32(255)
    low, high = np.percentile(grey, RAW_THERMAL_PERCENTILES)
    if high <= low:
        return np.zeros_like(grey)
    return np.clip((grey - np.float32(low)) / np.float32(high - low), 0, 1).astype(np.float32)


def read_rgb8(path: Path | str) -> NDArray[np.uint8]:
    """Read any image for display or for a detector.

    Returns:
        uint8 ``H x W x 3`` RGB; 16-bit files are scaled by 255 / 65535 and rounded.

    Raises:
        DataError: see :func:`decode`.
    """
    image = decode(path)
    if image.dtype == np.uint16:
        image = np.rint(image.astype(np.float32) / np.float32(257)).astype(np.uint8)
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def write_png(path: Path | str, image: NDArray[np.floating] | NDArray[np.uint8]) -> None:
    """Write an 8-bit PNG; the file appears in full or not at all.

    Args:
        path: target; missing folders are made.
        image: ``H x W`` grey or ``H x W x 3`` RGB; uint8, or floating point in [0, 1], which is clipped and
            rounded to the nearest of 256 levels.

    Raises:
        DataError: wrong shape or dtype, or NaN.
        StorageError: the file cannot be written.
    """
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or 0 in image.shape:
        raise DataError(f"{path}: expected an H x W or H x W x 3 image, found shape {image.shape}")
    if image.dtype == np.uint8:
        levels = image
    elif np.issubdtype(image.dtype, np.floating):
        if np.isnan(image).any():
            raise DataError(f"{path}: the image to be written contains NaN")
        levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    else:
        raise DataError(f"{path}: expected uint8 or floating-point pixels, found {image.dtype}")
    stored = levels if levels.ndim == 2 else np.ascontiguousarray(levels[..., ::-1])
    done, encoded = cv2.imencode(".png", stored)
    if not done:
        raise DataError(f"{path}: the image could not be encoded as PNG")
    write_bytes(path, encoded.tobytes())


def channels_equal(image: NDArray[Any]) -> bool:
    """Tell whether an ``H x W x 3`` image is grey, i.e. its channels are equal everywhere."""
    return np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 0], image[..., 2])


def image_size(path: Path | str) -> tuple[int, int]:
    """Return (width, height) in pixels from the header alone.

    Raises:
        DataError: the file is missing or its header is not that of an image.
    """
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(24)
            if head[:8] == _PNG_SIGNATURE and len(head) == 24:  # the usual case, without PIL's overhead
                width, height = struct.unpack(">II", head[16:24])
                return width, height
            stream.seek(0)
            with Image.open(stream) as image:
                return image.size
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image file, or its header is damaged") from error
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: cannot read the image header: {reason}") from error


def _require_complete(path: Path, content: bytes) -> None:
    """Refuse truncated PNG and JPEG files before the codecs, which are noisy or lenient, see them."""
    if not content:
        raise DataError(f"{path}: the file is empty")
    if content.startswith(_PNG_SIGNATURE):
        position = len(_PNG_SIGNATURE)
        while position + 12 <= len(content):
            (length,) = struct.unpack_from(">I", content, position)
            end = position + 12 + length
            if end > len(content):
                break
            (stored,) = struct.unpack_from(">I", content, end - 4)
            if zlib.crc32(memoryview(content)[position + 4 : end - 4]) != stored:
                raise DataError(f"{path}: corrupt PNG (bad checksum at byte {position}); copy the file again")
            if content[position + 4 : position + 8] == b"IEND":
                return
            position = end
        raise DataError(f"{path}: truncated PNG (it ends after {len(content)} bytes); copy the file again")
    # A thumbnail's end mark may precede the picture, so the last end mark must follow the last scan.
    if content.startswith(b"\xff\xd8\xff") and content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        raise DataError(f"{path}: truncated JPEG (it ends after {len(content)} bytes); copy the file again")
