"""The table of ``regionfuse score``: a mean for each folder and metric, best and second marked."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from rich.table import Table
from rich.text import Text

from ...fusion.metrics.ranking import mean_rank, rank_of_rank, ranks
from ...fusion.metrics.registry import METRICS, PAPER

_MARKS = {1: ("¹", "bold green"), 2: ("²", "bold")}
_COLUMN = 11  # Characters of a column with its padding.


def score_table(table: pd.DataFrame, names: Sequence[str], width: int) -> Table:
    """Return means by folder as a table for the terminal.

    With at least two folders the best and the second of each metric are marked; with the paper's five metrics
    among ``names`` mean rank and rank of rank over these five follow. Folders are rows if the table fits into
    ``width`` characters, else columns.

    Args:
        table: one row an image: ``fused`` and the metrics.
        names: metrics in the order to show.
        width: characters of a line.
    """
    means = table.groupby("fused", sort=False)[list(names)].mean()
    heads = [f"{name} {METRICS[name].arrow}" for name in names]
    cells = _cells(means, names)
    if len(means) > 1 and set(PAPER) <= set(names):
        heads += ["MR ↓", "RoR ↓"]
        final = pd.DataFrame({"MR": mean_rank(means), "RoR": rank_of_rank(means)})
        cells = [
            [*row, Text(f"{rank:.1f}"), Text(f"{place}")]
            for row, rank, place in zip(cells, final["MR"], final["RoR"], strict=True)
        ]
    images = int(table.groupby("fused", sort=False).size().iloc[0])
    caption = f"means over {images} images; arrows point to better"
    caption += "; ¹ best, ² second" if len(means) > 1 else ""
    if "MR ↓" in heads:
        caption += f"; MR mean rank over {', '.join(PAPER)}; RoR rank of that"
    labels = [str(name) for name in means.index]
    if (len(heads) + 1) * _COLUMN <= width:
        return _grid("fused", heads, labels, cells, caption)
    turned = [list(column) for column in zip(*cells, strict=True)]
    return _grid("metric", labels, heads, turned, caption)


def _cells(means: pd.DataFrame, names: Sequence[str]) -> list[list[Text]]:
    places = ranks(means, names)
    marked = len(means) > 1
    return [
        [_cell(means.loc[fused, name], int(places.loc[fused, name]) if marked else 0) for name in names]
        for fused in means.index
    ]


def _cell(value: float, place: int) -> Text:
    text = "-" if pd.isna(value) else f"{value:.1f}" if abs(value) >= 1000 else f"{value:.3f}"
    mark, style = _MARKS.get(place, (" ", "")) if not pd.isna(value) else (" ", "")
    return Text(text + mark, style=style)


def _grid(
    corner: str, heads: Sequence[str], labels: Sequence[str], cells: Sequence[Sequence[Text]], caption: str
) -> Table:
    grid = Table(caption=caption, caption_justify="left")
    grid.add_column(corner, no_wrap=True)
    for head in heads:
        grid.add_column(head, justify="right", no_wrap=True)
    for label, row in zip(labels, cells, strict=True):
        grid.add_row(label, *row)
    return grid
