"""The data, how it was split, and how far the parts are apart."""

from __future__ import annotations

from typing import Any

from ..blocks import Block, Cell, Column, Figure, Heading, KeyValues, Note, Paragraph, Table
from ..context import Context
from ..figures.bars import MOST, draw_histogram
from ..figures.curves import draw_leakage
from ..numbers import defined, percent, plural, some, whole

SPLIT_KINDS = {
    "scenes": "whole blocks stay on one side where that is possible",
    "random": "images drawn at random, which lets neighbouring frames fall on both sides",
    "list": "lists given by the user",
    "official": "the published split; val is carved from train by blocks",
}
HIGH_LEAKAGE = 0.2
NEAR = "5"  # places in the order of the images: what counts as a neighbour in the warning


def data_section(context: Context) -> list[Block] | str:
    """Counts, split, leakage and histograms."""
    manifest = context.results.manifest
    dataset: dict[str, Any] = manifest.get("dataset") or {}
    split: dict[str, Any] = {**(manifest.get("split") or {}), **context.results.split}
    if not dataset and not split:
        return "Data and split: nothing is stored of how the images were chosen (no split.json)."
    kind = str(split.get("kind", "unknown"))
    blocks: list[Block] = [Heading("Data and split", new_page=True)]
    rows = [
        ("data set", str(dataset.get("name", "unknown"))),
        ("pairs", f"{_count(dataset.get('pairs'))} (train {_count(dataset.get('train'))}, val "
                  f"{_count(dataset.get('val'))}, test {_count(dataset.get('test'))})"),
        ("split", f"{kind}: {SPLIT_KINDS.get(kind, 'see the split file')}; seed {split.get('seed', '–')}"),
        ("blocks", _blocks(context, split)),
    ]  # fmt: skip
    dropped = len(split.get("dropped") or [])
    if dropped:
        rows.append(
            ("left out", f"{plural(dropped, 'pair')} between the parts, as a guard against neighbours")
        )
    given_up = [str(text) for text in split.get("given_up") or []]
    rows.append(("given up", "; ".join(given_up) if given_up else "nothing: every tie and guard was kept"))
    blocks.append(KeyValues(tuple(rows), mono=False))
    blocks += _leakage(split.get("leakage") or {})
    doctor = dataset.get("doctor") or {}
    classes = {
        part: {str(name): int(number) for name, number in counts.items()}
        for part, counts in (doctor.get("class_counts") or {}).items()
    }
    names = list(context.results.classes) or sorted({name for part in classes.values() for name in part})
    if classes and names:
        sizes = {part: dict(counts) for part, counts in (doctor.get("size_counts") or {}).items()}
        shown, rest = names, ""
        if len(names) > MOST:
            totals = {name: sum(part.get(name, 0) for part in classes.values()) for name in names}
            shown = sorted(names, key=lambda name: -totals[name])[:MOST]
            rest = f" The {MOST} most frequent of {len(names)} classes."
        caption = f"Annotated objects in each part of the split.{rest}"
        blocks.append(Figure(draw_histogram(classes, sizes, shown), caption))
    return blocks


def findings_table(context: Context) -> list[Block]:
    """What the data check found, for the appendix."""
    doctor = (context.results.manifest.get("dataset") or {}).get("doctor") or {}
    columns = (
        Column("level", "left"), Column("finding", "left"), Column("what", "left", share=1), Column("count"),
    )  # fmt: skip
    rows = tuple(
        tuple(Cell(text) for text in (
            str(item.get("level", "")), str(item.get("code", "")), str(item.get("message", "")),
            _count(item.get("count")),
        ))
        for item in doctor.get("findings") or []
    )  # fmt: skip
    return [Table("", "findings", "What the data check found.", columns, rows, small=True)] if rows else []


def _blocks(context: Context, split: dict[str, Any]) -> str:
    number = len(set((split.get("blocks") or {}).values()))
    inside = f"; {number} in the whole set" if number else ""
    return (
        f"{context.results.extent('blocks')} in test{inside}. A block is a set of images that are not independent: a "
        "contiguous scene, or near-duplicates. All intervals are drawn over blocks"
    )


def _leakage(leakage: dict[str, Any]) -> list[Block]:
    relations = [item for item in leakage.get("relations") or [] if item]
    if not relations:
        text = "No leakage statistic is stored: it is unknown whether test images resemble training images."
        return [Note(text)]
    columns = (
        Column("images of", "left"), Column("against", "left"), Column("images"), Column("same block"),
        Column("same named scene"), Column("near-duplicate"), Column("for example", "left", share=1),
    )  # fmt: skip
    rows = tuple(
        (
            *(Cell(str(item.get(key, ""))) for key in ("images", "against")),
            Cell(_count(item.get("count"))),
            *(Cell(percent(item.get(key), 1)) for key in ("same_block", "same_scene", "near_duplicates")),
            Cell(_example(item.get("examples") or []), muted=True),
        )
        for item in relations
    )
    near = _quality(leakage.get("near_duplicate_quality"))
    caption = "Share of the images of one part that are related to an image of another part."
    blocks: list[Block] = [
        Figure(
            draw_leakage(relations), "Leakage: share of images with a neighbour in another part, by distance."
        ),
        Table("leakage", "leakage", caption, columns, rows, near, small=True),
    ]
    first = relations[0]
    shares = [first.get("same_block"), first.get("near_duplicates"), (first.get("within") or {}).get(NEAR)]
    worst = max((share for share in shares if share is not None and defined(share)), default=0.0)
    if worst > HIGH_LEAKAGE:
        warning = (
            f"{percent(worst)} of test images have a relative in train. That much leakage makes absolute scores too "
            "good to be true: the detector has seen much of the test split. Use a split by scenes before quoting them."
        )
        blocks.append(Note(warning, "warning"))
    return blocks


def _example(examples: list[Any]) -> str:
    return some([" ".join(str(part) for part in item[:2]) + (f" ({item[2]})" if len(item) > 2 else "")
                 for item in examples[:1]])  # fmt: skip


def _quality(quality: Any) -> str:
    """How well near-duplicates are found, in one line."""
    if not isinstance(quality, dict) or quality.get("recall") is None:
        return "How well near-duplicates are found was not measured."
    found = []
    for key, word in (("recall", "finds"), ("false_positive_rate", "wrongly names")):
        value = quality.get(key)
        if value is None:
            continue
        bounds = quality.get(f"{key}_interval") or [quality.get(f"{key}_low"), quality.get(f"{key}_high")]
        inside = f" (95 %: {_share(bounds[0])} to {_share(bounds[1])})" if None not in bounds else ""
        found.append(f"{word} {_share(value)}{inside}")
    where = quality.get("couples") or quality.get("measured_on") or "labelled couples"
    return f"The detector of near-duplicates {' and '.join(found)} of couples; measured on {where}."


def _share(value: float) -> str:
    return percent(value, 0 if value >= 0.1 else 1 if value >= 0.01 or value == 0 else 3)


def _count(value: object) -> str:
    return whole(value) if isinstance(value, int | float) else "–"
