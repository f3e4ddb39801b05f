"""Misclassification matrices side by side, one a source."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from ..context import Context
from ..numbers import mean_count, shorten
from ..palette import BAD, GOOD, INK, RULE
from ..scores import SourceScore
from .style import drawing, new_figure, place, to_svg

BACKGROUND = "background"
OTHER = "other classes"
MOST = 9  # classes drawn; rarer ones are added up
PER_FIGURE = 6
WIDTH = 170.0
GREY = "#8a8f98"  # missed objects and false alarms


def shown_classes(context: Context) -> tuple[list[str], bool]:
    """Classes that get a row and a column, and whether the rest is added up as one."""
    counts, classes = context.results.class_counts(), list(context.results.classes)
    if len(classes) <= MOST:
        return classes, False
    kept = sorted(classes, key=lambda name: (-counts[name], classes.index(name)))[: MOST - 1]
    return [name for name in classes if name in kept], True


def confusion_matrix(context: Context, protocol: str, source: str) -> np.ndarray:
    """Counts by true (rows) and predicted class (columns), background last; means over seeds."""
    frame = context.results.table("confusion", protocol)
    assert frame is not None
    rows = frame[frame["source"] == source]
    classes, rest = shown_classes(context)
    names = [*classes, *([OTHER] if rest else []), BACKGROUND]
    place_of = {name: index for index, name in enumerate(names)}
    fallback = place_of.get(OTHER)
    counts = np.zeros((len(names), len(names)))
    seeds = max(1, rows["seed"].nunique())
    for true, predicted, count in zip(rows["true"], rows["predicted"], rows["count"], strict=True):
        row, column = place_of.get(true, fallback), place_of.get(predicted, fallback)
        if row is not None and column is not None and not pd.isna(count):
            counts[row, column] += count / seeds
    return counts


def draw_confusions(context: Context, protocol: str) -> list[str]:
    """Figures of up to six matrices: cells are shaded by the share of their row and show the count."""
    scores = context.finished(protocol)
    chunks = [scores[start : start + PER_FIGURE] for start in range(0, len(scores), PER_FIGURE)]
    columns = 2 if len(scores) in (1, 2, 4) else 3
    return [_draw(context, protocol, chunk, columns) for chunk in chunks]


def _draw(context: Context, protocol: str, scores: tuple[SourceScore, ...], columns: int) -> str:
    classes, rest = shown_classes(context)
    true = [*classes, *([OTHER] if rest else []), "false alarm"]
    predicted = [*true[:-1], "missed"]
    label = 20.0
    gap = 2.5
    side = min((WIDTH - label - gap * (columns - 1)) / columns, 62.0)
    lines = -(-len(scores) // columns)
    top, bottom = 6.0, 14.0
    with drawing():
        figure = new_figure(WIDTH, lines * (top + side + 3) + bottom)
        for index, score in enumerate(scores):
            line, column = divmod(index, columns)
            axes = place(figure, label + column * (side + gap), top + line * (top + side + 3), side, side)
            _draw_matrix(axes, confusion_matrix(context, protocol, score.source), len(true))
            axes.set_title(
                shorten(context.results.labels[score.source], 28), color=context.colors[score.source]
            )
            labels = [shorten(name, 13) for name in true] if column == 0 else [""] * len(true)
            axes.set_yticks(range(len(true)), labels, fontsize=7.5)
            lowest = index + columns >= len(scores)
            names = [shorten(name, 13) for name in predicted] if lowest else [""] * len(predicted)
            axes.set_xticks(
                range(len(predicted)), names, fontsize=7.5, rotation=50, ha="right", rotation_mode="anchor"
            )
        return to_svg(figure)


def _draw_matrix(axes: Axes, counts: np.ndarray, size: int) -> None:
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    picture = np.ones((size, size, 3))
    for row in range(size):
        for column in range(size):
            right = row == column
            tint = np.array(
                to_rgb(GOOD if right else BAD if column < size - 1 and row < size - 1 else "#8a8f98")
            )
            strength = 0.85 * shares[row, column] ** 0.8
            picture[row, column] = 1 - strength * (1 - tint)
    edges = np.arange(size + 1) - 0.5
    axes.pcolormesh(edges, edges, picture, edgecolor=RULE, linewidth=0.35)
    for row, column in zip(*np.nonzero(counts), strict=True):
        dark = picture[row, column].mean() < 0.6
        axes.text(column, row, mean_count(counts[row, column]), ha="center", va="center",
                  fontsize=7 if size <= 8 else 6, color="white" if dark else INK)  # fmt: skip
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.axhline(size - 1.5, color=INK, linewidth=0.7)
    axes.axvline(size - 1.5, color=INK, linewidth=0.7)
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_color(RULE)
