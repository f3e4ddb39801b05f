"""``regionfuse check``: the data-set doctor and the plan of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from ...datasets.errors import DataError
from ...datasets.leakage import DISTANCES
from ...datasets.similarity_quality import in_words
from ...datasets.splits import Split
from ..config import Config
from ..config_file import load_config
from ..console import Screen
from ..contamination import contaminated
from ..detector_config import detector_recipe
from ..plan import make_plan
from ..run import shown_warnings
from ..store import Store
from ..workload import SPLITS, Workload, diagnose, divide, load_workload, split_unit


def check(path: Path, overrides: Sequence[str], screen: Screen) -> None:
    """Print what the doctor finds and what a run would do.

    Raises:
        DataError: the doctor found errors that would stop a run.
    """
    config = load_config(path, overrides)
    console = Console(highlight=False, soft_wrap=True)
    with screen.task("examining the data set") as progress:
        report = diagnose(config.dataset, progress)
    _print_findings(report, console)
    errors = [finding for finding in report["findings"] if finding["level"] == "error"]
    if errors:
        raise DataError(
            f"{config.dataset.root}: {len(errors)} kind(s) of errors in the data (see above); mend them first"
        )
    with shown_warnings(screen):
        _print_plan(config, screen, console)
    console.print("the data set and the configuration are fine; nothing was run", markup=False)


def _print_findings(report: dict[str, Any], console: Console) -> None:
    styles = {"error": "bold red", "warning": "yellow", "info": "dim"}
    for finding in report["findings"]:
        files = finding.get("files", [])
        names = ", ".join(str(name) for name in files[:3]) + (
            f", ... ({len(files)})" if len(files) > 3 else ""
        )
        line = f"{finding['level']:<8}{finding['code']}: {finding['message']}" + (
            f" [{names}]" if names else ""
        )
        console.print(line, style=styles.get(finding["level"]), markup=False)
    for title, key in (("objects by class", "class_counts"), ("objects by COCO size", "size_counts")):
        counts: dict[str, int] = report.get(key) or {}
        if counts:
            console.print(_bars(title, counts))


def _bars(title: str, counts: dict[str, int]) -> Table:
    table = Table(title=title, title_justify="left", box=None, show_header=False, pad_edge=False)
    most = max([1, *counts.values()])
    for name, count in counts.items():
        table.add_row(name, f"{count:,}", "█" * round(30 * count / most))
    return table


def _leakage_table(split: Split) -> Table:
    """Shares of images, in per cent, that have something near in another subset."""
    table = Table(title="leakage: % of images", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    columns = [f"within {distance}" for distance in DISTANCES]
    for name in (*columns, "same block", "same scene", "near-duplicate"):
        table.add_column(name, justify="right")
    for each in split.leakage.relations:
        shares = [*each.within.values(), each.same_block, each.same_scene, each.near_duplicates]
        cells = ["-" if share is None else f"{100 * share:.1f}" for share in shares]
        table.add_row(f"{each.images} in {each.against}", *cells)
    return table


def _print_plan(config: Config, screen: Screen, console: Console) -> None:
    with TemporaryDirectory() as scratch:
        with screen.task("hashing the images") as progress:
            workload = load_workload(config, Path(scratch) / "hashes.json", progress)
        with screen.task("dividing the data set") as progress:
            split = divide(config, workload.pairs, progress)
        recipe, frozen = detector_recipe(config)
        divided = split_unit(config, workload, Path(scratch) / "signatures.npz")
        plan = make_plan(config, recipe, frozen, workload, split, divided, Store(Path(scratch)))
    _print_split(workload, split, console)
    contaminated(config, workload, split)  # It warns.
    counts = Counter(unit.stage for unit in plan)
    steps = ", ".join(f"{count} x {stage}" for stage, count in counts.items())
    console.print(
        f"a run would do: {steps}, evaluate, report "
        f"({len(config.sources)} sources, protocols {', '.join(config.protocols)}, "
        f"seeds {list(config.seeds)}; "
        f"detector {Path(recipe.weights or recipe.model).name}, "
        f"{recipe.epochs} epochs at {recipe.image_size} px)",
        markup=False,
    )


def _print_split(workload: Workload, split: Split, console: Console) -> None:
    sizes = ", ".join(
        f"{name} {len(stems)} ({len({split.blocks[stem] for stem in stems})} blocks)"
        for name in SPLITS
        for stems in (getattr(split, name),)
    )
    console.print(
        f"split '{split.kind}', seed {split.seed}: {sizes}, left out {len(split.dropped)}", markup=False
    )
    console.print(_leakage_table(split))
    console.print(in_words(), style="dim", markup=False)
    for text in split.given_up:
        console.print(f"warning  given up by the split: {text}", style="yellow", markup=False)
    absent = [
        label
        for label in workload.pairs.classes
        if not any(box.label == label for stem in split.test for box in workload.pairs[stem].objects)
    ]
    if absent:
        console.print(
            f"warning  no object of {', '.join(absent)} in test: their AP will be undefined", style="yellow"
        )
