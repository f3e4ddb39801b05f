"""Difference of every source to visible-only, with stored intervals: the picture of the verdict."""

from __future__ import annotations

from matplotlib.axes import Axes

from ..context import METRIC_TITLES, Context, protocol_title
from ..numbers import defined, shorten, signed_points
from ..palette import MUTED
from ..scores import HEADLINE, REFERENCE, SourceScore
from .style import bare, drawing, new_figure, place, to_svg

ROW, TIGHT_ROW, MANY = 5.4, 4.3, 7  # millimetres a source; with more than MANY sources
LABELS = 36.0
WIDTH = 170.0


def draw_differences(context: Context) -> str | None:
    """Dots (differences in AP points) and whiskers (95 % intervals), a column a protocol.

    Returns:
        SVG text, or None when no source can be compared with visible-only.
    """
    rows = {
        protocol: [score for score in scores if score.ok and defined(score.delta.get(HEADLINE))]
        for protocol, scores in context.scores.items()
    }
    rows = {protocol: scores for protocol, scores in rows.items() if scores}
    if not rows:
        return None
    names = [
        name
        for name in context.results.sources
        if name != REFERENCE and any(score.source == name for scores in rows.values() for score in scores)
    ]
    height = (ROW if len(names) <= MANY else TIGHT_ROW) * len(names)
    with drawing():
        figure = new_figure(WIDTH, height + 19)
        gap = 8.0
        width = (WIDTH - LABELS - 4 - gap * (len(rows) - 1)) / len(rows)
        for index, (protocol, scores) in enumerate(rows.items()):
            axes = place(figure, LABELS + index * (width + gap), 7, width, height)
            _draw_protocol(axes, scores, names, context)
            axes.set_title(protocol_title(protocol))
            axes.set_xlabel(f"difference to visible-only in {METRIC_TITLES[HEADLINE]}, AP points")
            shown = [shorten(context.results.labels[name], 20) for name in names] if index == 0 else []
            axes.set_yticks(range(len(names)), shown or [""] * len(names))
        return to_svg(figure)


def _draw_protocol(axes: Axes, scores: list[SourceScore], names: list[str], context: Context) -> None:
    axes.axvline(0, color=MUTED, linewidth=0.9)
    ends = [0.0]
    for score in scores:
        y, delta, color = names.index(score.source), 100 * score.delta[HEADLINE], context.colors[score.source]
        low, high = (100 * end for end in score.interval.get(HEADLINE, (score.delta[HEADLINE],) * 2))
        axes.plot([low, high], [y, y], color=color, linewidth=1.6, solid_capstyle="butt")
        axes.plot([delta], [y], "o", color=color, markersize=5, markeredgecolor="white", markeredgewidth=0.6)
        ends += [low, high, delta]
    span = max(max(ends) - min(ends), 1.0)
    axes.set_xlim(min(ends) - 0.06 * span, max(ends) + 0.22 * span)
    for score in scores:
        y = names.index(score.source)
        axes.text(
            1.0,
            y,
            signed_points(score.delta[HEADLINE]),
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},  # no grid line through a number
        )
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x")
    bare(axes)
