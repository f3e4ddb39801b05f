"""The second page: what changed, and how sure that is."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Heading, Note, Paragraph, Table
from ..context import Context, at_headline, protocol_title
from ..differences import HEADLINE_POINT, basis, difference_cells
from ..numbers import decimal, defined, mean_count, percent, points
from ..objects import balances, called, called_gap, chosen_pairs
from .cells import failed_row, source_cell


def summary_section(context: Context) -> list[Block] | str:
    """Tables of differences to the reference: scores, objects, and labels; other protocols in short."""
    protocol = context.headline_protocol
    if context.reference(protocol) is None or not context.rivals(protocol):
        return "What changed and how sure: needs the reference and another source with results."
    blocks: list[Block] = [
        Heading("What changed and how sure", new_page=True),
        Paragraph.of(
            f"All differences are to {context.results.base} under the same protocol. {basis(context.any_gap(protocol))} "
            "Simultaneous: the intervals of all sources hold at once, so that the best of many is not taken for better. "
            "Bold: the interval excludes zero. Equal precision: thresholds chosen on val, where every source has the "
            f"precision of {context.results.base} at its best F1."
        ),
        score_differences(context, protocol),
    ]
    objects = _objects_table(context, protocol)
    blocks += [objects] if objects else []
    labels = labels_table(context, protocol, chosen_pairs(context.results, 1), "labels")
    blocks += labels
    for other in context.results.protocols[1:]:
        if context.reference(other) is None or not context.rivals(other):
            blocks.append(Note(f"{protocol_title(other)}: nothing to compare."))
            continue
        blocks.append(_brief_table(context, other))
    return blocks


def score_differences(context: Context, protocol: str) -> Table:
    """mAP50 differences with everything that says how sure they are."""
    columns = (
        Column("Source", "left"), Column("mAP50"), Column("Δ"), Column("interval"),
        Column("p, Holm"), Column("p, sign flip"), Column("could show"), Column("judgement", "left"),
        Column("P(best)"), Column("rank"),
    )  # fmt: skip
    ranks = context.means("ranks", protocol, quantity="mAP50")
    rows = []
    for score in context.scores[protocol]:
        if not score.ok:
            rows.append(failed_row(context, score, len(columns)))
            continue
        gap = context.gap(protocol, score.source)
        cells = [source_cell(context, score.source), Cell(points(score.value())), *difference_cells(gap)]
        if gap is None:
            word = "reference" if score.source == context.results.reference else "–"
            cells += [Cell("–", muted=True)] * 3 + [Cell(word, muted=True)]
        else:
            cells += [Cell(decimal(gap.p_holm, 3)), Cell(decimal(gap.p_sign_flip, 3)),
                      Cell(gap.kind.plain(gap.detectable)), Cell(gap.judgement, bold=gap.established)]  # fmt: skip
        rank = ranks.get(score.source)
        known = rank is not None and defined(rank["rank_low"])
        cells.append(Cell(decimal(rank["p_best"]) if rank is not None else "–"))
        cells.append(
            Cell(f"{rank['rank_low']:g} to {rank['rank_high']:g}" if known and rank is not None else "–")
        )
        rows.append(tuple(cells))
    note = (
        "Could show: the smallest difference that this test would have shown 4 times in 5. Sign flip: permutation test "
        "over blocks, for each source by itself. P(best), rank: over draws of blocks and seeds."
    )
    caption = f"mAP50 in AP points against {context.results.base}. {protocol_title(protocol)}. {context.intervals(protocol)}"
    return Table("differences", f"sure-{protocol}", caption, columns, tuple(rows), note, small=True)


def _objects_table(context: Context, protocol: str) -> Table | None:
    found = balances(context, protocol)
    if not found:
        return None
    columns = (
        Column("Source", "left"), *(Column(head) for head in ("fixed", "broken", "balance", "interval")),
        Column("source", group="precision, %"), Column("reference", group="precision, %"),
        Column("source", group="false alarms per image"), Column("reference", group="false alarms per image"),
    )  # fmt: skip
    rows = []
    for source, row in found.items():
        gap = context.gap(protocol, source, "balance", "all", HEADLINE_POINT)
        cells = [Cell(mean_count(row["fixed"])), Cell(mean_count(row["broken"])), *difference_cells(gap)]
        cells += [
            Cell(percent(row[name], 1).removesuffix(" %")) for name in ("precision", "reference_precision")
        ]
        cells += [
            Cell(decimal(row[name]))
            for name in ("false_alarms_per_image", "reference_false_alarms_per_image")
        ]
        rows.append((source_cell(context, source), *cells))
    base = context.results.base
    caption = (
        f"Objects that {base} gets wrong and a source right (fixed), and the reverse (broken). {at_headline()} "
        f"{protocol_title(protocol)}.{context.mean_note(protocol)} {context.intervals(protocol)}"
    )
    return Table("balance", f"balance-{protocol}", caption, columns, tuple(rows), small=True)


def labels_table(
    context: Context, protocol: str, pairs: tuple[tuple[str, str], ...], label: str
) -> list[Table]:
    """One table for each pair of classes, both directions side by side."""
    tables = []
    for at, pair in enumerate(pairs):
        columns = [Column("Source", "left")]
        counts = [called(context, protocol, true, predicted) for true, predicted in (pair, pair[::-1])]
        if not all(counts):
            continue
        for (true, predicted), one in zip((pair, pair[::-1]), counts, strict=True):
            group = f"{true} called {predicted}, of {mean_count(max(row['objects'] for row in one.values()))}"
            columns += [
                Column(head, group=group) for head in ("top label", "same first", "Δ rate", "interval")
            ]
        rows = []
        for source in counts[0]:
            cells = [source_cell(context, source)]
            for (true, predicted), one in zip((pair, pair[::-1]), counts, strict=True):
                row = one.get(source)
                cells += [Cell(mean_count(row[name])) if row is not None else Cell("–")
                          for name in ("top_label", "same_class_first")]  # fmt: skip
                cells += difference_cells(called_gap(context, protocol, source, true, predicted))
            rows.append(tuple(cells))
        caption = (
            f"{pair[0]} called {pair[1]}, and the reverse: trading one for the other gains nothing. Δ rate in percent "
            f"points against {context.results.base}. {at_headline()} {protocol_title(protocol)}.{context.mean_note(protocol)} "
            f"{context.intervals(protocol)}"
        )
        note = (
            "Top label: the object's highest-scoring label, what the system calls it. Same first: the permissive count, "
            "where any box of the right class makes an object correct."
        )
        tables.append(Table("misclassifications", f"{label}-{protocol}-{at}", caption, tuple(columns), tuple(rows),
                            note, small=True))  # fmt: skip
    return tables


def _brief_table(context: Context, protocol: str) -> Table:
    """Another protocol in one table."""
    columns = [Column("Source", "left"), Column("mAP50")]
    columns += [Column(head, group="mAP50, AP points") for head in ("Δ", "interval")]
    columns += [Column("judgement", "left", group="mAP50, AP points"), Column("P(best)")]
    columns += [Column(head, group="objects, equal precision") for head in ("balance", "interval")]
    ranks = context.means("ranks", protocol, quantity="mAP50")
    rows = []
    for score in context.scores[protocol]:
        if not score.ok:
            rows.append(failed_row(context, score, len(columns)))
            continue
        gap, rank = context.gap(protocol, score.source), ranks.get(score.source)
        cells = [source_cell(context, score.source), Cell(points(score.value())), *difference_cells(gap)]
        reference = score.source == context.results.reference
        word = gap.judgement if gap is not None else "reference" if reference else "–"
        cells += [Cell(word, bold=gap is not None and gap.established, muted=gap is None)]
        cells += [Cell(decimal(rank["p_best"]) if rank is not None else "–")]
        cells += difference_cells(context.gap(protocol, score.source, "balance", "all", HEADLINE_POINT))
        rows.append(tuple(cells))
    caption = f"In short: {protocol_title(protocol)}. {at_headline()} {basis(context.any_gap(protocol))}"
    return Table("differences", f"sure-{protocol}", caption, tuple(columns), tuple(rows), small=True)
