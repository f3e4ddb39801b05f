"""The data-set doctor: lists everything that is wrong or odd, and never stops at the first case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .box_checks import check_boxes, size_counts
from .classes import BACKGROUND, class_rules
from .conditions import read_conditions
from .errors import DataError, RegionFuseError
from .findings import DoctorReport, Finding, Findings
from .image_checks import check_images
from .labels import ImageLabels, SetLabels, label_files, read_labels
from .layout import ANNOTATION_ALIASES, Layout, plain, subfolders
from .load import find_layout
from .pairing import Matching, match
from .registration import check_registration

Progress = Callable[[int, int, str], None]
__all__ = ["DoctorReport", "Finding", "examine"]


def examine(
    format: str,
    root: Path | str,
    *,
    infrared: Path | str | None = None,
    visible: Path | str | None = None,
    annotations: Path | str | None = None,
    classes: Sequence[str] | None = None,
    ignore_classes: Sequence[str] = (),
    merge_classes: Mapping[str, str] | None = None,
    conditions: Path | str | None = None,
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
    sizes = check_images(matching, found, progress)
    check_registration(matching, sizes, found, progress)
    read = read_labels(layout, matching.pairs)
    for file, reason in read.broken:
        found.add("error", "annotation", "unreadable label files", str(reason), [file])
    try:
        rules = class_rules(classes, ignore_classes, merge_classes)
        labels, names = rules.apply(layout, read)
    except RegionFuseError as error:
        found.add("error", "classes", "classes that cannot be used", str(error))
        labels, names = read.images, tuple(classes or layout.classes or read.classes)
    boxes = check_boxes(labels, sizes, names, found)
    _check_reading(read, names, found)
    _check_coverage(layout, matching, labels, found)
    for name in names:
        if labels and not any(box.label == name for box in boxes):
            found.add("warning", "class-absent", "classes without any object", repr(name))
    try:
        read_conditions(layout.root, file=conditions)
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
        size_counts=size_counts(boxes) if labels else {},
        class_size_counts={name: size_counts([box for box in boxes if box.label == name]) for name in shown},
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


def _check_reading(labels: SetLabels, classes: tuple[str, ...], found: Findings) -> None:
    """Tell how the label files were understood."""
    if labels.from_zero is not None:
        what = "VOC boxes that count pixels from 0 (an edge at 0 or a fraction), used as written"
        found.add("warning", "voc-from-zero", what, f"first shown by {labels.from_zero}", [labels.from_zero])
    if BACKGROUND in labels.classes and BACKGROUND not in classes:
        what = "an empty category whose name stands for 'no object', left out"
        found.add("warning", "background", what, repr(BACKGROUND))
    for each in labels.images.values():
        for reason in each.skipped:
            what = "labelled objects left out of every run"
            found.add("warning", "object-skipped", what, f"one {reason} in {each.source}", [each.source])


def _check_coverage(
    layout: Layout, matching: Matching, labels: dict[str, ImageLabels], found: Findings
) -> None:
    """Compare the images with the label files."""
    folders = [folder for folder in layout.annotations if folder.is_dir()]
    if folders:
        try:
            files = label_files(layout, matching.pairs)
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
