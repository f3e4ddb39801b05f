"""What fusion costs and what it brings: time per image against detection."""

from __future__ import annotations

from matplotlib.axes import Axes

from ..context import HEADLINE, METRIC_TITLES, Context, SourceScore
from ..numbers import defined, points, shorten
from ..palette import MUTED
from .style import bare, drawing, new_figure, place, to_svg

WIDTH = 170.0
HEIGHT = 64.0
LABEL_STEP = 4.2  # millimetres between two labels


def draw_cost(context: Context, protocol: str, times: dict[str, float]) -> str:
    """Scatter of seconds per image (logarithmic) and the headline metric; sources without fusion are lines.

    Args:
        context: results.
        protocol: which protocol the metric comes from.
        times: seconds per image of the sources that took any.
    """
    scores = [score for score in context.finished(protocol) if defined(score.value())]
    timed = [score for score in scores if times.get(score.source, 0.0) > 0]
    free = [score for score in scores if score not in timed]
    with drawing():
        figure = new_figure(WIDTH, HEIGHT)
        axes = place(figure, 16, 2, WIDTH - 16 - 42, HEIGHT - 14)
        axes.set_xscale("log")
        values = [100 * score.value() for score in scores]
        span = max(max(values) - min(values), 1.0)
        axes.set_ylim(max(0.0, min(values) - 0.12 * span), max(values) + 0.12 * span)
        used = [times[score.source] for score in timed]
        axes.set_xlim(min(used) / 2, max(used) * 2)
        for score in free:
            axes.axhline(
                100 * score.value(), color=context.colors[score.source], linewidth=1.2, linestyle=(0, (4, 2))
            )
        for score in timed:
            axes.plot(
                times[score.source],
                100 * score.value(),
                "o",
                color=context.colors[score.source],
                markersize=6.5,
            )
        _label(axes, scores, times, context)
        axes.set_xlabel("fusion time per image")
        axes.set_ylabel(f"{METRIC_TITLES[HEADLINE]}, AP points")
        axes.xaxis.set_major_formatter(lambda value, _: _tick(value))
        axes.xaxis.set_minor_formatter(lambda *_: "")
        axes.grid()
        bare(axes, "bottom left")
        return to_svg(figure)


def _tick(value: float) -> str:
    for scale, unit in ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s")):
        if value < 999 * scale:
            return f"{value / scale:g} {unit}"
    return f"{value:g} s"


def _label(axes: Axes, scores: list[SourceScore], times: dict[str, float], context: Context) -> None:
    """Names at the right edge, apart enough to read, each tied to its point by a thin line."""
    low, high = axes.get_ylim()
    step = LABEL_STEP / (HEIGHT - 14) * (high - low)
    order = sorted(scores, key=lambda score: (score.value(), score.source))
    heights = [100 * score.value() for score in order]
    for index in range(1, len(heights)):
        heights[index] = max(heights[index], heights[index - 1] + step)
    excess = max(0.0, heights[-1] - high) if heights else 0.0
    heights = [height - excess for height in heights]
    for index in range(len(heights) - 2, -1, -1):
        heights[index] = min(heights[index], heights[index + 1] - step) if excess else heights[index]
    right = axes.get_xlim()[1]
    for score, height in zip(order, heights, strict=True):
        start = times.get(score.source) or right
        axes.annotate(
            f"{shorten(context.results.labels[score.source], 20)}  {points(score.value())}",
            (start, 100 * score.value()),
            (1.03, height),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            color=context.colors[score.source] if score.source != "infrared" else MUTED,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.35, "shrinkA": 0, "shrinkB": 3},
            annotation_clip=False,
        )
