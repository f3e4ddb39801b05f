"""Matrices: what objects were called, and differences between pairs of sources or by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
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


@dataclass(frozen=True)
class Grid:
    """A table of differences drawn as coloured cells.

    Attributes:
        title: above it.
        rows: labels at the left.
        columns: labels below.
        cells: by row and column, what stands there, a signed strength for the colour (NaN: white), and
            whether it is established: full colour and bold instead of a tint.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Mapping[tuple[int, int], tuple[str, float, bool]]


def draw_grids(grids: Sequence[Grid], *, row: float = 5.6, label: float = 32.0, below: float = 17.0) -> str:
    """Grids side by side with the same rows; blue is positive, orange negative, both stronger when established.

    Args:
        grids: one or two.
        row: height of a row in millimetres.
        label: room for the labels of rows.
        below: room for the labels of columns.
    """
    gap = 6.0
    width = (WIDTH - label - gap * (len(grids) - 1)) / max(len(grids), 1)
    height = row * len(grids[0].rows)
    values = [abs(value) for grid in grids for _, value, _ in grid.cells.values() if defined(value)]
    full = max([1e-9, *values])
    with drawing():
        figure = new_figure(WIDTH, height + 6 + below)
        for index, grid in enumerate(grids):
            axes = place(figure, label + index * (width + gap), 6, width, height)
            _draw_grid(axes, grid, full)
            axes.set_title(grid.title)
            names = [shorten(name, 19) for name in grid.rows] if index == 0 else [""] * len(grid.rows)
            axes.set_yticks(range(len(grid.rows)), names)
            names = [shorten(name, 17) for name in grid.columns]
            axes.set_xticks(range(len(grid.columns)), names, rotation=32, ha="right", rotation_mode="anchor",
                            fontsize=7.5)  # fmt: skip
        return to_svg(figure)


def _draw_grid(axes: Axes, grid: Grid, full: float) -> None:
    lines, columns = len(grid.rows), len(grid.columns)
    picture = np.ones((lines, columns, 3))
    for at, (_, value, sure) in grid.cells.items():
        if defined(value):
            tint, share = np.array(to_rgb(GOOD if value > 0 else BAD)), abs(value) / full
            picture[at] = 1 - (0.45 + 0.45 * share if sure else 0.16 * share) * (1 - tint)
    axes.pcolormesh(np.arange(columns + 1) - 0.5, np.arange(lines + 1) - 0.5, picture, edgecolor=RULE,
                    linewidth=0.35)  # fmt: skip
    size = 7.2 if columns <= 8 else 6.2 if columns <= 14 else 5.0
    for (line, column), (text, _, sure) in grid.cells.items():
        color = "white" if picture[line, column].mean() < 0.6 else INK if sure else MUTED
        axes.text(column, line, text, ha="center", va="center", fontsize=size, color=color,
                  weight="bold" if sure else "normal")  # fmt: skip
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(lines - 0.5, -0.5)
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_color(RULE)


def shown_classes(context: Context) -> tuple[list[str], bool]:
    """Classes that get a row and a column, and whether the rest is added up as one."""
    counts, classes = context.results.class_counts, list(context.results.classes)
    if len(classes) <= MOST:
        return classes, False
    kept = sorted(classes, key=lambda name: (-counts.get(name, 0), classes.index(name)))[: MOST - 1]
    return [name for name in classes if name in kept], True


def confusion_matrix(context: Context, protocol: str, source: str, point: str, matching: str) -> np.ndarray:
    """Counts by true (rows) and predicted class (columns), background last; means over seeds."""
    frame = context.results.table("confusion", protocol)
    assert frame is not None
    wanted = (
        (frame["source"] == source) & (frame["operating_point"] == point) & (frame["matching"] == matching)
    )
    rows = frame[wanted]
    classes, rest = shown_classes(context)
    names = [*classes, *([OTHER] if rest else []), BACKGROUND]
    places = {name: index for index, name in enumerate(names)}
    other = places.get(OTHER)
    counts = np.zeros((len(names), len(names)))
    seeds = max(1, rows["seed"].nunique())
    for true, predicted, count in zip(rows["true"], rows["predicted"], rows["count"], strict=True):
        row, column = places.get(true, other), places.get(predicted, other)
        if row is not None and column is not None and defined(count):
            counts[row, column] += count / seeds
    return counts


def draw_confusions(
    context: Context, protocol: str, sources: Sequence[str], point: str, matching: str
) -> str:
    """Matrices side by side: cells are shaded by the share of their row and show the count."""
    classes, rest = shown_classes(context)
    true = [*classes, *([OTHER] if rest else []), "false alarm"]
    predicted = [*true[:-1], "missed"]
    columns = 4 if len(sources) > 3 and len(true) <= 8 else 3 if len(sources) > 2 else 2
    label, gap, top, bottom = 19.0, 2.0, 6.0, 14.0
    side = min((WIDTH - label - gap * (columns - 1)) / columns, 55.0)
    lines = -(-len(sources) // columns)
    small = len(true) > 8 or columns == 4
    with drawing():
        figure = new_figure(WIDTH, lines * (top + side + 2) + bottom)
        for index, source in enumerate(sources):
            line, column = divmod(index, columns)
            axes = place(figure, label + column * (side + gap), top + line * (top + side + 2), side, side)
            counts = confusion_matrix(context, protocol, source, point, matching)
            _draw_confusion(axes, counts, len(true), 5.8 if small else 7)
            title = shorten(context.results.labels[source], 22 if columns == 4 else 28)
            axes.set_title(title, color=context.colors[source], fontsize=8)
            labels = [shorten(name, 13) if column == 0 else "" for name in true]
            axes.set_yticks(range(len(true)), labels, fontsize=7)
            lowest = index + columns >= len(sources)
            axes.set_xticks(range(len(predicted)), [shorten(name, 13) if lowest else "" for name in predicted],
                            fontsize=7, rotation=50, ha="right", rotation_mode="anchor")  # fmt: skip
        return to_svg(figure)


def _draw_confusion(axes: Axes, counts: np.ndarray, size: int, font: float) -> None:
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    picture = np.ones((size, size, 3))
    for row, column in np.ndindex(size, size):
        color = GOOD if row == column else BAD if column < size - 1 and row < size - 1 else GREY
        picture[row, column] = 1 - 0.85 * shares[row, column] ** 0.8 * (1 - np.array(to_rgb(color)))
    edges = np.arange(size + 1) - 0.5
    axes.pcolormesh(edges, edges, picture, edgecolor=RULE, linewidth=0.35)
    for row, column in zip(*np.nonzero(counts), strict=True):
        dark = picture[row, column].mean() < 0.6
        axes.text(column, row, mean_count(counts[row, column]), ha="center", va="center", fontsize=font,
                  color="white" if dark else INK)  # fmt: skip
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.axhline(size - 1.5, color=INK, linewidth=0.7)
    axes.axvline(size - 1.5, color=INK, linewidth=0.7)
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_color(RULE)
