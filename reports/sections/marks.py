"""Marks beside the names of sources, and the line below every table that says what they mean."""

from __future__ import annotations

from dataclasses import replace

from ..blocks import Block, Table
from ..context import Context

SEEN = "†"
"""The source may have been trained on test images."""
TRAINED = "‡"
"""The source's network was trained in this run, not by its authors."""


def marked_title(context: Context, source: str) -> str:
    """Title of a source with its marks."""
    results = context.results
    found = ((SEEN, results.contamination), (TRAINED, results.trained))
    marks = [mark for mark, sources in found if source in sources]
    return " ".join((results.titles.get(source, source), *marks))


def explain_marks(context: Context, block: Block) -> Block:
    """Add to a table's note what the marks in it mean; other blocks stay as they are."""
    if not isinstance(block, Table):
        return block
    texts = {cell.text for row in block.rows for cell in row}
    shown = [source for source in context.results.sources if marked_title(context, source) in texts]
    notes = [block.note, seen_remark(context, shown), trained_remark(context, shown)]
    return replace(block, note=" ".join(note for note in notes if note))


def seen_remark(context: Context, sources: list[str]) -> str:
    """What the dagger means; empty when none of the sources has one."""
    if not any(source in context.results.contamination for source in sources):
        return ""
    return f"{SEEN} May have been trained on images of this test split."


def trained_remark(context: Context, sources: list[str]) -> str:
    """Pairs and epochs of the sources whose networks the run trained; empty when there are none."""
    results = context.results
    trained = [name for name in sources if name in results.trained]
    listed = [f"{results.titles[name]} on {results.trained[name]}" for name in trained]
    return f"{TRAINED} Trained here: {'; '.join(listed)}." if listed else ""
