"""One number for several metrics: mean rank and the rank of it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from .registry import METRICS, PAPER

PRINTED_DECIMALS = 3


def ranks(
    table: pd.DataFrame, metrics: Sequence[str] = PAPER, decimals: int | None = PRINTED_DECIMALS
) -> pd.DataFrame:
    """Rank the rows of a table in every metric, 1 for the best.

    Rows that tie share the better rank (1, 2, 2, 4). Values are compared as printed, since a difference
    that no reader sees should not decide; a missing value comes last.

    Args:
        table: one row a method, one column a metric; means over images.
        metrics: columns to rank by, each in its own direction.
        decimals: digits to round to before ranking; None for none.
    """
    values = table[list(metrics)]
    if decimals is not None:
        values = values.round(decimals)
    return pd.DataFrame(
        {
            name: values[name].rank(
                method="min", ascending=METRICS[name].direction == "lower", na_option="bottom"
            )
            for name in metrics
        },
        index=table.index,
    )


def mean_rank(
    table: pd.DataFrame, metrics: Sequence[str] = PAPER, decimals: int | None = PRINTED_DECIMALS
) -> pd.Series:
    """Return MR, the mean over ``metrics`` of each row's rank (lower is better), as in :func:`ranks`."""
    return ranks(table, metrics, decimals).mean(axis=1).rename("MR")


def rank_of_rank(
    table: pd.DataFrame, metrics: Sequence[str] = PAPER, decimals: int | None = PRINTED_DECIMALS
) -> pd.Series:
    """Return RoR, the rank of each row's mean rank, 1 for the best. Arguments as in :func:`ranks`."""
    return mean_rank(table, metrics, decimals).round(9).rank(method="min").astype(int).rename("RoR")
