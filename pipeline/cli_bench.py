"""``regionfuse bench``: the command line of the benchmarks. Only typer is imported here."""

from __future__ import annotations

from typing import Annotated

import typer

bench_app = typer.Typer(help="Measure speed against named references, in one run.", no_args_is_help=True)


@bench_app.command("evaluate")
def bench_evaluate(
    sources: Annotated[int, typer.Option(min=1, help="Number of sources.")] = 10,
    images: Annotated[int, typer.Option(min=1, help="Test images.")] = 840,
    predictions: Annotated[int, typer.Option(min=1, help="Predictions an image.")] = 30,
) -> None:
    """Time the evaluation of random predictions, beside calling pycocotools once per number."""
    from .commands.bench import bench_evaluate as work

    work(sources, images, predictions)
