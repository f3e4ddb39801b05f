"""``regionfuse bench``."""

from __future__ import annotations

import typer


def bench_evaluate(sources: int, images: int, predictions: int) -> None:
    """Time the evaluation of random predictions and print the seconds of each step."""
    from ...detection.evaluation.benchmark import run_benchmark

    for step, value in run_benchmark(sources=sources, images=images, predictions=predictions).items():
        typer.echo(f"{step}: {value:.2f}" if isinstance(value, float) else f"{step}: {value}")
