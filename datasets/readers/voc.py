"""Pascal VOC annotation files: one XML file per image, classes by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ..errors import DataError
from ..records import Box


@dataclass(frozen=True)
class VocFile:
    """Content of one annotation file.

    Attributes:
        boxes: objects; ``xyxy`` as written: xmin, ymin, xmax, ymax. ``difficult`` objects are to be ignored.
        size: (width, height) that the file claims, or None when it claims none.
        skipped: why objects were left out, one text each: no class name, or no box.
    """

    boxes: tuple[Box, ...]
    size: tuple[int, int] | None
    skipped: tuple[str, ...] = ()

    @property
    def counts_from_zero(self) -> bool:
        """Whether a coordinate shows that the first pixel is 0: a fraction, or a left or top edge of 0."""
        return any(value % 1 for box in self.boxes for value in box.xyxy) or any(
            value == 0 for box in self.boxes for value in box.xyxy[:2]
        )


def read_voc(path: Path) -> VocFile:
    """Read a VOC annotation file.

    Raises:
        DataError: the file is unreadable, no XML, declares a document type, or has a coordinate that is no
            number.
    """
    root = _parse(path)
    boxes, skipped = [], []
    for number, element in enumerate(root.iter("object"), start=1):
        label = (element.findtext("name") or "").strip()
        frame = element.find("bndbox")
        if label in ("", "*"):
            skipped.append("without a class name")
        elif frame is None:
            skipped.append("without a bndbox")
        else:
            xmin, ymin, xmax, ymax = (
                _number(path, frame, tag, number) for tag in ("xmin", "ymin", "xmax", "ymax")
            )
            difficult = (element.findtext("difficult") or "0").strip() == "1"
            boxes.append(Box(label, (xmin, ymin, xmax, ymax), ignore=difficult))
    return VocFile(tuple(boxes), _size(root), tuple(skipped))


def from_first_pixel(box: Box) -> Box:
    """Return a box of VOC's own counting in ours.

    VOC counts pixels from 1 and includes the last one, so ``xmin=1, xmax=10`` is ten pixels wide: left 0,
    right 10.
    """
    left, top, right, bottom = box.xyxy
    return Box(box.label, (left - 1, top - 1, right, bottom), box.ignore)


def _number(path: Path, frame: Element, tag: str, number: int) -> float:
    text = frame.findtext(tag)
    try:
        value = float(text if text is not None else "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path}: object {number}: expected a number in <{tag}>, found {text!r}")
    return value


def _size(root: Element) -> tuple[int, int] | None:
    try:
        return int(float(root.findtext("size/width") or "")), int(float(root.findtext("size/height") or ""))
    except (ValueError, OverflowError):
        return None


def _parse(path: Path) -> Element:
    """Parse by expat directly, so that a document type (and with it any entity bomb) can be refused."""
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse(*_: object) -> None:
        raise DataError(f"{path}: declares a document type or entities, which is unsafe to read; remove it")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(path.read_bytes(), True)
        return builder.close()
    except expat.ExpatError as error:
        raise DataError(f"{path}: not well-formed XML: {error}") from error
    except (OSError, ValueError, LookupError) as error:
        raise DataError(f"{path}: cannot be read as XML: {error}") from error
