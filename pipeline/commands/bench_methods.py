"""``regionfuse bench methods``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from ...datasets.errors import ConfigError, MethodError
from ..console import Screen

if TYPE_CHECKING:
    import torch

    from ...fusion.contract import FusionMethod
    from ...fusion.efficiency import Cost
    from ...fusion.latency import Latency

SAMPLED = 2
"""Sampling steps of DDFM that are timed; all cost the same."""
HEAD = ("method", "M params", "GMAC", "ms", "fastest..slowest", "x conv", "paper: M", "GMAC", "ms")
LABELS = {"regionfuse": "regionfuse tiny"}
"""Name of a method -> its row in the published table, where they differ."""


@dataclass(frozen=True)
class Row:
    """What was found of one method.

    Attributes:
        name: of the method.
        cost: parameters, and multiply-accumulates at the size asked for.
        latency: None: not timed.
        remark: what to know about the numbers.
    """

    name: str
    cost: Cost
    latency: Latency | None
    remark: str


def bench_methods(names: list[str], size: str, calls: int, device: str, screen: Screen) -> None:
    """Count and time fusion methods, and print them beside the published table."""
    from ...fusion.latency import convolution_rate
    from ...fusion.run import resolve_device
    from ..machine import describe_machine
    from ..reproduce.paper_values import EFFICIENCY

    height, width = _size(size)
    target = resolve_device(device)
    machine = describe_machine()
    known = _known()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"bench methods: no method {unknown[0]!r}; known: {', '.join(known)}")
    rate = convolution_rate(target)
    lines: list[tuple[str, ...]] = [HEAD]
    remarks = []
    for name in names or known:
        row = _row(name, height, width, target, calls, asked=bool(names), screen=screen)
        published = (EFFICIENCY.value(LABELS.get(name, name), column) for column in EFFICIENCY.columns)
        lines.append((name, *_numbers(row, rate), *map(_shown, published)))
        remarks.append(f"{name}: {row.remark}")
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *others in lines:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        typer.echo("  ".join((first.ljust(widths[0]), *cells)))
    threads = _threads() if target.type == "cpu" else ""
    where = machine["cpu"] + threads if target.type == "cpu" else machine["gpu"]
    typer.echo(f"one pair of {height} x {width} on {where}; median of {calls} calls after a warm-up")
    typer.echo(
        "x conv: how many times longer than its GMAC take in a plain 3x3 convolution of 256 channels, which "
        f"reaches {rate / 1e9:.1f} GMAC/s here: a number to compare machines by"
    )
    typer.echo(f"paper: {EFFICIENCY.place}; its FLOPs are multiply-accumulates (cddfuse: convolutions only)")
    typer.echo("; ".join(remarks))


def _known() -> list[str]:
    from ...fusion.names import BUILTINS

    return [name for name, entry in BUILTINS.items() if entry.needs_weights or entry.trainable]


def _row(
    name: str, height: int, width: int, device: torch.device, calls: int, *, asked: bool, screen: Screen
) -> Row:
    from ...fusion.efficiency import method_cost
    from ...fusion.latency import measure
    from ...fusion.registry import load_class

    if name == "ddfm" and device.type == "cpu" and not asked:
        cost = method_cost(_without_values(name), height, width)
        return Row(name, cost, None, "not timed: about an hour on a CPU, name it to time two steps")
    cls: Any = load_class(name)
    method: FusionMethod = cls.random()
    remark = "random weights"
    cost = method_cost(method, height, width)
    network: Any = method.network
    steps = getattr(network, "steps", None)
    if steps:
        network.steps = SAMPLED
        remark += f"; {SAMPLED} of {steps} steps timed"
    with screen.task(f"time {name}") as progress:
        latency = measure(method, height, width, device, calls=calls, progress=progress)
    if steps:
        latency = latency.times(steps / SAMPLED)
    return Row(name, cost, latency, remark)


def _without_values(name: str) -> FusionMethod:
    from ...fusion.registry import load_class

    method = load_class(name).untrained()
    if method is None:
        raise MethodError(f"{name}: cannot be counted without weights")
    return method


def _numbers(row: Row, rate: float) -> tuple[str, ...]:
    cost = (f"{row.cost.parameters / 1e6:.2f}", f"{row.cost.multiply_accumulates / 1e9:.2f}")
    if row.latency is None:
        return (*cost, "-", "-", "-")
    low, high = row.latency.spread
    ideal = row.cost.multiply_accumulates / rate
    slower = f"{row.latency.median / ideal:.2f}" if ideal else "-"
    return (*cost, f"{row.latency.median * 1e3:.1f}", f"{low * 1e3:.1f}..{high * 1e3:.1f}", slower)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _threads() -> str:
    import torch

    count = torch.get_num_threads()
    return f" ({count} thread{'s' if count > 1 else ''})"


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdigit() and int(part) for part in parts):
        raise ConfigError(f"--size {text}: expected HEIGHTxWIDTH, e.g. 480x640")
    height, width = (int(part) for part in parts)
    return height, width
