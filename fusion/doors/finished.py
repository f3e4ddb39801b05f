"""Sources that deliver finished images instead of fusing tensors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ...datasets.errors import MethodError
from ...datasets.records import Pair
from ..contract import FusionMethod
from .specs import IMAGE_SUFFIXES

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Delivery:
    """Finished images of a set of pairs.

    Attributes:
        files: path of the fused image by stem, one for every pair asked for.
        seconds: wall time it took to make them all; NaN when they were there before.
    """

    files: Mapping[str, Path]
    seconds: float


class FinishedImages(FusionMethod):
    """A source whose images are made elsewhere; the harness asks for a whole set at once."""

    countable = False

    @abstractmethod
    def deliver(self, pairs: Sequence[Pair], scratch: Path, progress: Progress | None = None) -> Delivery:
        """Return the fused images of ``pairs``.

        Args:
            pairs: pairs with unique stems.
            scratch: an empty folder to work in; removed by the caller afterwards.
            progress: called with (done, total, message).

        Raises:
            MethodError: images are missing, or the program that makes them failed.
        """

    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Refuse: there is nothing to call on tensors."""
        raise MethodError(
            f"{self.card.name}: delivers finished images and cannot fuse tensors; fuse files with fuse_pairs"
        )


def find_images(name: str, folder: Path, stems: Sequence[str], *, made_by: str = "") -> dict[str, Path]:
    """Find one image per stem in ``folder``, whatever its suffix; other files are ignored.

    Args:
        name: name of the source for error messages.
        folder: folder to look in, not its subfolders.
        stems: stems wanted.
        made_by: end of the error message, e.g. what a program printed.

    Raises:
        MethodError: images are missing, or two files share a wanted stem.
    """
    by_stem: dict[str, list[Path]] = {}
    if not folder.is_dir():
        raise MethodError(f"{name}: the folder {folder} is gone{made_by}")
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            by_stem.setdefault(path.stem, []).append(path)
    missing = [stem for stem in stems if stem not in by_stem]
    if missing:
        first = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        there = f"e.g. {next(iter(by_stem.values()))[0].name}" if by_stem else "no image at all"
        raise MethodError(
            f"{name}: {len(missing)} of {len(stems)} fused images are missing in {folder}: {first}; expected "
            f"files named STEM.png, found {there}{made_by}"
        )
    for stem in stems:
        if len(by_stem[stem]) > 1:
            names = " and ".join(path.name for path in by_stem[stem])
            raise MethodError(f"{name}: {folder} holds {names}; keep one image for each stem")
    return {stem: by_stem[stem][0] for stem in stems}
