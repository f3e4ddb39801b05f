"""A throw-away data set for the detector's tests: coloured shapes on a grey ground."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from regionfuse.datasets.records import Box, Pair, PairSet

CLASSES = ("People", "Car", "Lamp")


def toy_pairs(folder: Path, count: int = 8, width: int = 64, height: int = 64, seed: int = 0) -> PairSet:
    """Write ``<stem>.png`` files into ``folder`` and return their pairs; the last pair has no objects."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    pairs = []
    for number in range(count):
        image = np.full((height, width, 3), 90, np.uint8) + rng.integers(0, 30, (height, width, 3), np.uint8)
        boxes = []
        for _ in range(0 if number == count - 1 else 3):
            kind, size = int(rng.integers(0, 3)), int(rng.integers(height // 6, height // 3))
            left, top = int(rng.integers(0, width - size)), int(rng.integers(0, height - size))
            color = ((40, 40, 220), (40, 220, 40), (220, 40, 40))[kind]
            cv2.rectangle(image, (left, top), (left + size - 1, top + size - 1), color, -1)
            boxes.append(Box(CLASSES[kind], (left, top, left + size, top + size)))
        path = folder / f"{number:05d}.png"
        cv2.imwrite(str(path), image)
        pairs.append(Pair(path.stem, path, path, width, height, tuple(boxes)))
    return PairSet("toy", folder, tuple(pairs), CLASSES)
