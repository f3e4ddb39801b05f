"""Logs of a run: one CSV row per epoch, TensorBoard curves per step, pictures of the validation pairs."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ...datasets.storage import write_text

logger = logging.getLogger(__name__)

Row = dict[str, float]


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write one row per epoch; a term that an epoch does not have is left empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.7g}" for name, value in row.items()} for row in rows)
    write_text(path, text.getvalue())


class Curves:
    """TensorBoard's event files; silent when the ``tensorboard`` package is not usable."""

    def __init__(self, folder: Path, step: int) -> None:
        """Open the log.

        Args:
            folder: where the event files go.
            step: first step to be written; later ones of an interrupted run are hidden.
        """
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            logger.warning("no TensorBoard log: %s; install the package tensorboard to get one", error)
            return
        self._writer = SummaryWriter(str(folder), purge_step=step or None)

    def scalars(self, prefix: str, values: Mapping[str, float], step: int) -> None:
        """Write ``values`` as ``prefix/name``."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f"{prefix}/{name}", value, step)

    def picture(self, name: str, image: np.ndarray, step: int) -> None:
        """Write a grey picture, ``H x W`` uint8."""
        if self._writer is not None:
            self._writer.add_image(name, image, step, dataformats="HW")

    def close(self) -> None:
        """Flush and close."""
        if self._writer is not None:
            self._writer.close()


def side_by_side(visible: Tensor, infrared: Tensor, fused: Tensor) -> np.ndarray:
    """Lay visible | infrared | fused out as one grey picture.

    Args:
        visible: ``1 x 1 x H x W`` luminance in [0, 1].
        infrared: same shape.
        fused: same shape; clipped to [0, 1].

    Returns:
        ``H x (3 W + 16)`` uint8, the images apart by white bars.
    """
    planes = [image.detach().float().cpu()[0, 0].clamp(0, 1).numpy() for image in (visible, infrared, fused)]
    bar = np.ones((planes[0].shape[0], 8), np.float32)
    sheet = np.concatenate([planes[0], bar, planes[1], bar, planes[2]], axis=1)
    return np.rint(sheet * 255).astype(np.uint8)
