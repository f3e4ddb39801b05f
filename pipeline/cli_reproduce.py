"""``regionfuse reproduce``: its command line. Only typer is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Experiments, e.g. table2 fig4, or all.", metavar="[NAME]..."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the experiments and stop.")] = False,
    scale: Annotated[
        str, typer.Option(help="small: minutes on a CPU. paper: the published recipe, for a GPU.")
    ] = "small",
    out: Annotated[
        Path | None, typer.Option(help="Folder of units, tables and PDF; default runs/reproduce-SCALE.")
    ] = None,
    train: Annotated[
        list[str] | None,
        typer.Option(help="FORMAT:ROOT, e.g. msrs:/data/MSRS/train, or a folder. Repeatable."),
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="FORMAT:ROOT of the test pairs; default: taken out of --train.")
    ] = None,
    detection: Annotated[str | None, typer.Option(help="FORMAT:ROOT of pairs with boxes.")] = None,
    detector: Annotated[
        Path | None, typer.Option(help="Detector checkpoint (.pt or .safetensors); default: the shipped one.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="RegionFuse weights for fig3, contrast and fig7, instead of training.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="NAME or NAME=WEIGHTS: one more method in contrast and fig7. Repeatable."),
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option(
            help="Weights of PIAFusion's illumination classifier, for table5; default: weights 0.5."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of every training.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors and results only.")] = False,
) -> None:
    """Do the paper's experiments again: tables with our value beside the paper's, figures, one PDF.

    Without names, or with --list, the experiments are listed. Without data the package's own synthetic road
    scenes are used. Finished work is never redone; stop it at any time and run the same command again.
    """
    from .commands.reproduce import list_experiments
    from .commands.reproduce import reproduce as work

    if list_ or not names:
        list_experiments()
        return
    import logging

    from .console import Screen

    logging.getLogger("regionfuse").setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    work(
        names=tuple(names),
        scale=scale,
        out=out,
        train=tuple(train or ()),
        test=test,
        detection=detection,
        detector=detector,
        weights=weights,
        methods=tuple(method or ()),
        classifier=classifier,
        steps=steps,
        device=device,
        screen=Screen(-1 if quiet else verbose),
    )
