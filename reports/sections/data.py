"""The data, how it was split, and how far the parts are apart."""

from __future__ import annotations

from typing import Any

from ..blocks import Block, Cell, Column, Figure, Heading, KeyValues, Note, Paragraph, Table
from ..context import Context
from ..figures.histogram import MOST, draw_histogram
from ..numbers import percent, plural, whole

SPLIT_KINDS = {
    "scenes": "whole scenes stay on one side (contiguous runs and clusters of near-duplicate images)",
    "random": "images drawn at random, which lets neighbouring frames fall on both sides",
    "list": "lists given by the user",
}
HIGH_LEAKAGE = 0.2


def data_section(context: Context) -> list[Block]:
    """Counts, split, leakage, findings of the data check, histograms."""
    manifest = context.results.manifest
    dataset: dict[str, Any] = manifest.get("dataset") or {}
    split: dict[str, Any] = {**(manifest.get("split") or {}), **context.results.split}
    kind = str(split.get("kind", "unknown"))
    blocks: list[Block] = [Heading("Data and split", new_page=True)]
    rows = [
        ("data set", str(dataset.get("name", "unknown"))),
        ("pairs", f"{_count(dataset.get('pairs'))} (train {_count(dataset.get('train'))}, val "
                  f"{_count(dataset.get('val'))}, test {_count(dataset.get('test'))})"),
        ("split", f"{kind}: {SPLIT_KINDS.get(kind, 'see the split file')}; seed {split.get('seed', '–')}"),
    ]  # fmt: skip
    dropped = len(split.get("dropped") or [])
    if dropped:
        rows.append(
            ("left out", f"{plural(dropped, 'pair')} between the parts, as a guard against neighbours")
        )
    rows.append(("split file", f"SHA-256 {split.get('sha256', 'not stored')}"))
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
        shown = names
        rest = ""
        if len(names) > MOST:
            totals = {name: sum(part.get(name, 0) for part in classes.values()) for name in names}
            shown = sorted(names, key=lambda name: -totals[name])[:MOST]
            rest = f" The {MOST} most frequent of {len(names)} classes."
        caption = f"Annotated objects in each part of the split.{rest}"
        blocks.append(Figure(draw_histogram(classes, sizes, shown), caption))
    else:
        blocks.append(Note("Histograms of classes and sizes are not stored in this run."))
    blocks += _findings(doctor.get("findings") or [])
    return blocks


def _leakage(leakage: dict[str, Any]) -> list[Block]:
    if not leakage:
        return [
            Note(
                "No leakage statistic is stored: it is unknown whether test images resemble training images."
            )
        ]
    share = leakage.get("either_share")
    if share is None:
        share = leakage.get("neighbour_share")
    near = leakage.get("near_duplicate_share")
    details = [f"{percent(leakage.get('neighbour_share'), 1)} a neighbouring frame"]
    if near is not None:
        details.append(f"{percent(near, 1)} a near-duplicate by content")
    images = whole(leakage.get("test_images"))
    text = f" of {images} test images have a relative in train ({', '.join(details)})."
    blocks: list[Block] = [Paragraph.of("Leakage: ", f"{percent(share, 1)}", text)]
    if share is not None and share > HIGH_LEAKAGE:
        warning = (
            "That much leakage makes absolute scores too good to be true: the detector has seen much "
            "of the test split. Use a split by scenes before quoting them."
        )
        blocks.append(Note(warning, "warning"))
    return blocks


def _findings(findings: list[dict[str, Any]]) -> list[Block]:
    if not findings:
        return [Paragraph.of("The data check found nothing to report.")]
    columns = (
        Column("level", "left"),
        Column("finding", "left"),
        Column("what", "left", share=1),
        Column("count"),
    )
    rows = tuple(
        tuple(Cell(text) for text in (
            str(item.get("level", "")), str(item.get("code", "")), str(item.get("message", "")),
            _count(item.get("count")),
        ))
        for item in findings
    )  # fmt: skip
    return [Table("", "findings", "What the data check found.", columns, rows, small=True)]


def _count(value: object) -> str:
    return whole(value) if isinstance(value, int | float) else "–"
