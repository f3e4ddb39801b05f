"""``regionfuse bench coverage``."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ...datasets.errors import StorageError
from ..console import Screen

if TYPE_CHECKING:
    import pandas as pd

_HEADS = (
    *("quantity", "sources", "blocks", "icc", "seeds", "sd", "difference", "coverage", "false verdicts"),
    *("sign flip", "width", "old coverage", "old false verdicts", ""),
)
_WIDTH = 150


def bench_coverage(out: Path, replications: int, quick: bool, workers: int | None, screen: Screen) -> None:
    """Simulate, write the table to ``out`` and print it with a line on each target."""
    from ...detection.evaluation import coverage

    if not out.parent.is_dir():
        raise StorageError(f"--out {out}: the folder {out.parent} does not exist; make it first")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the workers: their matrices are small
    with screen.task("simulating intervals") as progress:
        table = coverage.run_coverage(replications, quick, workers, progress)
    table["met"] = coverage.targets_met(table)
    part = out.with_name(f".{out.name}.part")
    table.to_csv(part, index=False, float_format="%.5g")
    part.replace(out)

    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH)  # a narrower terminal wraps lines, but loses nothing
    console.print(_shown(table))
    low, high = coverage.COVERAGE
    covered = table.loc[table["blocks"] >= coverage.COVERED_BLOCKS, "coverage"].between(low, high)
    quiet = table["false_verdicts"] <= coverage.FALSE_VERDICTS
    _judge(console, f"coverage {low:.0%} to {high:.0%} from {coverage.COVERED_BLOCKS} blocks on", covered)
    _judge(console, f"at most {coverage.FALSE_VERDICTS:.0%} false verdicts", quiet)
    error = (0.05 * 0.95 / replications) ** 0.5
    console.print(f"standard error of a rate of 5 % with {replications} replications: {error:.2%}")
    console.print(f"{out} written")


def _shown(table: pd.DataFrame) -> Table:
    shown = Table(caption="sd: of seeds, in standard errors; width: 1 is a normal interval, variance known")
    for head in _HEADS:
        shown.add_column(head, justify="left" if head == "quantity" else "right")
    for row in table.to_dict("records"):
        shown.add_row(
            str(row["quantity"]).replace("_", " "),
            *(str(row[name]) for name in ("sources", "blocks", "icc", "seeds", "seed_sd")),
            f"{row['difference']:.3f}",
            *(_percent(row[name]) for name in ("coverage", "false_verdicts", "sign_flip_verdicts")),
            f"{row['width']:.2f}",
            *(_percent(row[name]) for name in ("old_coverage", "old_false_verdicts")),
            "" if row["met"] else "missed",
        )
    return shown


def _judge(console: Console, target: str, met: pd.Series) -> None:
    console.print(f"{'PASS' if met.all() else 'FAIL'}  {target}: {met.sum()} of {len(met)} settings")


def _percent(rate: float) -> str:
    return "-" if math.isnan(rate) else f"{100 * rate:.1f}"
