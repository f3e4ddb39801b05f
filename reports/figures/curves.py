"""Curves: recall against false alarms, and reliability of confidences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from ..context import Context, protocol_title
from ..numbers import shorten
from ..palette import MUTED
from .style import LEGEND_ROW, WIDTH, bare, drawing, legend, legend_lines, new_figure, place, to_svg

STYLES: dict[str, Any] = {"visible": (0, (4, 1.5)), "infrared": (0, (1, 1))}


def draw_recall(context: Context, protocols: Sequence[str]) -> str:
    """Recall against false alarms per image, a panel a protocol; means over seeds."""
    left, gap, height = 13.0, 8.0, 62.0
    width = (WIDTH - left - 2 - gap * (len(protocols) - 1)) / len(protocols)
    width = min(width, 110.0)
    names = [score.source for score in context.finished(protocols[0])]
    with drawing():
        figure = new_figure(WIDTH, height + 16 + LEGEND_ROW * legend_lines(names))
        for index, protocol in enumerate(protocols):
            axes = place(figure, left + index * (width + gap), 6, width, height)
            frame = context.results.table("curves", protocol)
            assert frame is not None
            mean = frame.groupby(["source", "false_alarms_per_image"])["recall"].mean()
            lowest, highest = 100 * float(mean.min()), 100 * float(mean.max())
            for score in context.finished(protocol):
                if score.source in mean.index.get_level_values(0):
                    line = mean[score.source]
                    axes.plot(line.index, 100 * line.to_numpy(), color=context.colors[score.source],
                              linewidth=1.5, linestyle=STYLES.get(score.source, "-"))  # fmt: skip
            for value in (0.1, 1.0):
                axes.axvline(value, color=MUTED, linewidth=0.6, linestyle=(0, (2, 2)))
            axes.set_xscale("log")
            axes.set_xlim(0.01, 10)
            axes.set_ylim(max(0.0, lowest - 5), min(100.0, highest + 5))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_title(protocol_title(protocol))
            axes.set_xlabel("false alarms per image")
            if index == 0:
                axes.set_ylabel("recall, %")
            axes.grid()
            bare(axes, "bottom left")
        labels, colors = (
            [table[name] for name in names] for table in (context.results.labels, context.colors)
        )
        legend(figure, height + 16, labels, colors, [STYLES.get(name, "-") for name in names])
        return to_svg(figure)


def draw_reliability(context: Context, protocol: str) -> str:
    """Precision against confidence, a small panel a source: grey as given, coloured after temperature."""
    frame = context.results.table("reliability", protocol)
    assert frame is not None
    names = [name for name in context.results.sources if name in set(frame["source"])]
    columns = 4 if len(names) > 3 else 3
    left, gap, lines = 12.0, 4.0, -(-len(names) // columns)
    side = min((WIDTH - left - 2 - gap * (columns - 1)) / columns, 34.0)
    with drawing():
        figure = new_figure(WIDTH, lines * (side + 8) + 9)
        for index, name in enumerate(names):
            line, column = divmod(index, columns)
            axes = place(figure, left + column * (side + gap), 6 + line * (side + 8), side, side)
            axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.7)
            for stage, color in (("raw", "#a9adb5"), ("temperature", context.colors[name])):
                _draw_stage(axes, frame[(frame["source"] == name) & (frame["stage"] == stage)], color)
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            ticks = [0.0, 0.5, 1.0]
            axes.set_xticks(
                ticks, [f"{tick:g}" for tick in ticks] if index + columns >= len(names) else [""] * 3
            )
            axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks] if column == 0 else [""] * 3)
            axes.tick_params(labelsize=7, length=2, pad=1.5)
            axes.set_title(shorten(context.results.labels[name], 22), fontsize=8)
            if index + columns >= len(names):
                axes.set_xlabel("confidence", fontsize=7.5, labelpad=1)
            if column == 0:
                axes.set_ylabel("precision", fontsize=7.5, labelpad=1)
            axes.grid()
            bare(axes, "bottom left")
        return to_svg(figure)


def _draw_stage(axes: Axes, rows: pd.DataFrame, color: str) -> None:
    """Bins of one stage, pooled over seeds by their counts; a dot's area is the number of detections."""
    rows = rows[rows["count"] > 0]
    if rows.empty:
        return
    weight = rows["count"].to_numpy(dtype=float)
    sums = pd.DataFrame({
        "low": rows["low"].to_numpy(), "n": weight, "x": weight * rows["confidence"].to_numpy(),
        "y": weight * rows["precision"].to_numpy(),
    }).groupby("low").sum()  # fmt: skip
    x, y, number = sums["x"] / sums["n"], sums["y"] / sums["n"], sums["n"].to_numpy()
    axes.plot(x, y, color=color, linewidth=1.2)
    axes.scatter(x, y, s=1.5 + 14 * np.sqrt(number / number.max()), color=color, linewidths=0, zorder=3)
