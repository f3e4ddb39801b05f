"""The first door: a folder of images that are already fused, found by stem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...datasets.errors import MethodError
from ...datasets.records import Pair
from ..card import MethodCard
from .finished import Delivery, FinishedImages, Progress, find_images


class FolderMethod(FinishedImages):
    """Images fused elsewhere, e.g. by MATLAB.

    They are taken as they are: colours too, and a grey image becomes three equal channels.
    """

    def __init__(self, folder: Path, card: MethodCard) -> None:
        """Take the images in ``folder``; ``card`` says what they are."""
        if not folder.is_dir():
            raise MethodError(f"{card.name}: expected a folder of fused images, found nothing at {folder}")
        self.folder = folder
        self.card = card

    def deliver(
        self,
        pairs: Sequence[Pair],
        scratch: Path,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> Delivery:
        """Look the images up; their time is unknown."""
        return Delivery(find_images(self.card.name, self.folder, [p.stem for p in pairs]), float("nan"))
