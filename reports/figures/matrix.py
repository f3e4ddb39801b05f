"""Matrices: what objects were called, and differences between pairs of sources, by class, or by size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from ..context import Context
from ..numbers import defined, mean_count, shorten
from ..palette import BAD, GOOD, INK, MUTED, RULE
from .style import WIDTH, drawing, new_figure, place, to_svg

BACKGROUND = "background"
OTHER = "other classes"
MOST = 9  # classes drawn; rarer ones are added up
GREY = "#8a8f98"  # missed objects and false alarms
Cells = Mapping[tuple[int, int], tuple[str, str, float, bool]]
"""By row and column: text, colour, strength of the colour 0..1, and whether the text is bold."""


@dataclass(frozen=True)
class Grid:
    """A table of differences drawn as coloured cells.

    Attributes:
        title: above it.
        rows: labels at the left.
        columns: labels below.
        cells: by row and column, what stands there, the difference (NaN: white), and whether it is
            established: full colour and bold instead of a tint.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Mapping[tuple[int, int], tuple[str, float, bool]]


def draw_grids(grids: Sequence[Grid], *, row: float = 5.6, label: float = 32.0, below: float = 17.0) -> str:
    """Draw grids with the same rows side by side; blue is positive, orange negative.

    Args:
        grids: one or two.
        row: height of a row in millimetres.
        label: room for the labels of rows.
        below: room for the labels of columns.
    """
    gap, height = 6.0, row * len(grids[0].rows)
    width = (WIDTH - label - gap * (len(grids) - 1)) / len(grids)
    full = max([1e-9, *(abs(v) for grid in grids for _, v, _ in grid.cells.values() if defined(v))])
    with drawing():
        figure = new_figure(WIDTH, height + 6 + below)
        for index, grid in enumerate(grids):
            cells = {}
            for at, (text, value, sure) in grid.cells.items():
                share = abs(value) / full if defined(value) else 0.0
                strength = 0.45 + 0.45 * share if sure else 0.16 * share
                cells[at] = text, GOOD if value > 0 else BAD, strength, sure
            axes = place(figure, label + index * (width + gap), 6, width, height)
            columns = len(grid.columns)
            size = 7.2 if columns <= 8 else 6.2 if columns < 15 else 5
            _draw_cells(axes, cells, len(grid.rows), columns, size, MUTED)
            axes.set_title(grid.title)
            _name(axes, [shorten(name, int(0.62 * label)) if index == 0 else "" for name in grid.rows],
                  [shorten(name, 17) for name in grid.columns], 32)  # fmt: skip
        return to_svg(figure)


def _draw_cells(axes: Axes, cells: Cells, rows: int, columns: int, size: float, plain: str = INK) -> None:
    """Draw coloured cells with their texts; ``plain`` is the colour of texts that are not bold."""
    picture = np.ones((rows, columns, 3))
    for at, (_, color, strength, _) in cells.items():
        picture[at] = 1 - strength * (1 - np.array(to_rgb(color)))
    axes.pcolormesh(np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5, picture, edgecolor=RULE,
                    linewidth=0.35)  # fmt: skip
    for (row, column), (text, _, _, bold) in cells.items():
        color = "white" if picture[row, column].mean() < 0.6 else INK if bold else plain
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=color,
                  weight="bold" if bold else "normal")  # fmt: skip
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_color(RULE)


def _name(axes: Axes, rows: Sequence[str], columns: Sequence[str], angle: float) -> None:
    axes.set_yticks(range(len(rows)), rows, fontsize=7.5)
    axes.set_xticks(range(len(columns)), columns, rotation=angle, ha="right", rotation_mode="anchor",
                    fontsize=7.2)  # fmt: skip


def shown_classes(context: Context) -> list[str]:
    """Classes that get a row and a column; the last one may stand for all rarer ones together."""
    counts, classes = context.results.class_counts, list(context.results.classes)
    if len(classes) <= MOST:
        return classes
    kept = sorted(classes, key=lambda name: (-counts.get(name, 0), classes.index(name)))[: MOST - 1]
    return [*(name for name in classes if name in kept), OTHER]


def confusion_matrix(context: Context, protocol: str, source: str, point: str, matching: str) -> pd.DataFrame:
    """Counts by true (rows) and predicted class (columns), background last; means over seeds."""
    frame = context.results.table("confusion", protocol)
    assert frame is not None
    wanted = (
        (frame["source"] == source) & (frame["operating_point"] == point) & (frame["matching"] == matching)
    )
    names = [*shown_classes(context), BACKGROUND]
    rare = {name: OTHER for name in context.results.classes if name not in names}
    rows = frame[wanted].replace({"true": rare, "predicted": rare})
    counts = rows.pivot_table(index="true", columns="predicted", values="count", aggfunc="sum")
    return counts.reindex(index=names, columns=names).fillna(0.0) / max(1, rows["seed"].nunique())


def draw_confusions(
    context: Context, protocol: str, sources: Sequence[str], point: str, matching: str
) -> str:
    """Matrices side by side: cells are shaded by the share of their row and show the count."""
    names = shown_classes(context)
    size = len(names) + 1
    columns = 4 if len(sources) > 3 and size <= 8 else 3 if len(sources) > 2 else 2
    label, gap, top, bottom = 19.0, 2.0, 6.0, 14.0
    side = min((WIDTH - label - gap * (columns - 1)) / columns, 55.0)
    lines = -(-len(sources) // columns)
    with drawing():
        figure = new_figure(WIDTH, lines * (top + side + 2) + bottom)
        for index, source in enumerate(sources):
            line, column = divmod(index, columns)
            counts = confusion_matrix(context, protocol, source, point, matching).to_numpy()
            totals = counts.sum(axis=1)
            cells = {}
            for row, at in zip(*np.nonzero(counts), strict=True):
                color = GOOD if row == at else BAD if max(row, at) < size - 1 else GREY
                strength = 0.85 * float(counts[row, at] / totals[row]) ** 0.8
                cells[int(row), int(at)] = mean_count(counts[row, at]), color, strength, False
            axes = place(figure, label + column * (side + gap), top + line * (top + side + 2), side, side)
            _draw_cells(axes, cells, size, size, 5.8 if size > 8 or columns == 4 else 7)
            axes.axhline(size - 1.5, color=INK, linewidth=0.7)
            axes.axvline(size - 1.5, color=INK, linewidth=0.7)
            title = shorten(context.results.labels[source], 22 if columns == 4 else 28)
            axes.set_title(title, color=context.colors[source], fontsize=8)
            true, predicted = (
                [shorten(name, 13) for name in (*names, end)] for end in ("false alarm", "missed")
            )
            lowest = index + columns >= len(sources)
            _name(axes, true if column == 0 else [""] * size, predicted if lowest else [""] * size, 50)
        return to_svg(figure)
