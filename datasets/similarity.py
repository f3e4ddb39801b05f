"""Near-duplicate images by content, whatever their names and numbers.

A pair's signature is made of two small band-passed thumbnails, one per modality. Black borders are cut off
first (registration leaves them, and they look alike in unrelated images), the thumbnail is blurred so that
small shifts and sensor noise do not count, and its coarse layout of brightness is subtracted, because every
road scene is dark below and bright above. Normalising removes gain and offset, so exposure does not count
either. Two pairs are as similar as the *less* similar of their modalities: two dark visible images alone
prove nothing.

:data:`THRESHOLD` is chosen for near-identical framing: a moving camera's next frames may already differ. How
often it is met, and missed, is measured in :mod:`~regionfuse.datasets.similarity_quality`. An image moved by
24 of 1024 pixels keeps 0.93; mirrored and cropped copies are not recognised.
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

THRESHOLD = 0.7
"""Similarity from which two pairs count as near-duplicates."""
DIGITS = 3
"""Similarities are rounded to that many digits before they are compared with a threshold."""
SIDE = 32
_FINE, _COARSE = 1.5, 4.0  # Gaussian sigmas of the band, in thumbnail pixels
_DARK = 8  # grey levels (of 255) up to which a border counts as black
_FLAT = 0.5  # grey levels of contrast below which a thumbnail shows nothing
_LENGTH = SIDE * SIDE + 1  # the last number stands for "flat": flat images resemble each other only
_VERSION = 1
_BLOCK = 1024
_STEPS = 2048  # vectors are compared in whole steps, whose float32 sums are exact in any order

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
        return _similar(self.vectors[first], self.vectors[second])

    def couples(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return ``N`` similarities in [-1, 1] of ``N`` couples of rows."""
        one, two = _whole(self.vectors[first]), _whole(self.vectors[second])
        return _rounded(np.einsum("nmd,nmd->nm", one, two).min(axis=1))

    def select(self, stems: Sequence[str]) -> Signatures:
        """Return the signatures of ``stems``, in their order."""
        rows = self.rows(stems)
        return Signatures(tuple(stems), self.vectors[rows], tuple(self.hashes[row] for row in rows))


@dataclass(frozen=True, eq=False)
class Near:
    """Near-duplicates of a set.

    Attributes:
        stems: stems of the set.
        couples: ``E x 2`` integers, positions in ``stems``; each couple once, first < second.
        similar: ``E`` similarities, rounded to :data:`DIGITS` digits.
    """

    stems: tuple[str, ...]
    couples: NDArray[np.int32]
    similar: NDArray[np.float32]


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


def near_duplicates(signatures: Signatures, threshold: float = THRESHOLD) -> Near:
    """Return all near-duplicates of a set; a long video before a standing camera has millions."""
    rows = np.arange(len(signatures.stems))
    couples, similar = [np.zeros((0, 2), np.int32)], [np.zeros(0, np.float32)]
    for start in range(0, len(rows), _BLOCK):
        block = signatures.similarity(rows[start : start + _BLOCK], rows[start:])
        found = np.argwhere(np.triu(block >= np.float32(threshold), 1))
        couples.append((found + start).astype(np.int32))
        similar.append(block[found[:, 0], found[:, 1]])
    return Near(signatures.stems, np.concatenate(couples), np.concatenate(similar))


def most_similar(first: Signatures, second: Signatures) -> list[tuple[str, float]]:
    """Return for each pair of one set the stem of the most similar pair of another, and how similar it is.

    Raises:
        ValueError: the other set is empty.
    """
    found = []
    for start in range(0, len(first.stems), _BLOCK):
        similar = _similar(first.vectors[start : start + _BLOCK], second.vectors)
        best = similar.argmax(axis=1)
        found += [(second.stems[at], float(similar[row, at])) for row, at in enumerate(best)]
    return found


def pixel_hash(*images: NDArray[np.generic]) -> str:
    """Return a hash over shapes, types and pixels."""
    state = hashlib.blake2b(digest_size=16)
    for image in images:
        state.update(f"{image.shape}{image.dtype}".encode())
        state.update(np.ascontiguousarray(image).data)
    return state.hexdigest()


def _whole(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.rint(vectors * np.float32(_STEPS))


def _rounded(products: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.round(products / np.float32(_STEPS * _STEPS), DIGITS)


def _similar(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    one, two = _whole(first), _whole(second)
    return _rounded(np.minimum(one[:, 0] @ two[:, 0].T, one[:, 1] @ two[:, 1].T))


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
