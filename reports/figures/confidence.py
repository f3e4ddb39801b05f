"""Confidence of correct detections on the objects that every source found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..context import Context
from ..numbers import decimal, shorten
from ..palette import INK
from .style import bare, drawing, new_figure, place, to_svg

ROW = 7.2  # millimetres a source
LABELS = 36.0
WIDTH = 170.0


def common_confidences(context: Context, protocol: str) -> pd.DataFrame | None:
    """Confidences on the objects correct in every source, a column a source, a row an object and seed.

    Returns:
        None when there is no table of objects; no rows when no object was found by all.
    """
    frame = context.results.table("objects", protocol)
    if frame is None:
        return None
    names = [score.source for score in context.finished(protocol)]
    right = frame[(frame["kind"] == "object") & (frame["outcome"] == "correct")]
    wide = right.pivot_table(
        index=["seed", "object_id"], columns="source", values="confidence", aggfunc="first"
    )
    return wide.reindex(columns=names).dropna()


def draw_confidences(context: Context, protocol: str, values: pd.DataFrame) -> str:
    """A dot an object, a box from the first to the third quartile, a bar at the median.

    Args:
        context: results.
        protocol: which protocol.
        values: result of :func:`common_confidences` with at least one row.
    """
    scores = context.finished(protocol)
    height = ROW * len(scores)
    with drawing():
        figure = new_figure(WIDTH, height + 12)
        axes = place(figure, LABELS, 1, WIDTH - LABELS - 12, height)
        for y, score in enumerate(scores):
            found, color = values[score.source].to_numpy(dtype=float), context.colors[score.source]
            q25, median, q75 = np.quantile(found, [0.25, 0.5, 0.75])
            axes.barh(y - 0.1, q75 - q25, left=q25, height=0.36, color=color, alpha=0.35, linewidth=0)
            axes.plot([median, median], [y - 0.3, y + 0.1], color=color, linewidth=2, solid_capstyle="butt")
            # Spread by the golden ratio in the order of the objects: no chance, same height everywhere.
            offset = 0.26 + 0.09 * ((np.arange(len(found)) * 0.6180339887) % 1 - 0.5) * 2
            axes.plot(found, y + offset, "o", color=color, markersize=2.4, alpha=0.7, markeredgewidth=0)
            axes.text(
                1.01, y - 0.1, decimal(median), transform=axes.get_yaxis_transform(), va="center", color=INK
            )
        axes.set_yticks(
            range(len(scores)), [shorten(context.results.labels[score.source], 20) for score in scores]
        )
        axes.set_ylim(len(scores) - 0.5, -0.6)
        low = float(values.to_numpy().min())
        axes.set_xlim(max(0.0, np.floor(10 * low) / 10), 1.0)
        axes.set_xlabel("confidence (the number at the right is the median)")
        axes.grid(axis="x")
        bare(axes)
        return to_svg(figure)
