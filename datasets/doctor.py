"""The data-set doctor: lists everything that is wrong or odd, and never stops at the first case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .errors import DataError
from .findings import DoctorReport, Finding, Findings
from .inspection import BORDER_SHARE, ImageFacts, inspect_image
from .labels import (
    ImageLabels,
    class_names,
    clipped,
    is_degenerate,
    label_files,
    read_labels,
    unknown_class,
)
from .layout import ANNOTATION_ALIASES, Layout, plain, subfolders
from .load import find_layout, read_conditions
from .pairing import Matching, match
from .records import Box

Progress = Callable[[int, int, str], None]
SMALL, LARGE = 32**2, 96**2
"""COCO's limits between small, medium and large objects, in square pixels."""

__all__ = ["DoctorReport", "Finding", "examine"]


def examine(
    format: str,
    root: Path | str,
    *,
    infrared: Path | str | None = None,
    visible: Path | str | None = None,
    annotations: Path | str | None = None,
    classes: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> DoctorReport:
    """Examine a data set; arguments as in :func:`~regionfuse.datasets.load.load_pairs`.

    Every image is decoded. Broken data make findings, never exceptions.
    """
    found = Findings()
    try:
        layout = find_layout(format, root, infrared=infrared, visible=visible, annotations=annotations)
        matching = match(layout)
    except DataError as error:
        found.add("error", "folders", "the data set cannot be opened", str(error))
        return DoctorReport(format, str(root), 0, tuple(classes or ()), found.collected())
    _check_matching(layout, matching, found)
    sizes = _check_images(matching, found, progress)
    labels = _read(layout, matching, found)
    try:
        names = class_names(layout, labels.values(), classes)
    except DataError as error:
        found.add("error", "annotation", "unreadable label files", str(error))
        names = tuple(classes or layout.classes)
    boxes = _check_boxes(labels, sizes, names, found)
    _check_coverage(layout, matching, labels, found)
    for name in names:
        if labels and not any(box.label == name for box in boxes):
            found.add("warning", "class-absent", "classes without any object", repr(name))
    try:
        read_conditions(layout.root)
    except DataError as error:
        found.add("error", "conditions", "unreadable condition file", str(error))
    shown = [name for name in names if labels]
    return DoctorReport(
        format=format,
        root=str(root),
        pairs=len(matching.pairs),
        classes=names,
        findings=found.collected(),
        class_counts={name: sum(box.label == name for box in boxes) for name in shown},
        size_counts=_size_counts(boxes) if labels else {},
        class_size_counts={name: _size_counts([box for box in boxes if box.label == name]) for name in shown},
        image_sizes={
            f"{width}x{height}": count for (width, height), count in Counter(sizes.values()).most_common()
        },
    )


def _check_matching(layout: Layout, matching: Matching, found: Findings) -> None:
    for files in matching.ambiguous:
        names = " and ".join(str(file) for file in files)
        found.add("error", "ambiguous-stem", "stems with several files of one modality", names, files)
    for file in matching.only_infrared:
        found.add(
            "warning", "missing-half", "images without their other half", f"{file} (no visible)", [file]
        )
    for file in matching.only_visible:
        found.add(
            "warning", "missing-half", "images without their other half", f"{file} (no infrared)", [file]
        )
    if not matching.pairs:
        where = ", ".join(str(folder) for folder in layout.infrared + layout.visible)
        found.add("error", "no-pairs", "no pair is complete", f"looked for images of equal names in {where}")


def _check_images(
    matching: Matching, found: Findings, progress: Progress | None
) -> dict[str, tuple[int, int]]:
    """Inspect all halves; return stem -> (width, height) of the pairs that are sound."""
    files = [path for pair in matching.pairs.values() for path in pair]
    facts: list[ImageFacts] = []
    with ThreadPoolExecutor(max_workers=4) as pool:
        for number, each in enumerate(pool.map(inspect_image, files), start=1):
            facts.append(each)
            if progress is not None:
                progress(number, len(files), "examine images")
    infrared, visible = facts[::2], facts[1::2]
    for each in facts:
        if each.error is not None:
            found.add("error", "unreadable", "unreadable images", each.error, [each.path])
        if each.border >= BORDER_SHARE:
            example = f"{each.path} ({100 * each.border:.1f} % of the image)"
            found.add(
                "info", "black-border", "images with black borders of registration", example, [each.path]
            )
    for each in infrared:
        if each.bits == 16:
            what = "16-bit infrared images, each stretched between its own percentiles"
            found.add("warning", "16-bit", what, str(each.path), [each.path])
        if each.error is None and not each.grey:
            what = "infrared images with colour, reduced to luminance (false colours carry no temperature)"
            found.add("warning", "coloured-infrared", what, str(each.path), [each.path])
    for each in visible:
        if each.bits == 16:
            found.add("info", "16-bit-visible", "16-bit visible images", str(each.path), [each.path])
        if each.error is None and each.grey:
            found.add("info", "grey-visible", "visible images without colour", str(each.path), [each.path])
    _check_duplicates(infrared, "infrared", found)
    _check_duplicates(visible, "visible", found)
    sizes = {}
    for stem, one, two in zip(matching.pairs, infrared, visible, strict=True):
        if one.error is not None or two.error is not None:
            continue
        if one.size != two.size:
            example = (
                f"{one.path} is {one.size[0]} x {one.size[1]}, {two.path} is {two.size[0]} x {two.size[1]}"
            )
            what = "pairs whose halves differ in size"
            found.add("error", "size-mismatch", what, example, [one.path, two.path])
            continue
        if one.pixels == two.pixels:
            what = "pairs whose halves are the same image"
            found.add("warning", "same-halves", what, f"{one.path} and {two.path}", [one.path, two.path])
        sizes[stem] = one.size
    return sizes


def _check_duplicates(facts: Sequence[ImageFacts], modality: str, found: Findings) -> None:
    groups: dict[str, list[Path]] = {}
    for each in facts:
        if each.error is None:
            groups.setdefault(each.pixels, []).append(each.path)
    for paths in groups.values():
        if len(paths) > 1:
            what = f"groups of {modality} images with the same pixels"
            example = ", ".join(path.name for path in paths[:4])
            found.add("warning", f"duplicate-{modality}", what, example, paths)


def _read(layout: Layout, matching: Matching, found: Findings) -> dict[str, ImageLabels]:
    """Read the labels stem by stem, so that one bad file does not hide the others."""
    labels: dict[str, ImageLabels] = {}
    if any(path.is_file() for path in layout.annotations):
        try:
            return dict(read_labels(layout, matching.pairs))
        except DataError as error:
            found.add("error", "annotation", "unreadable label files", str(error), layout.annotations)
            return {}
    try:
        files = label_files(layout)
    except DataError as error:
        found.add("error", "annotation", "unreadable label files", str(error))
        return {}
    for stem in matching.pairs.keys() & files.keys():
        try:
            labels.update(read_labels(layout, [stem], files))
        except DataError as error:
            found.add("error", "annotation", "unreadable label files", str(error), [files[stem]])
    return dict(sorted(labels.items()))


def _check_boxes(
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


def _check_coverage(
    layout: Layout, matching: Matching, labels: dict[str, ImageLabels], found: Findings
) -> None:
    """Compare the images with the label files."""
    folders = [folder for folder in layout.annotations if folder.is_dir()]
    if folders:
        try:
            files = label_files(layout)
        except DataError:
            return  # reported when the labels were read
        images = matching.pairs.keys()
        for stem in sorted(files.keys() - images):
            what = "label files without a complete image pair"
            found.add("warning", "label-without-pair", what, str(files[stem]), [files[stem]])
        for stem in sorted(images - files.keys()):
            infrared, visible = matching.pairs[stem]
            what = "images without a label file, scored as if nothing were there"
            found.add("warning", "unlabelled", what, stem, [infrared, visible])
    elif layout.annotations:
        for stem in sorted(matching.pairs.keys() - labels.keys()):
            if labels:
                what = "images that the label file does not list, scored as if nothing were there"
                found.add("warning", "unlabelled", what, stem, matching.pairs[stem])
    else:
        found.add("info", "no-labels", "no labels", "fusion works without, detection needs them")
        if layout.root.is_dir():
            for folder in subfolders(layout.root):
                if plain(folder.name) in ANNOTATION_ALIASES and any(folder.glob("*.txt")):
                    what = "label folders with numeric text files, which are not read"
                    example = f"{folder} (copies differ in what the numbers mean; give the XML files)"
                    found.add("warning", "text-labels", what, example, [folder])


def _size_counts(boxes: Sequence[Box]) -> dict[str, int]:
    small = sum(box.area < SMALL for box in boxes)
    large = sum(box.area > LARGE for box in boxes)
    return {"small": small, "medium": len(boxes) - small - large, "large": large}


def _shown(box: Box) -> str:
    return "({})".format(", ".join(f"{value:g}" for value in box.xyxy))
