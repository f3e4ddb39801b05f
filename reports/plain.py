"""Stored tables that the report shows only in part, as plain LaTeX tables: every row and column."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ..datasets.errors import ReportError
from .blocks import Cell, Column, Table


def plain_table(path: Path, labels: Mapping[str, str]) -> Table:
    """Return a CSV file as a table: numbers to four significant digits, undefined ones as a dash.

    Args:
        path: the file.
        labels: what stands for the names in a column ``source``.

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
    named = [name == "source" for name in frame.columns]
    rows = tuple(
        tuple(
            Cell(labels.get(str(value), str(value)) if is_source else _text(value))
            for is_source, value in zip(named, row, strict=True)
        )
        for row in frame.itertuples(index=False, name=None)
    )
    title = path.stem.replace("_", " ")
    return Table(path.stem, path.stem, f"{title[0].upper()}{title[1:]}", columns, rows)


def _text(value: object) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.4g}"
    return str(value)
