"""Differences to the reference with their intervals: a row a source, a panel a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..context import Context
from ..differences import Difference
from ..numbers import defined, shorten
from ..palette import MUTED
from .style import WIDTH, bare, drawing, new_figure, place, to_svg

# For captions.
FOREST = "Thick: 95 % interval by itself; thin: simultaneous; none: too few blocks; filled dot: established."
LABELS = 34.0
ROW, TIGHT_ROW, MANY = 5.0, 3.9, 8  # millimetres a source; with more than MANY sources
GAP = 4.0
LONG = 2.0  # a whisker is cut where it is this many times longer than the median one
TOP, BOTTOM = 6.0, 9.0  # millimetres above and below a panel


@dataclass(frozen=True)
class Panel:
    """One panel of a forest plot.

    Attributes:
        title: above it.
        axis: below it, with the unit.
        rows: difference by source; None or undefined where there is none.
    """

    title: str
    axis: str
    rows: Mapping[str, Difference | None]


def draw_forest(context: Context, panels: Sequence[Panel], *, columns: int = 3, same: bool = False) -> str:
    """Dots are differences, thick whiskers 95 % intervals, thin ones simultaneous; filled where established.

    Args:
        context: results.
        panels: drawn line by line.
        columns: panels a line at most.
        same: all panels have one scale.
    """
    names = [name for name in context.results.sources if any(panel.rows.get(name) for panel in panels)]
    columns = min(columns, len(panels))
    lines = -(-len(panels) // columns)
    height = (ROW if len(names) <= MANY else TIGHT_ROW) * max(len(names), 1)
    width = (WIDTH - LABELS - 2 - GAP * (columns - 1)) / columns
    limits = _limits([one for panel in panels for one in panel.rows.values()])
    with drawing():
        figure = new_figure(WIDTH, lines * (height + TOP + BOTTOM))
        for index, panel in enumerate(panels):
            line, column = divmod(index, columns)
            top = TOP + line * (height + TOP + BOTTOM)
            axes = place(figure, LABELS + column * (width + GAP), top, width, height)
            _draw_panel(axes, panel, names, context, limits if same else _limits(list(panel.rows.values())))
            axes.set_title(shorten(panel.title, int(width / 1.45)), fontsize=8.5 if width > 25 else 7.5)
            axes.xaxis.set_major_locator(MaxNLocator(3 if width < 25 else 5))
            if index + columns >= len(panels) or panels[index + columns].axis != panel.axis:
                axes.set_xlabel(panel.axis, fontsize=7.5, labelpad=1.5)
            labels = [shorten(context.results.labels[name], 19) if column == 0 else "" for name in names]
            axes.set_yticks(range(len(names)), labels)
        return to_svg(figure)


def _limits(found: Sequence[Difference | None]) -> tuple[float, float]:
    """Axis limits that hold every value; whiskers far longer than most are cut off at the frame."""
    known = [one for one in found if one is not None and defined(one.value)]
    values = [0.0, *(one.kind.scale * one.value for one in known)]
    halves = [
        one.kind.scale * (one.simultaneous_high - one.simultaneous_low) / 2
        for one in known
        if one.has_interval
    ]
    reach = LONG * float(np.median(halves)) if halves else 0.0
    ends = [one.kind.scale * end for one in known if one.has_interval
            for end in (one.simultaneous_low, one.simultaneous_high)]  # fmt: skip
    low = min(*values, 0.0, max(min(ends, default=0.0), min(values) - reach))
    high = max(*values, 0.0, min(max(ends, default=0.0), max(values) + reach))
    if high - low < 1e-3:  # all differences are zero
        return -1.0, 1.0
    span = high - low
    return low - 0.06 * span, high + 0.06 * span


def _draw_panel(
    axes: Axes, panel: Panel, names: list[str], context: Context, limits: tuple[float, float]
) -> None:
    axes.axvline(0, color=MUTED, linewidth=0.9)
    for y, name in enumerate(names):
        one = panel.rows.get(name)
        if one is None or not defined(one.value):
            axes.text(0.5, y, "–", transform=axes.get_yaxis_transform(), ha="center", va="center", fontsize=7)
            continue
        color, scale = context.colors[name], one.kind.scale
        if one.has_interval:
            ends = [scale * end for end in (one.simultaneous_low, one.simultaneous_high)]
            axes.plot(ends, [y, y], color=color, linewidth=0.8, solid_capstyle="butt")
        if defined(one.low) and defined(one.high):
            axes.plot([scale * one.low, scale * one.high], [y, y], color=color, linewidth=2.6,
                      solid_capstyle="butt", alpha=0.75)  # fmt: skip
        face = color if one.established else "white"
        axes.plot([scale * one.value], [y], "o", markersize=4.6, mfc=face, mec=color, mew=1.0)
    axes.set_xlim(*limits)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="x", labelsize=7, length=2, pad=1.5)
    axes.grid(axis="x")
    bare(axes)
