"""Logs of a run: one CSV row per epoch, TensorBoard curves per step."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

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
