"""What fusion costs."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Figure, Heading, Paragraph, Table
from ..context import Context, protocol_title
from ..figures.quality import draw_cost
from ..numbers import defined, magnitude, seconds, whole
from .cells import heads, source_cell


def cost_section(context: Context) -> list[Block] | str:
    """Time per image, parameters, multiply-accumulates, and whether a method was trained in this run."""
    frame = context.results.table("fusion")
    if frame is None or frame.empty:
        return "Cost of fusion: not stored (fusion.csv)."
    protocol = context.headline_protocol
    rows = {str(row["source"]): row for row in frame.to_dict("records")}
    times = {name: float(row["seconds_per_image"]) for name, row in rows.items()
             if row["status"] == "ok" and row.get("kind") != "control" and defined(row["seconds_per_image"])}  # fmt: skip
    blocks: list[Block] = [
        Heading("Cost of fusion"),
        Paragraph.of(
            "Seconds per image are wall-clock times of the fusion alone on the machine in the appendix, at "
            "the size of the stored images; they compare methods of this run with each other, not with "
            "other papers. Multiply-accumulates are counted at 480 × 640."
        ),
    ]
    if any(times.get(score.source, 0) > 0 and defined(score.value()) for score in context.finished(protocol)):
        text = f"What fusion costs and what it brings; dashed: without fusion. {protocol_title(protocol)}."
        blocks.append(Figure(draw_cost(context, protocol, times), text))
    columns = (
        Column("Source", "left"), Column("kind", "left"), *heads(("images", "time per image")), Column("device", "left"),
        *heads(("parameters", "MACs")), Column("trained in this run", "left"),
    )  # fmt: skip
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
            str(row.get("kind", "")), whole(row.get("images")), seconds(times.get(name)), str(row.get("device", "")),
            *(magnitude(row.get(key) or None) for key in ("parameters", "multiply_accumulates")),
            str(row.get("trained_here", "")) or "–",
        ]  # fmt: skip
        body.append((source_cell(context, name), *(Cell(text) for text in texts)))
    blocks.append(
        Table("fusion", "fusion", "Fusion: time, size, and training.", columns, tuple(body), small=True)
    )
    return blocks
