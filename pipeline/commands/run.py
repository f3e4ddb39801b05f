"""``regionfuse run``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from ..config_file import load_config
from ..console import Screen
from ..summary import print_summary


def run(config: Path, out: Path | None, overrides: Sequence[str], screen: Screen) -> None:
    """Run a configuration and print the summary table; exit code 1 when a source failed."""
    loaded = load_config(config, overrides)
    folder = out or Path("runs") / config.stem
    from ..run import run_pipeline

    result = run_pipeline(loaded, folder, screen)
    print_summary(result)
    if result.failed:
        raise typer.Exit(1)
