"""Cells that many tables share."""

from __future__ import annotations

from collections.abc import Iterable

from ..blocks import Cell, Note
from ..context import Context
from ..numbers import defined
from ..scores import SourceScore


def source_cell(context: Context, source: str) -> Cell:
    """Name of a source with its colour."""
    return Cell(context.results.titles.get(source, source), swatch=context.colors.get(source, ""))


def nothing_finished(context: Context) -> Note | None:
    """A remark for chapters that every source failed to fill; None when some finished."""
    if any(context.finished(protocol) for protocol in context.results.protocols):
        return None
    return Note("No source has results: all of them failed, for the reasons given under Detection.")


def failed_row(context: Context, score: SourceScore, columns: int) -> tuple[Cell, ...]:
    """Row of a source that failed: its name and the reason across the other columns."""
    return source_cell(context, score.source), Cell(f"failed: {score.reason}", muted=True, span=columns - 1)


def best_text(values: Iterable[float], digits: int = 1, *, scale: float = 100.0) -> float:
    """The largest value as printed, for bold: what looks equal is equally bold.

    NaN, so that nothing is bold, when there are fewer than two values or all of them look equal.
    """
    printed = {round(scale * value, digits) for value in values if defined(value)}
    return max(printed) if len(printed) > 1 else float("nan")


def is_best(value: float, best: float, digits: int = 1, *, scale: float = 100.0) -> bool:
    """Whether ``value`` prints like the best of its column."""
    return defined(value) and round(scale * value, digits) == best
