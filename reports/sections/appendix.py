"""Everything needed to do it again: configuration, versions, hashes, cards, durations, warnings."""

from __future__ import annotations

from typing import Any

from ..blocks import Block, Cell, Column, Heading, KeyValues, Note, Paragraph, Table
from ..context import Context
from ..numbers import seconds
from .cells import source_cell
from .data import findings_table
from .detection import class_tables
from .labels import matrices, more_pairs
from .operating import points_table
from .quality import further_metrics, relation_tables


def appendix_section(context: Context) -> list[Block]:
    """Long tables, and all stored facts that the sections do not need."""
    return [*_tables(context), *_making(context)]


def _tables(context: Context) -> list[Block]:
    """Tables behind the figures, and the other protocols' in full."""
    blocks = [*class_tables(context), *more_pairs(context)]
    for protocol in context.results.protocols[1:]:
        if context.finished(protocol) and context.means("operating", protocol):
            blocks.append(points_table(context, protocol))
        if context.finished(protocol) and context.results.table("confusion") is not None:
            blocks += matrices(context, protocol, "top_label")
    blocks += [*relation_tables(context), *further_metrics(context), *findings_table(context)]
    return [Heading("Appendix: further tables", new_page=True), *blocks] if blocks else []


def _making(context: Context) -> list[Block]:
    manifest = context.results.manifest
    blocks: list[Block] = [Heading("Appendix: how this was made")]
    warnings = [str(text) for text in manifest.get("warnings") or []]
    remarks = [*warnings, *context.results.missing]
    blocks.append(Heading("Warnings", level=2, listed=False))
    blocks += [Note(text, "warning") for text in remarks] or [Paragraph.of("None.")]
    for title, value in (
        ("Configuration", _given(manifest.get("config"))),
        ("Detector recipe", manifest.get("detector")),
        ("Fusion training", _given(manifest.get("fusion_training"))),
        ("Machine", manifest.get("machine")),
        ("Versions", {"regionfuse": manifest.get("regionfuse"), **(manifest.get("versions") or {})}),
        ("Hashes (SHA-256)", _hashes(context)),
    ):
        rows = flatten(value)
        if rows:
            blocks += [Heading(title, level=2, listed=False), KeyValues(rows)]
    blocks += _cards(manifest.get("sources") or [], context)
    blocks += _units(manifest.get("units") or [])
    return blocks


def _given(value: Any) -> Any:
    """Leave out the keys that were left empty."""
    if isinstance(value, dict):
        return {key: _given(item) for key, item in value.items() if item is not None}
    return [_given(item) for item in value] if isinstance(value, list) else value


def flatten(value: Any, prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Nested values as dotted keys and texts, in the stored order."""
    if isinstance(value, dict):
        rows: list[tuple[str, str]] = []
        for key, item in value.items():
            rows += flatten(item, f"{prefix}.{key}" if prefix else str(key))
        return tuple(rows)
    if not prefix:
        return ()
    if isinstance(value, list | tuple):
        if any(isinstance(item, dict) for item in value):
            return tuple(
                row for index, item in enumerate(value) for row in flatten(item, f"{prefix}[{index}]")
            )
        return ((prefix, ", ".join(_plain(item) for item in value) or "–"),)
    return ((prefix, _plain(value)),)


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _hashes(context: Context) -> dict[str, str]:
    manifest = context.results.manifest
    split = {**(manifest.get("split") or {}), **context.results.split}
    hashes = {"data set": (manifest.get("dataset") or {}).get("sha256"), "split": split.get("sha256")}
    for item in manifest.get("sources") or []:
        weights = (item.get("card") or {}).get("weights_sha256")
        if weights:
            hashes[f"weights of {item['name']}"] = weights
    return {name: str(value) for name, value in hashes.items() if value}


def _cards(sources: list[dict[str, Any]], context: Context) -> list[Block]:
    if not sources:
        return []
    blocks: list[Block] = [Heading("Method cards", level=2, listed=False)]
    columns = (Column("source", "left"), Column("kind", "left"), Column("colour", "left"),
               Column("trained on", "left", share=1), Column("licence: code, weights", "left", share=1.2),
               Column("citation and notes", "left", share=4))  # fmt: skip
    rows = []
    for item in sources:
        card = item.get("card") or {}
        licences = ", ".join(str(card[key]) for key in ("code_license", "weights_license") if card.get(key))
        about = ". ".join(str(card[key]).rstrip(".") for key in ("citation", "notes") if card.get(key))
        texts = [
            str(card.get("kind", "")), str(card.get("color", "")),
            ", ".join(card.get("trained_on") or []) or "–", licences or "–", about or "–",
        ]  # fmt: skip
        rows.append((source_cell(context, str(item["name"])), *(Cell(text) for text in texts)))
    caption = "What each source is, what it was trained on, and what it may be used for."
    return [*blocks, Table("", "cards", caption, columns, tuple(rows), small=True)]


def _units(units: list[dict[str, Any]]) -> list[Block]:
    if not units:
        return []
    reasons = any(unit.get("reason") for unit in units)
    columns = [Column("stage", "left"), Column("unit", "left"), Column("status", "left")]
    columns += [Column("duration"), Column("key", "left")]
    columns += [Column("reason", "left", share=1)] if reasons else []
    rows = []
    total = 0.0
    for unit in units:
        duration = unit.get("seconds")
        total += float(duration or 0.0)
        failed = unit.get("status") == "failed"
        cells = [Cell(str(unit.get(key) or ""), bold=failed) for key in ("stage", "name", "status")]
        cells.append(Cell(seconds(float(duration)) if duration is not None else "–"))
        cells.append(Cell(str(unit.get("key") or "")[:12], mono=True))
        if reasons:
            cells.append(Cell(str(unit.get("reason") or "–")))
        rows.append(tuple(cells))
    caption = f"Units of work with the first characters of their keys; {seconds(total)} in all."
    return [
        Heading("Units of work", level=2, listed=False),
        Table("", "units", caption, tuple(columns), tuple(rows), small=True),
    ]
