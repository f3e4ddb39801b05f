"""``regionfuse bench``: the command line of the benchmarks. Only typer is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import Quiet, one_thread_each, screen_for

bench_app = typer.Typer(help="Measure speed against named references, in one run.", no_args_is_help=True)


@bench_app.command("evaluate")
def bench_evaluate(
    sources: Annotated[int, typer.Option(min=1, help="Number of sources.")] = 10,
    images: Annotated[int, typer.Option(min=2, help="Test images; half as many stand for val.")] = 840,
    predictions: Annotated[int, typer.Option(min=1, help="Predictions an image.")] = 300,
    seeds: Annotated[int, typer.Option(min=1, help="Detectors of each source and protocol.")] = 1,
    protocols: Annotated[int, typer.Option(min=1, help="Number of protocols.")] = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    quiet: Quiet = False,
) -> None:
    """Time an evaluation with all its intervals, on random predictions, and measure its memory.

    180 detectors: --sources 30 --seeds 3 --protocols 2 --images 1260 (11 GB of predictions in TMPDIR).
    """
    one_thread_each()
    from .commands.bench import bench_evaluate as work

    work(sources, images, predictions, seeds, protocols, workers, screen_for(0, quiet))


@bench_app.command("coverage")
def bench_coverage(
    out: Annotated[Path, typer.Option(help="CSV to write, a row per setting.")],
    replications: Annotated[
        int,
        typer.Option(
            min=50, help="Simulated evaluations of each setting; the error of a rate falls as its root."
        ),
    ] = 2000,
    quick: Annotated[bool, typer.Option("--quick", help="A handful of settings, in seconds.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
) -> None:
    """Simulate detectors whose differences are known: do the intervals of the report hold?

    Columns of the CSV: the setting (quantity, sources, blocks of the test set, icc: correlation within a
    block, seeds, seed_sd in standard errors over test sets, differ), then coverage of the 95 % intervals,
    simultaneous_coverage, false_verdicts (a simultaneous interval that excludes the truth; with equal
    sources a verdict about nothing), and what the percentile bootstrap without adjustment would have given
    (old_...). Same numbers in every run.
    """
    from .commands.bench_coverage import bench_coverage as work
    from .console import Screen

    work(out, replications, quick, workers or None, Screen())


@bench_app.command("metrics")
def bench_metrics(
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of the images.")] = "768x1024",
    repeats: Annotated[int, typer.Option(min=1, help="Timed calls of each metric; the median counts.")] = 5,
    device: Annotated[str, typer.Option(help="Where ours compute: auto, cpu, cuda or cuda:1.")] = "cpu",
) -> None:
    """Time the fusion-quality metrics, beside a plain numpy and scipy reference in the same run."""
    from .commands.bench_metrics import bench_metrics as work

    work(size, repeats, device)


@bench_app.command("methods")
def bench_methods(
    names: Annotated[list[str] | None, typer.Argument(help="Methods; all that have a network.")] = None,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of the images.")] = "480x640",
    calls: Annotated[int, typer.Option(min=1, help="Timed calls of each method; the median counts.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Count and time the fusion networks, with random weights where none are here, beside Table 4."""
    from .commands.bench_methods import bench_methods as work
    from .console import Screen

    work(names or [], size, calls, device, Screen())


@bench_app.command("mora")
def bench_mora(
    height: Annotated[int, typer.Option(min=1, help="Rows of the image.")] = 480,
    width: Annotated[int, typer.Option(min=1, help="Columns of the image.")] = 640,
    region: Annotated[int, typer.Option(min=2, help="R, distance of the regions in pixels.")] = 48,
    experts: Annotated[int, typer.Option(min=1, help="E.")] = 4,
    top_k: Annotated[int, typer.Option(min=1, help="Experts that a region keeps.")] = 2,
    channels: Annotated[int, typer.Option(min=2, help="Channels that the layer sees, twice C.")] = 64,
    heads: Annotated[int, typer.Option(min=1, help="Groups of channels; 1: all attend to all.")] = 32,
    batch: Annotated[int, typer.Option(min=1, help="Images.")] = 1,
    backward: Annotated[bool, typer.Option("--backward", help="Training: forward and backward.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Timed calls of each form; the fastest counts.")] = 3,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Time the forms of MoRA, and their memory, beside the dense reference in the same run."""
    from .commands.bench_mora import bench_mora as work
    from .console import Screen

    work(
        height, width, region, experts, top_k, channels, heads, batch, backward, repeats, device, Screen()
    )  # fmt: skip


@bench_app.command("network")
def bench_network(
    preset: Annotated[str, typer.Option(help="tiny or base.")] = "tiny",
    height: Annotated[int, typer.Option(min=1, help="Rows of the images.")] = 480,
    width: Annotated[int, typer.Option(min=1, help="Columns of the images.")] = 640,
    calls: Annotated[int, typer.Option(min=1, help="Timed calls; one before them warms up.")] = 3,
    trials: Annotated[bool, typer.Option(help="Also time what does not pay everywhere.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Count and time the RegionFuse network: its parts, and what each step of speed brings."""
    from .commands.bench_network import bench_network as work
    from .console import Screen

    work(preset, height, width, calls, trials, device, Screen())
