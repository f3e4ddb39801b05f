"""The commands that are one stage each: train, fuse, score, detect, compare, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import (
    Device,
    Method,
    Quiet,
    Verbose,
    Weights,
    complete_trainable,
    one_thread_each,
    screen_for,
)

stages_app = typer.Typer()
_stage = stages_app.command(rich_help_panel="Single stages")


@_stage
def train(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, logs and weights.")],
    method: Annotated[
        str, typer.Option("--method", "-m", help="One of them.", autocompletion=complete_trainable)
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
            "piafusion: illumination=CLASSIFIER.pth; piafusion-illumination: lighting=FILE.csv; "
            "a2rnet: attack_steps=5. Repeatable.",
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

    Methods: regionfuse, piafusion, piafusion-xrestormer, cddfuse, ship, dcevo, sage and a2rnet; and
    piafusion-illumination, the day-or-night classifier that PIAFusion's training asks. Options that are not
    given are as the method's publication has them; docs/training.md shows the values. Several GPUs:
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
    work(request, screen_for(verbose, quiet))


@_stage
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

    screen = screen_for(verbose, quiet)
    work(infrared, visible, out, method, weights, tile, device, overwrite, screen, explain=explain)


@_stage
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

    work(infrared, visible, fused, metrics, out, device, screen_for(verbose, quiet))


@_stage
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

    work(images, out, weights, ground_truth, data, split, set_ or [], seed, screen_for(verbose, quiet))


@_stage
def compare(
    ground_truth: Annotated[Path, typer.Option(help="COCO ground truth of the test images.")],
    predictions: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=FILE",
            help="COCO results, or Ultralytics' predictions.json. A repeated name is another seed.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the tables.")],
    val_ground_truth: Annotated[
        Path | None, typer.Option(help="COCO ground truth of the images to choose operating points on.")
    ] = None,
    val_predictions: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="COCO results on them. Repeatable.")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(help="Source that the others are compared with; default visible, else the first."),
    ] = None,
    blocks: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns image,block: images that are not independent share a block."),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=1, help="Longer side of what the networks see, for sizes at that scale.")
    ] = None,
    per_class_thresholds: Annotated[
        bool, typer.Option("--per-class-thresholds", help="Choose thresholds class by class.")
    ] = False,
    report: Annotated[bool, typer.Option("--report", help="Also write OUT/report/report.pdf.")] = False,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Compare predictions made anywhere: mAP, objects fixed and broken, misclassifications, with intervals.

    docs/compare.md says what the numbers mean.
    """
    one_thread_each()
    from .commands.compare import compare as work
    from .comparison import Request

    request = Request(
        ground_truth,
        predictions,
        out,
        val_ground_truth,
        val_predictions or (),
        reference,
        blocks,
        image_size,
        per_class_thresholds,
        report,
        title,
    )
    work(request, screen_for(verbose, quiet))


stages_app.command("evaluate", rich_help_panel="Single stages", help="Another name of compare.")(compare)


@_stage
def report(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a finished run.", metavar="RUN")],
    out: Annotated[Path | None, typer.Option(help="PDF to write; default RUN/report/report.pdf.")] = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Typeset the PDF again from stored results; runs no model."""
    from .commands.report import report as work

    work(run_folder, out, screen_for(verbose, quiet))
