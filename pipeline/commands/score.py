"""``regionfuse score``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets.errors import ConfigError
from ..console import Screen
from ..run import shown_warnings

if TYPE_CHECKING:
    import pandas as pd


def score(
    infrared: Path,
    visible: Path,
    fused: list[str],
    metrics: str | None,
    out: Path | None,
    device: str,
    screen: Screen,
) -> None:
    """Score folders of fused images against their pairs, print the means and write the values."""
    from ...fusion.metrics.registry import select

    names = [metric.name for metric in select(metrics.split(",") if metrics else None)]
    folders = fused_folders(fused)
    if out is not None:
        _require_writable(out)
    with shown_warnings(screen):
        table = _score_all(infrared, visible, folders, names, device, screen)
    _print(table, names)
    for name in names:
        if missing := int(table[name].isna().sum()):
            screen.warn(f"{name} is not defined for {missing} image(s), which are too small for it")
    if out is not None:
        from ...datasets.storage import write_text

        write_text(out, table.to_csv(index=False))
        screen.say(f"one row an image: {out}")


def _require_writable(out: Path) -> None:
    """Find out before the work whether its result can be written."""
    if out.is_dir():
        raise ConfigError(f"--out {out}: expected a CSV file to write, found a folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot make the folder {out.parent}: {error.strerror}") from error
    if not os.access(out.parent, os.W_OK):
        raise ConfigError(f"--out {out}: the folder {out.parent} cannot be written to")


def fused_folders(given: list[str]) -> dict[str, Path]:
    """Return name -> folder from ``NAME=DIR`` or ``DIR``, whose name is then that of the folder.

    Raises:
        ConfigError: a name is empty, or two folders have the same.
    """
    folders: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or Path(text).is_dir():
            name, path = Path(text).resolve().name, text
        if not name.strip() or not path.strip():
            raise ConfigError(f"--fused {text}: expected DIR or NAME=DIR")
        if name in folders:
            raise ConfigError(
                f"--fused {text}: {name!r} names {folders[name]} already; tell them apart with NAME=DIR"
            )
        folders[name] = Path(path)
    return folders


def _score_all(
    infrared: Path,
    visible: Path,
    folders: dict[str, Path],
    names: list[str],
    device: str,
    screen: Screen,
) -> pd.DataFrame:
    import pandas as pd
    import torch

    from ...datasets.load import pair_folders
    from ...fusion.metrics.score import find_fused, score_folder
    from ...fusion.training.distributed import choose_device

    pairs = list(pair_folders(infrared, visible))
    for folder in folders.values():  # All of them before the first hour of work.
        find_fused(pairs, folder)
    target = choose_device(device)
    workers = min(len(os.sched_getaffinity(0)), 8) if target.type == "cpu" else 2
    if target.type == "cpu":
        torch.set_num_threads(1)  # An image a core is faster than an image on all cores.
    tables = []
    for name, folder in folders.items():
        with screen.task(f"score {name}") as progress:
            table = score_folder(pairs, folder, names, progress, device=str(target), workers=workers)
        table.insert(0, "fused", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _print(table: pd.DataFrame, names: list[str]) -> None:
    from rich.console import Console

    from .score_table import score_table

    console = Console(highlight=False)
    console.print(score_table(table, names, console.width))
