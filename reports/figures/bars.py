"""Bars: objects in each part of the split, and what every kind of error costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from ..context import Context
from ..numbers import shorten, whole
from ..palette import ACCENT, INK
from .style import bare, drawing, new_figure, place, to_svg

SHADES = {"train": "#c3cbd4", "val": "#8aa0b5", "test": ACCENT}
ERRORS = {
    "classification": "#d55e00",
    "localisation": "#e69f00",
    "both": "#cc79a7",
    "duplicate": "#56b4e9",
    "background": "#6b7078",
    "missed": "#332288",
}
WIDTH = 170.0
MOST, FEW = 20, 8  # classes drawn; up to FEW of them get thick bars
ROW = 5.2


def draw_histogram(
    classes: dict[str, dict[str, int]], sizes: dict[str, dict[str, int]], names: list[str]
) -> str:
    """Horizontal bars, left by class and right by size (COCO's limits).

    Args:
        classes: count by part of the split and class.
        sizes: count by part of the split and size.
        names: class names in order; the first :data:`MOST` are drawn.
    """
    names = names[:MOST]
    parts = [part for part in SHADES if part in classes]
    row = 2.2 * len(parts) + 2.0 if len(names) <= FEW else 6.0
    height = max(row * len(names), row * 3)
    with drawing():
        figure = new_figure(WIDTH, height + 8)
        left = place(figure, 28, 6, 78, row * len(names))
        _bars(left, classes, parts, names, [shorten(name, 18) for name in names])
        left.set_title("objects by class")
        if any(sizes.values()):
            words = ["small (< 32²)", "medium", "large (≥ 96²)"]
            right = place(figure, 134, 6, 30, row * 3)
            _bars(right, sizes, parts, ["small", "medium", "large"], words)
            right.set_title("by size in pixels")
        x = 134.0
        for part in parts:
            figure.text(
                x / WIDTH, 1.5 / (height + 8), f"■ {part}", color=SHADES[part], fontsize=9, weight="bold"
            )
            x += 12.0
        return to_svg(figure)


def _bars(
    axes: Axes, counts: dict[str, dict[str, int]], parts: list[str], keys: list[str], words: list[str]
) -> None:
    thick = 0.8 / len(parts)
    most = max((counts.get(part, {}).get(key, 0) for part in parts for key in keys), default=0) or 1
    for index, part in enumerate(parts):
        for y, key in enumerate(keys):
            value = counts.get(part, {}).get(key, 0)
            at = y - 0.4 + thick * (index + 0.5)
            axes.barh(at, value, height=thick * 0.94, color=SHADES[part])
            axes.annotate(
                whole(value), (value, at), (2.5, 0), textcoords="offset points", va="center", fontsize=6.5
            )
    axes.set_yticks(range(len(keys)), words)
    axes.set_ylim(len(keys) - 0.5, -0.5)
    axes.set_xlim(0, 1.18 * most)
    axes.set_xticks([])
    bare(axes, "")


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
                    axes.text(start + 50 * value, y, f"{100 * value:.1f}", ha="center", va="center",
                              fontsize=6.5, color=INK if kind in ("localisation", "duplicate") else "white")  # fmt: skip
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
