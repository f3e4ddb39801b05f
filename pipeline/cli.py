"""The command line. Only typer is imported here: ``--help`` and completion answer at once.

Each command's work stands in ``pipeline/commands/`` and is imported when the command runs.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from ..datasets.errors import RegionFuseError
from ..datasets.formats import FORMATS
from .cli_bench import bench_app
from .cli_options import ConfigFile, Overrides, Quiet, Verbose, Weights, complete, complete_method, screen_for
from .cli_reproduce import reproduce
from .cli_stages import stages_app
from .memory import keep_freed_memory

app = typer.Typer(
    name="regionfuse",
    help=(
        "Infrared-visible image fusion, judged by what a detector makes of it.\n\n"
        "Start with [bold]regionfuse demo[/bold] (no data needed), or with your own pairs:\n\n"
        "  regionfuse init --dataset m3fd --root PATH > config.yaml\n\n"
        "  regionfuse check config.yaml\n\n"
        "  regionfuse run config.yaml --out runs/first"
    ),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
methods_app = typer.Typer(help="List fusion methods with their cards, or test one against the contract.")
app.add_typer(methods_app, name="methods")
app.add_typer(bench_app, name="bench")
app.add_typer(stages_app)

_INTERRUPTED = 130  # What typer makes of Ctrl-C.


def _version(value: bool) -> None:
    if value:
        typer.echo(f"regionfuse {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command(rich_help_panel="Everything at once")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the synthetic data and the run.")] = Path("demo"),
    images: Annotated[int, typer.Option(min=24, help="Number of synthetic pairs.")] = 120,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic data.")] = 0,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Show the whole pipeline on a synthetic data set: no download, no data, no GPU; within 10 minutes.

    Makes road scenes in M3FD's own format, trains a small RegionFuse, fuses, trains and runs detectors,
    evaluates, and writes the PDF. A second call finds everything done.
    """
    from .commands.demo import demo as work

    work(out, images, seed, screen_for(verbose, quiet))


@app.command(rich_help_panel="Everything at once")
def init(
    dataset: Annotated[
        str, typer.Option(help=f"Format: {', '.join(FORMATS)}.", autocompletion=complete(FORMATS))
    ] = "m3fd",
    root: Annotated[Path, typer.Option(help="Folder of the data set.")] = Path(),
    scale: Annotated[
        str, typer.Option(help="Sizes that suit a cpu or a gpu; auto looks for an NVIDIA driver.")
    ] = "auto",
) -> None:
    """Print a commented configuration that runs as it is: `regionfuse init ... > config.yaml`."""
    from .commands.init import template

    typer.echo(template(dataset, root, scale), nl=False)


@app.command(rich_help_panel="Everything at once")
def check(config: ConfigFile, set_: Overrides = None, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """Examine the data set and show what a run would do; runs nothing, writes nothing."""
    from .commands.check import check as work

    work(config, set_ or [], screen_for(verbose, quiet))


@app.command(rich_help_panel="Everything at once")
def run(
    config: ConfigFile,
    out: Annotated[Path | None, typer.Option(help="Run folder; default: runs/<name of the config>.")] = None,
    set_: Overrides = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Train, fuse, detect, evaluate and write the PDF; finished work is never redone.

    Stop it at any time and run the same command again to go on. A source that fails becomes a row with its
    reason, the rest goes on, and the exit code is 1.
    """
    from .commands.run import run as work

    work(config, out, set_ or [], screen_for(verbose, quiet))


app.command(rich_help_panel="Everything at once")(reproduce)


@methods_app.callback(invoke_without_command=True)
def methods(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="One record a method, with its whole card.")] = False,
) -> None:
    """List fusion methods with status, parameters and multiply-accumulates at 480 x 640."""
    if context.invoked_subcommand is None:
        from .commands.methods import show

        show(as_json=json)


@methods_app.command("check")
def methods_check(
    name: Annotated[
        str,
        typer.Argument(
            help="Name, file.py:Class, model.onnx, model.pt, folder:PATH or 'command:...'.",
            autocompletion=complete_method,
        ),
    ],
    weights: Weights = None,
) -> None:
    """Test a method against the contract: sizes, range, NaN, determinism, swapped inputs, colour."""
    from .commands.methods import check as work

    work(name, weights)


def main() -> int:
    """Entry point: run the command line and return the exit code."""
    # Read once when torch loads its OpenMP library: threads that spin while they wait cost up to half of the
    # speed as soon as two processes share the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # ... but putting a thread to sleep between two small operations costs more than they do: wait a little.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    keep_freed_memory()
    try:
        app(prog_name="regionfuse")
    except RegionFuseError as error:
        return _fail(str(error))
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:
            again = shlex.join(["regionfuse", *sys.argv[1:]])
            sys.stderr.write(f"\nstopped; finished work is kept. To go on: {again}\n")
        return stop.code if isinstance(stop.code, int) else 0
    return 0


def _fail(message: str) -> int:
    from .console import Screen

    Screen().error(" ".join(message.split()))
    return 1
