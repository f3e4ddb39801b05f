"""Score images, files and folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ...datasets.errors import DataError
from ...datasets.images import decode, read_infrared, read_rgb8
from ...datasets.layout import require_folder
from ...datasets.records import Pair
from ..doors.finished import find_images
from .registry import Metric, select
from .triple import Image, Triple

Progress = Callable[[int, int, str], None]

REGION_METRICS = ("SF", "AG", "EN", "SD")
"""Metrics that are defined on regions as small as an object."""
_LEAST_REGION = 16  # pixels


def score_images(
    infrared: Image, visible: Image, fused: Image, names: Iterable[str] | None = None
) -> dict[str, float]:
    """Return the metrics of one fused image by name, in the order of the registry.

    Args:
        infrared: ``H x W`` grey levels in 0..255, array or tensor of any real type, on any device.
        visible: as ``infrared``: luminance of the visible image.
        fused: as ``infrared``: luminance of the fused image.
        names: metrics wanted; default all.

    Raises:
        DataError: sizes differ, values are NaN, infinite or outside 0..255; there is more than one image.
        ConfigError: a metric is unknown.
    """
    metrics = select(names)
    images = Triple.of(infrared, visible, fused)
    if len(images.fused) != 1:
        raise DataError(
            f"expected one image, found a batch of {len(images.fused)}; call the metrics themselves"
        )
    return _scores(images, metrics)


def score_files(
    infrared: Path | str,
    visible: Path | str,
    fused: Path | str,
    names: Iterable[str] | None = None,
    *,
    device: str = "cpu",
) -> dict[str, float]:
    """Read three files as :func:`read_grey` does and return the metrics by name.

    Args:
        infrared: infrared file; a raw 16-bit one is stretched as for fusion.
        visible: visible file.
        fused: fused file.
        names: metrics wanted; default all.
        device: where to compute, e.g. ``cuda``; the values agree to rounding.

    Raises:
        DataError: a file is unreadable, or the sizes differ.
        ConfigError: a metric is unknown.
    """
    metrics = select(names)
    images = _read(Path(infrared), Path(visible), Path(fused))
    return _scores(Triple.of(*(torch.from_numpy(image).to(device) for image in images)), metrics)


def score_folder(
    pairs: Iterable[Pair],
    fused: Path | str,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
    *,
    device: str = "cpu",
    workers: int = 1,
) -> pd.DataFrame:
    """Score a folder of fused images against their pairs.

    Args:
        pairs: pairs, in the order of the rows.
        fused: folder with one image for each pair, named by its stem; other files are ignored.
        names: metrics wanted; default all.
        progress: called with (done, total, file name).
        device: as in :func:`score_files`.
        workers: images under way at once.

    Returns:
        One row a pair: ``image``, the file name of the fused image, then the metrics in the order of the
        registry. NaN where a metric is not defined, as VIF below 41 pixels.

    Raises:
        DataError: the folder is missing, a file is unreadable, or sizes differ.
        MethodError: fused images are missing.
        ConfigError: a metric is unknown.
    """
    metrics = [metric.name for metric in select(names)]
    fused, pairs = Path(fused), list(pairs)
    files = find_fused(pairs, fused)

    def row(pair: Pair) -> dict[str, object]:
        path = files[pair.stem]
        return {"image": path.name, **score_files(pair.infrared, pair.visible, path, metrics, device=device)}

    rows: list[dict[str, object]] = []
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(row, pair) for pair in pairs]
        try:
            for done, future in enumerate(running, start=1):
                rows.append(future.result())
                if progress is not None:
                    progress(done, len(pairs), str(rows[-1]["image"]))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return pd.DataFrame(rows, columns=["image", *metrics])


def score_regions(
    infrared: Path | str,
    visible: Path | str,
    fused: Path | str,
    boxes: NDArray[np.float64],
    names: Iterable[str] = REGION_METRICS,
) -> pd.DataFrame:
    """Return metrics of each box of an image, with a quarter of its size more on every side.

    Args:
        infrared: infrared file.
        visible: visible file.
        fused: fused file.
        boxes: shape (N, 4), left, top, right, bottom in absolute pixels of the images.
        names: metrics wanted; those that need large images are undefined on small regions.

    Returns:
        One row a box, one column a metric, NaN where a metric is not defined.

    Raises:
        DataError: a file is unreadable, or the sizes differ.
        ConfigError: a metric is unknown.
    """
    metrics = select(names)
    images = _read(Path(infrared), Path(visible), Path(fused))
    height, width = images[0].shape
    rows = []
    for left, top, right, bottom in np.asarray(boxes, dtype=np.float64).tolist():
        # The edges of the object belong to it; and filters need a region of some size.
        across, down = (max(0.5 * side, _LEAST_REGION - side) / 2 for side in (right - left, bottom - top))
        rows_of = slice(max(0, int(top - down)), min(height, int(np.ceil(bottom + down))))
        columns = slice(max(0, int(left - across)), min(width, int(np.ceil(right + across))))
        crops = (torch.from_numpy(np.ascontiguousarray(image[rows_of, columns])) for image in images)
        rows.append(_scores(Triple.of(*crops), metrics))
    return pd.DataFrame(rows, columns=[metric.name for metric in metrics])


def find_fused(pairs: Iterable[Pair], folder: Path | str) -> Mapping[str, Path]:
    """Return the fused image of each pair by stem.

    Raises:
        DataError: the folder is missing.
        MethodError: images are missing, or two share a stem.
    """
    folder = Path(folder)
    require_folder(folder)
    return find_images(folder.name, folder, [pair.stem for pair in pairs])


def read_grey(path: Path | str) -> NDArray[np.float32]:
    """Read a file as the evaluators in common use do: OpenCV's grey in float32, rounded to whole levels.

    Returns:
        float32 ``H x W``, whole numbers in 0..255; BT.601 luminance of a colour file.

    Raises:
        DataError: the file cannot be decoded.
    """
    image = read_rgb8(path)
    # The reference converts BGR: the order of the three products decides the last bit, and a tie its
    # rounding.
    grey = cv2.cvtColor(np.ascontiguousarray(image[..., ::-1]).astype(np.float32), cv2.COLOR_BGR2GRAY)
    return np.round(grey)


def _read_infrared(path: Path) -> NDArray[np.float32]:
    """Read as :func:`read_grey`, but raw 16-bit counts as the fusion methods see them, in 0..255."""
    if decode(path).dtype == np.uint8:
        return read_grey(path)
    return np.round(read_infrared(path) * np.float32(255))


def _read(infrared: Path, visible: Path, fused: Path) -> tuple[NDArray[np.float32], ...]:
    images = _read_infrared(infrared), read_grey(visible), read_grey(fused)
    for path, image in ((infrared, images[0]), (visible, images[1])):
        if image.shape != images[2].shape:
            raise DataError(
                f"{fused} is {_size(images[2])} but {path} is {_size(image)}; a fused image must have "
                "the size of its pair: fuse at full size, or crop the pair alike"
            )
    return images


def _scores(images: Triple, metrics: Iterable[Metric]) -> dict[str, float]:
    with torch.inference_mode():
        values = {metric.name: metric.function(images) for metric in metrics}
    return {name: float(value) for name, value in values.items()}


def _size(image: NDArray[np.float32]) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"
