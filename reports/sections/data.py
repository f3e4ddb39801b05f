"""The data, how it was split, and how far the parts are apart."""

from __future__ import annotations

from typing import Any

from ..blocks import Block, Cell, Column, Heading, KeyValues, Note, Table
from ..context import Context
from ..numbers import percent, plural, whole
from .cells import heads

SPLIT_KINDS = {
    "scenes": "whole blocks stay on one side where that is possible",
    "random": "images drawn at random, which lets neighbouring frames fall on both sides",
    "list": "lists given by the user",
    "official": "the published split; val is carved from train by blocks",
}
PARTS = ("train", "val", "test")
HIGH_LEAKAGE = 0.2
NEAR = "5"  # places in the order of the images: what counts as a neighbour in the warning
MOST = 20  # classes that are listed


def data_section(context: Context) -> list[Block] | str:
    """Split, leakage and counts of objects."""
    manifest = context.results.manifest
    dataset: dict[str, Any] = manifest.get("dataset") or {}
    split: dict[str, Any] = {**(manifest.get("split") or {}), **context.results.split}
    if not dataset.get("pairs") and not split:
        return "Data and split: nothing is stored of how the images were chosen (no split.json)."
    kind = str(split.get("kind", "unknown"))
    sizes = ", ".join(f"{part} {_count(dataset.get(part))}" for part in PARTS)
    number = len(set((split.get("blocks") or {}).values()))
    inside = f", {number} in the whole set" if number else ""
    dropped = plural(len(split.get("dropped") or []), "pair")
    rows = [
        ("data set", f"{dataset.get('name', 'unknown')}, {_count(dataset.get('pairs'))} pairs ({sizes})"),
        ("split", f"{kind}: {SPLIT_KINDS.get(kind, 'see the split file')}; seed {split.get('seed', '–')}"),
        ("blocks", f"{context.results.extent('blocks')} in test{inside}. A block is a set of images that are "
                   "not independent: a contiguous scene, near-duplicates. Intervals are drawn over blocks"),
        ("left out", f"{dropped} between the parts, as a guard against neighbours"),
        ("given up", "; ".join(map(str, split.get("given_up") or [])) or "nothing: all ties and guards kept"),
    ]  # fmt: skip
    blocks: list[Block] = [Heading("Data and split", new_page=True), KeyValues(tuple(rows), mono=False)]
    return [*blocks, *_leakage(split.get("leakage") or {}), *_counts(context, dataset.get("doctor") or {})]


def findings_table(context: Context) -> list[Block]:
    """What the data check found, for the appendix."""
    doctor = (context.results.manifest.get("dataset") or {}).get("doctor") or {}
    columns = (
        Column("level", "left"),
        Column("finding", "left"),
        Column("what", "left", share=1),
        Column("count"),
    )
    rows = tuple(
        (
            *(Cell(str(item.get(key, ""))) for key in ("level", "code", "message")),
            Cell(_count(item.get("count"))),
        )
        for item in doctor.get("findings") or []
    )
    return [Table("", "findings", "What the data check found.", columns, rows, small=True)] if rows else []


def _leakage(leakage: dict[str, Any]) -> list[Block]:
    relations = [item for item in leakage.get("relations") or [] if item]
    if not relations:
        return [Note("No leakage is stored: it is unknown whether test images resemble training images.")]
    places = sorted({int(key) for item in relations for key in item.get("within") or {}})
    columns = (
        Column("images of", "left"), Column("against", "left"), Column("images"),
        *heads((str(place) for place in places), "within so many places, %"),
        *heads(("same block", "same named scene", "near-duplicate"), "related, %"),
    )  # fmt: skip
    rows = tuple(
        (
            *(Cell(str(item.get(key, ""))) for key in ("images", "against")), Cell(_count(item.get("count"))),
            *(Cell(_share((item.get("within") or {}).get(str(place)))) for place in places),
            *(Cell(_share(item.get(key))) for key in ("same_block", "same_scene", "near_duplicates")),
        )
        for item in relations
    )  # fmt: skip
    caption = "Leakage: share of the images of one part that have a neighbour or relative in another part."
    note = _quality(leakage.get("near_duplicate_quality"))
    examples = [f"{images} of {part['images']} and {against} of {part['against']} ({reason})"
                for part in relations
                for images, against, reason in (part.get("examples") or [])[:1]]  # fmt: skip
    note += f" For example: {'; '.join(examples)}." if examples else ""
    blocks: list[Block] = [Table("leakage", "leakage", caption, columns, rows, note, small=True)]
    first = relations[0]
    shares = (first.get("same_block"), first.get("near_duplicates"), (first.get("within") or {}).get(NEAR))
    worst = max((share for share in shares if share is not None), default=0.0)
    if worst > HIGH_LEAKAGE:
        text = (
            f"{percent(worst)} of test images have a relative in train. That much leakage makes absolute "
            "scores too good to be true: the detector has seen much of the test split. Use a split by "
            "scenes before quoting them."
        )
        blocks.append(Note(text, "warning"))
    return blocks


def _quality(quality: Any) -> str:
    """How well near-duplicates are found, in one line."""
    if not isinstance(quality, dict) or not quality.get("recall"):
        return "How well near-duplicates are found was not measured."
    found, wrong = (
        "; ".join(
            f"{item['found']} of {whole(item['of'])} ({item['couples']}; 95 %: {_share(item['low'])} to "
            f"{_share(item['high'])} %)"
            for item in quality.get(key) or []
        )
        for key in ("recall", "false_positives")
    )
    return (
        "Near-duplicate means near-identical framing, measured on real couples of images. Found of those "
        f"that show one scene: {found}. Wrongly named of those that do not: {wrong or 'not measured'}."
    )


def _counts(context: Context, doctor: dict[str, Any]) -> list[Block]:
    """Objects of each class and size in each part."""
    classes, sizes = doctor.get("class_counts") or {}, doctor.get("size_counts") or {}
    parts = [part for part in PARTS if part in classes]
    if not parts:
        return []
    totals = {name: sum(classes[part].get(name, 0) for part in parts) for name in context.results.classes}
    shown = sorted(totals, key=lambda name: -totals[name])[:MOST]
    sources = [(name, classes) for name in totals if name in shown]
    sources += [(size, sizes) for size in ("small", "medium", "large") if sizes]
    rows = tuple(
        (
            Cell(name, muted=counts is sizes),
            *(Cell(whole(counts.get(part, {}).get(name, 0))) for part in parts),
        )
        for name, counts in sources
    )
    rest = f" The {MOST} most frequent of {len(totals)} classes." if len(totals) > MOST else ""
    caption = (
        "Annotated objects in each part of the split by class, and by size (small: below 32², large: from "
        f"96² pixels).{rest}"
    )
    return [Table("", "counts", caption, (Column("objects", "left"), *heads(parts)), rows, small=True)]


def _share(value: float | None) -> str:
    """A fraction in percent, small ones with the digits they need."""
    if value is None:
        return "–"
    return f"{100 * value:.0f}" if value in (0.0, 1.0) or value >= 0.1 else f"{100 * value:.2g}"


def _count(value: object) -> str:
    return whole(value) if isinstance(value, int | float) else "–"
