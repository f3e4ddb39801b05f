"""Drawings of the metrics: over settings, over contrast, and the experts' shares over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.ticker import MaxNLocator

from ...reports.figures.style import bare, drawing, new_figure, place, to_svg
from ...reports.palette import ACCENT, BAD, INK, MUTED
from .paper_values import BEST_EXPERT_NUMBER, QUALITY

WIDTH = 170.0
EXPERTS = ("#0072b2", "#56b4e9", "#009e73", "#e69f00", "#cc79a7", "#999933")


def draw_settings(table: pd.DataFrame) -> str:
    """Draw each metric over the settings of Figure 4.

    Args:
        table: from :func:`.compare.frame`; failed settings are gaps.
    """
    labels = [str(label) for label in table["variant"]]
    height, panel, gap = 46.0, 29.0, 5.5
    with drawing():
        figure = new_figure(WIDTH, height)
        for number, metric in enumerate(QUALITY):
            axes = place(figure, 4 + number * (panel + gap), 7, panel, height - 22)
            values = table[metric].to_numpy(dtype=float)
            at = np.arange(len(labels))
            low, high = np.nanmin(values), np.nanmax(values)
            span = max(high - low, 1e-4)
            axes.plot(at, values, "-", color=MUTED, linewidth=0.7)
            axes.plot(at, values, "o", color=ACCENT, markersize=4)
            best = int(np.nanargmax(values))
            axes.plot(best, values[best], "o", markersize=8, markerfacecolor="none", markeredgecolor=ACCENT)
            theirs = BEST_EXPERT_NUMBER[metric]
            if theirs in labels:
                axes.plot(
                    labels.index(theirs), low - 0.32 * span, "^", color=BAD, markersize=5, clip_on=False
                )
            axes.set_ylim(low - 0.4 * span, high + 0.25 * span)
            axes.set_xlim(-2.2, len(labels) - 0.4)  # room for the numbers
            axes.set_xticks(at, labels, rotation=60, ha="right", rotation_mode="anchor", fontsize=7)
            axes.set_yticks([low, high], [f"{low:.3f}", f"{high:.3f}"], fontsize=6.5)
            axes.tick_params(axis="y", pad=-2, direction="in")
            for tick in axes.get_yticklabels():
                tick.set_horizontalalignment("left")
            axes.set_title(metric)
            bare(axes, "bottom")
        return to_svg(figure)


def draw_allocation(shares: Mapping[str, pd.DataFrame], load_epochs: int) -> str:
    """Draw the cumulative shares of the experts over the epochs, as Figure 5 does, one panel a training.

    Args:
        shares: title -> a row an epoch, columns ``epoch`` and ``expert0``, ``expert1``, ...
        load_epochs: marked by a dashed line.
    """
    height, count = 56.0, len(shares)
    panel = (WIDTH - 14 - 6 * (count - 1)) / count
    with drawing():
        figure = new_figure(WIDTH, height)
        for number, (title, table) in enumerate(shares.items()):
            axes = place(figure, 12 + number * (panel + 6), 7, panel - 2, height - 26)
            experts = [name for name in table.columns if name.startswith("expert")]
            bounds = np.cumsum(table[experts].to_numpy(dtype=float), axis=1)
            lower = np.zeros(len(table))
            for index, name in enumerate(experts):
                color = EXPERTS[index % len(EXPERTS)]
                axes.fill_between(
                    table["epoch"], lower, bounds[:, index], color=color, alpha=0.75, linewidth=0,
                    label=f"expert {name.removeprefix('expert')}",
                )  # fmt: skip
                lower = bounds[:, index]
            for index in range(1, len(experts)):
                axes.axhline(index / len(experts), color="white", linewidth=0.5, linestyle=(0, (2, 2)))
            axes.axvline(load_epochs, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
            axes.set_xlim(float(table["epoch"].min()), float(table["epoch"].max()))
            axes.set_ylim(0, 1)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_title(f"load loss: {title}")
            axes.set_xlabel("epoch")
            if number == 0:
                axes.set_ylabel("share of choices")
                handles = axes.get_legend_handles_labels()
            else:
                axes.set_yticklabels([])
            bare(axes, "bottom left")
        figure.legend(*handles, loc="lower center", ncol=6, frameon=False, bbox_to_anchor=(0.5, -0.02))
        return to_svg(figure)


def draw_contrast(
    table: pd.DataFrame, metrics: Sequence[str], colors: Mapping[str, str], marked: float
) -> str:
    """Draw metrics against the contrast k, a line a source.

    Args:
        table: columns ``k``, ``source``, ``title`` and the metrics; NaN where there is none.
        metrics: which to draw, one panel each.
        colors: by source.
        marked: k of the supplement's Figure 3.
    """
    columns = 3
    rows = -(-len(metrics) // columns)
    panel, tall = 46.0, 32.0
    height = rows * (tall + 15) + 10
    with drawing():
        figure = new_figure(WIDTH, height)
        handles: dict[str, Artist] = {}
        for number, metric in enumerate(metrics):
            row, column = divmod(number, columns)
            axes = place(figure, 11 + column * (panel + 10), 6 + row * (tall + 15), panel, tall)
            for source, group in table.groupby("source", sort=False):
                known = group[group[metric].notna()]
                if known.empty:
                    continue
                (line,) = axes.plot(
                    known["k"], known[metric], "o-", markersize=2.8,
                    linewidth=1.6 if source == "regionfuse" else 1.0, color=colors[str(source)],
                )  # fmt: skip
                handles.setdefault(str(group["title"].iloc[0]), line)
            axes.axvline(marked, color=MUTED, linewidth=0.5, linestyle=(0, (3, 3)))
            axes.set_title(metric)
            if row == rows - 1 or number + columns >= len(metrics):
                axes.set_xlabel("k")
            axes.grid(axis="y")
            bare(axes, "bottom left")
        figure.legend(
            list(handles.values()), list(handles), loc="lower center", ncol=7, frameon=False,
            bbox_to_anchor=(0.5, 0.0),
        )  # fmt: skip
        return to_svg(figure)
