"""Marks beside the names of sources, and the line below every table that says what they mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .blocks import Block, Table

if TYPE_CHECKING:
    from .results import Results

SEEN = "†"
"""The source may have been trained on test images."""
TRAINED = "‡"
"""The source's network was trained in this run, not by its authors."""
TRAINED_HERE = " (trained here)"
"""End of the title of a published method that was trained in the run; its label has the mark instead."""


def make_label(title: str, *, seen: bool, trained: bool) -> str:
    """Return the short name of a source for tables and drawings: its title with its marks."""
    marks = [mark for mark, holds in ((SEEN, seen), (TRAINED, trained)) if holds]
    return " ".join((title.removesuffix(TRAINED_HERE) if trained else title, *marks))


def explain_marks(results: Results, block: Block) -> Block:
    """Add to a table's note what the marks in it mean; other blocks stay as they are."""
    return explain_table(results, block) if isinstance(block, Table) else block


def explain_table(results: Results, table: Table) -> Table:
    """Return the table with what the marks in it, or in its caption, mean in its note."""
    texts = {cell.text for row in table.rows for cell in row}
    shown = [
        source
        for source, label in results.labels.items()
        if label in texts or f" of {label}." in table.caption
    ]
    notes = [table.note]
    if any(source in results.contamination for source in shown):
        notes.append(f"{SEEN} May have been trained on images of this test split.")
    trained = [
        f"{results.labels[source].rstrip(f' {SEEN}{TRAINED}')} on {results.trained[source]}"
        for source in shown
        if source in results.trained
    ]
    if trained:
        notes.append(f"{TRAINED} Trained here: {'; '.join(trained)}.")
    return replace(table, note=" ".join(note for note in notes if note))
