"""Average precision of every class: a small chart a class, a bar a source."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..context import Context
from ..numbers import points, shorten, whole
from ..palette import INK
from .style import bare, drawing, new_figure, place, to_svg

MOST = 12  # charts; the table holds the rest
COLUMNS = 3
WIDTH = 170.0
BAR = 3.9  # millimetres a source


def draw_per_class(context: Context, protocol: str, classes: list[str]) -> str:
    """Bars of AP50 in AP points, means over seeds, with a dot a seed when there are several.

    Args:
        context: results.
        protocol: which protocol.
        classes: classes with objects in the test set, the first :data:`MOST` of them are drawn.
    """
    frame = context.results.table("per_class", protocol)
    assert frame is not None
    counts = context.results.class_counts()
    shown, scores = classes[:MOST], context.finished(protocol)
    lines = -(-len(shown) // COLUMNS)
    height = BAR * len(scores)
    with drawing():
        figure = new_figure(WIDTH, lines * (height + 12.5) + 3)
        left, gap = 31.0, 5.0
        width = (WIDTH - left - 3 - gap * (COLUMNS - 1)) / COLUMNS
        highest = np.nanmax(frame[frame["class"].isin(shown)]["AP50"].to_numpy(dtype=float), initial=0.05)
        for index, name in enumerate(shown):
            line, column = divmod(index, COLUMNS)
            axes = place(figure, left + column * (width + gap), 6.5 + line * (height + 12.5), width, height)
            _draw_class(axes, frame[frame["class"] == name], context, protocol)
            axes.set_title(f"{shorten(name, 20)}  ({whole(counts.get(name))})")
            axes.set_xlim(0, min(118.0, 100 * highest * 1.18))
            axes.set_ylim(len(scores) - 0.4, -0.6)
            labels = [context.results.labels[score.source] if column == 0 else "" for score in scores]
            axes.set_yticks(range(len(scores)), [shorten(label, 18) for label in labels])
            axes.tick_params(axis="x", labelsize=7, length=2, pad=1.5)
            axes.grid(axis="x")
            bare(axes)
        return to_svg(figure)


def _draw_class(axes: Axes, frame: pd.DataFrame, context: Context, protocol: str) -> None:
    for y, score in enumerate(context.finished(protocol)):
        values = frame[frame["source"] == score.source]["AP50"].dropna().to_numpy(dtype=float)
        if not len(values):
            axes.text(0.6, y, "–", va="center", fontsize=7)
            continue
        mean = float(values.mean())
        axes.barh(y, 100 * mean, height=0.76, color=context.colors[score.source])
        if len(values) > 1:
            seeds = [y] * len(values)
            axes.plot(100 * values, seeds, "o", color="white", markersize=2.6, mec=INK, mew=0.5)
        end = 100 * max(mean, float(values.max()) if len(values) > 1 else mean)
        axes.annotate(points(mean), (end, y), (2.5, 0), textcoords="offset points", va="center", fontsize=7)
