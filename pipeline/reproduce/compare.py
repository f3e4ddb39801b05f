"""The table of an experiment: our value beside the paper's, and what the two have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ...reports.blocks import Cell, Column, Table
from ...reports.numbers import NONE, decimal, defined, join
from .chapter import caption
from .paper_values import QUALITY, RANKS
from .records import Experiment
from .scale import Scale

OURS, PAPER = "ours", "paper"


@dataclass(frozen=True)
class Row:
    """One variant of an experiment.

    Attributes:
        label: first cell.
        values: our numbers by metric; None when the variant failed.
        reason: why it failed, or empty.
    """

    label: str
    values: Mapping[str, float] | None
    reason: str = ""


def frame(experiment: Experiment, rows: Sequence[Row]) -> pd.DataFrame:
    """Return a row a variant: label, ``METRIC`` (ours), ``METRIC_paper`` and so on, status, reason."""
    columns = [*QUALITY, *(RANKS if experiment.ranks else ())]
    ours = pd.DataFrame(
        [{name: (row.values or {}).get(name, float("nan")) for name in QUALITY} for row in rows],
        columns=list(QUALITY), dtype=float,
    )  # fmt: skip
    if experiment.ranks:
        ours = ours.join(_ranks(ours))
    table = pd.DataFrame({"variant": [row.label for row in rows]})
    for name in columns:
        table[name] = ours[name]
        table[f"{name}_paper"] = [_paper(experiment, row.label, name) for row in rows]
    table["status"] = ["failed" if row.values is None else "ok" for row in rows]
    table["reason"] = [row.reason for row in rows]
    return table


def comparison(
    experiment: Experiment, table: pd.DataFrame, scale: Scale, spread: Mapping[str, float] | None
) -> Table:
    """Print :func:`frame`: for every metric ours and the paper's side by side, the best of a column bold.

    Args:
        experiment: the experiment.
        table: from :func:`frame`.
        scale: for the caption.
        spread: difference between two seeds of the default configuration by metric, for the note.
    """
    names = [*QUALITY, *(RANKS if experiment.ranks else ())]
    columns = [Column(experiment.parameter, "left")]
    for name in names:
        lower = " ↓" if name in RANKS else ""
        columns += [Column(OURS, group=name + lower), Column(PAPER, group=name + lower)]
    rows = []
    for _, row in table.iterrows():
        label = str(row["variant"])
        cells = [Cell(label + (" (default)" if label == experiment.default else ""))]
        for name in names:
            for column in (name, f"{name}_paper"):
                value = float(row[column])
                best = _best(table[column].round(_digits(name)), lower=name in RANKS)
                text = decimal(value, _digits(name)) if defined(value) else NONE
                cells.append(Cell(text, bold=round(value, _digits(name)) in best, muted=column != name))
        rows.append(tuple(cells))
    return Table(
        name=experiment.name,
        label=experiment.name,
        caption=caption(_caption(experiment), scale),
        columns=tuple(columns),
        rows=tuple(rows),
        note=_note(experiment, table, spread),
        small=True,
    )


def finding(experiment: Experiment, table: pd.DataFrame, spread: Mapping[str, float] | None = None) -> str:
    """Say in a few sentences which variant is best here and in the paper, and whether the lead means a thing.

    Args:
        experiment: the experiment.
        table: from :func:`frame`.
        spread: difference between two seeds of the default configuration by metric, None when not known.
    """
    good = table[table["status"] == "ok"]
    if good.empty:
        return "Every training failed; the table says why."
    agree, parts = 0, []
    judged = [name for name in QUALITY if good[f"{name}_paper"].notna().sum() > 1]
    for name in judged:
        here, there = _winners(good, name), _winners(table, f"{name}_paper")
        agree += here == there
        parts.append(f"{name} {_named(here, len(good))}")
    if not judged:
        best = [f"{name} {_named(_winners(good, name), len(good))}" for name in QUALITY]
        return f"Best here: {join(best)}." + _lead(good, spread)
    text = (
        f"Best here: {join(parts)}. The best is the same as in the paper in {agree} of {len(judged)} metrics."
    )
    text += _lead(good, spread)
    if experiment.ranks and good["MR"].notna().any():
        ours, theirs = (
            each.loc[each[column] == each[column].min(), "variant"].iloc[0]
            for each, column in ((good, "MR"), (table, "MR_paper"))
        )
        text += f" Best mean rank: {ours} here, {theirs} in the paper."
    return text


def _lead(good: pd.DataFrame, spread: Mapping[str, float] | None) -> str:
    """Compare the lead of the best over the next with what another seed changes."""
    if spread is None or len(good) < 2:
        return ""
    clear = 0
    for name in QUALITY:
        first, second = good[name].nlargest(2)
        clear += bool(first - second > spread[name])
    where = f"{clear} of {len(QUALITY)}" if clear else "none of the"
    return f" The best leads the next by more than two seeds of the default differ in {where} metrics."


def seed_spread(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Return the absolute difference between two seeds by metric."""
    return {name: abs(first[name] - second[name]) for name in QUALITY}


def _ranks(ours: pd.DataFrame) -> pd.DataFrame:
    """Return MR and RoR of the rows that have values; NaN for the others."""
    from ...fusion.metrics.ranking import mean_rank, rank_of_rank

    good = ours.dropna()
    if good.empty:
        return pd.DataFrame({"MR": float("nan"), "RoR": float("nan")}, index=ours.index)
    ranks = pd.DataFrame({"MR": mean_rank(good, QUALITY), "RoR": rank_of_rank(good, QUALITY)})
    return ranks.reindex(ours.index)


def _paper(experiment: Experiment, label: str, column: str) -> float:
    value = experiment.paper.value(label, column) if experiment.paper else None
    return float("nan") if value is None else float(value)


def _winners(table: pd.DataFrame, column: str) -> list[str]:
    """Return the variants with the highest value, as printed."""
    values = table[column].round(_digits(column))
    return [str(name) for name in table.loc[values == values.max(), "variant"]]


def _named(winners: list[str], variants: int) -> str:
    return "all alike" if len(winners) == variants > 1 else "/".join(winners)


def _best(values: pd.Series, *, lower: bool) -> tuple[float, ...]:
    """Return the best value in a tuple; empty when there is none."""
    known = values.dropna()
    return () if known.empty else (float(known.min() if lower else known.max()),)


def _digits(name: str) -> int:
    return {"MR": 1, "RoR": 0}.get(name, 3)


def _caption(experiment: Experiment) -> str:
    place = f"; paper: {experiment.paper.place}" if experiment.paper else ""
    return f"{experiment.title}: ours beside the paper's{place}. Bold: best of a column."


def _note(experiment: Experiment, table: pd.DataFrame, spread: Mapping[str, float] | None) -> str:
    notes = []
    for _, row in table[table["status"] != "ok"].iterrows():
        notes.append(f"{experiment.parameter} {row['variant']} failed here: {row['reason']}.")
    if experiment.paper:
        labels = set(table["variant"])
        notes += [
            f"{experiment.parameter} {label} in the paper: {text}."
            for label, text in experiment.paper.remarks.items()
            if label in labels
        ]
    if spread:
        shown = join([f"{name} {decimal(spread[name], 3)}" for name in QUALITY])
        notes.append(
            f"Two seeds of the default configuration differ by {shown}: smaller differences between rows say "
            "nothing."
        )
    return " ".join(notes)
