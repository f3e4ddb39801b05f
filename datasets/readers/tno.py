"""TNO (Toet, 2017): classic pairs of several sizes, some copies with IR and VIS in the file names."""

from __future__ import annotations

from pathlib import Path

from ..layout import INFRARED_ALIASES, VISIBLE_ALIASES, Layout, annotation_source, explicit_or_found


def find(root: Path, infrared: Path | None, visible: Path | None, annotations: Path | None) -> Layout:
    """Locate the folders; see :class:`Layout`."""
    return Layout(
        "tno",
        root,
        explicit_or_found(root, infrared, INFRARED_ALIASES, "infrared"),
        explicit_or_found(root, visible, VISIBLE_ALIASES, "visible"),
        annotation_source(root, annotations),
    )
