"""Everything needed to do it again: configuration, versions, hashes, cards, durations, warnings."""

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
from .quality import further_metrics, relation_tables

SHORT = 52  # characters of a name and its value that fit half a line


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
        blocks += calibration_table(context, protocol)
    blocks += [*relation_tables(context), *further_metrics(context), *findings_table(context)]
    return [Heading("Appendix: further tables", new_page=True), *blocks] if blocks else []


def _making(context: Context) -> list[Block]:
    manifest = context.results.manifest
    blocks: list[Block] = [Heading("Appendix: how this was made")]
    warnings = [str(text) for text in manifest.get("warnings") or []]
    remarks = [*warnings, *context.results.missing]
    blocks.append(Heading("Warnings", level=2, listed=False))
    blocks += [Note(text, "warning") for text in remarks] or [Paragraph.of("None.")]
    configuration = flatten(_given(manifest.get("config")))
    made = {
        "detector": manifest.get("detector"),
        "fusion training": _given(manifest.get("fusion_training")),
        "machine": manifest.get("machine"),
        "version": {"regionfuse": manifest.get("regionfuse"), **(manifest.get("versions") or {})},
    }
    for title, rows in (
        ("Configuration", configuration),
        (
            "Detector recipe, machine and versions",
            flatten({key: value for key, value in made.items() if value}),
        ),
        ("Hashes (SHA-256)", flatten(_hashes(context))),
    ):
        if rows:
            blocks += [Heading(title, level=2, listed=False), *_columns(rows)]
    blocks += _cards(manifest.get("sources") or [], context)
    blocks += _units(manifest.get("units") or [])
    return blocks


def _columns(rows: tuple[tuple[str, str], ...]) -> list[Block]:
    """Long values by themselves, so that the many short ones stand in two columns."""
    short = tuple(row for row in rows if len(row[0]) + len(row[1]) < SHORT)
    long = tuple(row for row in rows if row not in short)
    return [KeyValues(part) for part in (long, short) if part]


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
    """Units of work by stage, and those that failed with their reasons."""
    if not units:
        return []
    columns = (Column("stage", "left"), Column("units"), Column("failed"), Column("duration"),
               Column("which", "left", share=1))  # fmt: skip
    stages: dict[str, list[dict[str, Any]]] = {}
    for unit in units:
        stages.setdefault(str(unit.get("stage") or ""), []).append(unit)
    rows = []
    for stage, members in stages.items():
        failed = [unit for unit in members if unit.get("status") == "failed"]
        names = ", ".join(str(unit.get("name") or "") for unit in members)
        duration = seconds(sum(float(unit.get("seconds") or 0.0) for unit in members))
        cells = [stage, str(len(members)), str(len(failed)), duration]
        rows.append((*(Cell(text, bold=bool(failed)) for text in cells), Cell(names, muted=True)))
        for unit in failed:
            text = f"{unit.get('name') or ''}: {unit.get('reason') or 'no reason stored'}"
            rows.append((Cell(""), Cell(text, span=len(columns) - 1)))
    total = seconds(sum(float(unit.get("seconds") or 0.0) for unit in units))
    caption = f"Units of work by stage; {total} in all. Their keys stand in manifest.json."
    return [
        Heading("Units of work", level=2, listed=False),
        Table("", "units", caption, columns, tuple(rows), small=True),
    ]
