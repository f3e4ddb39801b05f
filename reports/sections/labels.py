"""Misclassification: what the system calls the objects, and by what margin."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..context import Context, protocol_title
from ..differences import HEADLINE_POINT
from ..figures.forest import FOREST, Panel, draw_forest
from ..figures.matrix import BACKGROUND, confusion_matrix, draw_confusions, shown_classes
from ..numbers import mean_count
from ..objects import chosen_pairs
from .cells import heads
from .operating import outcome_table
from .summary import labels_tables

PER_FIGURE = 8
_CAPTIONS = {
    "top_label": (
        "Top label: true class (rows) by predicted class (columns). Blue: right. Orange: another class. "
        "Grey: missed objects (last column) and false alarms (last row)."
    ),
    "same_class_first": (
        "Same class first, the permissive matching, beside the matrices by top label: what is called another "
        "class there may count as right here."
    ),
}


def labels_section(context: Context) -> list[Block] | str:
    """Outcomes, matrices by top label, the margin, and the permissive matrices."""
    protocols = [name for name in context.results.protocols if context.finished(name)]
    if not protocols:
        return "Misclassification: no source has results."
    if not context.results.extent("objects"):
        return "Misclassification: the test split has no objects."
    blocks: list[Block] = [
        Heading("Misclassification"),
        Paragraph.marked(
            "**By top label** an object is what the system would call it: boxes are suppressed and matched "
            "without regard to class, and the highest score gives the label. **Same class first**, the "
            "permissive way, calls an object correct if any box of its class fits. Outcomes: **correct**; "
            "**ambiguous**: its class was found, but another class scores higher on it; **misclassified**: "
            "found with another class only; **poorly localised**: right class, too little overlap; "
            "**missed**."
        ),
        *outcome_table(context, protocols[0]),
        *matrices(context, protocols[0], "top_label"),
        *_margin(context, protocols),
        *matrices(context, protocols[0], "same_class_first"),
    ]
    for name in ("confusion", "misclassifications"):
        if context.results.table(name) is None:
            blocks.append(Note(f"Classes taken for each other are not stored in full ({name}.csv)."))
    return blocks


def matrices(context: Context, protocol: str, matching: str) -> list[Block]:
    """Figures of matrices of one protocol and kind of matching."""
    if context.results.table("confusion") is None:
        return []
    names = [score.source for score in context.finished(protocol)]
    caption = context.caption(protocol, _CAPTIONS[matching], point=HEADLINE_POINT, sure=False)
    chunks = (names[start : start + PER_FIGURE] for start in range(0, len(names), PER_FIGURE))
    return [
        Figure(draw_confusions(context, protocol, part, HEADLINE_POINT, matching), caption) for part in chunks
    ]


def more_pairs(context: Context) -> list[Block]:
    """Further pairs of classes, and the first pair under other protocols, for the appendix."""
    pairs, first = chosen_pairs(context.results), context.headline_protocol
    return [
        table
        for protocol in context.results.protocols
        for table in labels_tables(context, protocol, pairs[1:] if protocol == first else pairs[:1], "pairs")
    ]


def _margin(context: Context, protocols: list[str]) -> list[Block]:
    panels = [Panel(protocol_title(protocol), "Δ margin, log-odds", gaps) for protocol in protocols
              if (gaps := context.gaps(protocol, "margin"))]  # fmt: skip
    if not panels:
        return []
    caption = (
        "Margin of the right class: log-odds of the true class minus log-odds of the best other class on "
        f"the same object, difference to {context.results.base} paired by object; threshold-free. {FOREST} "
        f"{context.intervals(protocols[0])}"
    )
    return [Figure(draw_forest(context, panels, columns=2), caption)]


def confusion_tables(context: Context) -> list[Table]:
    """Every matrix by top label as a table, for LaTeX only."""
    if context.results.table("confusion") is None:
        return []
    names = [*shown_classes(context), BACKGROUND]
    columns = (Column("True class", "left"), *heads(names, "predicted"))
    tables = []
    for protocol in context.results.protocols:
        for score in context.finished(protocol):
            counts = confusion_matrix(context, protocol, score.source, HEADLINE_POINT, "top_label")
            rows = tuple(
                (
                    Cell(str(name)),
                    *(Cell(mean_count(value), bold=name == other) for other, value in row.items()),
                )
                for name, row in counts.iterrows()
            )
            text = f"Misclassification matrix by top label of {context.results.labels[score.source]}."
            caption = context.caption(protocol, text, point=HEADLINE_POINT, sure=False)
            tables.append(Table("confusion", f"confusion-{protocol}-{score.source}", caption, columns, rows))
    return tables
