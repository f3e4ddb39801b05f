"""Cells, tables and remarks that many sections share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..blocks import Cell, Column, Note, Table
from ..context import Context
from ..marks import SEEN
from ..numbers import defined


def source_cell(context: Context, source: str) -> Cell:
    """Name of a source with its colour and its marks, which :func:`~..marks.explain_marks` explains."""
    return Cell(context.results.labels.get(source, source), swatch=context.colors.get(source, ""))


def source_table(
    context: Context,
    protocol: str,
    name: str,
    caption: str,
    columns: Sequence[Column],
    cells: Callable[[str], list[Cell] | None],
    note: str = "",
    *,
    label: str = "",
    failed: bool = False,
) -> Table:
    """A table with a row a source.

    Args:
        context: results.
        protocol: which detectors.
        name: LaTeX file and, with the protocol, the label of the table.
        caption: above it.
        columns: all but the first.
        cells: of one source; None leaves the source out.
        note: below it.
        label: in place of ``name`` in the label.
        failed: give sources that failed a row with the reason.
    """
    rows: list[tuple[Cell, ...]] = []
    for score in context.scores[protocol]:
        first = source_cell(context, score.source)
        found = cells(score.source) if score.ok else None
        if found is not None:
            rows.append((first, *found))
        elif failed and not score.ok:
            rows.append((first, Cell(f"failed: {score.reason}", muted=True, span=len(columns))))
    heads = (Column("Source", "left"), *columns)
    return Table(name, f"{label or name}-{protocol}", caption, heads, tuple(rows), note, small=True)


def heads(names: Iterable[str], group: str = "") -> list[Column]:
    """Columns of numbers under one common head."""
    return [Column(name, group=group) for name in names]


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


def best_text(values: Iterable[float], digits: int = 1, *, scale: float = 100.0) -> float:
    """The largest value as printed, for bold where chance plays no part: what looks equal is equally bold.

    NaN, so that nothing is bold, when there are fewer than two values or all of them look equal.
    """
    printed = {round(scale * value, digits) for value in values if defined(value)}
    return max(printed) if len(printed) > 1 else float("nan")
