"""``regionfuse bench mora``."""

from __future__ import annotations

import typer

from ..console import Screen


def bench_mora(
    height: int,
    width: int,
    region: int,
    experts: int,
    top_k: int,
    channels: int,
    heads: int,
    batch: int,
    backward: bool,
    repeats: int,
    device: str,
    screen: Screen,
) -> None:
    """Measure the forms of MoRA and print them beside the dense reference."""
    import torch
    from rich.console import Console
    from rich.table import Table

    from ...fusion.regionfuse.benchmark import MoraProblem, run_mora
    from ...fusion.run import resolve_device
    from ..machine import describe_machine

    target = resolve_device(device)
    problem = MoraProblem.of(
        region=region, experts=experts, top_k=top_k, channels=channels, heads=heads,
        height=height, width=width, batch=batch, backward=backward, device=str(target),
    )  # fmt: skip
    with screen.task("bench MoRA") as progress:
        rows = run_mora(problem, repeats, progress=progress)
    dense = rows[0]
    table = Table()
    for head in ("form", "seconds", "ratio", "peak MiB", "ratio", "difference"):
        table.add_column(head, justify="left" if head == "form" else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.form,
            f"{row.seconds:.3f}",
            f"{dense.seconds / row.seconds:.2f}",
            f"{row.peak:.0f}",
            f"{dense.peak / row.peak:.2f}",
            f"{row.difference:.1e}",
        )
    Console(highlight=False).print(table)
    what = "forward and backward, training" if backward else "forward, inference"
    size = problem.config.region_sizes[-1]
    typer.echo(
        f"one MoRA layer, {what}, {batch} x {channels} x {height} x {width}, {heads} groups, regions {size} "
        f"every {region}, E{experts}-K{top_k}; on {target}, {torch.get_num_threads()} threads of "
        f"{describe_machine()['cpu']}"
    )
    typer.echo("seconds: fastest call; ratios: dense over the form; peak: memory that the call adds")
