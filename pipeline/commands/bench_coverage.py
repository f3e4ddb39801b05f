"""``regionfuse bench coverage``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from ...datasets.errors import StorageError
from ..console import Screen

_WIDTH = 132


def bench_coverage(out: Path, replications: int, quick: bool, workers: int | None, screen: Screen) -> None:
    """Simulate, write the table to ``out`` and print it with a line on each target."""
    from ...detection.evaluation import coverage

    if not out.parent.is_dir():
        raise StorageError(f"--out {out}: the folder {out.parent} does not exist; make it first")
    with screen.task("simulating intervals") as progress:
        table = coverage.run_coverage(replications, quick, workers, progress)
    table["met"] = coverage.targets_met(table)
    part = out.with_name(f".{out.name}.part")
    table.to_csv(part, index=False, float_format="%.5g")
    part.replace(out)

    shown = Table(
        caption="95 % intervals; sd: of seeds, in standard errors; width: 1 is a normal interval, variance known"
    )
    heads = ("quantity", "sources", "blocks", "icc", "seeds", "sd", "difference", "coverage", "false verdicts",
             "sign flip", "width", "old coverage", "old false verdicts", "")  # fmt: skip
    for head in heads:
        shown.add_column(head, justify="left" if head == "quantity" else "right")
    for row in table.itertuples():
        rates = (row.coverage, row.false_verdicts, row.sign_flip_verdicts)
        shown.add_row(
            row.quantity.replace("_", " "),
            *map(str, (row.sources, row.blocks, row.icc, row.seeds, row.seed_sd)),
            f"{row.difference:.3f}",
            *(_percent(rate) for rate in rates),
            f"{row.width:.2f}",
            _percent(row.old_coverage),
            _percent(row.old_false_verdicts),
            "" if row.met else "missed",
        )
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH)  # a narrower terminal wraps lines, but loses nothing
    console.print(shown)
    low, high = coverage.COVERAGE
    judged = table[table.blocks >= coverage.COVERED_BLOCKS]
    held = judged.coverage.between(low, high)
    quiet = table.false_verdicts <= coverage.FALSE_VERDICTS
    for text, met, rows in (
        (
            f"coverage {low:.0%} to {high:.0%} from {coverage.COVERED_BLOCKS} blocks on",
            held.sum(),
            len(judged),
        ),
        (f"at most {coverage.FALSE_VERDICTS:.0%} false verdicts", quiet.sum(), len(table)),
    ):
        console.print(f"{'PASS' if met == rows else 'FAIL'}  {text}: {met} of {rows} settings")
    error = (0.05 * 0.95 / replications) ** 0.5
    console.print(
        f"standard error of a rate of 5 % with {replications} replications: {error:.2%}; {out} written"
    )


def _percent(rate: float) -> str:
    return "-" if rate != rate else f"{100 * rate:.1f}"
