"""Pictures of the routing of one image: regions coloured by expert, and responsibility maps."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from .explain import StageRouting

COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442", "#8c510a")
"""One hue an expert, told apart by colour-blind readers (Okabe and Ito 2008); more experts start again."""

DPI = 110
PANEL = 3.6
"""Width of one picture in inches."""
_ROOM = {"top": 0.5, "bottom": 0.7, "side": 0.62, "gap": 0.10, "title": 0.25, "bar": 0.22}
"""Inches around and between the pictures."""
_SETTINGS: Any = {"font.family": ["DejaVu Sans"], "font.size": 9, "text.parse_math": False}


def overlay_png(
    name: str,
    visible: NDArray[np.uint8],
    infrared: NDArray[np.float32],
    fused: NDArray[np.uint8],
    stages: Sequence[StageRouting],
) -> bytes:
    """Draw which expert took which region, as a PNG file.

    Rows: the three images; the dominant expert of every region in the visible and in the infrared features;
    and for both together the expert that a region uses more than the rest of the image does. Columns: stages.

    Args:
        name: of the image, for the heading.
        visible: ``H x W x 3`` RGB.
        infrared: ``H x W`` in [0, 1].
        fused: ``H x W x 3`` RGB.
        stages: the routing of the image.
    """
    rows = (_Row(), _Row(bar=True), _Row(title=False, bar=True), _Row(title=False, bar=True))
    sheet = _Sheet(max(3, len(stages)), rows, fused.shape, f"{name}: which expert took which region")
    sheet.picture(0, 0, visible, "visible")
    sheet.picture(0, 1, infrared, "infrared")
    sheet.picture(0, 2, fused, "fused")
    grey = fused.mean(axis=-1) / 255.0
    for row, features in ((1, "visible"), (2, "infrared")):
        sheet.label(row, f"{features} features:\ndominant expert")
        for column, stage in enumerate(stages):
            picked = stage.dominant(features)
            image = _painted(grey, stage, picked, np.full(picked.shape, 0.45))
            axes = sheet.picture(row, column, image, _heading(stage) if row == 1 else "")
            _borders(axes, stage, picked)
            sheet.bar(row, column, stage.totals(features))
    sheet.label(3, "all features:\nmore than elsewhere")
    for column, stage in enumerate(stages):
        picked, above = stage.preferred(), stage.excess().max(axis=-1)
        strength = np.clip(above / max(float(np.quantile(above, 0.95)), 1e-6), 0, 1)
        axes = sheet.picture(3, column, _painted(grey, stage, picked, 0.7 * strength))
        _borders(axes, stage, picked)
        sheet.bar(3, column, stage.totals("both"))
    experts = max(stage.experts for stage in stages)
    sheet.legend(
        [Patch(color=_color(expert), label=f"expert {expert}") for expert in range(experts)],
        "Dominant: largest mean responsibility. Bars: share of each expert in all choices of the image.\n"
        "Last row: the expert that a region uses more than the rest of the image does, the stronger the "
        "colour the more.",
    )
    return sheet.png()


def responsibilities_png(name: str, fused: NDArray[np.uint8], stages: Sequence[StageRouting]) -> bytes:
    """Draw the responsibility of every expert (columns) in every stage (rows) at every pixel, as a PNG file.

    Each map has its own scale, from its least to its largest value, printed over it: experts differ much more
    in how much they take everywhere than from place to place.

    Args:
        name: of the image, for the heading.
        fused: ``H x W x 3`` RGB.
        stages: the routing of the image.
    """
    experts = max(stage.experts for stage in stages)
    sheet = _Sheet(experts, [_Row()] * len(stages), fused.shape, f"{name}: responsibility of the experts")
    grey = fused.mean(axis=-1) / 255.0
    colormap = matplotlib.colormaps["magma"]
    for row, stage in enumerate(stages):
        sheet.label(row, f"stage {stage.stage}\nR = {stage.grid.size} px")
        for column, values in enumerate(stage.maps()):
            least, most = float(values.min()), float(values.max())
            heat = colormap((values - least) / max(most - least, 1e-6))[..., :3]
            image = np.clip(0.72 * heat + 0.28 * grey[..., None], 0, 1)
            title = f"expert {column}: {least:.2f} to {most:.2f}"
            sheet.picture(row, column, image, title, color=_color(column))
    sheet.legend(
        [],
        "Mean responsibility over the channels, 0 where a token did not choose the expert; dark: least, "
        "bright: most of its map.",
    )
    return sheet.png()


_Line = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class _Row:
    """What a row of pictures has above and below."""

    title: bool = True
    bar: bool = False


class _Sheet:
    """Pictures of one size in rows and columns under a heading."""

    def __init__(self, columns: int, rows: Sequence[_Row], shape: tuple[int, ...], heading: str) -> None:
        self.panel = PANEL * min(1.0, 4 / columns)
        self.tall = self.panel * shape[0] / shape[1]
        self.tops = []
        top = _ROOM["top"]
        for row in rows:
            top += _ROOM["title"] * row.title
            self.tops.append(top)
            top += self.tall + _ROOM["bar"] * row.bar + _ROOM["gap"]
        self.size = (_ROOM["side"] + columns * (self.panel + _ROOM["gap"]), top + _ROOM["bottom"])
        with _look():
            self.figure = Figure(figsize=self.size, dpi=DPI, facecolor="white")
            FigureCanvasAgg(self.figure)
            self.figure.text(
                _ROOM["gap"] / self.size[0],
                1 - 0.27 / self.size[1],
                heading,
                fontsize=13,
                fontweight="bold",
                va="center",
            )

    def _axes(self, row: int, column: int, below: float, height: float) -> Axes:
        """Axes at a column of a row, ``below`` inches under the top of its picture."""
        left = _ROOM["side"] + column * (self.panel + _ROOM["gap"])
        top = self.tops[row] + below
        axes = self.figure.add_axes(
            (
                left / self.size[0],
                1 - (top + height) / self.size[1],
                self.panel / self.size[0],
                height / self.size[1],
            )
        )
        axes.set_axis_off()
        return axes

    def picture(
        self, row: int, column: int, image: NDArray[Any], title: str = "", color: str = "black"
    ) -> Axes:
        """Put a picture, ``H x W`` or ``H x W x 3``, in its place."""
        with _look():
            axes = self._axes(row, column, 0, self.tall)
            axes.imshow(image, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="antialiased")
            axes.set_title(title, fontsize=9, loc="left", pad=3, color=color)
        return axes

    def label(self, row: int, text: str) -> None:
        """Write beside a row."""
        top = self.tops[row] + self.tall / 2
        with _look():
            self.figure.text(
                0.5 * _ROOM["side"] / self.size[0],
                1 - top / self.size[1],
                text,
                rotation=90,
                ha="center",
                va="center",
                fontsize=9,
                linespacing=1.5,
            )

    def bar(self, row: int, column: int, shares: NDArray[np.float32]) -> None:
        """Draw shares that sum to one as one bar under a picture."""
        with _look():
            axes = self._axes(row, column, self.tall + 0.04, _ROOM["bar"] - 0.06)
            start = 0.0
            for expert, share in enumerate(shares.tolist()):
                axes.barh(0, share, left=start, height=1, color=_color(expert), linewidth=0)
                if share >= 0.07:
                    axes.text(
                        start + share / 2,
                        0,
                        f"{share:.0%}",
                        ha="center",
                        va="center",
                        fontsize=7.5,
                        color=_ink(expert),
                    )
                start += share
            axes.set_xlim(0, 1)
            axes.set_ylim(-0.5, 0.5)

    def legend(self, handles: Sequence[Patch], note: str) -> None:
        """Put colours and a note at the foot."""
        with _look():
            if handles:
                self.figure.legend(
                    handles=list(handles),
                    loc="lower left",
                    ncols=len(handles),
                    frameon=False,
                    bbox_to_anchor=(_ROOM["side"] / self.size[0], 0.5 / self.size[1]),
                    borderaxespad=0,
                    borderpad=0,
                    handlelength=1.2,
                )
            self.figure.text(
                _ROOM["side"] / self.size[0], 0.13 / self.size[1], note, fontsize=8, color="#6b7078"
            )

    def png(self) -> bytes:
        """Return the sheet as a PNG file."""
        buffer = io.BytesIO()
        with _look():
            self.figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


def _painted(
    grey: NDArray[np.floating],
    stage: StageRouting,
    experts: NDArray[np.int64],
    strength: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Tint a grey image ``H x W`` in [0, 1] by region: colour of the expert, ``strength`` of it in [0, 1]."""
    image = np.repeat(grey[..., None], 3, axis=-1)
    for region in stage.regions():
        left, top, right, bottom = region.box
        place = (region.row, region.column)
        share = float(strength[place])
        tint = np.array(to_rgb(_color(int(experts[place]))))
        image[top:bottom, left:right] = (1 - share) * image[top:bottom, left:right] + share * tint
    return image


def _borders(axes: Axes, stage: StageRouting, experts: NDArray[np.int64]) -> None:
    """Draw the grid thinly, and firmly where neighbours went to different experts."""
    firm: list[_Line] = []
    thin: list[_Line] = []
    for region in stage.regions():
        left, top, right, bottom = (side - 0.5 for side in region.box)  # pixel centres are whole numbers
        here = experts[region.row, region.column]
        for row, column, line in (
            (region.row, region.column + 1, ((right, top), (right, bottom))),
            (region.row + 1, region.column, ((left, bottom), (right, bottom))),
        ):
            if row * stage.grid.stride < stage.height and column * stage.grid.stride < stage.width:
                (thin if experts[row, column] == here else firm).append(line)
    axes.add_collection(LineCollection(thin, colors="white", linewidths=0.3, alpha=0.3), autolim=False)
    axes.add_collection(LineCollection(firm, colors="white", linewidths=0.9, alpha=0.9), autolim=False)


def _heading(stage: StageRouting) -> str:
    return f"stage {stage.stage}, regions of {stage.grid.size} px every {stage.grid.stride} px"


def _color(expert: int) -> str:
    return COLORS[expert % len(COLORS)]


def _ink(expert: int) -> str:
    """Black or white, whichever is easier to read on the colour of an expert."""
    red, green, blue = to_rgb(_color(expert))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


@contextmanager
def _look() -> Iterator[None]:
    """The same look whatever the caller's settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield
