"""The doctor's look at the labels: classes, boxes, sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .classes import unknown_class
from .findings import Findings
from .labels import ImageLabels, clipped, is_degenerate, usable_boxes
from .records import SIZES, Box, size_names


def check_boxes(
    labels: dict[str, ImageLabels],
    sizes: dict[str, tuple[int, int]],
    classes: tuple[str, ...],
    found: Findings,
) -> list[Box]:
    """Check all boxes; return the objects that a run would count."""
    sound: list[Box] = []
    for stem, each in labels.items():
        size = sizes.get(stem)
        if size is not None and each.size is not None and each.size != size:
            example = f"{each.source} says {each.size[0]} x {each.size[1]}, {stem} is {size[0]} x {size[1]}"
            what = "label files with a wrong image size (the image is believed)"
            found.add("warning", "annotation-size", what, example, [each.source])
        if not each.boxes:
            found.add("info", "empty", "labelled images without any object", stem, [each.source])
        for (label, xyxy), count in Counter((box.label, box.xyxy) for box in each.boxes).items():
            if count > 1:
                example = f"{stem}: {_shown(Box(label, xyxy))} is given {count} times"
                what = "boxes given more than once, used once"
                found.add("warning", "box-repeated", what, example, [each.source])
        for box in each.boxes:
            _check_box(stem, each, box, size, classes, found)
        usable = usable_boxes(each.boxes, size)
        sound += [box for box in usable if not box.ignore and box.label in classes]
    return sound


def _check_box(
    stem: str,
    labels: ImageLabels,
    box: Box,
    size: tuple[int, int] | None,
    classes: tuple[str, ...],
    found: Findings,
) -> None:
    example, files = f"{stem}: {_shown(box)}", [labels.source]
    if box.ignore:
        what = "regions that are neither trained on nor counted (crowd, ignore, difficult, ignored classes)"
        found.add("info", "ignored", what, example, files)
    elif box.label not in classes:
        example = f"{labels.source}: {unknown_class(box.label, classes)}"
        found.add("error", "unknown-class", "objects of an unknown class", example, files)
        return
    if box.xyxy[2] < box.xyxy[0] or box.xyxy[3] < box.xyxy[1]:
        what = "boxes that end before they begin, left out of every run"
        found.add("warning", "box-reversed", what, example, files)
        return
    cut = box if size is None else clipped(box, *size)
    if is_degenerate(cut):
        what = "boxes without area inside their image, left out of every run"
        found.add("warning", "box-degenerate", what, example, files)
    elif cut is not box:
        what = "boxes that reach beyond their image, cut to it in every run"
        found.add("warning", "box-outside", what, example, files)


def size_counts(boxes: Sequence[Box]) -> dict[str, int]:
    """Return the numbers of small, medium and large boxes."""
    counts = Counter(size_names([box.area for box in boxes]).tolist())
    return {name: counts[name] for name in SIZES}


def _shown(box: Box) -> str:
    return "{} at ({})".format(box.label, ", ".join(f"{value:g}" for value in box.xyxy))
