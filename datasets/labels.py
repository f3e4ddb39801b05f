"""Boxes of a layout's label files, and what can be wrong with a box."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .coco import read_coco_labels
from .errors import DataError
from .layout import Layout
from .pairing import stem_of
from .readers.voc import read_voc
from .records import Box


@dataclass(frozen=True)
class ImageLabels:
    """Labels of one image: the file they come from, the boxes, and the image size that the file claims."""

    source: Path
    boxes: tuple[Box, ...]
    size: tuple[int, int] | None


def label_files(layout: Layout) -> dict[str, Path]:
    """Return stem -> VOC file; empty when the labels are one COCO file or missing.

    Raises:
        DataError: two files are for the same stem.
    """
    files: dict[str, Path] = {}
    for folder in layout.annotations:
        if not folder.is_dir():
            continue
        for path in sorted(folder.glob("*.xml")):
            if path.name.startswith("."):
                continue
            stem = stem_of(path.name, layout.infrared_ending)
            if stem in files:
                raise DataError(f"{files[stem]} and {path} label the same image; keep one of them")
            files[stem] = path
    return files


def read_labels(
    layout: Layout, stems: Iterable[str], files: dict[str, Path] | None = None
) -> Iterator[tuple[str, ImageLabels]]:
    """Yield (stem, labels) for those of ``stems`` that have labels.

    Args:
        layout: the data set.
        stems: stems of interest.
        files: result of :func:`label_files`, when it is known already.

    Raises:
        DataError: a label file is unreadable.
    """
    json_file = next((path for path in layout.annotations if path.is_file()), None)
    if json_file is not None:
        foreign = read_coco_labels(json_file, layout.infrared_ending)
        sizes = {image.stem: (image.width, image.height) for image in foreign.images}
        for stem in stems:
            if stem in foreign.boxes:
                yield stem, ImageLabels(json_file, foreign.boxes[stem], sizes[stem])
        return
    files = label_files(layout) if files is None else files
    for stem in stems:
        if stem in files:
            voc = read_voc(files[stem])
            yield stem, ImageLabels(files[stem], voc.boxes, voc.size)


def class_names(
    layout: Layout, labels: Iterable[ImageLabels], given: Iterable[str] | None
) -> tuple[str, ...]:
    """Return the class names in their order: the user's, else the format's, else those of the labels.

    Raises:
        DataError: the user's list names a class twice.
    """
    if given:
        names = tuple(given)
        if len(set(names)) < len(names):
            raise DataError(f"classes: {list(names)} names a class twice")
        return names
    if layout.classes:
        return layout.classes if layout.annotations else ()
    json_file = next((path for path in layout.annotations if path.is_file()), None)
    if json_file is not None:
        return read_coco_labels(json_file, layout.infrared_ending).classes
    return tuple(sorted({box.label for each in labels for box in each.boxes}))


def unknown_class(label: str, classes: Iterable[str]) -> str:
    """Return the message for a class name that is not among ``classes``, with the nearest valid one."""
    known = list(classes)
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(label.casefold(), folded, n=1)
    hint = f"; did you mean {folded[near[0]]!r}?" if near else ""
    return f"unknown class {label!r}{hint} (known: {', '.join(known)})"


def clipped(box: Box, width: int, height: int) -> Box:
    """Return ``box`` cut to the image; degenerate when it lies outside."""
    left, top, right, bottom = box.xyxy
    xyxy = (max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
    return box if xyxy == box.xyxy else Box(box.label, xyxy, box.difficult)


def is_degenerate(box: Box) -> bool:
    """Tell whether a box has no width or no height."""
    left, top, right, bottom = box.xyxy
    return right <= left or bottom <= top
