"""``regionfuse bench evaluate``."""

from __future__ import annotations

from ..cells import plain_table, results_console
from ..console import Screen
from ..machine import cores


def bench_evaluate(
    sources: int,
    images: int,
    predictions: int,
    seeds: int,
    protocols: int,
    workers: int | None,
    screen: Screen,
) -> None:
    """Time the evaluation of random predictions; print the seconds of each step and the memory."""
    from ...detection.evaluation.benchmark import Workload, run_benchmark

    workload = Workload(sources, images, predictions, seeds, protocols)
    workers = workers or cores()
    with screen.task("bench evaluate") as progress:
        measured = run_benchmark(workload, workers=workers, progress=progress)
    console = results_console()
    table = plain_table(
        f"{workload.detectors} detectors ({sources} sources, {seeds} seeds, {protocols} protocols) x "
        f"{images} test + {images // 2} val images x {predictions} predictions, {workers} workers",
        ["step", "seconds"],
    )
    for step, seconds in measured.seconds.items():
        table.add_row(step, f"{seconds:.2f}")
    console.print(table)
    if "hotcoco" in measured.seconds:
        ratio = measured.seconds["pycocotools"] / measured.seconds["hotcoco"]
        console.print(f"pycocotools / hotcoco, published numbers of one source: {ratio:.0f}")
    console.print(f"rows of differences.csv: {measured.differences}")
    console.print(f"peak memory of the evaluation, all processes: {measured.memory / 2**20:.0f} MiB at most")
