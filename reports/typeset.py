"""Turn blocks into a PDF with typst: same blocks and same time stamp, same bytes."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import matplotlib
import typst

from .blocks import Assets, Block, to_payload
from .numbers import shorten

TEMPLATES = Path(__file__).parent / "templates"
RUNNING = 110  # characters of the title in the head of a page
LONG_WORD = 22  # characters that still fit a narrow column
_BREAK = "\u200b"  # zero-width space: a line may end here


@dataclass(frozen=True)
class Document:
    """All that is typeset.

    Attributes:
        title: of the run.
        subtitle: data set and date in one line.
        notice: printed on top of every page; empty for none.
        version: of regionfuse.
        created: when the run was made, as printed.
        verdict: the two sentences.
        facts: names and values of the title page.
        remarks: boxes between the verdict and the facts, e.g. failed sources.
        headline: table and figure of the title page.
        summary: the second page, what changed and how sure.
        reading: how to read the report.
        blocks: everything after that.
    """

    title: str
    subtitle: str
    notice: str
    version: str
    created: str
    verdict: tuple[str, str]
    facts: tuple[tuple[str, str], ...]
    remarks: Sequence[Block]
    headline: Sequence[Block]
    summary: Sequence[Block]
    reading: Sequence[Block]
    blocks: Sequence[Block]


def typeset(document: Document, timestamp: int, *, format: str = "pdf", ppi: float = 100) -> list[bytes]:
    """Typeset a document.

    Args:
        document: what to print.
        timestamp: seconds since 1970 UTC, written into the file as its date.
        format: ``pdf``, or ``png`` for one picture a page.
        ppi: resolution of pictures.

    Returns:
        One PDF file, or one picture a page.
    """
    assets = Assets()
    return compile_pages(_payload(document, assets), assets, timestamp, format=format, ppi=ppi)


def compile_pages(
    payload: Mapping[str, Any],
    assets: Assets,
    timestamp: int,
    *,
    main: Path = TEMPLATES / "report.typ",
    format: str = "pdf",
    ppi: float = 100,
) -> list[bytes]:
    """Typeset any page that is made of the blocks: what :func:`typeset` does, for another main template.

    Args:
        payload: read by the template as ``report.json``; blocks come from :func:`block_values`.
        assets: pictures that the payload refers to.
        timestamp: seconds since 1970 UTC, written into the file as its date.
        main: the template; it may import ``parts.typ``.
        format: ``pdf``, or ``png`` for one picture a page.
        ppi: resolution of pictures.

    Returns:
        One PDF file, or one picture a page.
    """
    text = json.dumps(payload, ensure_ascii=False, sort_keys=True)
    with tempfile.TemporaryDirectory(prefix="regionfuse-report-") as name:
        root = Path(name)
        for template in (*sorted(TEMPLATES.glob("*.typ")), main):
            shutil.copyfile(template, root / template.name)
        for file, content in assets.files.items():
            (root / file).write_bytes(content)
        (root / "report.json").write_text(text, encoding="utf-8")
        options: dict[str, Any] = {} if format == "pdf" else {"format": format, "ppi": ppi}
        made: Any = typst.compile(
            str(root / main.name),
            root=str(root),
            # The faces inside typst and matplotlib look the same on every machine. Only scripts that they
            # lack (Chinese, Japanese, Korean) fall back to what the machine has.
            font_paths=[str(Path(matplotlib.get_data_path()) / "fonts" / "ttf")],
            ignore_system_fonts=not needs_system_fonts(text),
            timestamp=timestamp,
            **options,
        )
    return made if isinstance(made, list) else [made]


def block_values(items: Sequence[Block], assets: Assets) -> list[dict[str, Any]]:
    """Turn blocks into the JSON values that the templates render."""
    return [_with_breaks(to_payload(item, assets)) for item in items]


def needs_system_fonts(text: str) -> bool:
    """Whether a text holds East Asian characters, which the bundled faces cannot show."""
    return any(ord(letter) > 0x2E7F and east_asian_width(letter) in "WF" for letter in text)


def breakable(text: str) -> str:
    """Let lines end inside long words (paths, hashes, names without spaces)."""
    return " ".join(_breakable_word(word) if len(word) > LONG_WORD else word for word in text.split(" "))


def _breakable_word(word: str) -> str:
    pieces, since = [], 0
    for letter in word:
        pieces.append(letter)
        since += 1
        if letter in "/\\_-.,;:=&|" or since >= LONG_WORD // 2:
            pieces.append(_BREAK)
            since = 0
    return "".join(pieces).removesuffix(_BREAK)


def _payload(document: Document, assets: Assets) -> dict[str, Any]:
    def blocks(items: Sequence[Block]) -> list[dict[str, Any]]:
        return block_values(items, assets)

    return {
        "meta": {
            "title": document.title,
            "running": shorten(document.title, RUNNING),
            "subtitle": document.subtitle,
            "notice": document.notice,
            "version": document.version,
            "created": document.created,
            "verdict": [breakable(sentence) for sentence in document.verdict],
            "facts": [[key, breakable(value)] for key, value in document.facts],
            "remarks": blocks(document.remarks),
            "headline": blocks(document.headline),
        },
        "summary": blocks(document.summary),
        "reading": blocks(document.reading),
        "blocks": blocks(document.blocks),
    }


_VERBATIM = frozenset({"kind", "file", "color", "words_color", "swatch", "align", "level", "label"})


def _with_breaks(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _with_breaks(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_breaks(item, key) for item in value]
    return breakable(value) if isinstance(value, str) and key not in _VERBATIM else value
