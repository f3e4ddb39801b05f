"""``regionfuse demo``: the whole pipeline on a synthetic data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
import yaml

from ...datasets.storage import write_text
from ..config_file import build_config
from ..console import Screen
from ..manifest import NOTICE
from ..store import explained
from ..summary import print_summary

SIZE = (320, 256)  # width x height of the synthetic images in pixels

SETTINGS: dict[str, Any] = {
    "schema": 1,
    "split": {"kind": "scenes", "fractions": [0.5, 0.2, 0.3], "seed": 0, "guard": 1},
    "sources": ["visible", "infrared", "average", "maximum", "laplacian", "guided", "regionfuse"],
    "protocols": ["retrained", "frozen"],
    "seeds": [0],
    "fusion": {
        "preset": "tiny",
        "init": "shipped",
        "epochs": 2,
        "warmup_epochs": 1,
        "batch_size": 4,
        "patch": 96,
        "learning_rate": 5.0e-4,
        "load_epochs": 1,
    },
    "detector": {
        "weights": "shipped",
        "epochs": 5,
        "image_size": 320,
        "canvas": "fit",
        "batch_size": 8,
        "optimizer": "AdamW",
        "learning_rate": 2.0e-4,
        "final_lr_fraction": 0.1,
        "momentum": 0.9,
        "warmup_epochs": 0.5,
        "mosaic": 0.5,
        "close_mosaic": 2,
    },
    "report": {"title": "Demonstration on synthetic road scenes"},
}


def demo(out: Path, images: int, seed: int, screen: Screen) -> None:
    """Generate the data, write the configuration, and do exactly what ``regionfuse run`` does."""
    from ...datasets.synthetic.generate import generate
    from ..run import run_pipeline

    screen.say(NOTICE)
    data = out / "data"
    with explained(out), screen.task("synthetic pairs") as progress:
        generate(data, images=images, size=SIZE, seed=seed, progress=progress)
    settings = {**SETTINGS, "dataset": {"format": "m3fd", "root": "data"}}
    path = out / "config.yaml"
    with explained(out):
        write_text(path, f"# {NOTICE}\n{yaml.safe_dump(settings, sort_keys=False)}")
    config = build_config(settings, base=out, origin=str(path))
    result = run_pipeline(config, out / "run", screen)
    print_summary(result)
    typer.echo(NOTICE)
    if result.failed:
        raise typer.Exit(1)
