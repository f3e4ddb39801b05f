"""Curves: recall against false alarms, reliability of confidences, and leakage against distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ..context import Context, protocol_title
from ..numbers import shorten
from ..palette import ACCENT, INK, MUTED
from .style import bare, drawing, new_figure, place, to_svg

WIDTH = 170.0
LEGEND_ROW, LEGEND_COLUMNS = 4.4, 5
STYLES = {"visible": (0, (4, 1.5)), "infrared": (0, (1, 1))}
MARKERS = {("test", "train"): "o", ("val", "train"): "s", ("test", "val"): "^"}


def draw_recall(context: Context, protocols: Sequence[str]) -> str:
    """Recall against false alarms per image, a panel a protocol; means over seeds."""
    left, gap, height = 13.0, 8.0, 62.0
    width = (WIDTH - left - 2 - gap * (len(protocols) - 1)) / len(protocols)
    width = min(width, 110.0)
    names = [score.source for score in context.finished(protocols[0])]
    lines = -(-len(names) // LEGEND_COLUMNS)
    with drawing():
        figure = new_figure(WIDTH, height + 16 + LEGEND_ROW * lines)
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
        _legend(figure, context, names, height + 16)
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


def draw_leakage(relations: Sequence[dict[str, Any]]) -> str:
    """Share of images with an image of another part within k places of it, for each pair of parts."""
    with drawing():
        figure = new_figure(WIDTH, 50)
        axes = place(figure, 14, 2, 92, 37)
        most = 1.0
        for at, relation in enumerate(relations):
            pair = (str(relation.get("images")), str(relation.get("against")))
            within = {int(key): 100 * value for key, value in (relation.get("within") or {}).items()
                      if value is not None}  # fmt: skip
            if not within:
                continue
            most = max(most, *within.values())
            keys = sorted(within)
            axes.plot(keys, [within[key] for key in keys], MARKERS.get(pair, "D") + "-", markersize=4,
                      color=(ACCENT, "#e69f00", "#882255")[at % 3], linewidth=1.3,
                      label=f"{pair[0]} images with a {pair[1]} image")  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, 1.08 * most)
        axes.set_xlabel("within k places in the order of the images")
        axes.set_ylabel("share, %")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
        axes.grid()
        bare(axes, "bottom left")
        return to_svg(figure)


def _legend(figure: Figure, context: Context, names: Sequence[str], top: float) -> None:
    """Names of the lines in even columns below the plots."""
    lines = -(-len(names) // LEGEND_COLUMNS)
    width = WIDTH / LEGEND_COLUMNS
    axes = place(figure, 0, top, WIDTH, LEGEND_ROW * lines)
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(lines - 0.5, -0.5)
    axes.axis("off")
    for index, name in enumerate(names):
        line, column = divmod(index, LEGEND_COLUMNS)
        axes.plot([column * width + 1, column * width + 6], [line, line], color=context.colors[name],
                  linewidth=1.8, linestyle=STYLES.get(name, "-"))  # fmt: skip
        axes.text(column * width + 7.5, line, shorten(context.results.labels[name], 20), va="center",
                  fontsize=8, color=INK)  # fmt: skip
