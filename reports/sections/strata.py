"""Where fusion helps: differences by visibility, condition, and size."""

from __future__ import annotations

import numpy as np

from ..blocks import Block, Figure, Heading, Paragraph
from ..context import Context, protocol_title
from ..differences import HEADLINE_POINT, Difference
from ..figures.forest import FOREST, Panel, draw_forest
from ..figures.matrix import Grid, draw_grids
from ..numbers import defined, whole

FAMILIES = {
    "visibility": "By visibility: where the object stands out against its surroundings",
    "condition": "By condition",
    "size": "By size in pixels of the original image",
    "network_size": "By size as the network sees it",
}
ORDER = ("both", "infrared", "visible", "neither", "small", "medium", "large")
MOST = 6  # strata of a family that are drawn
ROWS = 18  # class by size: rows that are drawn


def strata_section(context: Context) -> list[Block] | str:
    """One figure for each family of strata, and a matrix of class by size."""
    protocol = context.headline_protocol
    families = [name for name in FAMILIES if _strata(context, protocol, name)]
    if not families:
        return "Where fusion helps: no differences by stratum are stored (differences.csv)."
    blocks: list[Block] = [
        Heading("Where fusion helps"),
        Paragraph.of(
            f"Differences to {context.results.base} within parts of the test split: mAP50, and recall at equal precision. "
            f"{FOREST} Each stratum is another look at the same images: with many of them, some stand out by chance. "
            f"{protocol_title(protocol)}."
        ),
    ]
    for family in families:
        names = _strata(context, protocol, family)[:MOST]
        panels = [
            Panel(
                _title(context, protocol, family, name),
                _AXES[quantity],
                _rows(context, protocol, quantity, name),
            )
            for quantity in _AXES
            for name in names
        ]
        panels = [panel for panel in panels if panel.rows]
        columns = len(panels) if len(panels) <= 6 else 4
        caption = f"{FAMILIES[family]}; in brackets the objects. {context.intervals(protocol)}"
        blocks.append(Figure(draw_forest(context, panels, columns=columns), caption))
    return blocks + _class_size(context, protocol)


_AXES = {"mAP50": "Δ mAP50, AP", "recall": "Δ recall, %"}


def _strata(context: Context, protocol: str, family: str) -> list[str]:
    stored = [
        name for quantity in _AXES for name in context.differences.strata(protocol, quantity, f"{family}:")
    ]
    return sorted(dict.fromkeys(stored), key=_order)


def _order(stratum: str) -> tuple[int, str]:
    """Sizes and kinds of visibility in their own order, everything else by name."""
    name = stratum.partition(":")[2].rpartition("/")[2]
    return (ORDER.index(name) if name in ORDER else len(ORDER), stratum)


def _rows(context: Context, protocol: str, quantity: str, stratum: str) -> dict[str, Difference]:
    point = HEADLINE_POINT if quantity == "recall" else ""
    found = {score.source: context.gap(protocol, score.source, quantity, stratum, point)
             for score in context.rivals(protocol)}  # fmt: skip
    return {source: one for source, one in found.items() if one is not None}


def _title(context: Context, protocol: str, family: str, stratum: str) -> str:
    name = stratum.partition(":")[2].replace("_", " ")
    if family == "visibility" and name in ("infrared", "visible"):
        name = f"{name} only"
    number = _objects(context, protocol, stratum)
    return f"{name} ({whole(number)})" if defined(number) else name


def _objects(context: Context, protocol: str, stratum: str) -> float:
    found = context.means("strata", protocol, stratum=stratum)
    return max((float(row["objects"]) for row in found.values()), default=float("nan"))


def _class_size(context: Context, protocol: str) -> list[Block]:
    """A matrix of recall differences: class by size in rows, sources in columns."""
    strata = context.differences.strata(protocol, "recall", "class_size:")
    strata = [name for name in strata if _objects(context, protocol, name) > 0]
    rivals = [score.source for score in context.rivals(protocol)]
    if not strata or not rivals:
        return []
    kept = sorted(strata, key=lambda name: -_objects(context, protocol, name))[:ROWS]
    shown = sorted(kept, key=lambda name: (name.rpartition("/")[0], _order(name)))
    values, marked = (
        np.full((len(shown), len(rivals)), np.nan),
        np.zeros((len(shown), len(rivals)), dtype=bool),
    )
    texts = [["–"] * len(rivals) for _ in shown]
    for row, stratum in enumerate(shown):
        for column, source in enumerate(rivals):
            gap = context.gap(protocol, source, "recall", stratum, HEADLINE_POINT)
            if gap is not None and defined(gap.value):
                texts[row][column], values[row, column] = gap.text, gap.value
                marked[row, column] = gap.established
    names = [f"{name.partition(':')[2].replace('/', ', ')} ({whole(_objects(context, protocol, name))})"
             for name in shown]  # fmt: skip
    labels = [context.results.labels[source] for source in rivals]
    rest = f" The {ROWS} with most objects." if len(strata) > ROWS else ""
    caption = (
        f"Recall by class and size, difference to {context.results.base} in percent points at equal precision; in "
        f"brackets the objects.{rest} Full colour and bold: the simultaneous 95 % interval excludes zero. "
        f"{context.intervals(protocol)}"
    )
    grid = Grid("", names, labels, texts, values, marked)
    return [Figure(draw_grids([grid], row=4.3, label=38.0, below=15.0), caption)]
