"""What fusion metrics and fusion times have to do with detection: a dot a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from ...fusion.metrics.registry import METRICS
from ..context import HEADLINE, METRIC_TITLES, Context
from ..numbers import seconds, signed
from ..palette import INK, MUTED, RULE
from ..quality import Quality, Relation, paired_sources
from .style import LEGEND_ROW, WIDTH, bare, drawing, legend, legend_lines, new_figure, place, to_svg

SCATTER = 30.0  # height of a scatter plot of metrics in millimetres
COST = 50.0


def draw_relations(context: Context, quality: Quality, protocol: str, relations: Sequence[Relation]) -> str:
    """A scatter plot a metric of the paper: its mean against mAP50, a dot a fused source."""
    sources = paired_sources(context, quality, protocol)
    scores = {score.source: 100 * score.value() for score in context.fused(protocol)}
    shown = [relation for relation in relations if relation.metric in quality.paper]
    left, gap = 14.0, 5.0
    with drawing():
        figure = new_figure(WIDTH, SCATTER + 20.5 + LEGEND_ROW * legend_lines(sources))
        width = (WIDTH - left - 3 - gap * (len(shown) - 1)) / len(shown)
        for index, relation in enumerate(shown):
            axes = place(figure, left + index * (width + gap), 14, width, SCATTER)
            for source in sources:
                x = float(quality.mean[relation.metric].loc[source])
                axes.plot(x, scores[source], "o", color=context.colors[source], markersize=5.5, mec="white",
                          mew=0.5)  # fmt: skip
            axes.set_title(f"{relation.metric} {METRICS[relation.metric].arrow}", pad=24)
            rank = relation.rank
            words = ((f"rank corr. {signed(rank.value, 2)}", 14, INK),
                     (f"({signed(rank.low, 2)} to {signed(rank.high, 2)})", 4, MUTED))  # fmt: skip
            for text, height, color in words:
                axes.annotate(text, (0, 1), (0, height), xycoords="axes fraction",
                              textcoords="offset points", fontsize=7.5, color=color)  # fmt: skip
            axes.margins(0.14)
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.tick_params(labelsize=7, length=2, pad=1.5)
            axes.tick_params(axis="y", labelleft=index == 0)
            _finish(axes, named=index == 0)
        _names(figure, context, sources, SCATTER + 20.5)
        return to_svg(figure)


def draw_cost(context: Context, protocol: str, times: Mapping[str, float]) -> str:
    """Seconds per image (logarithmic) against mAP50; sources without fusion are dashed lines.

    Args:
        context: results.
        protocol: which protocol the scores come from.
        times: seconds per image of the sources that took any.
    """
    names = [score.source for score in context.finished(protocol)]
    with drawing():
        figure = new_figure(WIDTH, COST + 14 + LEGEND_ROW * legend_lines(names))
        axes = place(figure, 14, 2, WIDTH - 18, COST)
        axes.set_xscale("log")
        for score in context.finished(protocol):
            color, value, used = (
                context.colors[score.source],
                100 * score.value(),
                times.get(score.source, 0.0),
            )
            if used > 0:
                axes.plot(used, value, "o", color=color, markersize=6.5)
            else:
                axes.axhline(value, color=color, linewidth=1.2, linestyle=(0, (4, 2)))
        axes.margins(0.08)
        axes.set_xlabel("fusion time per image")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        _finish(axes, named=True)
        _names(figure, context, names, COST + 14)
        return to_svg(figure)


def _finish(axes: Axes, *, named: bool) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(color=RULE)
    bare(axes, "bottom left")
    if named:
        axes.set_ylabel(f"{METRIC_TITLES[HEADLINE]}, AP points")


def _names(figure: Figure, context: Context, sources: Sequence[str], top: float) -> None:
    labels, colors = ([table[name] for name in sources] for table in (context.results.labels, context.colors))
    legend(figure, top, labels, colors, ["o"] * len(sources))
