"""Misclassification: what the system calls the objects, and by what margin."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..context import Context, at_headline, protocol_title
from ..differences import HEADLINE_POINT
from ..figures.forest import FOREST, Panel, draw_forest
from ..figures.matrix import BACKGROUND, confusion_matrix, draw_confusions, shown_classes
from ..numbers import mean_count
from ..objects import chosen_pairs
from .operating import outcome_table
from .summary import labels_table

PER_FIGURE = 8
_KINDS = {"top_label": "Top label", "same_class_first": "Same class first"}


def labels_section(context: Context) -> list[Block] | str:
    """Outcomes, matrices by top label, the permissive ones beside, pairs of classes, and the margin."""
    protocols = [name for name in context.results.protocols if context.finished(name)]
    if not protocols:
        return "Misclassification: no source has results."
    if not context.results.extent("objects"):
        return "Misclassification: the test split has no objects."
    protocol = protocols[0]
    blocks: list[Block] = [
        Heading("Misclassification"),
        Paragraph.of(
            "",
            "By top label",
            " an object is what the system would call it: boxes are suppressed and matched without regard to class, "
            "and the highest score gives the label. ",
            "Same class first",
            ", the permissive way, calls an object correct if any box of its class fits. Outcomes: ",
            "correct",
            "; ",
            "ambiguous",
            ": its class was found, but another class scores higher on it; ",
            "misclassified",
            ": found with another class only; ",
            "poorly localised",
            ": right class, too little overlap; ",
            "missed",
            ".",
        ),
    ]
    outcomes = outcome_table(context, protocol, HEADLINE_POINT)
    blocks += [outcomes] if outcomes else []
    if context.results.table("confusion") is None:
        blocks.append(Note("The misclassification matrices are not stored (confusion.csv)."))
    else:
        blocks += matrices(context, protocol, "top_label")
    blocks += _margin(context, protocols)
    if context.results.table("confusion") is not None:
        blocks += matrices(context, protocol, "same_class_first")
    if context.results.table("misclassifications") is None:
        blocks.append(Note("Pairs of classes are not stored (misclassifications.csv)."))
    return blocks


def matrices(context: Context, protocol: str, matching: str) -> list[Block]:
    """Figures of matrices of one protocol and kind of matching."""
    names = [score.source for score in context.finished(protocol)]
    caption = (
        f"{_KINDS[matching]}: true class (rows) by predicted class (columns). Blue: right. Orange: another class. Grey: "
        f"missed objects (last column) and false alarms (last row). {at_headline()} {protocol_title(protocol)}."
        f"{context.mean_note(protocol)}"
    )
    if matching == "same_class_first":
        caption = (
            f"{_KINDS[matching]}, the permissive matching, for comparison with the matrices by top label; what is "
            f"called another class there may count as right here. Same operating point. {protocol_title(protocol)}."
        )
    return [
        Figure(
            draw_confusions(context, protocol, names[start : start + PER_FIGURE], HEADLINE_POINT, matching),
            caption,
        )
        for start in range(0, len(names), PER_FIGURE)
    ]


def more_pairs(context: Context) -> list[Block]:
    """Tables of further pairs of classes, and of all pairs' first under other protocols, for the appendix."""
    pairs = chosen_pairs(context.results)
    blocks: list[Block] = []
    for at, protocol in enumerate(context.results.protocols):
        blocks += labels_table(context, protocol, pairs[1:] if not at else pairs[:1], "pairs")
    return blocks


def _margin(context: Context, protocols: list[str]) -> list[Block]:
    panels = [
        Panel(protocol_title(protocol), "Δ margin, log-odds", rows)
        for protocol in protocols
        if (rows := {score.source: one for score in context.rivals(protocol)
                     if (one := context.gap(protocol, score.source, "margin")) is not None})
    ]  # fmt: skip
    if not panels:
        return []
    caption = (
        f"Margin of the right class: log-odds of the true class minus log-odds of the best other class on the same "
        f"object, difference to {context.results.base} paired by object. Threshold-free. {FOREST} "
        f"{context.intervals(protocols[0])}"
    )
    return [Figure(draw_forest(context, panels, columns=2), caption)]


def confusion_tables(context: Context) -> list[Table]:
    """Every matrix by top label as a table, for LaTeX only."""
    if context.results.table("confusion") is None:
        return []
    classes, rest = shown_classes(context)
    names = [*classes, *(["other classes"] if rest else []), BACKGROUND]
    columns = (Column("True class", "left"), *(Column(name, group="predicted") for name in names))
    tables = []
    for protocol in context.results.protocols:
        for score in context.finished(protocol):
            counts = confusion_matrix(context, protocol, score.source, HEADLINE_POINT, "top_label")
            rows = tuple(
                (
                    Cell(name),
                    *(Cell(mean_count(value), bold=row == at) for at, value in enumerate(counts[row])),
                )
                for row, name in enumerate(names)
            )
            label = context.results.labels[score.source]
            caption = f"Misclassification matrix of {label} by top label. {at_headline()} {protocol_title(protocol)}."
            tables.append(Table("confusion", f"confusion-{protocol}-{score.source}", caption, columns, rows))
    return tables
