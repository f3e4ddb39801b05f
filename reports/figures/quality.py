"""Fusion metrics by source, and against detection."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...fusion.metrics.registry import METRICS
from ..context import HEADLINE, METRIC_TITLES, Context
from ..numbers import defined, shorten, signed
from ..palette import INK, MUTED, RULE
from ..quality import Quality, Relation, paired_sources
from .style import bare, drawing, new_figure, place, to_svg

WIDTH = 170.0
ROW, TIGHT_ROW, MANY = 5.4, 4.3, 8  # millimetres a source; with more than MANY sources
LABELS = 32.0
SCATTER = 30.0  # height of a scatter plot in millimetres
LEGEND_COLUMNS, LEGEND_ROW = 5, 4.6  # of the names below the scatter plots; millimetres


def draw_quality(context: Context, quality: Quality) -> str:
    """A column a metric of the paper, a row a source: dots are means, whiskers 95 % intervals."""
    sources = [str(name) for name in quality.mean.index]
    height = (ROW if len(sources) <= MANY else TIGHT_ROW) * len(sources)
    gap = 4.0
    with drawing():
        figure = new_figure(WIDTH, height + 13)
        width = (WIDTH - LABELS - 3 - gap * (len(quality.paper) - 1)) / len(quality.paper)
        for index, metric in enumerate(quality.paper):
            axes = place(figure, LABELS + index * (width + gap), 6.5, width, height)
            for y, source in enumerate(sources):
                _draw_mean(axes, quality, metric, source, y, context)
            axes.set_title(f"{metric} {METRICS[metric].arrow}")
            axes.set_ylim(len(sources) - 0.5, -0.5)
            names = [shorten(context.results.labels[name], 18) for name in sources]
            axes.set_yticks(range(len(sources)), names if index == 0 else [""] * len(sources))
            _few_ticks(axes)
            axes.grid(axis="x")
            bare(axes)
        return to_svg(figure)


def _draw_mean(axes: Axes, quality: Quality, metric: str, source: str, y: int, context: Context) -> None:
    mean, low, high = (
        float(table[metric].loc[source]) for table in (quality.mean, quality.low, quality.high)
    )
    if not defined(mean):
        return
    color, single = context.colors[source], context.is_single(source)
    if defined(low) and defined(high):
        axes.plot([low, high], [y, y], color=color, linewidth=1.4, solid_capstyle="butt")
    # Hollow: one modality alone, which is not ranked.
    face, edge = ("white", color) if single else (color, "white")
    axes.plot([mean], [y], "o", markersize=5, markerfacecolor=face, markeredgecolor=edge, markeredgewidth=0.8)


def draw_relations(context: Context, quality: Quality, protocol: str, relations: tuple[Relation, ...]) -> str:
    """A scatter plot a metric of the paper: its mean against mAP50, a dot a fused source."""
    sources = paired_sources(context, quality, protocol)
    scores = {score.source: 100 * score.value(HEADLINE) for score in context.fused(protocol)}
    shown = [relation for relation in relations if relation.metric in quality.paper]
    lines = math.ceil(len(sources) / LEGEND_COLUMNS)
    left, gap = 14.0, 5.0
    with drawing():
        figure = new_figure(WIDTH, SCATTER + 20.5 + LEGEND_ROW * lines)
        width = (WIDTH - left - 3 - gap * (len(shown) - 1)) / len(shown)
        for index, relation in enumerate(shown):
            axes = place(figure, left + index * (width + gap), 14, width, SCATTER)
            for source in sources:
                x = float(quality.mean[relation.metric].loc[source])
                color = context.colors[source]
                axes.plot(x, scores[source], "o", color=color, markersize=5.5, mec="white", mew=0.5)
            axes.set_title(f"{relation.metric} {METRICS[relation.metric].arrow}", pad=24)
            words = ((f"rank corr. {_signed(relation.rank.value)}", 14, INK), (_bounds(relation), 4, MUTED))
            for text, height, color in words:
                axes.annotate(text, (0, 1), (0, height), xycoords="axes fraction",
                              textcoords="offset points", fontsize=7.5, color=color)  # fmt: skip
            axes.margins(0.14)
            _few_ticks(axes)
            axes.yaxis.set_major_locator(MaxNLocator(4))
            axes.tick_params(axis="y", labelsize=7, length=2, pad=1.5, labelleft=index == 0)
            axes.grid(color=RULE)
            bare(axes, "bottom left")
            if index == 0:
                axes.set_ylabel(f"{METRIC_TITLES[HEADLINE]}, AP points")
        _legend(figure, context, sources, left, lines)
        return to_svg(figure)


def _legend(figure: Figure, context: Context, sources: list[str], left: float, lines: int) -> None:
    """Names of the dots in even columns below the plots."""
    width = (WIDTH - left) / LEGEND_COLUMNS
    axes = place(figure, left, SCATTER + 20.5, WIDTH - left, LEGEND_ROW * lines)
    axes.set_xlim(0, WIDTH - left)
    axes.set_ylim(lines - 0.5, -0.5)
    axes.axis("off")
    for index, name in enumerate(sources):
        line, column = divmod(index, LEGEND_COLUMNS)
        axes.plot(column * width + 1.5, line, "o", color=context.colors[name], markersize=5.5)
        title = shorten(context.results.labels[name], 17)
        axes.text(column * width + 3.5, line, title, va="center", fontsize=8)


def _signed(value: float) -> str:
    return signed(value, 2) if defined(value) else "–"


def _bounds(relation: Relation) -> str:
    if not defined(relation.rank.value):
        return ""
    return f"({_signed(relation.rank.low)} to {_signed(relation.rank.high)})"


def _few_ticks(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.tick_params(axis="x", labelsize=7, length=2, pad=1.5)
