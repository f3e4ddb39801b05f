"""LLVIP (Jia et al., ICCVW 2021): pedestrians at night, VOC XML, one class, train and test subfolders."""

from __future__ import annotations

from pathlib import Path

from ..layout import INFRARED_ALIASES, VISIBLE_ALIASES, Layout, annotation_source, explicit_or_found

CLASSES = ("person",)


def find(root: Path, infrared: Path | None, visible: Path | None, annotations: Path | None) -> Layout:
    """Locate the folders; see :class:`Layout`."""
    return Layout(
        "llvip",
        root,
        explicit_or_found(root, infrared, INFRARED_ALIASES, "infrared"),
        explicit_or_found(root, visible, VISIBLE_ALIASES, "visible"),
        annotation_source(root, annotations),
        CLASSES,
    )
