"""The second page: what changed, and how sure that is."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Heading, Note, Paragraph, Table
from ..context import Context, protocol_title
from ..differences import HEADLINE_POINT, difference_cells
from ..numbers import decimal, defined, mean_count, points
from ..objects import balances, called, called_gap, chosen_pairs
from .cells import heads, source_table

_DELTA = ("Δ", "interval")


def summary_section(context: Context) -> list[Block] | str:
    """Tables of differences to the reference: scores, objects, and labels; other protocols in short."""
    protocol, base = context.headline_protocol, context.results.base
    if context.reference(protocol) is None or not context.rivals(protocol):
        return "What changed and how sure: needs the reference and another source with results."
    blocks: list[Block] = [
        Heading("What changed and how sure", new_page=True),
        Paragraph.of(
            f"All differences are to {base} under the same protocol. "
            f"{context.intervals(protocol, long=True)} Bold: the simultaneous interval excludes zero."
        ),
        _score_table(context, protocol),
    ]
    if balances(context, protocol):
        blocks.append(_objects_table(context, protocol))
    blocks += labels_tables(context, protocol, chosen_pairs(context.results, 1), "labels")
    for other in context.results.protocols[1:]:
        if context.reference(other) is None or not context.rivals(other):
            blocks.append(Note(f"{protocol_title(other)}: nothing to compare."))
        else:
            blocks.append(_brief_table(context, other))
    return blocks


def _score_table(context: Context, protocol: str) -> Table:
    """mAP50 differences with everything that says how sure they are."""
    columns = [
        *heads(("mAP50", *_DELTA, "p, Holm", "p, sign flip", "could show")),
        Column("judgement", "left"), *heads(("P(best)", "rank")),
    ]  # fmt: skip
    ranks = context.ranks(protocol)

    def cells(source: str) -> list[Cell]:
        gap, rank = context.gap(protocol, source), ranks.get(source)
        tests = (
            [decimal(gap.p_holm, 3), decimal(gap.p_sign_flip, 3), gap.kind.plain(gap.detectable)]
            if gap
            else []
        )
        span = f"{rank['rank_low']:g} to {rank['rank_high']:g}" if rank and defined(rank["rank_low"]) else "–"
        return [
            Cell(_score(context, protocol, source)), *difference_cells(gap),
            *(Cell(text) for text in tests or ("–", "–", "–")), _judgement(context, protocol, source),
            Cell(decimal(rank["p_best"]) if rank else "–"), Cell(span),
        ]  # fmt: skip

    note = (
        "Could show: the smallest difference that this test would have shown 4 times in 5. Sign flip: "
        "permutation test over blocks, for all sources at once; it knows no chance in training. P(best), "
        "rank: over draws of blocks and seeds."
    )
    caption = context.caption(protocol, f"mAP50 in AP points against {context.results.base}.")
    return source_table(context, protocol, "differences", caption, columns, cells, note, failed=True)


def _score(context: Context, protocol: str, source: str) -> str:
    return next(points(score.value()) for score in context.finished(protocol) if score.source == source)


def _judgement(context: Context, protocol: str, source: str) -> Cell:
    gap = context.gap(protocol, source)
    if gap is None:
        return Cell("reference" if source == context.results.reference else "–", muted=True)
    return Cell(gap.judgement, bold=gap.established)


def _objects_table(context: Context, protocol: str) -> Table:
    found = balances(context, protocol)
    columns = heads(("fixed", "broken", "balance", "interval"))
    columns += heads(("source", "reference"), "precision, %")
    columns += heads(("source", "reference"), "false alarms per image")

    def cells(source: str) -> list[Cell] | None:
        row = found.get(source)
        if row is None:
            return None
        counts = [Cell(mean_count(row[name])) for name in ("fixed", "broken")]
        counts += difference_cells(context.gap(protocol, source, "balance", "all", HEADLINE_POINT))
        counts += [Cell(points(row[name])) for name in ("precision", "reference_precision")]
        names = ("false_alarms_per_image", "reference_false_alarms_per_image")
        return [*counts, *(Cell(decimal(row[name])) for name in names)]

    text = (
        f"Objects that {context.results.base} gets wrong and a source right (fixed), and the reverse "
        "(broken)."
    )
    caption = context.caption(protocol, text, point=HEADLINE_POINT)
    return source_table(context, protocol, "balance", caption, columns, cells)


def labels_tables(
    context: Context, protocol: str, pairs: tuple[tuple[str, str], ...], label: str
) -> list[Table]:
    """One table for each pair of classes, both directions side by side."""
    tables = []
    for at, (first, second) in enumerate(pairs):
        both = ((first, second), (second, first))
        found = {pair: called(context, protocol, *pair) for pair in both}
        if all(found.values()):
            tables.append(_labels_table(context, protocol, found, f"{label}-{at}"))
    return tables


def _labels_table(
    context: Context, protocol: str, found: dict[tuple[str, str], dict[str, dict[str, float]]], label: str
) -> Table:
    """Counts of each ordered pair by source, see :func:`~..objects.called`, with differences of the rates."""
    columns: list[Column] = []
    for (true, predicted), rows in found.items():
        number = mean_count(max(row["objects"] for row in rows.values()))
        names = ("top label", "same first", "Δ rate", "interval")
        columns += heads(names, f"{true} called {predicted}, of {number}")

    def cells(source: str) -> list[Cell]:
        made: list[Cell] = []
        for pair, rows in found.items():
            row = rows.get(source)
            made += [
                Cell(mean_count(row[name]) if row else "–") for name in ("top_label", "same_class_first")
            ]
            made += difference_cells(called_gap(context, protocol, source, *pair))
        return made

    true, predicted = next(iter(found))
    text = (
        f"{true} called {predicted}, and the reverse: trading one for the other gains nothing. Δ rate in "
        f"percent points against {context.results.base}."
    )
    note = (
        "Top label: the object's highest-scoring label, what the system calls it. Same first: the permissive "
        "count, where any box of the right class makes an object correct."
    )
    caption = context.caption(protocol, text, point=HEADLINE_POINT)
    return source_table(context, protocol, "misclassifications", caption, columns, cells, note, label=label)


def _brief_table(context: Context, protocol: str) -> Table:
    """Another protocol in one table."""
    columns = [*heads(("mAP50",)), *heads(_DELTA, "mAP50, AP points")]
    columns += [Column("judgement", "left", group="mAP50, AP points"), Column("P(best)")]
    columns += heads(("balance", "interval"), "objects, equal precision")
    ranks = context.ranks(protocol)

    def cells(source: str) -> list[Cell]:
        rank = ranks.get(source)
        return [
            Cell(_score(context, protocol, source)), *difference_cells(context.gap(protocol, source)),
            _judgement(context, protocol, source), Cell(decimal(rank["p_best"]) if rank else "–"),
            *difference_cells(context.gap(protocol, source, "balance", "all", HEADLINE_POINT)),
        ]  # fmt: skip

    caption = context.caption(protocol, "The same in short.", point=HEADLINE_POINT)
    return source_table(context, protocol, "differences", caption, columns, cells, failed=True)
