"""Fused images to learn from: one for every pair, in a folder, found by stem."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.errors import ConfigError, DataError
from ...datasets.images import read_visible
from ...datasets.records import Pair
from ...datasets.storage import sha256_file
from ..chroma import luminance
from ..doors.finished import find_images


@dataclass(frozen=True)
class Labels:
    """The fused images of a training.

    Attributes:
        files: image by stem of the pair; empty when nothing is learned from fused images.
        folder: where they are.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    folder: Path | None = None
    _hashes: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def read(self, pair: Pair) -> np.ndarray | None:
        """Return the luminance of a pair's image, ``H x W`` uint8; None without labels.

        Raises:
            DataError: it cannot be read or has another size than the pair.
        """
        if self.folder is None:
            return None
        path = self.files[pair.stem]
        grey = luminance(read_visible(path))
        if grey.shape != (pair.height, pair.width):
            raise DataError(
                f"{path} is {grey.shape[1]} x {grey.shape[0]} but its pair is {pair.width} x {pair.height}; "
                "a label needs the size of its pair"
            )
        return np.asarray(np.rint(grey * 255), dtype=np.uint8)

    def digest(self, pair: Pair) -> tuple[str, ...]:
        """Return the SHA-256 of a pair's image; empty without labels."""
        return () if self.folder is None else (self._sha256(pair.stem),)

    def card(self) -> dict[str, Any] | None:
        """Return name of the folder, number of images and one hash of all; None without labels."""
        if self.folder is None:
            return None
        digest = hashlib.sha256()
        for stem in sorted(self.files):
            digest.update(f"{stem} {self._sha256(stem)}\n".encode())
        folder = self.folder.resolve()
        name = f"{folder.parent.name}/{folder.name}" if folder.name == "images" else folder.name
        return {"folder": name, "images": len(self.files), "sha256": digest.hexdigest()}

    def _sha256(self, stem: str) -> str:
        # Once: what is asked at the end of a training must not be a file that was changed meanwhile.
        if stem not in self._hashes:
            self._hashes[stem] = sha256_file(self.files[stem])
        return self._hashes[stem]


def find_labels(folder: Path | None, pairs: Sequence[Pair]) -> Labels:
    """Find the fused image of every pair; without a folder there are none.

    Raises:
        ConfigError: there is no such folder.
        DataError: two pairs share a stem.
        MethodError: images are missing, or two files share a stem.
    """
    if folder is None:
        return Labels()
    if not folder.is_dir():
        raise ConfigError(f"labels: expected a folder of fused images, found nothing at {folder}")
    require_own_stems(pairs, folder)
    return Labels(find_images("labels", folder, [pair.stem for pair in pairs]), folder)


def require_own_stems(pairs: Sequence[Pair], asked: Path) -> None:
    """Refuse pairs that a folder or file, which knows them by stem alone, cannot tell apart.

    Args:
        pairs: a pair that is there twice, by its visible file, is one.
        asked: the folder or file, for the message.

    Raises:
        DataError: names the stem and both visible files.
    """
    known: dict[str, Path] = {}
    for pair in pairs:
        other = known.setdefault(pair.stem, pair.visible)
        if other != pair.visible and other.resolve() != pair.visible.resolve():
            raise DataError(
                f"{asked} knows a pair by its stem, expected one pair for each, found two for {pair.stem}: "
                f"{other} and {pair.visible}; rename the files of one set, or train on one of the sets"
            )
