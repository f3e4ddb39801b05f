"""Objects fixed and broken by each source against visible-only."""

from __future__ import annotations

from ..changes import ChangeCount
from ..context import Context
from ..numbers import mean_count, shorten
from ..palette import BAD, GOOD, INK
from .style import bare, drawing, new_figure, place, to_svg

ROW = 5.6  # millimetres a source
LABELS = 36.0
WIDTH = 170.0


def draw_changes(context: Context, counts: dict[str, ChangeCount]) -> str:
    """Bars to the right for fixed objects and to the left for broken ones.

    Args:
        context: results.
        counts: fixed and broken objects by source.
    """
    height = ROW * len(counts)
    most = max((max(count.fixed, count.broken) for count in counts.values()), default=1.0) or 1.0
    with drawing():
        figure = new_figure(WIDTH, height + 16)
        axes = place(figure, LABELS, 6, WIDTH - LABELS - 6, height)
        for y, count in enumerate(counts.values()):
            axes.barh(y, count.fixed, height=0.7, color=GOOD)
            axes.barh(y, -count.broken, height=0.7, color=BAD)
            for value, sign, side in ((count.fixed, 1, "left"), (count.broken, -1, "right")):
                axes.annotate(mean_count(value), (sign * value, y), (3 * sign, 0), va="center", ha=side,
                              textcoords="offset points", fontsize=8)  # fmt: skip
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_xlim(-1.12 * most, 1.12 * most)
        axes.set_ylim(len(counts) - 0.5, -0.5)
        axes.set_yticks(range(len(counts)), [shorten(context.results.labels[name], 20) for name in counts])
        axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        axes.set_xlabel("objects")
        axes.text(0.25, 1.02, "broken: visible-only right, source wrong", color=BAD,
                  transform=axes.transAxes, ha="center", va="bottom")  # fmt: skip
        axes.text(0.75, 1.02, "fixed: visible-only wrong, source right", color=GOOD,
                  transform=axes.transAxes, ha="center", va="bottom")  # fmt: skip
        axes.grid(axis="x")
        bare(axes)
        return to_svg(figure)
