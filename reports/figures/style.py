"""One look for all drawings, and SVG that is the same byte for byte every time."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ..numbers import shorten
from ..palette import INK, MUTED, RULE

MILLIMETRE = 1 / 25.4
WIDTH = 170.0  # of the text on the page, in millimetres
LEGEND_ROW, LEGEND_COLUMNS = 4.4, 5
# The page carries its own fonts; matplotlib only places the words. Its DejaVu Sans is wider than the
# face of the page, so nothing that fits here is cut there.
_FACE = "font-family: 'Libertinus Serif', 'DejaVu Sans'"
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "regionfuse",
    "text.parse_math": False,  # a class called "$x$" is text
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "text.color": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Settings for everything drawn and written inside; those of the caller are left as they were."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` x ``height`` millimetres, at print size."""
    figure = Figure(figsize=(width * MILLIMETRE, height * MILLIMETRE))
    FigureCanvasSVG(figure)
    figure.patch.set_alpha(0)
    return figure


def place(
    figure: Figure, left: float, top: float, width: float, height: float, *, sharex: Axes | None = None
) -> Axes:
    """Axes at a place given in millimetres from the top left corner of the figure."""
    total_width, total_height = (side / MILLIMETRE for side in figure.get_size_inches())
    box = (
        left / total_width,
        1 - (top + height) / total_height,
        width / total_width,
        height / total_height,
    )
    return figure.add_axes(box, sharex=sharex)


def bare(axes: Axes, keep: str = "bottom") -> None:
    """Remove the frame but for the sides named in ``keep``."""
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(side in keep.split())
    if "left" not in keep.split():
        axes.tick_params(axis="y", length=0)


def legend(
    figure: Figure, top: float, names: Sequence[str], colors: Sequence[str], marks: Sequence[str]
) -> None:
    """Names in five even columns below the plots.

    Args:
        figure: as wide as the page.
        top: millimetres from the top edge.
        names: what to write.
        colors: colour of each.
        marks: ``o`` for a dot, else a line style, of each.
    """
    lines, width = legend_lines(names), figure.get_size_inches()[0] / MILLIMETRE
    axes = place(figure, 0, top, width, LEGEND_ROW * lines)
    axes.set_xlim(0, width)
    axes.set_ylim(lines - 0.5, -0.5)
    axes.axis("off")
    for index, (name, color, mark) in enumerate(zip(names, colors, marks, strict=True)):
        line, column = divmod(index, LEGEND_COLUMNS)
        x = column * width / LEGEND_COLUMNS
        if mark == "o":
            axes.plot(x + 4, line, "o", color=color, markersize=5.5)
        else:
            axes.plot([x + 1, x + 6], [line, line], color=color, linewidth=1.8, linestyle=mark)
        axes.text(x + 7.5, line, shorten(name, 20), va="center", fontsize=8)


def legend_lines(names: Sequence[str]) -> int:
    """Lines that :func:`legend` needs, each :data:`LEGEND_ROW` millimetres high."""
    return -(-len(names) // LEGEND_COLUMNS)


def to_svg(figure: Figure) -> str:
    """The figure as SVG text without dates or paths."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return re.sub(r"font-family: [^;\"]+", _FACE, buffer.getvalue())
