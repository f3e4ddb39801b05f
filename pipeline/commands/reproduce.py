"""``regionfuse reproduce``: prints the list, or runs experiments and says where the results are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..reproduce.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from ..console import Screen

# Minutes on two CPU cores at the small scale with real pairs, alone and with nothing done before.
MINUTES = {
    "table1": 4, "table2": 5, "table3": 5, "table4": 4, "table5": 4, "fig3": 1, "contrast": 4,
    "fig4": 5, "fig5": 3, "ablation": 6, "fig7": 1,
}  # fmt: skip
ALL_MINUTES = 30


def list_experiments() -> None:
    """Print one line an experiment."""
    typer.echo("experiment  minutes*  what")
    for experiment in EXPERIMENTS:
        typer.echo(f"{experiment.name:<10}  {MINUTES[experiment.name]:>8}  {experiment.title}")
    typer.echo(f"{'all':<10}  {ALL_MINUTES:>8}  everything; what several experiments share is done once")
    typer.echo("* about, at --scale small on two CPU cores; run one with: regionfuse reproduce NAME")


def reproduce(
    *,
    names: tuple[str, ...],
    scale: str,
    out: Path | None,
    train: tuple[str, ...],
    test: str | None,
    detection: str | None,
    detector: Path | None,
    weights: Path | None,
    methods: tuple[str, ...],
    classifier: Path | None,
    steps: int | None,
    device: str,
    screen: Screen,
) -> None:
    """Run experiments and print findings and paths; exit code 1 when something failed."""
    from ..reproduce.material import Request
    from ..reproduce.run import Order
    from ..reproduce.run import reproduce as work

    order = Order(
        names=names,
        out=out or Path("runs") / f"reproduce-{scale}",
        scale=scale,
        data=Request(train, test, detection),
        device=device,
        weights=weights,
        detector=detector,
        classifier=classifier,
        methods=methods,
        steps=steps,
    )
    result = work(order, screen)
    for chapter in result.chapters:
        typer.echo(f"{chapter.experiment.name}: {chapter.finding}")
    for what, why in result.failed.items():
        typer.echo(f"failed: {what}: {why}")
    typer.echo(f"tables: {order.out / 'tables'}")
    typer.echo(f"PDF: {result.pdf}")
    if result.failed:
        raise typer.Exit(1)
