"""One class called the other, both ways, with Wilson's intervals."""

from __future__ import annotations

from ..context import Context
from ..numbers import defined, shorten
from ..swaps import SwapRate
from .style import bare, drawing, new_figure, place, to_svg

ROW = 5.4  # millimetres a source
LABELS = 36.0
WIDTH = 170.0


def draw_swaps(
    context: Context, pair: tuple[str, str], rates: dict[str, tuple[SwapRate | None, SwapRate | None]]
) -> str:
    """Rates in percent: left the first class called the second, right the reverse.

    Args:
        context: results.
        pair: the two classes.
        rates: both rates by source.
    """
    height, gap = ROW * len(rates), 8.0
    width = (WIDTH - LABELS - 4 - gap) / 2
    with drawing():
        figure = new_figure(WIDTH, height + 19)
        for side in (0, 1):
            true, predicted = pair if side == 0 else pair[::-1]
            axes = place(figure, LABELS + side * (width + gap), 7, width, height)
            highest = 0.05
            for y, (name, both) in enumerate(rates.items()):
                rate, color = both[side], context.colors[name]
                if rate is None or not defined(rate.rate):
                    axes.text(
                        0.01,
                        y,
                        "no such objects",
                        transform=axes.get_yaxis_transform(),
                        va="center",
                        fontsize=7,
                    )
                    continue
                axes.plot([100 * rate.low, 100 * rate.high], [y, y], color=color, linewidth=1.6)
                axes.plot([100 * rate.rate], [y], "o", color=color, markersize=5, markeredgecolor="white")
                highest = max(highest, rate.high)
            axes.set_title(f"{shorten(true, 18)} called {shorten(predicted, 18)}")
            axes.set_xlabel(f"share of objects of class {shorten(true, 18)}, %")
            axes.set_xlim(-1.5 * highest, 104 * highest)
            axes.set_ylim(len(rates) - 0.5, -0.5)
            labels = (
                [shorten(context.results.labels[name], 20) for name in rates]
                if side == 0
                else [""] * len(rates)
            )
            axes.set_yticks(range(len(rates)), labels)
            axes.grid(axis="x")
            bare(axes)
        return to_svg(figure)
