"""Which objects a source fixes and which it breaks."""

from __future__ import annotations

import pandas as pd

from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..changes import ChangeCount, change_counts, class_change_counts, top_rows
from ..context import Context, protocol_title
from ..figures.changes import draw_changes
from ..numbers import decimal, mean_count, signed
from ..palette import OUTCOME_WORDS
from ..scores import REFERENCE
from .cells import nothing_finished, source_cell

ROWS = 8
MOST_CLASSES = 6


def changes_section(context: Context) -> list[Block]:
    """Counts for every source, then the rows of the best one."""
    blocks: list[Block] = [
        Heading("Fixed and broken objects"),
        Paragraph.of(
            "An object is ",
            "fixed",
            " by a source when visible-only gets it wrong and the source gets it right, and ",
            "broken",
            " when it is the reverse. Two detectors that differ only by chance also fix and break "
            "objects, about equally many of each: what counts is the balance.",
        ),
    ]
    failed = nothing_finished(context)
    if failed is not None:
        return [*blocks, failed]
    if context.results.table("changes") is None:
        return [*blocks, Note("Fixed and broken objects are not stored in this run.")]
    any_shown = False
    for protocol in context.results.protocols:
        counts = _counts(context, protocol)
        if not counts:
            continue
        any_shown = True
        mean = " Means over seeds." if context.several(protocol) else ""
        blocks.append(
            Figure(
                draw_changes(context, counts),
                f"Objects fixed and broken against visible-only. {protocol_title(protocol)}.{mean}",
            )
        )
        blocks.append(_count_table(context, protocol, counts))
    if not any_shown:
        return [*blocks, Note("There is no source to compare with visible-only.")]
    return blocks + _rows(context)


def _counts(context: Context, protocol: str) -> dict[str, ChangeCount]:
    if context.visible(protocol) is None or context.results.extent()[1] == 0:
        return {}
    found = {}
    for score in context.finished(protocol):
        count = change_counts(context.results, protocol, score.source)
        if score.source != REFERENCE and count is not None:
            found[score.source] = count
    return found


def _count_table(context: Context, protocol: str, counts: dict[str, ChangeCount]) -> Table:
    numbers = context.results.class_counts()
    classes = sorted((name for name in numbers if numbers[name]), key=lambda name: -numbers[name])
    classes = [name for name in context.results.classes if name in classes[:MOST_CLASSES]]
    columns = [Column("Source", "left")]
    columns += [Column(head, group="all classes") for head in ("fixed", "broken", "balance")]
    columns += [Column(name, group="balance by class") for name in classes]
    by_class = class_change_counts(context.results, protocol)
    rows = []
    for source, count in counts.items():
        cells = [Cell(mean_count(count.fixed)), Cell(mean_count(count.broken)), Cell(_balance(count))]
        for name in classes:
            cells.append(Cell(_balance(by_class.get((source, name), ChangeCount(0, 0)))))
        rows.append((source_cell(context, source), *cells))
    note = "The classes with most objects." if len(classes) < len([n for n in numbers.values() if n]) else ""
    return Table(
        "changes",
        f"changes-{protocol}",
        f"Objects fixed and broken against visible-only. {protocol_title(protocol)}.",
        tuple(columns),
        tuple(rows),
        note=note,
    )


def _balance(count: ChangeCount) -> str:
    return signed(count.net, 0 if float(count.net).is_integer() else 1)


def _rows(context: Context) -> list[Block]:
    protocol = context.headline_protocol
    rival = context.rival(protocol)
    if rival is None or not _counts(context, protocol):
        return []
    blocks: list[Block] = []
    for change, order in (
        ("fixed", f"the most confident of {rival.title} first"),
        ("broken", "the most confident of visible-only first"),
    ):
        frame = top_rows(context.results, protocol, rival.source, change, ROWS)
        if frame is None:
            continue
        if frame.empty:
            blocks.append(Note(f"No object is {change} by {rival.title}."))
            continue
        total = change_counts(context.results, protocol, rival.source)
        assert total is not None
        who = "the best fused source" if rival in context.fused(protocol) else "the best source besides it"
        caption = (
            f"Objects {change} by {rival.title}, {who}; {order}. All of them, for "
            f"every source, are in tables/changes.csv. {protocol_title(protocol)}"
        )
        caption += f", seed {context.results.seeds(protocol)[0]}." if context.several(protocol) else "."
        blocks.append(_row_table(frame, change, rival.title, caption))
    return blocks


def _row_table(frame: pd.DataFrame, change: str, title: str, caption: str) -> Table:
    columns = (
        Column("object"),
        Column("image", "left"),
        Column("class", "left"),
        Column("size", "left"),
        Column("visible-only", "left"),
        Column(title, "left"),
    )
    rows = []
    for _, row in frame.iterrows():
        cells = [
            str(int(row["object_id"])), str(row["stem"]), str(row["class"]), str(row["size"]),
            _said(row, "visible"), _said(row, "source"),
        ]  # fmt: skip
        rows.append(tuple(Cell(text) for text in cells))
    return Table("changes", f"rows-{change}", caption, columns, tuple(rows), small=True)


def _said(row: pd.Series, who: str) -> str:
    outcome = str(row[f"{who}_outcome"])
    word = OUTCOME_WORDS.get(outcome, outcome)
    if outcome == "missed":
        return word
    confidence = decimal(row.get(f"{who}_confidence"))
    return (
        f"{word} {confidence}"
        if outcome == "correct"
        else f"{word}: {row.get(f'{who}_predicted', '')} {confidence}"
    )
