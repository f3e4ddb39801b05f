"""M3FD (Liu et al., CVPR 2022): 4,200 labelled pairs of several sizes, VOC XML, six classes.

Copies differ in the spelling of the folders (``Ir/Vis/Annotation``, ``ir/vi/labels``, ...) and in the order
of class numbers, which is why only the XML, which names the classes, is read.
"""

from __future__ import annotations

from pathlib import Path

from ..layout import INFRARED_ALIASES, VISIBLE_ALIASES, Layout, annotation_source, explicit_or_found

CLASSES = ("People", "Car", "Bus", "Motorcycle", "Lamp", "Truck")


def find(root: Path, infrared: Path | None, visible: Path | None, annotations: Path | None) -> Layout:
    """Locate the folders; see :class:`Layout`."""
    return Layout(
        "m3fd",
        root,
        explicit_or_found(root, infrared, INFRARED_ALIASES, "infrared"),
        explicit_or_found(root, visible, VISIBLE_ALIASES, "visible"),
        annotation_source(root, annotations),
        CLASSES,
    )
