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
        boxes: objects; coordinates as in :class:`~regionfuse.datasets.records.Box`.
        size: (width, height) that the file claims, or None when it claims none.
    """

    boxes: tuple[Box, ...]
    size: tuple[int, int] | None


def read_voc(path: Path) -> VocFile:
    """Read a VOC annotation file.

    VOC counts pixels from 1 and includes the last one, so ``xmin=1, xmax=10`` is ten pixels wide and becomes
    left 0, right 10. Tools that write 0 for the first pixel get the same left edge.

    Raises:
        DataError: the file is unreadable, no XML, declares a document type, or lacks a needed element.
    """
    root = _parse(path)
    boxes = []
    for number, element in enumerate(root.iter("object"), start=1):
        label = (element.findtext("name") or "").strip()
        if not label:
            raise DataError(f"{path}: object {number} has no class name")
        frame = element.find("bndbox")
        if frame is None:
            raise DataError(f"{path}: object {number} ({label}) has no bndbox")
        xmin, ymin, xmax, ymax = (
            _number(path, frame, tag, number) for tag in ("xmin", "ymin", "xmax", "ymax")
        )
        xyxy = (_zero_based(xmin), _zero_based(ymin), xmax, ymax)
        boxes.append(Box(label, xyxy, (element.findtext("difficult") or "0").strip() == "1"))
    return VocFile(tuple(boxes), _size(root))


def _zero_based(value: float) -> float:
    return 0.0 if 0 <= value < 1 else value - 1


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
