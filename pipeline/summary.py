"""The summary table at the end of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from ..reports.numbers import points
from .cells import (
    COVERS,
    ESTABLISHED,
    POINTS_NAMES,
    difference_row,
    plain_table,
    results_console,
    with_interval,
)
from .plan import REFERENCE
from .run import RunResult

_HEADLINE = next(iter(POINTS_NAMES))
_TEXTS = dict.fromkeys(
    (
        *("source", "reference", "protocol", "stratum", "reason", "operating_point"),
        *("contamination", "trained_here"),
    ),
    str,
)


def print_summary(result: RunResult) -> None:
    """Print one row per protocol and source (mean over seeds, test images) and the path of the PDF."""
    console = results_console()
    tables = result.run / "tables"
    manifest = json.loads((result.run / "manifest.json").read_text(encoding="utf-8"))
    fusion = _read(tables / "fusion.csv")
    marked = _texts(fusion, "contamination")
    for protocol in manifest["protocols"]:
        _print_protocol(protocol, manifest, tables, marked, console)
    trained = _texts(fusion, "trained_here")
    if trained:
        marks = ", ".join(f"{source} ({text})" for source, text in trained.items())
        console.print(f"trained here: {marks}", markup=False)
    for name, known in marked.items():
        console.print(f"† {name}: {known}; its scores may be too good", style="yellow", markup=False)
    for what, reason in result.failed.items():
        console.print(f"failed: {what}: {reason}", style="red", markup=False)
    if result.reused:
        console.print(f"{result.reused} of {result.units} units were done before", markup=False)
    console.print(f"report: {result.report}", markup=False)


def _print_protocol(
    protocol: str, manifest: dict[str, Any], tables: Path, marked: dict[str, str], console: Console
) -> None:
    detection, summary, differences, operating = (
        table[table["protocol"] == protocol]
        for table in map(
            _read,
            (
                tables / f"{name}.csv"
                for name in ("detection", "detection_summary", "differences", "operating")
            ),
        )
    )
    scores = summary[summary["split"] == "test"].set_index("source")
    headline = operating[operating["operating_point"] == _HEADLINE].groupby("source")["precision"].mean()
    columns = ["source", "mAP50", f"to {REFERENCE}", "precision", "balance", "mAP75", "mAP50-95"]
    table = plain_table(
        f"Test images, protocol {protocol}; points; precision and balance at {POINTS_NAMES[_HEADLINE]}",
        columns,
    )
    failed = detection[detection["status"] == "failed"].groupby("source", sort=False)["reason"].first()
    best = scores["mAP50_mean"].max()
    for name in (source["name"] for source in manifest["sources"]):
        label = Text(f"{name} †" if name in marked else name)
        if name not in scores.index:
            if name in failed.index:
                table.add_row(label, "failed", Text(failed[name][:60]))
            continue
        row = scores.loc[name]
        compared = {
            quantity: difference_row(differences, name, REFERENCE, quantity, protocol=protocol, point=point)
            for quantity, point in (("mAP50", ""), ("balance", _HEADLINE))
        }
        table.add_row(
            label,
            points(row["mAP50_mean"]),
            with_interval(compared["mAP50"]),
            points(headline.get(name)),
            with_interval(compared["balance"], 1, 0),
            points(row["mAP75_mean"]),
            points(row["mAP50_95_mean"]),
            style="bold" if row["mAP50_mean"] == best else None,
        )
    console.print(table)
    covers = differences.loc[differences["reference"] == REFERENCE, "covers"].unique()
    if len(covers):
        console.print(
            f"[95 %, all sources together] about {'; '.join(COVERS[each] for each in covers)}; "
            f"{ESTABLISHED} leaves zero out",
            markup=False,
        )
    console.print()


def _read(path: Path) -> pd.DataFrame:
    """Return a table, its text columns verbatim; an empty cell of any other is NaN."""
    table = pd.read_csv(path, dtype=_TEXTS, keep_default_na=False, na_values=[""])
    texts = [name for name in table.columns if name in _TEXTS]
    return table.fillna(dict.fromkeys(texts, ""))


def _texts(table: pd.DataFrame, column: str) -> dict[str, str]:
    """Return source -> text of a column of ``fusion.csv``, where there is one."""
    rows = table[table[column] != ""]
    return dict(zip(rows["source"], rows[column], strict=True))
