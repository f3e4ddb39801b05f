"""Data sets on disk -> validated records."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .classes import ClassRules, class_rules, unknown_class
from .conditions import read_conditions
from .errors import DataError
from .formats import FORMATS
from .images import image_size
from .labels import ImageLabels, SetLabels, named_labels, read_labels, usable_boxes
from .layout import Layout, require_folder, with_subsets
from .pairing import complete_pairs, match
from .readers import flir, folders, llvip, m3fd, msrs, roadscene, tno
from .records import Box, Pair, PairSet

_READERS = {
    "m3fd": m3fd.find,
    "llvip": llvip.find,
    "flir": flir.find,
    "msrs": msrs.find,
    "roadscene": roadscene.find,
    "tno": tno.find,
    "folders": folders.find,
}
SYNTHETIC_FILE = "synthetic.json"

_log = logging.getLogger(__name__)


def find_layout(
    format: str,
    root: Path | str,
    *,
    infrared: Path | str | None = None,
    visible: Path | str | None = None,
    annotations: Path | str | None = None,
) -> Layout:
    """Locate the folders of a data set without reading any file; arguments as in :func:`load_pairs`.

    Raises:
        DataError: the format is unknown, or a folder is missing.
    """
    if format not in _READERS:
        raise DataError(f"unknown data set format {format!r}; known: {', '.join(FORMATS)}")
    root = Path(root)
    if infrared is None or visible is None:
        require_folder(root)
    given = (None if path is None else Path(path) for path in (infrared, visible, annotations))
    return _READERS[format](root, *given)


def load_pairs(
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
) -> PairSet:
    """Read a data set: match the halves of the pairs, check their sizes, read the labels.

    Only image headers are read. Images whose other half is missing are left out with a warning; boxes are cut
    to the image, dropped when nothing is left of them, and used once when repeated.
    :func:`~regionfuse.datasets.doctor.examine` lists every such case.

    Args:
        format: one of :data:`FORMATS`.
        root: folder of the data set.
        infrared: folder of the infrared images; default: found below ``root`` by its name.
        visible: folder of the visible images; default as above.
        annotations: folder of VOC XML files, or a COCO JSON file; default as above, none is allowed.
        classes: class names in the wanted order; default: the format's own, else those in the labels.
        ignore_classes: labels whose objects become regions to be ignored.
        merge_classes: label -> class that its objects are counted as.
        conditions: file that names scenes and condition tags, see
            :func:`~regionfuse.datasets.conditions.read_conditions`; default: ``conditions.json`` in ``root``.

    Raises:
        DataError: a folder is missing, no pair is complete, two halves differ in size, a file is unreadable,
            a label names an unknown class, or a class is called ``background``.
        ConfigError: ``classes``, ``ignore_classes`` or ``merge_classes`` do not fit the labels.
    """
    layout = find_layout(format, root, infrared=infrared, visible=visible, annotations=annotations)
    return _assemble(layout, class_rules(classes, ignore_classes, merge_classes), conditions)


def pair_folders(infrared_dir: Path | str, visible_dir: Path | str) -> PairSet:
    """Read two folders of registered images as unlabelled pairs.

    Raises:
        DataError: see :func:`load_pairs`.
    """
    for folder in (Path(infrared_dir), Path(visible_dir)):
        require_folder(folder)
    root = Path(visible_dir).parent
    layout = Layout("folders", root, with_subsets(Path(infrared_dir)), with_subsets(Path(visible_dir)))
    return _assemble(layout, ClassRules())


def detect_format(root: Path | str) -> str:
    """Guess the format of a data set from its folders, file names and labels; ``folders`` when nothing tells.

    Raises:
        DataError: no infrared and visible folders are found.
    """
    root = Path(root)
    if any(child.name.casefold().startswith("flir") for child in root.glob("JPEGImages/*_RGB.*")):
        return "flir"
    layout = find_layout("folders", root)
    matching = match(layout)
    if any(folder.name.casefold().startswith("crop") for folder in layout.infrared + layout.visible):
        return "roadscene"
    names = [files[0].stem for files in matching.pairs.values()]
    if any(name.endswith(flir.INFRARED_ENDING) for name in names):
        return "flir"
    for found in named_labels(layout, matching.pairs):
        if found:
            return (
                "m3fd" if found & set(m3fd.CLASSES) else "llvip" if found <= set(llvip.CLASSES) else "folders"
            )
    if names and all(re.fullmatch(r"\d{5}[DN]", name) for name in names):
        return "msrs"
    return next(
        (name for name in ("m3fd", "llvip", "tno") if name in root.resolve().name.casefold()), "folders"
    )


def _assemble(layout: Layout, rules: ClassRules, conditions_file: Path | str | None = None) -> PairSet:
    matching = match(layout)
    files = complete_pairs(layout, matching)
    halves = matching.only_infrared + matching.only_visible
    if halves:
        _log.warning(
            "%s: %d image(s) without their other half are left out, first %s",
            layout.root,
            len(halves),
            halves[0],
        )
    sizes = _sizes(files)
    found = read_labels(layout, files)
    if found.broken:
        more = f" (and {len(found.broken) - 1} more label files)" if len(found.broken) > 1 else ""
        raise DataError(f"{found.broken[0][1]}{more}")
    labels, names = rules.apply(layout, found)
    conditions = read_conditions(layout.root, files, conditions_file)
    if conditions_file is not None and not conditions.keys() & files.keys():
        raise DataError(f"{conditions_file}: names none of the images in {layout.root}")
    _warn_about_labels(layout, found, sizes)
    pairs, lost, repeated = [], 0, 0
    for stem, (infrared, visible) in files.items():
        width, height = sizes[stem]
        known = labels.get(stem)
        boxes: tuple[Box, ...] = ()
        if known is not None:
            _require_classes(known, names, rules)
            boxes = usable_boxes(known.boxes, sizes[stem])
            distinct = len(set(known.boxes))
            repeated += len(known.boxes) - distinct
            lost += distinct - len(boxes)
        scene, tags = conditions.get(stem, (None, ()))
        source = known.source if known else None
        pairs.append(Pair(stem, infrared, visible, width, height, boxes, source, tags, scene))
    if repeated:
        _log.warning("%s: %d box(es) given more than once are used once", layout.root, repeated)
    if lost:
        _log.warning("%s: %d box(es) without area inside their image are left out", layout.root, lost)
    synthetic = (layout.root / SYNTHETIC_FILE).is_file()
    name = "synthetic" if synthetic else layout.format
    return PairSet(name, layout.root, tuple(pairs), names, synthetic)


def _sizes(files: dict[str, tuple[Path, Path]]) -> dict[str, tuple[int, int]]:
    """Return stem -> (width, height), read by several threads because network disks answer slowly."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(lambda pair: (image_size(pair[0]), image_size(pair[1])), files.values()))
    for (infrared, visible), (first, second) in zip(files.values(), found, strict=True):
        if first != second:
            raise DataError(
                f"{infrared} is {first[0]} x {first[1]} but {visible} is {second[0]} x {second[1]}; "
                "both halves of a pair must be registered to one size"
            )
    return {stem: first for stem, (first, _) in zip(files, found, strict=True)}


def _require_classes(labels: ImageLabels, classes: tuple[str, ...], rules: ClassRules) -> None:
    for box in labels.boxes:
        if box.label not in classes and not rules.is_ignored(box):
            raise DataError(f"{labels.source}: {unknown_class(box.label, classes)}")


def _warn_about_labels(layout: Layout, labels: SetLabels, sizes: dict[str, tuple[int, int]]) -> None:
    wrong = [stem for stem, each in labels.images.items() if each.size not in (None, sizes[stem])]
    if wrong:
        _log.warning(
            "%s: %d label file(s) claim another size than their image, first %s; the image is believed",
            layout.root,
            len(wrong),
            labels.images[wrong[0]].source,
        )
    if labels.from_zero is not None:
        _log.warning(
            "%s: the VOC labels count pixels from 0 (first shown by %s); boxes are used as written",
            layout.root,
            labels.from_zero,
        )
    for reason, count in Counter(why for each in labels.images.values() for why in each.skipped).items():
        _log.warning("%s: %d labelled object(s) %s are left out", layout.root, count, reason)
