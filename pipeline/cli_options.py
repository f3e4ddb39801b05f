"""Options that several commands share, their completion, and the terminal they ask for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .console import Screen


def complete(known: tuple[str, ...]) -> object:
    """Make a completion that offers ``known``."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in known if word.startswith(incomplete)]

    return complete


def complete_method(incomplete: str) -> list[str]:
    """Offer the names of all methods."""
    from ..fusion.registry import names

    return [name for name in names() if name.startswith(incomplete)]


def complete_trainable(incomplete: str) -> list[str]:
    """Offer the names of the methods, and of the helpers of their training, that can be trained."""
    from ..fusion.names import BUILTINS, HELPERS

    names = [*(name for name, entry in BUILTINS.items() if entry.trainable), *HELPERS]
    return [name for name in names if name.startswith(incomplete)]


Verbose = Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more; twice: still more.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Errors and results only.")]
ConfigFile = Annotated[
    Path, typer.Argument(help="YAML configuration; `regionfuse init` writes one.", metavar="CONFIG")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key, e.g. --set fusion.epochs=2 --set 'sources=[visible,average]'. Repeatable.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        "-m",
        help="A name from `regionfuse methods`, file.py:Class, model.onnx, model.pt (TorchScript), "
        "folder:PATH or 'command:...'.",
        autocompletion=complete_method,
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Weights file of the method (safetensors or checkpoint).")]


def one_thread_each() -> None:
    """Keep numpy, which reads this at its import, from starting threads: processes share the work."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def screen_for(verbose: int, quiet: bool) -> Screen:
    """Return the terminal as ``--verbose`` and ``--quiet`` want it."""
    import logging

    from .console import Screen

    logging.getLogger("regionfuse").setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    return Screen(-1 if quiet else verbose)
