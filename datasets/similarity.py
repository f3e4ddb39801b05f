"""Near-duplicate images by content, whatever their names and numbers.

A pair's signature is made of two small band-passed thumbnails, one per modality. Black borders are cut off
first (registration leaves them, and they look alike in unrelated images), the thumbnail is blurred so that
small shifts and sensor noise do not count, and its coarse layout of brightness is subtracted, because every
road scene is dark below and bright above. Normalising removes gain and offset, so exposure does not count
either. Two pairs are as similar as the *less* similar of their modalities: two dark visible images alone
prove nothing.

:data:`THRESHOLD` lies in the middle of the gap measured on 356 pairs of M3FD, RoadScene, MSRS, FLIR and
LLVIP: the 14 couples seen to show one scene a moment apart reach 0.80 or more, unrelated ones at most 0.69.
An image moved by 24 of 1024 pixels keeps 0.93.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .images import decode
from .records import Pair, PairSet
from .storage import write_bytes

Progress = Callable[[int, int, str], None]

THRESHOLD = 0.75
"""Similarity from which two pairs count as near-duplicates."""
SIDE = 32
_FINE, _COARSE = 1.5, 4.0  # Gaussian sigmas of the band, in thumbnail pixels
_DARK = 8  # grey levels (of 255) up to which a border counts as black
_FLAT = 0.5  # grey levels of contrast below which a thumbnail shows nothing
_LENGTH = SIDE * SIDE + 1  # the last number stands for "flat": flat images resemble each other only
_VERSION = 1
_BLOCK = 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Signatures:
    """Signatures of the pairs of a set.

    Attributes:
        stems: stems, in the order of the set.
        vectors: float32 ``N x 2 x D`` of unit length along D; infrared, then visible.
        hashes: hash of the decoded pixels of both images; equal for copies under another name or format.
    """

    stems: tuple[str, ...]
    vectors: NDArray[np.float32]
    hashes: tuple[str, ...]

    def rows(self, stems: Sequence[str]) -> NDArray[np.intp]:
        """Return the row numbers of ``stems``."""
        index = {stem: row for row, stem in enumerate(self.stems)}
        return np.array([index[stem] for stem in stems], dtype=np.intp)

    def similarity(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return ``len(first) x len(second)`` similarities in [-1, 1] between rows."""
        one, two = self.vectors[first], self.vectors[second]
        return np.minimum(one[:, 0] @ two[:, 0].T, one[:, 1] @ two[:, 1].T)


def signature(image: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the unit vector of one image.

    Args:
        image: ``H x W`` grey or ``H x W x 3`` RGB, uint8 or uint16.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    unit = np.float32(255 / np.iinfo(image.dtype).max)
    if (
        image.dtype == np.uint16
    ):  # raw thermal counts fill a fraction of the range; gain and offset do not count
        unit = np.float32(255 / max(1, int(grey.max()) - int(grey.min())))
        grey = grey - grey.min()
    small = cv2.resize(_without_border(grey, _DARK / unit), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    small = small.astype(np.float32) * unit
    band = cv2.GaussianBlur(small, (0, 0), _FINE) - cv2.GaussianBlur(small, (0, 0), _COARSE)
    band -= band.mean()
    vector = np.zeros(_LENGTH, dtype=np.float32)
    if band.std() < _FLAT:
        vector[-1] = 1
    else:
        vector[:-1] = (band / np.linalg.norm(band)).ravel()
    return vector


def signatures(
    pairs: PairSet, progress: Progress | None = None, cache: Path | str | None = None
) -> Signatures:
    """Compute the signatures of all pairs.

    Args:
        pairs: the set.
        progress: told how many pairs are done.
        cache: ``.npz`` file in which signatures are remembered by path, size and time of the images; it is
            made when missing and ignored when damaged.

    Raises:
        DataError: an image cannot be read.
    """
    keys = [_key(pair) for pair in pairs]
    known = _read_cache(Path(cache)) if cache is not None else {}
    found: list[tuple[NDArray[np.float32], str]] = []
    with ThreadPoolExecutor(max_workers=4) as pool:
        results = pool.map(
            lambda item: known.get(item[1]) or _of_pair(item[0]), zip(pairs, keys, strict=True)
        )
        for number, result in enumerate(results, start=1):
            found.append(result)
            if progress is not None:
                progress(number, len(keys), "compare images")
    vectors = np.stack([vector for vector, _ in found]) if found else np.zeros((0, 2, _LENGTH), np.float32)
    hashes = tuple(pixels for _, pixels in found)
    if cache is not None and any(key not in known for key in keys):
        buffer = BytesIO()
        np.savez(buffer, version=_VERSION, keys=np.array(keys), vectors=vectors, hashes=np.array(hashes))
        write_bytes(cache, buffer.getvalue())
    return Signatures(tuple(pair.stem for pair in pairs), vectors, hashes)


def near_duplicates(
    signatures: Signatures,
    first: Sequence[str] | None = None,
    second: Sequence[str] | None = None,
    threshold: float = THRESHOLD,
) -> list[tuple[str, str, float]]:
    """Return (stem, stem, similarity) of all near-duplicates, most similar first.

    Args:
        signatures: of the whole set.
        first: stems to look at; default: all.
        second: stems to compare them with; default: each unordered couple of ``first`` once.
        threshold: least similarity.
    """
    rows = signatures.rows(first if first is not None else signatures.stems)
    others = rows if second is None else signatures.rows(second)
    found = []
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        similar = signatures.similarity(block, others)
        for row, column in np.argwhere(similar >= threshold):
            if second is None and column <= start + row:
                continue
            stems = signatures.stems[block[row]], signatures.stems[others[column]]
            found.append((*stems, float(similar[row, column])))
    return sorted(found, key=lambda item: (-item[2], item[0], item[1]))


def near_couples(signatures: Signatures, threshold: float = THRESHOLD) -> NDArray[np.int32]:
    """Return all near-duplicates of a set as an ``E x 2`` array of rows, each couple once, first < second.

    The lean form of :func:`near_duplicates`: a long video before a standing camera has millions of couples.
    """
    rows = np.arange(len(signatures.stems))
    found = [np.zeros((0, 2), np.int32)]
    for start in range(0, len(rows), _BLOCK):
        similar = signatures.similarity(rows[start : start + _BLOCK], rows[start:]) >= threshold
        couples = np.argwhere(np.triu(similar, 1)) + start
        found.append(couples.astype(np.int32))
    return np.concatenate(found)


def pixel_hash(*images: NDArray[np.generic]) -> str:
    """Return a hash over shapes, types and pixels."""
    state = hashlib.blake2b(digest_size=16)
    for image in images:
        state.update(f"{image.shape}{image.dtype}".encode())
        state.update(np.ascontiguousarray(image).data)
    return state.hexdigest()


def _of_pair(pair: Pair) -> tuple[NDArray[np.float32], str]:
    images = decode(pair.infrared), decode(pair.visible)
    return np.stack([signature(image) for image in images]), pixel_hash(*images)


def _without_border(grey: NDArray[Any], dark: float) -> NDArray[Any]:
    """Cut off the rows and columns at the edges that are black but for 2 % of their pixels."""
    lit = grey > dark
    rows, columns = np.flatnonzero(lit.mean(axis=1) > 0.02), np.flatnonzero(lit.mean(axis=0) > 0.02)
    if len(rows) < SIDE or len(columns) < SIDE:
        return grey
    return grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _key(pair: Pair) -> str:
    parts = []
    for path in (pair.infrared, pair.visible):
        status = path.stat()
        parts.append(f"{path}|{status.st_size}|{status.st_mtime_ns}")
    return "|".join(parts)


def _read_cache(path: Path) -> dict[str, tuple[NDArray[np.float32], str]]:
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            if int(stored["version"]) != _VERSION or stored["vectors"].shape[1:] != (2, _LENGTH):
                return {}
            rows = zip(stored["keys"], stored["vectors"], stored["hashes"], strict=True)
            return {str(key): (vector, str(pixels)) for key, vector, pixels in rows}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        _log.warning("%s: the cache of image signatures is damaged and is made anew (%s)", path, error)
        return {}
