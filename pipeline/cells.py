"""Differences and their intervals as cells of the tables that commands print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..reports.numbers import NONE, defined, signed

ESTABLISHED: Final = "*"
"""Mark of a difference whose simultaneous interval does not hold zero."""
POINTS_NAMES: Final = {
    "equal_precision": "equal precision",
    "fppi_0.1": "0.1 false alarms per image",
    "fppi_1": "1 false alarm per image",
    "kept_threshold": "the reference's threshold kept",
    "own_best_f1": "own best F1 (not comparable)",
}
COVERS: Final = {
    "these detectors": "these trained detectors (one seed: chance in training is not in them)",
    "few seeds": "the methods, as far as two seeds can tell of chance in training",
    "methods": "the methods, chance in training included (three or more seeds)",
}


def established(low: float, high: float) -> bool:
    """Whether an interval leaves zero out."""
    return low > 0 or high < 0


def with_interval(row: pd.Series | None, factor: float = 100.0, digits: int = 1) -> str:
    """Return value and simultaneous interval of a row of ``differences.csv``, marked where zero is left out.

    Args:
        row: of the table; None for a comparison that does not exist.
        factor: 100 for what is printed in points, 1 for counts.
        digits: decimals.
    """
    if row is None or not defined(float(row["value"])):
        return ""
    low, high = float(row["simultaneous_low"]), float(row["simultaneous_high"])
    value = signed(factor * float(row["value"]), digits)
    if math.isnan(low):
        return f"{value} (no interval)"
    mark = ESTABLISHED if established(low, high) else ""
    return f"{value}{mark} [{signed(factor * low, digits)}, {signed(factor * high, digits)}]"


def difference_row(
    differences: pd.DataFrame,
    source: str,
    reference: str,
    quantity: str,
    *,
    protocol: str,
    stratum: str = "all",
    point: str = "",
) -> pd.Series | None:
    """Return the row of one comparison, None where there is none."""
    rows = differences[
        (differences["protocol"] == protocol)
        & (differences["source"] == source)
        & (differences["reference"] == reference)
        & (differences["quantity"] == quantity)
        & (differences["stratum"] == stratum)
        & (differences["operating_point"].fillna("") == point)
    ]
    return rows.iloc[0] if len(rows) else None


def plain_table(title: str, columns: Sequence[str], left: int = 1) -> Table:
    """Return an empty table without lines; all but the first ``left`` columns are set to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if position < left else "right", no_wrap=True)
    return table


def results_console() -> Console:
    """Return standard output, wide enough for a table where it is no terminal."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=160)


def number(value: float, digits: int) -> str:
    """Return a plain number, or a dash where it is undefined."""
    return f"{value:.{digits}f}" if defined(value) else NONE
