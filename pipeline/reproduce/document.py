"""The PDF of a reproduction: what was done at which scale, an overview, a chapter an experiment."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ... import __version__
from ...datasets.storage import write_bytes, write_text
from ...reports.blocks import Assets, Block, Cell, Column, Heading, KeyValues, Note, Table
from ...reports.latex import latex_files
from ...reports.typeset import block_values, breakable, compile_pages
from .chapter import Chapter
from .scale import Scale
from .shop import Shop

TEMPLATE = Path(__file__).parent / "templates" / "reproduce.typ"
TITLE = "RegionFuse: the paper's experiments"


def write_results(
    chapters: Sequence[Chapter], shop: Shop, out: Path, facts: Sequence[tuple[str, str]], seconds: float
) -> Path:
    """Write ``reproduce.pdf``, and a CSV and a LaTeX file of every table beside it.

    Args:
        chapters: in their order.
        shop: scale and data.
        out: folder of the reproduction.
        facts: names and values of the first page, after those of the data.
        seconds: time of the command so far.

    Returns:
        The PDF.
    """
    for chapter in chapters:
        for name, frame in chapter.frames.items():
            write_text(out / "tables" / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
    tables = [table for chapter in chapters for table in chapter.tables()]
    for name, text in latex_files(tables).items():
        write_text(out / "tables" / f"{name}.tex", text)
    now = int(time.time())
    pages = compile_pages(*payload(chapters, shop, facts, seconds, now), now, main=TEMPLATE)
    write_bytes(out / "reproduce.pdf", pages[0])
    return out / "reproduce.pdf"


def payload(
    chapters: Sequence[Chapter], shop: Shop, facts: Sequence[tuple[str, str]], seconds: float, now: int
) -> tuple[dict[str, Any], Assets]:
    """Return what the template reads, and its pictures."""
    assets, scale, material = Assets(), shop.scale, shop.material
    names = ", ".join(chapter.experiment.name for chapter in chapters)
    failed = {
        f"{chapter.experiment.name}, {what}": why
        for chapter in chapters
        for what, why in chapter.failed.items()
    }
    remarks: list[Block] = [Note(remark) for remark in material.remarks]
    if failed:
        listed = "; ".join(f"{what}: {why}" for what, why in failed.items())
        remarks.append(Note(f"Failed, and shown as rows without values: {listed}", "warning"))
    data = [
        ("Test pairs", f"{len(material.test)} of {material.test.name}"),
        ("Training pairs", _training(shop)),
    ]
    if material.detection is not None:
        data.append(("Pairs with boxes", f"{len(material.detection)} of {material.detection.name}"))
    meta = {
        "title": TITLE,
        "running": TITLE,
        "subtitle": f"scale {scale.name}: {names}",
        "notice": scale.notice,
        "version": __version__,
        "created": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)),
        "statement": [breakable(sentence) for sentence in statement(scale)],
        "facts": [
            [key, breakable(value)] for key, value in (*data, *facts, ("Time", f"{seconds / 60:.0f} min"))
        ],
    }
    opening: list[Block] = [_overview(chapters)]
    if scale.scaled:
        opening.append(_scaled(scale))
    blocks: list[Block] = [block for chapter in chapters for block in chapter.blocks]
    if material.train:
        blocks += [Heading("Recipe"), *_recipe(shop)]
    return {
        "meta": meta,
        "remarks": block_values(remarks, assets),
        "opening": block_values(opening, assets),
        "blocks": block_values(blocks, assets),
    }, assets


def statement(scale: Scale) -> tuple[str, ...]:
    """Say on the first page what the numbers are."""
    ours = (
        "Our own, unofficial implementation: the paper's authors have released no code. Every table prints "
        "our value beside the paper's."
    )
    if scale.name == "paper":
        return (ours, "Trained and tested by the published recipe on the pairs named below.")
    return (
        ours,
        "Small scale: a small network, few steps, few test images, one seed. Our absolute values are not "
        "comparable with the paper's. What can be compared is the order within a table, and only where "
        "the differences are larger than those between two seeds.",
    )


def _training(shop: Shop) -> str:
    material = shop.material
    if not material.train:
        return "none needed"
    return f"{len(material.train)} of {', '.join(material.train_names)}"


def _overview(chapters: Sequence[Chapter]) -> Table:
    rows = tuple(
        (Cell(chapter.experiment.name), Cell(chapter.experiment.shows), Cell(chapter.finding))
        for chapter in chapters
    )
    columns = (Column("Name", "left"), Column("Paper", "left", share=1), Column("Here", "left", share=1))
    return Table("", "overview", "What the paper says, and what came out here.", columns, rows, small=True)


def _scaled(scale: Scale) -> Table:
    rows = tuple((Cell(name), Cell(here), Cell(paper)) for name, here, paper in scale.scaled)
    columns = (Column("", "left"), Column("here", "left", share=1), Column("paper", "left", share=1))
    return Table("", "scaled", "What is scaled down.", columns, rows, small=True)


def _recipe(shop: Shop) -> list[Block]:
    values: Mapping[str, Any] = {
        **{f"regionfuse {key}": value for key, value in shop.scale.training.items()},
        **{f"regionfuse network {key}": value for key, value in shop.scale.network.items()},
        **{f"piafusion {key}": value for key, value in shop.scale.piafusion.items()},
    }
    if shop.steps is not None:
        values = {**values, "steps of every training instead": shop.steps}
    return [KeyValues(tuple((key, str(value)) for key, value in values.items()))]
