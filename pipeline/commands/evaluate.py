"""``regionfuse evaluate``: tables from predictions, also those made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from ...datasets.errors import ConfigError
from ..console import Screen
from ..run import shown_warnings


def evaluate(
    ground_truth: Path,
    predictions: Sequence[str],
    out: Path,
    val_ground_truth: Path | None,
    val_predictions: Sequence[str],
    reference: str,
    protocol: str,
    screen: Screen,
) -> None:
    """Score COCO result files against COCO ground truth and write the tables."""
    from ...detection.evaluation.evaluate import evaluate as score
    from ...detection.evaluation.records import PredictionKey
    from ..store import explained

    if val_predictions and val_ground_truth is None:
        raise ConfigError(
            "--val-predictions needs --val-ground-truth, the COCO ground truth of the val images"
        )
    truth = {"test": ground_truth}
    if val_ground_truth is not None:
        truth["val"] = val_ground_truth
    named = {
        PredictionKey(protocol, source, 0, split): path
        for split, entries in (("test", predictions), ("val", val_predictions))
        for source, path in map(_named, entries)
    }
    sources = list(dict.fromkeys(key.source for key in named))
    if reference not in sources:
        raise ConfigError(
            f"--reference {reference}: not among the sources ({', '.join(sources)}); name one of them"
        )
    with shown_warnings(screen), explained(out), screen.task("evaluate") as progress:
        result = score(named, truth, out, reference=reference, progress=progress, workers=2)
    test = result.detection[result.detection["split"] == "test"]
    typer.echo(test[["source", "mAP50", "mAP75", "mAP50_95", "images", "objects"]].to_string(index=False))
    typer.echo(f"tables: {out}")


def _named(entry: str) -> tuple[str, Path]:
    name, separator, path = entry.partition("=")
    if not separator or not name or not path:
        raise ConfigError(
            f"--predictions {entry}: expected SOURCE=FILE, e.g. visible=predictions/visible.json"
        )
    if not Path(path).is_file():
        raise ConfigError(f"--predictions {entry}: {path} does not exist")
    return name, Path(path)
