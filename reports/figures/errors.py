"""Stacked bars: what every kind of error costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..context import Context
from ..numbers import shorten
from ..palette import INK
from .style import WIDTH, bare, drawing, new_figure, place, to_svg

ERRORS = {
    "classification": "#d55e00",
    "localisation": "#e69f00",
    "both": "#cc79a7",
    "duplicate": "#56b4e9",
    "background": "#6b7078",
    "missed": "#332288",
}
ROW = 5.2


def draw_errors(context: Context, values: Mapping[str, Mapping[str, float]], sources: Sequence[str]) -> str:
    """Stacked bars of dAP by kind of error, a bar a source.

    Args:
        context: results.
        values: fraction 0..1 by source and kind of error; undefined ones are NaN.
        sources: from top to bottom.
    """
    height = ROW * len(sources)
    with drawing():
        figure = new_figure(WIDTH, height + 20)
        axes = place(figure, 34, 9, WIDTH - 34 - 6, height)
        for y, source in enumerate(sources):
            start = 0.0
            for kind, color in ERRORS.items():
                value = values[source].get(kind, float("nan"))
                if not value > 0:
                    continue
                axes.barh(y, 100 * value, left=start, height=0.74, color=color)
                if value > 0.012:
                    light = kind in ("localisation", "duplicate")
                    axes.text(start + 50 * value, y, f"{100 * value:.1f}", ha="center", va="center",
                              fontsize=6.5, color=INK if light else "white")  # fmt: skip
                start += 100 * value
        axes.set_yticks(range(len(sources)), [shorten(context.results.labels[name], 19) for name in sources])
        axes.set_ylim(len(sources) - 0.5, -0.5)
        axes.set_xlabel("AP50 points that would be gained if this kind of error alone were mended")
        axes.grid(axis="x")
        bare(axes)
        for at, (kind, color) in enumerate(ERRORS.items()):
            x = 34.0 + at * (WIDTH - 34) / len(ERRORS)
            figure.text(x / WIDTH, 1 - 5 / (height + 20), f"■ {kind}", color=color, fontsize=8, weight="bold")
        return to_svg(figure)
