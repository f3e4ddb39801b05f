"""Long tables, and everything needed to do it again: configuration, versions, hashes, cards, warnings."""

from __future__ import annotations

from typing import Any

from ..blocks import Block, Cell, Column, Heading, KeyValues, Note, Paragraph, Table
from ..context import Context
from ..numbers import seconds
from .calibration import calibration_table
from .cells import source_cell
from .data import findings_table
from .detection import class_tables
from .labels import matrices, more_pairs
from .operating import points_table
from .quality import quality_tables

SHORT = 52  # characters of a name and its value that fit half a line


def appendix_section(context: Context) -> list[Block]:
    """Tables behind the figures and the other protocols' in full, then how it all was made."""
    blocks: list[Block] = [*class_tables(context), *more_pairs(context)]
    for protocol in context.results.protocols[1:]:
        if context.means("operating", protocol):
            blocks.append(points_table(context, protocol))
        if context.finished(protocol):
            blocks += matrices(context, protocol, "top_label")
        blocks += calibration_table(context, protocol)
    blocks += [*quality_tables(context), *findings_table(context)]
    head = [Heading("Appendix: further tables", new_page=True)] if blocks else []
    return [*head, *blocks, *_making(context)]


def _making(context: Context) -> list[Block]:
    manifest = context.results.manifest
    remarks = [*(str(text) for text in manifest.get("warnings") or []), *context.results.missing]
    blocks: list[Block] = [Heading("Appendix: how this was made"), Heading("Warnings", level=2, listed=False)]
    blocks += [Note(text, "warning") for text in remarks] or [Paragraph.of("None.")]
    made = {
        "detector": manifest.get("detector"),
        "fusion training": manifest.get("fusion_training"),
        "machine": manifest.get("machine"),
        "version": {"regionfuse": manifest.get("regionfuse"), **(manifest.get("versions") or {})},
    }
    for title, value in (
        ("Configuration", manifest.get("config")),
        ("Detector recipe, machine and versions", made),
        ("Hashes (SHA-256)", _hashes(context)),
    ):
        rows = flatten(value)
        if rows:
            # Long values by themselves, so that the many short ones stand in two columns.
            short = tuple(row for row in rows if len(row[0]) + len(row[1]) < SHORT)
            long = tuple(row for row in rows if row not in short)
            blocks.append(Heading(title, level=2, listed=False))
            blocks += [KeyValues(part) for part in (long, short) if part]
    return [*blocks, *_cards(context), *_units(manifest.get("units") or [])]


def flatten(value: Any, prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Nested values as dotted keys and texts, in the stored order; what was left empty is left out."""
    if isinstance(value, dict):
        rows: list[tuple[str, str]] = []
        for key, item in value.items():
            rows += flatten(item, f"{prefix}.{key}" if prefix else str(key))
        return tuple(rows)
    if not prefix or value is None:
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
    hashes |= {
        f"weights of {name}": card.get("weights_sha256") for name, card in context.results.cards.items()
    }
    return {name: str(value) for name, value in hashes.items() if value}


def _cards(context: Context) -> list[Block]:
    columns = (Column("source", "left"), Column("kind", "left"), Column("colour", "left"),
               Column("trained on", "left", share=1), Column("licence: code, weights", "left", share=1.2),
               Column("citation and notes", "left", share=4))  # fmt: skip
    rows = []
    for name, card in context.results.cards.items():
        licences = ", ".join(str(card[key]) for key in ("code_license", "weights_license") if card.get(key))
        about = ". ".join(str(card[key]).rstrip(".") for key in ("citation", "notes") if card.get(key))
        trained = ", ".join(card.get("trained_on") or [])
        texts = [str(card.get("kind", "")), str(card.get("color", "")), trained, licences, about]
        rows.append((source_cell(context, name), *(Cell(text or "–") for text in texts)))
    caption = "What each source is, what it was trained on, and what it may be used for."
    title = Heading("Method cards", level=2, listed=False)
    return [title, Table("", "cards", caption, columns, tuple(rows), small=True)] if rows else []


def _units(units: list[dict[str, Any]]) -> list[Block]:
    """Number and duration of the units of work, and those that failed with their reasons."""
    if not units:
        return []
    total = seconds(sum(float(unit.get("seconds") or 0.0) for unit in units))
    columns = (Column("stage", "left"), Column("unit", "left"), Column("reason", "left", share=1))
    rows = tuple(
        tuple(Cell(str(unit.get(key) or "")) for key in ("stage", "name", "reason"))
        for unit in units
        if unit.get("status") == "failed"
    )
    text = f"{len(units)} units of work took {total} in all; they stand in manifest.json with their keys."
    blocks: list[Block] = [Heading("Units of work", level=2, listed=False), Paragraph.of(text)]
    return [*blocks, Table("", "units", "Units that failed.", columns, rows, small=True)] if rows else blocks
