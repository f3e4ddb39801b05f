"""Cells, rows and remarks that many sections share."""

from __future__ import annotations

from collections.abc import Iterable

from ..blocks import Cell, Note
from ..context import Context, SourceScore
from ..marks import SEEN
from ..numbers import defined


def source_cell(context: Context, source: str) -> Cell:
    """Name of a source with its colour and its marks, which :func:`~..marks.explain_marks` explains."""
    return Cell(context.results.labels.get(source, source), swatch=context.colors.get(source, ""))


def contamination_note(context: Context) -> list[Note]:
    """What the dagger in the tables means; nothing when no source has one."""
    found = context.results.contamination
    if not found:
        return []
    listed = "; ".join(f"{context.results.titles[name]}: {text}" for name, text in found.items())
    return [
        Note(
            f"{SEEN} {listed}. Scores on images that a method was trained on may be too good: do not rank "
            "these rows against the others.",
            "warning",
        )
    ]


def failed_row(context: Context, score: SourceScore, columns: int) -> tuple[Cell, ...]:
    """Row of a source that failed: its name and the reason across the other columns."""
    return source_cell(context, score.source), Cell(f"failed: {score.reason}", muted=True, span=columns - 1)


def best_text(values: Iterable[float], digits: int = 1, *, scale: float = 100.0) -> float:
    """The largest value as printed, for bold where chance plays no part: what looks equal is equally bold.

    NaN, so that nothing is bold, when there are fewer than two values or all of them look equal.
    """
    printed = {round(scale * value, digits) for value in values if defined(value)}
    return max(printed) if len(printed) > 1 else float("nan")


def is_best(value: float, best: float, digits: int = 1, *, scale: float = 100.0) -> bool:
    """Whether ``value`` prints like the best of its column."""
    return defined(value) and round(scale * value, digits) == best
