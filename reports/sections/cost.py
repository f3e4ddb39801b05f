"""What fusion costs."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Figure, Heading, Paragraph, Table
from ..context import Context, protocol_title
from ..figures.cost import draw_cost
from ..numbers import defined, magnitude, seconds, whole
from .cells import source_cell


def cost_section(context: Context) -> list[Block] | str:
    """Time per image, parameters, multiply-accumulates, and whether a method was trained in this run."""
    frame = context.results.table("fusion")
    if frame is None or frame.empty:
        return "Cost of fusion: not stored (fusion.csv)."
    blocks: list[Block] = [Heading("Cost of fusion")]
    protocol = context.headline_protocol
    rows = {str(row["source"]): row for _, row in frame.iterrows()}
    times = {
        name: float(row["seconds_per_image"])
        for name, row in rows.items()
        if row["status"] == "ok" and row.get("kind") != "control" and defined(float(row["seconds_per_image"]))
    }
    blocks.append(
        Paragraph.of(
            "Seconds per image are wall-clock times of the fusion alone on the machine in the "
            "appendix, at the size of the stored images; they compare methods of this run with each "
            "other, not with other papers. Multiply-accumulates are counted at 480 × 640."
        )
    )
    timed = [score for score in context.finished(protocol) if times.get(score.source, 0) > 0]
    if any(defined(score.value()) for score in timed):
        blocks.append(
            Figure(
                draw_cost(context, protocol, times),
                "What fusion costs and what it brings; dashed lines are sources without fusion. "
                f"{protocol_title(protocol)}.",
            )
        )
    columns = [
        Column("Source", "left"),
        Column("kind", "left"),
        Column("images"),
        Column("time per image"),
        Column("device", "left"),
        Column("parameters"),
        Column("MACs"),
        Column("trained in this run", "left"),
    ]
    body: list[tuple[Cell, ...]] = []
    for name in [*context.results.sources, *(name for name in rows if name not in context.results.sources)]:
        if name not in rows:
            continue
        row = rows[name]
        if row["status"] != "ok":
            reason = Cell(f"failed: {row.get('reason', '')}", muted=True, span=len(columns) - 1)
            body.append((source_cell(context, name), reason))
            continue
        cells = [
            str(row.get("kind", "")),
            whole(_number(row.get("images"))),
            seconds(times.get(name)),
            str(row.get("device", "")),
            _count(row.get("parameters")),
            _count(row.get("multiply_accumulates")),
            str(row.get("trained_here", "")) or "–",
        ]
        body.append((source_cell(context, name), *(Cell(text) for text in cells)))
    caption = "Fusion: time, size, and training."
    blocks.append(Table("fusion", "fusion", caption, tuple(columns), tuple(body), small=True))
    return blocks


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _count(value: object) -> str:
    number = _number(value)
    return "–" if number == 0 else magnitude(number)
