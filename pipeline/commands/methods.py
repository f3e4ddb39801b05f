"""``regionfuse methods`` and ``regionfuse methods check``."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from ...datasets.errors import RegionFuseError


def show(*, as_json: bool) -> None:
    """Print all registered methods, as a table or as JSON records."""
    from ...fusion.registry import describe_all

    rows = describe_all()
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("name", "title", "kind", "status"):
        table.add_column(column, no_wrap=column != "title")
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("GMAC at 480x640", justify="right", no_wrap=True)
    for row in rows:
        cost = row.get("multiply_accumulates")
        parameters = row.get("parameters")
        table.add_row(
            row["name"],
            row["title"],
            row["kind"],
            row["status"],
            "-" if parameters is None else f"{parameters:,}",
            "-" if cost is None else f"{cost / 1e9:.3f}",
        )
    console = Console(soft_wrap=True)
    console.width = max(console.width, 112)  # names and titles whole, also where the terminal is narrower
    console.print(table)
    meanings = {
        "trainable": "no weights here: `regionfuse train` makes them, or --weights takes the authors' file",
        "needs weights": "no weights here: --weights takes the authors' file",
    }
    for status, meaning in meanings.items():
        if any(row["status"] == status for row in rows):
            typer.echo(f"{status}: {meaning}")
    typer.echo("--json: the whole cards, with citation, licences, training data, where weights are published")


def check(name: str, weights: Path | None) -> None:
    """Test a method against the contract; exit code 1 when a test fails."""
    from ...fusion.check import check_method

    results = check_method(name, weights=weights)
    if len(results) == 1 and not results[0].passed:  # It could not even be made: nothing else was tested.
        raise RegionFuseError(results[0].message)
    for result in results:
        typer.echo(f"{'ok    ' if result.passed else 'FAILED'}  {result.name}: {result.message}")
    failed = sum(not result.passed for result in results)
    if failed:
        raise RegionFuseError(f"{name}: {failed} of {len(results)} checks of the method contract failed")
    typer.echo(f"{name} keeps the contract ({len(results)} checks)")
