"""Boxes of a layout's label files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from .coco import read_coco_labels
from .errors import DataError
from .layout import Layout
from .pairing import stem_of, without_modality
from .readers.voc import from_first_pixel, read_voc
from .records import Box

_Label = TypeVar("_Label")


@dataclass(frozen=True)
class ImageLabels:
    """Labels of one image.

    Attributes:
        source: the file they come from.
        boxes: objects and regions to be ignored, not yet cut to the image.
        size: (width, height) that the file claims, or None.
        skipped: why objects were left out, one text each.
    """

    source: Path
    boxes: tuple[Box, ...]
    size: tuple[int, int] | None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetLabels:
    """Labels of a whole set.

    Attributes:
        images: stem -> labels, in the order of the stems.
        classes: names of the labels: COCO's categories in the order of their ids, else sorted by name.
        from_zero: the first VOC file which shows that the set counts pixels from 0, see :func:`read_labels`;
            None for VOC's own counting from 1, and for COCO.
        broken: the file and the error of everything that cannot be read.
    """

    images: dict[str, ImageLabels] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    from_zero: Path | None = None
    broken: tuple[tuple[Path, DataError], ...] = ()


def label_files(layout: Layout, stems: Iterable[str]) -> dict[str, Path]:
    """Return stem -> VOC file; empty when the labels are one COCO file or missing.

    Args:
        layout: the data set.
        stems: stems of the pairs; a file that is named like a half of one (``07_ir.xml``) gets its stem.

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
    return _by_pair(files, stems)


def read_labels(layout: Layout, stems: Iterable[str]) -> SetLabels:
    """Read the labels of a set; broken files are listed, not raised.

    VOC counts pixels from 1, but some tools count from 0 or write fractions. One file cannot tell, so the
    whole set is looked at: a fraction or a left or top edge of 0 anywhere shows counting from 0, and the
    coordinates are then used as they are. Otherwise 1 is taken off left and top.

    Args:
        layout: the data set.
        stems: stems of the pairs; labels of other images are left out.
    """
    if not layout.annotations:
        return SetLabels()
    wanted = list(stems)
    json_file = _json_file(layout)
    if json_file is not None:
        try:
            foreign = read_coco_labels(json_file, layout.infrared_ending)
            boxes, sizes = _by_pair(foreign.boxes, wanted), _by_pair(foreign.sizes, wanted)
            images = {
                stem: ImageLabels(json_file, boxes[stem], sizes[stem]) for stem in wanted if stem in boxes
            }
            _require_some(json_file, images, wanted, list(foreign.boxes))
        except DataError as error:
            return SetLabels(broken=((json_file, error),))
        return SetLabels(images, foreign.classes)
    try:
        files = label_files(layout, wanted)
        _require_some(layout.annotations[0], files.keys() & set(wanted), wanted, list(files))
    except DataError as error:
        return SetLabels(broken=((layout.annotations[0], error),))
    images, broken, from_zero = {}, [], None
    for stem in (stem for stem in wanted if stem in files):
        try:
            voc = read_voc(files[stem])
        except DataError as error:
            broken.append((files[stem], error))
            continue
        images[stem] = ImageLabels(files[stem], voc.boxes, voc.size, voc.skipped)
        if from_zero is None and voc.counts_from_zero:
            from_zero = files[stem]
    if from_zero is None:
        images = {
            stem: replace(each, boxes=tuple(from_first_pixel(box) for box in each.boxes))
            for stem, each in images.items()
        }
    names = {box.label for each in images.values() for box in each.boxes}
    return SetLabels(images, tuple(sorted(names)), from_zero, tuple(broken))


def named_labels(layout: Layout, stems: Collection[str]) -> Iterator[set[str]]:
    """Yield the labels of one image after the other: enough to guess a format without reading all files.

    Raises:
        DataError: a label file is unreadable.
    """
    json_file = _json_file(layout)
    if json_file is not None:
        yield {box.label for boxes in read_coco_labels(json_file).boxes.values() for box in boxes}
        return
    files = label_files(layout, stems)
    for stem in stems:
        if stem in files:
            yield {box.label for box in read_voc(files[stem]).boxes}


def usable_boxes(boxes: Iterable[Box], size: tuple[int, int] | None) -> tuple[Box, ...]:
    """Return what a run uses: boxes cut to the image, none without area, none of a class twice.

    Of an object and a region to be ignored at the very same place, the object stays.

    Args:
        boxes: of one image.
        size: (width, height) of the image; None does not cut.
    """
    kept: dict[tuple[str, tuple[float, ...]], Box] = {}
    for box in boxes:
        cut = box if size is None else clipped(box, *size)
        key = (cut.label, cut.xyxy)
        if not is_degenerate(cut) and (key not in kept or kept[key].ignore):
            kept[key] = cut
    return tuple(kept.values())


def clipped(box: Box, width: int, height: int) -> Box:
    """Return ``box`` cut to the image; degenerate when it lies outside."""
    left, top, right, bottom = box.xyxy
    xyxy = (max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
    return box if xyxy == box.xyxy else Box(box.label, xyxy, box.ignore)


def is_degenerate(box: Box) -> bool:
    """Tell whether a box has no width or no height."""
    left, top, right, bottom = box.xyxy
    return right <= left or bottom <= top


def _by_pair(labelled: Mapping[str, _Label], stems: Iterable[str]) -> dict[str, _Label]:
    """Return the labels under the stems of their pairs, where they are named like one half of a pair.

    Raises:
        DataError: labels of both halves of a pair.
    """
    wanted = set(stems)
    names: dict[str, str] = {}
    for stem in labelled:
        plain = without_modality(stem)
        if stem in wanted or plain not in wanted or plain in labelled:
            names[stem] = stem
        elif plain in names:
            raise DataError(f"{names[plain]!r} and {stem!r} label the same pair {plain!r}; keep one of them")
        else:
            names[plain] = stem
    return {pair: labelled[stem] for pair, stem in names.items()}


def _json_file(layout: Layout) -> Path | None:
    return next((path for path in layout.annotations if path.is_file()), None)


def _require_some(source: Path, found: Iterable[str], stems: list[str], labelled: list[str]) -> None:
    """Refuse label files that fit none of the pairs: names differ, or the wrong file was given."""
    if not labelled:
        raise DataError(
            f"{source}: no image is labelled in it; give VOC XML files or a COCO JSON file with images"
        )
    if stems and not any(True for _ in found):
        raise DataError(
            f"{source}: labels {len(labelled)} images, none of them among the pairs: first {labelled[0]!r}, "
            f"the pairs are called {stems[0]!r} and the like; give the labels of these images"
        )
