"""``regionfuse bench network``."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from ..console import Screen


def bench_network(
    preset: str, height: int, width: int, calls: int, trials: bool, device: str, screen: Screen
) -> None:
    """Print what the network costs, where its time goes and what each step of speed brings."""
    import torch

    from ...fusion.regionfuse import benchmark_network as bench
    from ...fusion.regionfuse.config import preset as known
    from ...fusion.run import resolve_device
    from ..machine import describe_machine
    from ..memory import keep_freed_memory

    known(preset)
    target = resolve_device(device)
    problem = bench.NetworkProblem(preset, height, width, str(target), calls)
    steps = bench.GPU_STEPS if target.type == "cuda" else bench.STEPS
    steps = tuple(step for step in steps if trials or step.keeps)
    own = [step for step in steps if step.keeps][-1]
    with screen.task("bench network") as progress:
        total = len(steps) + 4
        progress(0, total, "counting")
        dense_cost, own_cost = bench.network_cost(problem)
        progress(1, total, "parts")
        parts = bench.part_seconds(problem)
        timings = []
        for number, step in enumerate(steps):
            progress(2 + number, total, step.name)
            timings.append(bench.time_step(problem, step, keep_freed_memory))
        progress(2 + len(steps), total, "memory")
        peaks = [bench.network_peak(problem, step) for step in (steps[0], own)]
        progress(total, total, "")
    name = torch.cuda.get_device_name(target) if target.type == "cuda" else describe_machine()["cpu"]
    typer.echo(
        f"RegionFuse {preset}, 1 x 1 x {height} x {width}, on {name}, {torch.get_num_threads()} threads\n"
        f"{dense_cost.parameters:,} parameters; multiply-accumulates: "
        f"{dense_cost.multiply_accumulates / 1e9:.2f} G in the dense form, "
        f"{own_cost.multiply_accumulates / 1e9:.2f} G as it runs\n"
        f"peak memory: {peaks[0]:.0f} MiB with gradients kept, {peaks[1]:.0f} MiB as `fuse` runs"
    )
    shares = ((part, f"{s:.3f}", f"{100 * s / parts['all']:.0f} %") for part, s in parts.items())
    _table(("part", "seconds", "share"), shares)
    rows, before, first = [], timings[0].median, timings[0].median
    for step, timing in zip(steps, timings, strict=True):
        rows.append(
            (step.name, timing.error, "", "", "", "")
            if timing.error
            else (
                step.name,
                f"{timing.median:.3f}",
                f"{timing.fastest:.3f}..{timing.slowest:.3f}",
                f"{timing.first:.2f}",
                f"{before / timing.median:.2f}",
                f"{first / timing.median:.2f}",
            )
        )
        before = timing.median if step.keeps and not timing.error else before
    _table(("step", "s an image", "spread", "first", "gain", "all"), rows)
    typer.echo(
        "s an image: median; spread: fastest to slowest; first: first call, which compiles if asked to;\n"
        "gain: over the last step that is no trial; all: over the first. `fuse` does without the trials."
    )


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)
