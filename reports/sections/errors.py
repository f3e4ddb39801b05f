"""Misclassification: outcomes of all objects, matrices side by side, one class called the other."""

from __future__ import annotations

import pandas as pd

from ..blocks import Block, Cell, Column, Figure, Heading, Note, Paragraph, Table
from ..context import Context, protocol_title
from ..figures.confusion import BACKGROUND, confusion_matrix, draw_confusions, shown_classes
from ..figures.swaps import draw_swaps
from ..numbers import defined, mean_count, percent
from ..swaps import SwapRate, chosen_pair, swap_rate
from .cells import nothing_finished, source_cell

_OUTCOMES = ("correct", "misclassified", "poorly_localised", "missed")
_EXTRA = ("background", "duplicate")


def errors_section(context: Context) -> list[Block]:
    """Everything about what a detector called an object, at the threshold chosen on val."""
    blocks: list[Block] = [
        Heading("Misclassification"),
        Paragraph.of(
            "Each object of the test split has one outcome per detector, at the confidence threshold "
            "with the best F1 on the validation split. Boxes of the same class are matched first, as "
            "COCO does; what is left is matched regardless of class, so that a truck found as a truck "
            "is never counted as a car. ",
            "Correct",
            ": right class, IoU at least 0.5. ",
            "Misclassified",
            ": found with another class. ",
            "Poorly localised",
            ": right class, too little overlap. ",
            "Missed",
            ": none of these. A prediction that belongs to no object is a ",
            "false alarm",
            ", a second one of a found object a ",
            "duplicate",
            ".",
        ),
    ]
    failed = nothing_finished(context)
    if failed is not None:
        return [*blocks, failed]
    if context.results.extent()[1] == 0:
        return [*blocks, Note("The test split has no objects, so there is nothing to classify.")]
    for protocol in context.results.protocols:
        if context.finished(protocol):
            blocks += _protocol_blocks(context, protocol)
    return blocks


def _protocol_blocks(context: Context, protocol: str) -> list[Block]:
    title = protocol_title(protocol)
    mean = " Means over seeds." if context.several(protocol) else ""
    blocks: list[Block] = [Heading(title, level=2)]
    outcomes = _outcome_table(context, protocol)
    if outcomes is not None:
        blocks.append(outcomes)
    if context.results.table("confusion") is None:
        blocks.append(Note("The misclassification matrices are not stored in this run."))
    else:
        blocks += _matrices(context, protocol)
    pair = chosen_pair(context.results)
    if pair is not None and context.results.table("swaps") is not None:
        rates = {
            score.source: (
                swap_rate(context.results, protocol, score.source, *pair),
                swap_rate(context.results, protocol, score.source, *pair[::-1]),
            )
            for score in context.finished(protocol)
        }
        blocks.append(
            Figure(
                draw_swaps(context, pair, rates),
                f"{pair[0]} called {pair[1]}, and the reverse, with Wilson's 95 % intervals. {title}.{mean}",
            )
        )
        blocks.append(_swap_table(context, protocol, pair, rates))
    return blocks


def _matrices(context: Context, protocol: str) -> list[Block]:
    mean = " Means over seeds." if context.several(protocol) else ""
    title = protocol_title(protocol)
    blocks: list[Block] = []
    for index, svg in enumerate(draw_confusions(context, protocol)):
        more = " (continued)" if index else ""
        caption = (
            f"True class (rows) by predicted class (columns){more}; numbers are objects, shades the "
            "share of the row. Blue: right. Orange: another class. Grey: missed objects (last column) "
            f"and false alarms (last row); a poorly localised object counts as both. {title}.{mean}"
        )
        blocks.append(Figure(svg, caption))
    return blocks


def _outcome_table(context: Context, protocol: str) -> Table | None:
    frame = context.results.table("objects", protocol)
    if frame is None:
        return None
    columns = [
        Column("Source", "left"),
        *(Column(name.replace("_", " "), group="objects") for name in _OUTCOMES),
        Column("correct, %", group="objects"),
        Column("false alarms", group="other predictions"),
        Column("duplicates", group="other predictions"),
    ]
    rows = []
    for score in context.finished(protocol):
        mine = frame[frame["source"] == score.source]
        seeds = max(1, mine["seed"].nunique())
        real, extra = mine[mine["kind"] == "object"], mine[mine["kind"] == "prediction"]
        counts = [_count(real, name) / seeds for name in _OUTCOMES]
        others = [_count(extra, name) / seeds for name in _EXTRA]
        total = sum(counts)
        share = percent(counts[0] / total, 1).removesuffix(" %") if total else "–"
        cells = [Cell(mean_count(value)) for value in counts] + [Cell(share)]
        rows.append(
            (source_cell(context, score.source), *cells, *(Cell(mean_count(value)) for value in others))
        )
    mean = " Means over seeds." if context.several(protocol) else ""
    return Table(
        "objects",
        f"outcomes-{protocol}",
        f"Outcome of every object of the test split. {protocol_title(protocol)}.{mean}",
        tuple(columns),
        tuple(rows),
    )


def _count(frame: pd.DataFrame, outcome: str) -> int:
    return int((frame["outcome"] == outcome).sum())


def _swap_table(
    context: Context,
    protocol: str,
    pair: tuple[str, str],
    rates: dict[str, tuple[SwapRate | None, SwapRate | None]],
) -> Table:
    columns = [Column("Source", "left")]
    for true, predicted in (pair, pair[::-1]):
        group = f"{true} called {predicted}"
        columns += [Column("count", group=group), Column("rate", group=group)]
        columns.append(Column("95 % interval", group=group))
    rows = []
    for source, both in rates.items():
        cells = [source_cell(context, source)]
        for rate in both:
            cells += _rate_cells(rate)
        rows.append(tuple(cells))
    return Table(
        "swaps",
        f"swaps-{protocol}",
        f"{pair[0]} called {pair[1]} beside {pair[1]} called {pair[0]}: a source that trades one for "
        f"the other has gained nothing. {protocol_title(protocol)}.",
        tuple(columns),
        tuple(rows),
        note="Count: of the objects of the true class. Intervals treat objects as independent; objects of "
        "one scene are not, so the truth is wider.",
    )


def _rate_cells(rate: SwapRate | None) -> list[Cell]:
    if rate is None or not rate.objects:
        return [Cell("none in test", muted=True, span=3)]
    count = f"{mean_count(rate.count)} of {rate.objects}"
    bounds = f"{percent(rate.low)} to {percent(rate.high)}".replace(" % to", " to")
    return [Cell(count), Cell(percent(rate.rate, 1)), Cell(bounds if defined(rate.low) else "–")]


def confusion_tables(context: Context) -> list[Table]:
    """Every matrix as a table, for LaTeX only."""
    if context.results.table("confusion") is None:
        return []
    classes, rest = shown_classes(context)
    names = [*classes, *(["other classes"] if rest else []), BACKGROUND]
    tables = []
    for protocol in context.results.protocols:
        for score in context.finished(protocol):
            counts = confusion_matrix(context, protocol, score.source)
            columns = (Column("True class", "left"), *(Column(name, group="predicted") for name in names))
            rows = tuple(
                (
                    Cell(name),
                    *(
                        Cell(mean_count(value), bold=row == column)
                        for column, value in enumerate(counts[row])
                    ),
                )
                for row, name in enumerate(names)
            )
            label = context.results.labels[score.source]
            caption = f"Misclassification matrix of {label}. {protocol_title(protocol)}."
            tables.append(Table("confusion", f"confusion-{protocol}-{score.source}", caption, columns, rows))
    return tables
