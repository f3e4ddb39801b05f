"""FLIR-aligned (Zhang et al., ICIP 2020): ``FLIR_00097_PreviewData`` and ``FLIR_00097_RGB`` are one pair.

The images lie in two folders or together in ``JPEGImages``; the labels are a COCO JSON file or VOC XML.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from ..layout import (
    INFRARED_ALIASES,
    VISIBLE_ALIASES,
    Layout,
    annotation_source,
    explicit_or_found,
    find_folders,
    require_folder,
)

INFRARED_ENDING = "_PreviewData"
VISIBLE_ENDING = "_RGB"


def find(root: Path, infrared: Path | None, visible: Path | None, annotations: Path | None) -> Layout:
    """Locate the folders and the labels; see :class:`Layout`."""
    together: tuple[Path, ...] = ()
    if infrared is None and visible is None:
        require_folder(root)
        together = find_folders(root, ("jpegimages",))
    return Layout(
        "flir",
        root,
        together or explicit_or_found(root, infrared, INFRARED_ALIASES, "infrared"),
        together or explicit_or_found(root, visible, VISIBLE_ALIASES, "visible"),
        _labels(root, annotations),
        infrared_ending=INFRARED_ENDING,
        visible_ending=VISIBLE_ENDING,
    )


def _labels(root: Path, given: Path | None) -> tuple[Path, ...]:
    if given is None:
        files = sorted(
            path for path in root.glob("*.json") if path.name not in ("conditions.json", "synthetic.json")
        )
        preferred = [path for path in files if path.stem.casefold().startswith(("annotation", "instances"))]
        files = preferred or files
        if len(files) > 1:
            names = ", ".join(path.name for path in files)
            raise DataError(f"{root}: several label files ({names}); name one of them as annotations")
        if files:
            return (files[0],)
    return annotation_source(root, given)
