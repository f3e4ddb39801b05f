"""The command line. Only typer is imported here: ``--help`` and completion answer at once.

Each command's work stands in ``pipeline/commands/`` and is imported when the command runs.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import __version__
from ..datasets.errors import RegionFuseError
from ..datasets.formats import FORMATS
from .cli_bench import bench_app
from .cli_reproduce import reproduce
from .memory import keep_freed_memory

if TYPE_CHECKING:
    from .console import Screen

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
app.command(rich_help_panel="Everything at once")(reproduce)

_INTERRUPTED = 130  # What typer makes of Ctrl-C.


def _complete(known: tuple[str, ...]) -> object:
    def complete(incomplete: str) -> list[str]:
        return [word for word in known if word.startswith(incomplete)]

    return complete


def _complete_method(incomplete: str) -> list[str]:
    from ..fusion.registry import names

    return [name for name in names() if name.startswith(incomplete)]


def _complete_trainable(incomplete: str) -> list[str]:
    from ..fusion.names import BUILTINS

    return [name for name, entry in BUILTINS.items() if entry.trainable and name.startswith(incomplete)]


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
        autocompletion=_complete_method,
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Weights file of the method (safetensors or checkpoint).")]


def _screen(verbose: int, quiet: bool) -> Screen:
    import logging

    from .console import Screen

    logging.getLogger("regionfuse").setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    return Screen(-1 if quiet else verbose)


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

    work(out, images, seed, _screen(verbose, quiet))


@app.command(rich_help_panel="Everything at once")
def init(
    dataset: Annotated[
        str, typer.Option(help=f"Format: {', '.join(FORMATS)}.", autocompletion=_complete(FORMATS))
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

    work(config, set_ or [], _screen(verbose, quiet))


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

    work(config, out, set_ or [], _screen(verbose, quiet))


@app.command(rich_help_panel="Single stages")
def train(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, logs and weights.")],
    method: Annotated[
        str, typer.Option("--method", "-m", help="One of them.", autocompletion=_complete_trainable)
    ] = "regionfuse",
    infrared: Annotated[Path | None, typer.Option(help="Folder of infrared images.")] = None,
    visible: Annotated[Path | None, typer.Option(help="Folder of visible images, same stems.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="FORMAT:ROOT, e.g. msrs:/data/MSRS/train, or a folder alone. Repeatable."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Folder of fused images by stem, of any method: a2rnet's pseudo-labels, sage's teacher.",
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="RegionFuse only: tiny (CPUs, default) or base (the paper's size).")
    ] = None,
    init_weights: Annotated[
        Path | None, typer.Option("--init", help="Start from these weights instead of a random network.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Warm-up included. RegionFuse: 84; others as published.")
    ] = None,
    warmup_epochs: Annotated[
        int | None, typer.Option(min=0, help="RegionFuse only: epochs of linear warm-up (4).")
    ] = None,
    steps_per_epoch: Annotated[
        int | None, typer.Option(min=1, help="Default: one pass over the pairs, or as published.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Patches a step (over all processes). RegionFuse: 8; others as published."),
    ] = None,
    patch: Annotated[
        int | None,
        typer.Option(min=16, help="Side of the patches in pixels. RegionFuse: 128; others as published."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak rate of Adam. RegionFuse: 1e-4; others as published.")
    ] = None,
    lambda_gradient: Annotated[
        float | None, typer.Option(help="RegionFuse only: weight of the gradient loss (5).")
    ] = None,
    mu_load: Annotated[
        float | None, typer.Option(help="RegionFuse only: weight of the load-balancing loss (5).")
    ] = None,
    load_epochs: Annotated[
        int | None,
        typer.Option(min=0, help="RegionFuse only: first epochs with the load-balancing loss (5); 0: never."),
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="A setting of the network or its training, e.g. RegionFuse: experts=6, attention=plain; "
            "piafusion: illumination=CLASSIFIER.pth; a2rnet: attack_steps=5. Repeatable.",
        ),
    ] = None,
    validation: Annotated[int, typer.Option(min=0, help="Pairs kept out to watch the loss.")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in --out.")] = True,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Train a fusion network by its published recipe, on your pairs.

    Methods: regionfuse, piafusion, piafusion-xrestormer, cddfuse, ship, dcevo, sage and a2rnet. Options that
    are not given are as the method's publication has them; docs/training.md shows the values. Several GPUs:
    `torchrun --nproc-per-node N -m regionfuse train ...`.
    """
    from .commands.train import TrainRequest
    from .commands.train import train as work

    request = TrainRequest(
        method=method,
        out=out,
        infrared=infrared,
        visible=visible,
        data=tuple(data or ()),
        validation=validation,
        resume=resume,
        network=tuple(network or ()),
        options={
            "labels": labels,
            "preset": preset,
            "init_weights": init_weights,
            "epochs": epochs,
            "warmup_epochs": warmup_epochs,
            "steps_per_epoch": steps_per_epoch,
            "batch_size": batch_size,
            "patch": patch,
            "learning_rate": learning_rate,
            "lambda_gradient": lambda_gradient,
            "mu_load": mu_load,
            "load_epochs": load_epochs,
            "seed": seed,
            "device": device,
        },
    )
    work(request, _screen(verbose, quiet))


@app.command(rich_help_panel="Single stages")
def fuse(
    infrared: Annotated[Path, typer.Option(help="Folder of infrared images.")],
    visible: Annotated[Path, typer.Option(help="Folder of visible images, same stems.")],
    out: Annotated[Path, typer.Option(help="Folder for the fused PNG images.")],
    method: Method = "regionfuse",
    weights: Weights = None,
    tile: Annotated[int | None, typer.Option(min=64, help="Force overlapping tiles of this side.")] = None,
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option(help="Fuse again what is there already.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Draw which expert took which region (RegionFuse only).")
    ] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Fuse two folders of images; no configuration needed. Size in = size out.

    With --explain OUT/explain shows which of RegionFuse's experts took which region: pictures and a table.
    """
    from .commands.fuse import fuse as work

    screen = _screen(verbose, quiet)
    work(infrared, visible, out, method, weights, tile, device, overwrite, screen, explain=explain)


@app.command(rich_help_panel="Single stages")
def score(
    infrared: Annotated[Path, typer.Option(help="Folder of infrared images.")],
    visible: Annotated[Path, typer.Option(help="Folder of visible images, same stems.")],
    fused: Annotated[
        list[str],
        typer.Option(metavar="[NAME=]DIR", help="Folder of fused images, same stems. Repeatable."),
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file to write, one row an image.")] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Which ones, e.g. SF,AG,VIF,Qabf,Qcb; default all.")
    ] = None,
    device: Device = "auto",
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Score fused images, also those made elsewhere: 17 fusion-quality metrics, mean rank."""
    from .commands.score import score as work

    work(infrared, visible, fused, metrics, out, device, _screen(verbose, quiet))


@app.command(rich_help_panel="Single stages")
def detect(
    images: Annotated[Path, typer.Option(help="Folder of images, e.g. a method's fused images.")],
    out: Annotated[Path, typer.Option(help="Predictions file (.json); with --split a folder.")],
    weights: Annotated[Path | None, typer.Option(help="Detector checkpoint (.pt or .safetensors).")] = None,
    ground_truth: Annotated[
        Path | None, typer.Option(help="COCO ground truth: its image and category ids are used.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="FORMAT:ROOT (or a folder alone) with boxes, to train on.")
    ] = None,
    split: Annotated[
        Path | None, typer.Option(help="split.json: train on its train part, predict val and test.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A key of the detector recipe, e.g. epochs=20."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Run a detector on a folder of images, or with --data and --split train one first."""
    from .commands.detect import detect as work

    work(images, out, weights, ground_truth, data, split, set_ or [], seed, _screen(verbose, quiet))


@app.command(rich_help_panel="Single stages")
def evaluate(
    ground_truth: Annotated[Path, typer.Option(help="COCO ground truth of the test images.")],
    predictions: Annotated[
        list[str],
        typer.Option(
            metavar="SOURCE=FILE", help="COCO results per source, e.g. visible=vis.json. Repeatable."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the tables.")],
    val_ground_truth: Annotated[
        Path | None, typer.Option(help="COCO ground truth of val, to choose the operating threshold.")
    ] = None,
    val_predictions: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE=FILE", help="COCO results on val. Repeatable.")
    ] = None,
    reference: Annotated[str, typer.Option(help="Source that the others are compared with.")] = "visible",
    protocol: Annotated[str, typer.Option(help="Name of the protocol in the tables.")] = "given",
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Score predictions, also those made elsewhere: mAP, object outcomes, misclassifications."""
    from .commands.evaluate import evaluate as work

    work(
        ground_truth,
        predictions,
        out,
        val_ground_truth,
        val_predictions or [],
        reference,
        protocol,
        _screen(verbose, quiet),
    )


@app.command(rich_help_panel="Single stages")
def report(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a finished run.", metavar="RUN")],
    out: Annotated[Path | None, typer.Option(help="PDF to write; default RUN/report/report.pdf.")] = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Typeset the PDF again from stored results; runs no model."""
    from .commands.report import report as work

    work(run_folder, out, _screen(verbose, quiet))


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
            autocompletion=_complete_method,
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
