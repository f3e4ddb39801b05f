"""Confidence, compared on the objects that all sources found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..context import Context, protocol_title
from ..figures.confidence import common_confidences, draw_confidences
from ..numbers import decimal, defined, percent, plural, signed
from .cells import best_text, is_best, nothing_finished, source_cell

FEW = 10


def confidence_section(context: Context) -> list[Block]:
    """Distributions and paired differences."""
    blocks: list[Block] = [
        Heading("Confidence on common objects"),
        Paragraph.of(
            "A source that finds more of the difficult objects would look less confident if each were "
            "averaged over what it found. So only objects count that all sources found with the right "
            "class. A higher confidence is not a better detection by itself: read it beside the "
            "scores."
        ),
    ]
    failed = nothing_finished(context)
    if failed is not None:
        return [*blocks, failed]
    if context.results.table("confidence") is None and context.results.table("objects") is None:
        return [*blocks, Note("Confidences are not stored in this run.")]
    for protocol in context.results.protocols:
        if not context.finished(protocol):
            continue
        values = common_confidences(context, protocol)
        if values is not None and values.empty:
            title = protocol_title(protocol)
            text = f"{title}: no object was found by all sources, so there is nothing to compare."
            blocks.append(Note(text))
            continue
        if values is not None:
            blocks.append(
                Figure(draw_confidences(context, protocol, values), _caption(context, protocol, values))
            )
        table = _table(context, protocol)
        if table is not None:
            blocks.append(table)
    return blocks


def _caption(context: Context, protocol: str, values: pd.DataFrame) -> str:
    number = plural(len(values), "object")
    if context.several(protocol):
        number += f" (over {len(context.results.seeds(protocol))} seeds)"
    few = " Too few to compare distributions." if len(values) < FEW else ""
    return (
        f"Confidence of {number} that all sources found. A dot is an object, the bar runs from the "
        f"first to the third quartile, the stroke is the median. {protocol_title(protocol)}.{few}"
    )


def _table(context: Context, protocol: str) -> Table | None:
    frame = context.results.table("confidence", protocol)
    if frame is None or frame.empty:
        return None
    columns = (
        Column("Source", "left"),
        Column("objects"),
        Column("mean"),
        Column("median"),
        Column("quartiles"),
        Column("mean Δ", group="paired with visible-only"),
        Column("share higher", group="paired with visible-only"),
    )
    names = ("objects", "mean", "median", "q25", "q75", "delta_visible", "share_higher")
    stats: dict[str, dict[str, float]] = {}
    for score in context.finished(protocol):
        rows = frame[frame["source"] == score.source]
        if not rows.empty:
            stats[score.source] = {name: _mean(rows[name]) for name in names}
    best = {name: best_text((row[name] for row in stats.values()), 3, scale=1) for name in ("mean", "median")}
    body = []
    for source, row in stats.items():
        delta = row["delta_visible"] if source != "visible" else float("nan")
        body.append(
            (
                source_cell(context, source),
                Cell(decimal(row["objects"], 0 if row["objects"].is_integer() else 1)),
                Cell(decimal(row["mean"], 3), bold=is_best(row["mean"], best["mean"], 3, scale=1)),
                Cell(decimal(row["median"], 3), bold=is_best(row["median"], best["median"], 3, scale=1)),
                Cell(f"{decimal(row['q25'])} to {decimal(row['q75'])}"),
                Cell(signed(delta, 3) if defined(delta) else "–"),
                Cell(percent(row["share_higher"]) if source != "visible" else "–"),
            )
        )
    mean = " Means over seeds." if context.several(protocol) else ""
    return Table(
        "confidence",
        f"confidence-{protocol}",
        f"Confidence on the objects that all sources found. {protocol_title(protocol)}.{mean}",
        columns,
        tuple(body),
    )


def _mean(column: pd.Series) -> float:
    values = column.dropna().to_numpy(dtype=float)
    return float(np.mean(values)) if len(values) else float("nan")
