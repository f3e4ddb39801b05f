"""``regionfuse bench metrics``."""

from __future__ import annotations

import typer

from ...datasets.errors import ConfigError


def bench_metrics(size: str, repeats: int, device: str) -> None:
    """Time the fusion-quality metrics beside plain references and print a table and one line for a README."""
    import torch
    from rich.console import Console
    from rich.table import Table

    from ...fusion.metrics.benchmark import TOGETHER, run_benchmark
    from ...fusion.training.distributed import choose_device

    height, width = _size(size)
    target = choose_device(device)
    rows = run_benchmark(height, width, repeats, str(target))
    table = Table()
    for head in ("metric", "reference s", "ours s", "ratio", "relative difference"):
        table.add_column(head, justify="left" if head == "metric" else "right", no_wrap=True)
    for row in rows:
        if row.name == TOGETHER:
            table.add_section()
        table.add_row(
            row.name,
            "-" if row.reference is None else f"{row.reference:.4f}",
            f"{row.ours:.4f}",
            "-" if row.ratio is None else f"{row.ratio:.1f}",
            "-" if row.difference is None else f"{row.difference:.1e}",
        )
    Console(highlight=False).print(table)
    total = rows[-1]
    place = f"{torch.get_num_threads()} CPU threads" if target.type == "cpu" else str(target)
    line = f"13 metrics ({TOGETHER}) on one {height} x {width} triple: {total.ours:.2f} s on {place}"
    if total.reference is None:
        typer.echo("scipy is not installed: no reference to compare with (pip install scipy)")
    else:
        line += f", {total.ratio:.0f} times faster than plain numpy and scipy ({total.reference:.1f} s)"
    typer.echo(line)


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise ConfigError(f"--size {text}: expected HEIGHTxWIDTH, e.g. 768x1024")
    height, width = (int(part) for part in parts)
    if min(height, width) < 41:
        raise ConfigError(f"--size {text}: VIF needs at least 41 pixels on each side")
    return height, width
