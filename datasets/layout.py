"""Where the parts of a data set lie: which folders hold infrared images, visible images and labels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import DataError

IMAGE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
# Compared without case, spaces, hyphens and underscores; the earlier alias wins when several folders match.
INFRARED_ALIASES = (
    "ir",
    "infrared",
    "inf",
    "thermal",
    "cropinfrared",
    "lwir",
    "tir",
    "irimages",
    "infraredimages",
    "thermalimages",
    "irimg",
)
VISIBLE_ALIASES = (
    "vis",
    "vi",
    "visible",
    "rgb",
    "croplrvisible",
    "crophrvisible",
    "visimages",
    "visibleimages",
    "rgbimages",
    "visimg",
    "vsm",
)
ANNOTATION_ALIASES = (
    "annotation",
    "annotations",
    "annotationxml",
    "annotationsxml",
    "xml",
    "xmls",
    "labelxml",
    "labelsxml",
    "labels",
    "label",
    "anno",
    "annos",
)
SUBSETS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


@dataclass(frozen=True)
class Layout:
    """The folders of one data set, found but not yet read.

    Attributes:
        format: name of the format, e.g. ``m3fd``.
        root: folder of the data set.
        infrared: folders with infrared images.
        visible: folders with visible images; may be the same folders when the endings differ.
        annotations: folders with VOC XML files, or one COCO JSON file; empty without labels.
        classes: class names in their fixed order; empty: those that the labels name.
        infrared_ending: what the stems of infrared files (and labels) end with beside the shared stem.
        visible_ending: the same for visible files.
    """

    format: str
    root: Path
    infrared: tuple[Path, ...]
    visible: tuple[Path, ...]
    annotations: tuple[Path, ...] = ()
    classes: tuple[str, ...] = ()
    infrared_ending: str = ""
    visible_ending: str = ""


def explicit_or_found(
    root: Path, given: Path | str | None, aliases: tuple[str, ...], what: str
) -> tuple[Path, ...]:
    """Return the folders of one modality: the one the user names, else those found below ``root``.

    Raises:
        DataError: there is none; the message lists what was looked for and what is there.
    """
    if given is not None:
        folder = Path(given)
        if not folder.is_dir():
            raise DataError(f"{folder}: the {what} folder does not exist or is not a folder")
        return with_subsets(folder)
    require_folder(root)
    found = find_folders(root, aliases)
    if not found:
        there = ", ".join(sorted(child.name for child in subfolders(root))) or "no folders"
        raise DataError(
            f"{root}: no folder with {what} images; looked for {', '.join(aliases[:5])} and the like, "
            f"found {there}; name the folder explicitly"
        )
    return found


def find_folders(root: Path, aliases: Iterable[str]) -> tuple[Path, ...]:
    """Return the folders below ``root`` that go by one of ``aliases``, the best alias first and alone.

    They may stand in ``root`` itself, in its only subfolder, or in subfolders called train, val and test
    (and may themselves be divided so).

    Raises:
        DataError: several data sets lie below ``root``.
    """
    ranks = {alias: rank for rank, alias in enumerate(aliases)}

    def best(folder: Path) -> list[Path]:
        named = [(ranks.get(plain(child.name)), child) for child in subfolders(folder)]
        ranked = [(rank, child) for rank, child in named if rank is not None]
        return [min(ranked, key=lambda item: (item[0], item[1].name))[1]] if ranked else []

    found = best(root)
    if not found:
        below = [(child, match) for child in subfolders(root) for match in best(child)]
        if len(below) > 1 and not all(plain(child.name) in SUBSETS for child, _ in below):
            names = ", ".join(child.name for child, _ in below)
            raise DataError(f"{root}: several data sets lie below this folder ({names}); name one of them")
        found = [match for _, match in below]
    return tuple(part for folder in found for part in with_subsets(folder))


def with_subsets(folder: Path) -> tuple[Path, ...]:
    """Return ``folder``, or its train, val and test subfolders where it is divided into them."""
    parts = tuple(child for child in subfolders(folder) if plain(child.name) in SUBSETS)
    return parts or (folder,)


def annotation_source(root: Path, given: Path | str | None) -> tuple[Path, ...]:
    """Return folders with VOC XML or one COCO JSON file; empty when there are no labels.

    Raises:
        DataError: the path that the user names does not exist.
    """
    if given is not None:
        source = Path(given)
        if source.is_file():
            return (source,)
        if source.is_dir():
            return with_subsets(source)
        raise DataError(
            f"{source}: the annotations do not exist; give a folder of VOC XML or a COCO JSON file"
        )
    for alias in ANNOTATION_ALIASES:
        folders = find_folders(root, (alias,))
        # A folder called labels often holds YOLO text files, whose class numbers mean different things in
        # different copies of M3FD; only files that name the classes are read.
        if any(True for folder in folders for _ in folder.glob("*.xml")):
            return folders
    return ()


def require_folder(root: Path) -> None:
    """Raise a DataError when ``root`` is not an existing folder."""
    if not root.exists():
        raise DataError(f"{root}: no such folder; check the path of the data set")
    if not root.is_dir():
        raise DataError(f"{root}: expected the folder of a data set, found a file")


def subfolders(folder: Path) -> list[Path]:
    """Return the visible (not hidden) subfolders, sorted by name."""
    try:
        return sorted(
            child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")
        )
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror or error}") from error


def plain(name: str) -> str:
    """Return a folder name without case, spaces, hyphens and underscores."""
    return re.sub(r"[\s_\-]+", "", name).casefold()
