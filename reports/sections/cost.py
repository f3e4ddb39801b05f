"""What fusion costs."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Heading, Paragraph, Table
from ..context import HEADLINE, METRIC_TITLES, Context, protocol_title
from ..numbers import defined, magnitude, points, seconds, whole
from .cells import heads, source_cell


def cost_section(context: Context) -> list[Block] | str:
    """Time per image, parameters, multiply-accumulates, and whether a method was trained in this run."""
    frame = context.results.table("fusion")
    if frame is None or frame.empty:
        return "Cost of fusion: not stored (fusion.csv)."
    protocol = context.headline_protocol
    rows = {str(row["source"]): row for row in frame.to_dict("records")}
    fused = {
        name: row for name, row in rows.items() if row["status"] == "ok" and row.get("kind") != "control"
    }
    times = {name: float(row["seconds_per_image"]) for name, row in fused.items()
             if defined(row["seconds_per_image"])}  # fmt: skip
    blocks: list[Block] = [
        Heading("Cost of fusion"),
        Paragraph.of(
            "Seconds per image are wall-clock times of the fusion alone on the machine in the appendix, at "
            "the size of the stored images; they compare methods of this run with each other, not with "
            "other papers. Multiply-accumulates are counted at 480 × 640."
        ),
    ]
    columns = (
        Column("Source", "left"), Column("kind", "left"), *heads(("images", "time per image")),
        Column("device", "left"), *heads(("parameters", "MACs", METRIC_TITLES[HEADLINE])),
        Column("trained in this run", "left"),
    )  # fmt: skip
    scores = {score.source: score.value() for score in context.finished(protocol)}
    body: list[tuple[Cell, ...]] = []
    for name in dict.fromkeys((*context.results.sources, *rows)):
        row = rows.get(name)
        if row is None:
            continue
        if row["status"] != "ok":
            reason = Cell(f"failed: {row.get('reason', '')}", muted=True, span=len(columns) - 1)
            body.append((source_cell(context, name), reason))
            continue
        texts = [
            str(row.get("kind", "")), whole(row.get("images")), seconds(times.get(name)),
            str(row.get("device", "")),
            *(magnitude(row.get(key) or None) for key in ("parameters", "multiply_accumulates")),
            points(scores.get(name)),
            str(row.get("trained_here", "")) or "–",
        ]  # fmt: skip
        body.append((source_cell(context, name), *(Cell(text) for text in texts)))
    blocks.append(
        Table(
            "fusion",
            "fusion",
            f"Fusion: time, size, training, and what it brings. {protocol_title(protocol)}.",
            columns,
            tuple(body),
            small=True,
        )
    )
    return blocks
