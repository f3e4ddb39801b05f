"""What is in the data: objects per class and per size in every part of the split."""

from __future__ import annotations

from matplotlib.axes import Axes

from ..numbers import shorten, whole
from ..palette import ACCENT
from .style import bare, drawing, new_figure, place, to_svg

SHADES = {"train": "#c3cbd4", "val": "#8aa0b5", "test": ACCENT}
WIDTH = 170.0
MOST, FEW = 20, 8  # classes drawn; up to FEW of them get thick bars


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
    row = 2.6 * len(parts) + 2.4 if len(names) <= FEW else 6.0
    height = max(row * len(names), row * 3)
    with drawing():
        figure = new_figure(WIDTH, height + 14)
        left = place(figure, 28, 6, 78, row * len(names))
        _bars(left, classes, parts, names, [shorten(name, 18) for name in names])
        left.set_title("objects by class")
        kinds = ["small", "medium", "large"]
        if any(sizes.values()):
            words = ["small (< 32²)", "medium", "large (≥ 96²)"]
            right = place(figure, 134, 6, 30, row * 3)
            _bars(right, sizes, parts, kinds, words)
            right.set_title("by size in pixels")
        x = 134.0
        for part in parts:
            figure.text(
                x / WIDTH, 2.5 / (height + 14), f"■ {part}", color=SHADES[part], fontsize=9, weight="bold"
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
