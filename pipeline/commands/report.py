"""``regionfuse report``."""

from __future__ import annotations

from pathlib import Path

import typer

from ..console import Screen


def report(run: Path, out: Path | None, screen: Screen) -> None:
    """Typeset the PDF of a finished run from its stored results and print its path."""
    from ...reports.build import build_report

    with screen.task("report") as progress:
        path = build_report(run, out=out, progress=progress)
    typer.echo(str(path))
