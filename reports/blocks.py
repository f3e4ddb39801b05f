"""The pieces a report is made of. The PDF and the LaTeX files are written from the same tables.

Texts are plain: typesetting never interprets them, so no character in a class name can break a page.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Align = Literal["left", "right", "center"]


@dataclass(frozen=True)
class Heading:
    """A numbered heading; level 1 opens a section, ``listed`` puts it into the table of contents."""

    text: str
    level: int = 1
    new_page: bool = False
    listed: bool = True


@dataclass(frozen=True)
class Paragraph:
    """Running text; every second part (1, 3, ...) of ``parts`` is set in bold."""

    parts: tuple[str, ...]
    muted: bool = False

    @classmethod
    def of(cls, *parts: str, muted: bool = False) -> Paragraph:
        """Text and bold text by turns."""
        return cls(parts, muted)

    @classmethod
    def marked(cls, text: str) -> Paragraph:
        """Text with what is bold between double asterisks."""
        return cls(tuple(text.split("**")))


@dataclass(frozen=True)
class Note:
    """A boxed remark: something is missing, failed, or must be known before a number is used."""

    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what it says.
        bold: an established difference, or the best of a column that has no chance in it.
        muted: less important, e.g. a failed source.
        swatch: colour of a small square before the text; empty for none.
        span: number of columns it covers.
        mono: set in the typewriter face (hashes, keys).
    """

    text: str
    bold: bool = False
    muted: bool = False
    swatch: str = ""
    span: int = 1
    mono: bool = False


@dataclass(frozen=True)
class Column:
    """Head of a column; neighbours with the same ``group`` share a head above theirs.

    Columns with a ``share`` divide the width that is left in that proportion and wrap their text; the others
    are as wide as they need.
    """

    head: str
    align: Align = "right"
    group: str = ""
    share: float = 0.0


@dataclass(frozen=True)
class Table:
    """A table with its caption.

    Attributes:
        name: stem of the LaTeX file it belongs to, e.g. ``detection``; empty: PDF only.
        label: unique name within the report, for LaTeX labels.
    """

    name: str
    label: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    small: bool = False


@dataclass(frozen=True)
class Figure:
    """A vector drawing: SVG text and its width on the page in millimetres."""

    svg: str
    caption: str
    width: float = 170.0


@dataclass(frozen=True)
class Mark:
    """A box in a crop; position and size in fractions of the crop, origin at the top left."""

    x: float
    y: float
    width: float
    height: float
    color: str
    label: str = ""
    dashed: bool = False
    thin: bool = False


@dataclass(frozen=True)
class Crop:
    """One picture of a panel: JPEG bytes, what is written below, and its boxes."""

    jpeg: bytes
    title: str
    color: str
    words: str
    words_color: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Panel:
    """The same object in every source, with the rule that chose it.

    Attributes:
        title: what kind of object it shows.
        facts: the object and where it is.
        rule: the rule in words and the number of candidates.
        overview: the whole visible image with the crop marked.
        crops: one per source; all have the same width to height ratio ``aspect``.
    """

    title: str
    facts: str
    rule: str
    overview: Crop
    overview_aspect: float
    crops: tuple[Crop, ...]
    aspect: float


@dataclass(frozen=True)
class KeyValues:
    """Two columns of names and values, for the appendix."""

    rows: tuple[tuple[str, str], ...]
    mono: bool = True


Block = Heading | Paragraph | Note | Table | Figure | Panel | KeyValues


@dataclass
class Assets:
    """Files that the typeset page refers to, by name; bytes are kept out of the JSON."""

    files: dict[str, bytes] = field(default_factory=dict)

    def add(self, kind: str, content: bytes) -> str:
        """Store ``content`` under the next free name with the ending ``kind``."""
        name = f"asset{len(self.files):03d}.{kind}"
        self.files[name] = content
        return name


def to_payload(block: Block, assets: Assets) -> dict[str, Any]:
    """Turn a block into JSON values, moving pictures into ``assets``."""
    if isinstance(block, Figure):
        name = assets.add("svg", block.svg.encode())
        return {"kind": "figure", "file": name, "caption": block.caption, "width": block.width}
    if isinstance(block, Panel):
        return {
            "kind": "panel",
            **{key: getattr(block, key) for key in ("title", "facts", "rule", "aspect", "overview_aspect")},
            "overview": _crop(block.overview, assets),
            "crops": [_crop(crop, assets) for crop in block.crops],
        }
    return {"kind": type(block).__name__.lower(), **asdict(block)}


def _crop(crop: Crop, assets: Assets) -> dict[str, Any]:
    values = {key: getattr(crop, key) for key in ("title", "color", "words", "words_color")}
    return {"file": assets.add("jpg", crop.jpeg), **values, "marks": [asdict(mark) for mark in crop.marks]}
