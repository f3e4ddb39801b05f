"""The summary table at the end of a run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .run import RunResult


def print_summary(result: RunResult) -> None:
    """Print one row per protocol and source (mean over seeds, test split) and the path of the PDF."""
    console = Console(highlight=False, soft_wrap=True)
    rows = [row for row in _read(result.run / "tables" / "detection.csv") if row["split"] == "test"]
    manifest = json.loads((result.run / "manifest.json").read_text(encoding="utf-8"))
    order = [source["name"] for source in manifest["sources"]]
    fusion = _read(result.run / "tables" / "fusion.csv")
    marked = {row["source"]: row["contamination"] for row in fusion if row["contamination"]}
    rows.sort(key=lambda row: order.index(row["source"]))
    for protocol in manifest["protocols"]:
        mine = [row for row in rows if row["protocol"] == protocol]
        table = Table(
            title=f"Test split, protocol: {protocol}", title_justify="left", box=None, pad_edge=False
        )
        table.add_column("source")
        for column in ("mAP50", "mAP75", "mAP50-95", "precision", "recall"):
            table.add_column(column, justify="right")
        table.add_column("to visible, mAP50", justify="right")
        means = {
            name: _means([row for row in mine if row["source"] == name and row["status"] == "ok"])
            for name in dict.fromkeys(row["source"] for row in mine)
        }
        reference = (means.get("visible") or {}).get("mAP50")
        best = max(
            (mean["mAP50"] for mean in means.values() if mean and mean["mAP50"] is not None), default=None
        )
        for name, mean in means.items():
            if mean is None:
                reason = next(row["reason"] for row in mine if row["source"] == name)
                table.add_row(name, "failed", reason[:60])
                continue
            cells = [_points(mean[key]) for key in ("mAP50", "mAP75", "mAP50_95", "precision", "recall")]
            delta = (
                ""
                if reference is None or mean["mAP50"] is None or name == "visible"
                else f"{100 * (mean['mAP50'] - reference):+.1f}"
            )
            style = "bold" if best is not None and mean["mAP50"] == best else None
            table.add_row(f"{name} †" if name in marked else name, *cells, delta, style=style)
        console.print(table)
        console.print()
    trained = [row for row in _read(result.run / "tables" / "fusion.csv") if row.get("trained_here")]
    if trained:
        marks = ", ".join(f"{row['source']} ({row['trained_here']})" for row in trained)
        console.print(f"trained here: {marks}", markup=False)
    for name, known in marked.items():
        console.print(f"† {name}: {known}; its scores may be too good", style="yellow", markup=False)
    for what, reason in result.failed.items():
        console.print(f"failed: {what}: {reason}", style="red", markup=False)
    if result.reused:
        console.print(f"{result.reused} of {result.units} units were done before", markup=False)
    console.print(f"report: {result.report}", markup=False)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _means(rows: list[dict[str, str]]) -> dict[str, float | None] | None:
    if not rows:
        return None
    result: dict[str, float | None] = {}
    for key in ("mAP50", "mAP75", "mAP50_95", "precision", "recall"):
        values = [float(row[key]) for row in rows if row[key] not in ("", "nan", "NaN")]
        result[key] = sum(values) / len(values) if values else None
    return result


def _points(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
