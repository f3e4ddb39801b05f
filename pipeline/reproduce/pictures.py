"""Drawings that hold pictures: grey images, exposure zones, and a map of shares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle

from ...reports.figures.style import drawing, new_figure, place, to_svg

WIDTH = 170.0
GAP = 2.5
_ZONE_COLORS = ("#10243f", "#d9d9d9", "#f4a300")


def draw_shares(
    visible: np.ndarray,
    infrared: np.ndarray,
    fused: np.ndarray,
    zones: Mapping[str, np.ndarray],
    shares: np.ndarray,
) -> str:
    """Draw inputs and result, the exposure zones, and the share of infrared in every region.

    Args:
        visible: luminance ``H x W`` in [0, 1].
        infrared: same shape.
        fused: same shape.
        zones: bool ``H x W`` by name: under-exposed, normal, over-exposed.
        shares: a value in [0, 1] a region, NaN where it is not known.
    """
    height, width = visible.shape
    panel = (WIDTH - 2 * GAP) / 3
    tall = panel * height / width
    with drawing():
        figure = new_figure(WIDTH, 2 * tall + 22)
        for index, (title, image) in enumerate(
            (("visible, enhanced", visible), ("infrared", infrared), ("fused", fused))
        ):
            axes = place(figure, index * (panel + GAP), 6, panel, tall)
            axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            _frame(axes, title)
        axes = place(figure, 0, tall + 14, panel, tall)
        labels = np.zeros(visible.shape, np.int8)
        for index, where in enumerate(zones.values()):
            labels[where] = index
        axes.imshow(labels, cmap=ListedColormap(_ZONE_COLORS), vmin=0, vmax=2, interpolation="nearest")
        _frame(axes, "exposure of the visible image")
        left = panel + GAP
        for index, name in enumerate(zones):
            key = place(figure, left + 3, tall + 15 + 6 * index, 3.5, 3.5)
            key.imshow([[index]], cmap=ListedColormap(_ZONE_COLORS), vmin=0, vmax=2)
            _frame(key, "")
            key.text(1.4, 0.5, name, transform=key.transAxes, va="center")
        axes = place(figure, 2 * (panel + GAP), tall + 14, panel, tall)
        axes.add_patch(_hatched(shares.shape))
        shown = axes.imshow(shares, cmap="inferno", vmin=0, vmax=1, interpolation="nearest")
        _frame(axes, "share of infrared by region")
        bar = place(figure, left + 8, tall + 38, panel - 16, 3)
        figure.colorbar(shown, cax=bar, orientation="horizontal", ticks=[0, 0.5, 1])
        bar.set_xticklabels(["0: visible", "½", "1: infrared"])
        bar.tick_params(length=2)
        return to_svg(figure)


def _hatched(shape: tuple[int, ...]) -> Rectangle:
    return Rectangle(
        (-0.5, -0.5),
        shape[1],
        shape[0],
        facecolor="#eeeeee",
        edgecolor="#999999",
        hatch="////",
        linewidth=0,
        zorder=-1,
    )


def _frame(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=8.5)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
