"""Makes RegionFuse's weights of the package: ``python -m regionfuse.pipeline.ship_fusion --out DIR ...``.

Trains ``tiny`` on the given pair sets by :data:`OPTIONS`, fuses a test set that it never saw, scores it
beside two methods without weights and any folders of other methods' images, and writes half-precision weights
whose card tells all of it.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..datasets.errors import DataError
from ..datasets.records import Pair, PairSet
from ..datasets.storage import sha256_file
from ..fusion.training.options import TrainingOptions
from .commands.score import fused_folders
from .commands.train import keep_out, named_set
from .console import Screen

OPTIONS = TrainingOptions(
    preset="tiny",
    epochs=40,
    warmup_epochs=1,
    steps_per_epoch=110,
    batch_size=2,
    patch=128,
    learning_rate=2e-3,
    device="cpu",
)
"""Found by hand for a few hundred pairs and two CPU cores; losses and their weights are the paper's."""

BESIDE = ("average", "laplacian")
LICENSE = "AGPL-3.0-or-later; trained on data sets that their publishers release for research"


def main() -> None:
    """Train, score, and write ``OUT/shipped/regionfuse-tiny.safetensors`` with its card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="working folder; can be stopped and resumed")
    parser.add_argument("--data", action="append", required=True, help="FORMAT:ROOT to train on; repeatable")
    parser.add_argument("--test", required=True, help="FORMAT:ROOT of the set to score")
    parser.add_argument("--beside", action="append", default=[], help="NAME=DIR with another method's images")
    arguments = parser.parse_args()
    screen = Screen()
    training = [named_set(entry) for entry in arguments.data]
    test = named_set(arguments.test)
    weights = train_fusion(training, test, arguments.out / "training", screen)
    shipped = write(weights, {}, arguments.out / "shipped")  # What is scored is what is shipped.
    means = benchmark(shipped, test, fused_folders(arguments.beside), arguments.out / "fused", screen)
    sets = " ".join(f"--data {each.name}:ROOT" for each in training)
    command = (
        f"python -m regionfuse.pipeline.ship_fusion --out DIR {sets} --test {shlex.quote(test.name)}:ROOT"
    )
    scored = {"set": test.name, "pairs": len(test), "seen_in_training": False, "means": means}
    write(weights, {"command": command, "benchmark": scored}, arguments.out / "shipped")
    screen.say(f"weights: {shipped}")


def train_fusion(sets: Sequence[PairSet], test: PairSet, out: Path, screen: Screen) -> Path:
    """Train on all pairs but four that are kept out to watch the loss; return the weights file.

    Raises:
        DataError: an image of the test set is among the training images.
    """
    from ..fusion.training.trainer import train

    training, validation = keep_out([pair for each in sets for pair in each], OPTIONS.validation_images)
    refuse_overlap(training, test)
    names = tuple(each.name for each in sets)
    with screen.task(f"train RegionFuse tiny on {len(training)} pairs") as progress:
        result = train(OPTIONS, training, validation, out, progress=progress, trained_on=names)
    return result.weights


def refuse_overlap(training: Sequence[Pair], test: PairSet) -> None:
    """Stop when a visible test file is, byte for byte, one of the training files.

    Raises:
        DataError: it is; the message names both.
    """
    known = {sha256_file(pair.visible): pair.visible for pair in training}
    for pair in test:
        twin = known.get(sha256_file(pair.visible))
        if twin is not None:
            raise DataError(
                f"{pair.visible} is to be tested on, but {twin} is the same picture; leave it out"
            )


def benchmark(
    weights: Path, test: PairSet, beside: dict[str, Path], out: Path, screen: Screen
) -> dict[str, dict[str, float]]:
    """Fuse and score the test set; return the mean of every metric by method."""
    from ..fusion.metrics.score import score_folder
    from ..fusion.registry import create
    from ..fusion.run import fuse_pairs

    folders: dict[str, Path] = {}
    for name in ("regionfuse", *BESIDE):
        method = create(name, weights=weights) if name == "regionfuse" else create(name)
        folders[name] = out / name
        with screen.task(f"fuse with {name}") as progress:
            fuse_pairs(method, test, folders[name], device="cpu", progress=progress, overwrite=True)
    means: dict[str, dict[str, float]] = {}
    for name, folder in (folders | beside).items():
        with screen.task(f"score {name}") as progress:
            table = score_folder(test, folder, progress=progress).drop(columns="image")
        means[name] = {metric: round(float(value), 5) for metric, value in table.mean().items()}
    return means


def write(weights: Path, facts: dict[str, Any], out: Path) -> Path:
    """Write the weights in half precision, with the card of the training and further ``facts``."""
    from ..fusion.weights import load_weights, save_tensors

    tensors, card = load_weights(weights)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "regionfuse-tiny.safetensors"
    save_tensors(tensors, path, {**card, "weights_license": LICENSE, **facts}, half=True)
    return path


if __name__ == "__main__":
    main()
