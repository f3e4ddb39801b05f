"""Figure 5: how the choices of the router spread over the experts, epoch by epoch."""

from __future__ import annotations

import re

import pandas as pd

from ...reports.blocks import Block, Cell, Column, Figure, Paragraph, Table
from ...reports.numbers import NONE, percent
from ..execute import Outcome
from ..store import Unit
from . import trainings
from .chapter import Chapter, caption, opening, reason
from .compare import comparison, finding, frame
from .paper_values import LOAD_EPOCHS
from .records import Experiment
from .shop import Shop

_SHARE = re.compile(r"share_stage(\d+)_expert(\d+)")


def units(shop: Shop, experiment: Experiment) -> list[Unit]:
    """Return the trainings and their scores."""
    return trainings.units(shop, experiment)


def shares(log: pd.DataFrame) -> pd.DataFrame:
    """Return the share of each expert by epoch, mean over the stages.

    Args:
        log: a training's ``log.csv``.

    Returns:
        A row an epoch: ``epoch``, ``expert0``, ``expert1`` and so on; the shares of a row sum to one.
    """
    experts: dict[int, list[str]] = {}
    for column in log.columns:
        found = _SHARE.fullmatch(column)
        if found:
            experts.setdefault(int(found[2]), []).append(column)
    table = pd.DataFrame({"epoch": log["epoch"].astype(int)})
    for expert, columns in sorted(experts.items()):
        table[f"expert{expert}"] = log[columns].mean(axis=1)
    return table


def chapter(shop: Shop, experiment: Experiment, outcome: Outcome) -> Chapter:
    """Make the figure, a table of the shares at two epochs, and the table of quality."""
    found: dict[str, pd.DataFrame] = {}
    for variant in experiment.variants:
        unit = shop.trained(variant)
        if reason(unit, outcome) is None:
            found[variant.label] = shares(pd.read_csv(shop.store.folder(unit) / "log.csv"))
    quality = frame(experiment, trainings.rows(shop, experiment.variants, outcome))
    said = _finding(found, experiment)
    blocks: list[Block] = [*opening(experiment), Paragraph.of("Here.", f" {said}")]
    if found:
        from .drawings import draw_allocation

        what = (
            "Cumulative share of the router's choices that fell on each expert, mean over the stages and the "
            f"steps of an epoch, in training (with noise). Dashed: the end of epoch {LOAD_EPOCHS}, where the "
            "paper drops the load loss. Dotted white: even shares."
        )
        blocks.append(Figure(draw_allocation(found, LOAD_EPOCHS), caption(what, shop.scale)))
        blocks.append(_table(found, experiment, shop))
    quality_table = comparison(experiment, quality, shop.scale, trainings.spread(shop, outcome))
    blocks += [Paragraph.of(f"Quality: {finding(experiment, quality)}"), quality_table]
    bad = quality[quality["status"] != "ok"]
    failed = dict(zip(bad["variant"].astype(str), bad["reason"].astype(str), strict=True))
    every = [table.assign(load_loss=label) for label, table in found.items()]
    frames = {experiment.name: quality}
    if every:
        frames[f"{experiment.name}-shares"] = pd.concat(every, ignore_index=True)
    return Chapter(experiment, said, tuple(blocks), frames, failed)


def _finding(found: dict[str, pd.DataFrame], experiment: Experiment) -> str:
    if experiment.default not in found:
        return "The training with the paper's load loss failed."
    table = found[experiment.default].set_index("epoch")
    balanced = _row(table, LOAD_EPOCHS)
    last = table.iloc[-1]
    epoch = min(LOAD_EPOCHS, len(table))
    text = (
        f"With the load loss in the first {LOAD_EPOCHS} epochs the shares lie between "
        f"{percent(balanced.min())} and {percent(balanced.max())} in epoch {epoch} and "
        f"between {percent(last.min())} and {percent(last.max())} in the last one"
    )
    other = found.get("all epochs")
    if other is not None:
        end = other.set_index("epoch").iloc[-1]
        text += f"; kept for all epochs it ends between {percent(end.min())} and {percent(end.max())}"
    return text + "."


def _row(table: pd.DataFrame, epoch: int) -> pd.Series:
    return table.loc[min(epoch, int(table.index.max()))]


def _table(found: dict[str, pd.DataFrame], experiment: Experiment, shop: Shop) -> Table:
    experts = max((list(table.columns[1:]) for table in found.values()), key=len)
    last = max(int(table["epoch"].max()) for table in found.values())
    first = min(LOAD_EPOCHS, last)
    groups = (f"epoch {first}", f"epoch {last}, the last")
    columns = [Column(experiment.parameter, "left")]
    columns += [
        Column(f"expert {name.removeprefix('expert')}", group=group) for group in groups for name in experts
    ]
    rows = []
    for label, table in found.items():
        indexed = table.set_index("epoch")
        cells = [Cell(label)]
        for epoch in (first, last):
            row = _row(indexed, epoch)
            cells += [Cell(percent(float(row[name]), 1) if name in row else NONE) for name in experts]
        rows.append(tuple(cells))
    return Table(
        f"{experiment.name}-shares",
        f"{experiment.name}-shares",
        caption("Share of the router's choices by expert. The paper prints a drawing only.", shop.scale),
        tuple(columns),
        tuple(rows),
        small=True,
    )
