"""The doctor's look at the labels: classes, boxes, sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .findings import Findings
from .labels import ImageLabels, clipped, is_degenerate, unknown_class
from .records import Box

SMALL, LARGE = 32**2, 96**2
"""COCO's limits between small, medium and large objects, in square pixels."""


def check_boxes(
    labels: dict[str, ImageLabels],
    sizes: dict[str, tuple[int, int]],
    classes: tuple[str, ...],
    found: Findings,
) -> list[Box]:
    """Check all boxes; return those that a run would use."""
    sound = []
    for stem, each in labels.items():
        size = sizes.get(stem)
        if size is not None and each.size is not None and each.size != size:
            example = f"{each.source} says {each.size[0]} x {each.size[1]}, {stem} is {size[0]} x {size[1]}"
            what = "label files with a wrong image size (the image is believed)"
            found.add("warning", "annotation-size", what, example, [each.source])
        if not each.boxes:
            found.add("info", "empty", "labelled images without any object", stem, [each.source])
        for box, count in Counter(each.boxes).items():
            if count > 1:
                example = f"{stem}: {box.label} at {_shown(box)} stands {count} times"
                found.add("warning", "box-repeated", "boxes given more than once", example, [each.source])
        for box in each.boxes:
            if box.label not in classes:
                example = f"{each.source}: {unknown_class(box.label, classes)}"
                found.add("error", "unknown-class", "objects of an unknown class", example, [each.source])
                continue
            cut = box if size is None else clipped(box, *size)
            if is_degenerate(cut):
                example = f"{stem}: {box.label} at {_shown(box)}"
                what = "boxes without area inside their image, left out of every run"
                found.add("warning", "box-degenerate", what, example, [each.source])
                continue
            if cut is not box:
                example = f"{stem}: {box.label} at {_shown(box)}"
                what = "boxes that reach beyond their image, cut to it in every run"
                found.add("warning", "box-outside", what, example, [each.source])
            sound.append(cut)
    return sound


def size_counts(boxes: Sequence[Box]) -> dict[str, int]:
    """Return the numbers of small, medium and large boxes."""
    small = sum(box.area < SMALL for box in boxes)
    large = sum(box.area > LARGE for box in boxes)
    return {"small": small, "medium": len(boxes) - small - large, "large": large}


def _shown(box: Box) -> str:
    return "({})".format(", ".join(f"{value:g}" for value in box.xyxy))
