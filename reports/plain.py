"""Stored tables that the report shows only in part, as plain LaTeX tables: every row and column."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..datasets.errors import ReportError
from .blocks import Cell, Column, Table


def plain_table(path: Path) -> Table:
    """Return a CSV file as a table: numbers to four significant digits, undefined ones as a dash.

    Raises:
        ReportError: the file is not CSV.
    """
    try:
        frame = pd.read_csv(path, keep_default_na=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: expected a CSV table ({error}); run `regionfuse run` again") from error
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    columns = tuple(
        Column(str(name), "right" if number else "left")
        for name, number in zip(frame.columns, numeric, strict=True)
    )
    rows = tuple(
        tuple(Cell(_text(value)) for value in row) for row in frame.itertuples(index=False, name=None)
    )
    title = path.stem.replace("_", " ")
    return Table(path.stem, path.stem, f"{title[0].upper()}{title[1:]}", columns, rows)


def _text(value: object) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.4g}"
    return str(value)
