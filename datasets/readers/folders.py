"""Any two folders of registered images, with or without labels (VOC XML or COCO JSON)."""

from __future__ import annotations

from pathlib import Path

from ..layout import INFRARED_ALIASES, VISIBLE_ALIASES, Layout, annotation_source, explicit_or_found


def find(root: Path, infrared: Path | None, visible: Path | None, annotations: Path | None) -> Layout:
    """Locate the folders; see :class:`Layout`. With both folders named, ``root`` is only a label."""
    return Layout(
        "folders",
        root,
        explicit_or_found(root, infrared, INFRARED_ALIASES, "infrared"),
        explicit_or_found(root, visible, VISIBLE_ALIASES, "visible"),
        annotation_source(root, annotations) if root.is_dir() or annotations is not None else (),
    )
