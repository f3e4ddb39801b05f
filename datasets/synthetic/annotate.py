"""Annotations in M3FD's format: one Pascal VOC XML per pair."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .painter import Seen

MIN_VISIBLE = 0.25  # share of an object's pixels that must not be covered
MIN_INSIDE = 0.30  # share of its extent that must lie in the picture


def worth_labelling(seen: Seen, width: int) -> bool:
    """Tell whether enough of an object shows, and whether it is large enough, to be annotated."""
    left, top, right, bottom = seen.xyxy
    smallest = 5.0 * width / 320
    large = right - left >= smallest and bottom - top >= 1.6 * smallest
    return large and seen.visible >= MIN_VISIBLE and seen.inside >= MIN_INSIDE


def voc_xml(filename: str, width: int, height: int, objects: Sequence[Seen]) -> str:
    """Return the Pascal VOC annotation of a pair as text.

    Corners are rounded outwards to whole pixels and stay inside the picture. VOC counts pixels from 1 and
    includes the last one.
    """
    lines = [
        "<annotation>",
        "\t<folder>M3FD</folder>",
        f"\t<filename>{filename}</filename>",
        "\t<source>",
        "\t\t<database>synthetic</database>",
        "\t</source>",
        "\t<size>",
        f"\t\t<width>{width}</width>",
        f"\t\t<height>{height}</height>",
        "\t\t<depth>3</depth>",
        "\t</size>",
        "\t<segmented>0</segmented>",
    ]
    for seen in objects:
        left, top, right, bottom = seen.xyxy
        corners = {
            "xmin": max(math.floor(left), 0) + 1,
            "ymin": max(math.floor(top), 0) + 1,
            "xmax": min(math.ceil(right), width),
            "ymax": min(math.ceil(bottom), height),
        }
        lines += [
            "\t<object>",
            f"\t\t<name>{seen.label}</name>",
            "\t\t<pose>Unspecified</pose>",
            f"\t\t<truncated>{int(seen.inside < 0.99)}</truncated>",
            "\t\t<difficult>0</difficult>",
            "\t\t<bndbox>",
            *(f"\t\t\t<{name}>{value}</{name}>" for name, value in corners.items()),
            "\t\t</bndbox>",
            "\t</object>",
        ]
    return "\n".join([*lines, "</annotation>", ""])
