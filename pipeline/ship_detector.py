"""Makes the small detector of the package: ``python -m regionfuse.pipeline.ship_detector --out DIR``.

``yolo-micro`` is trained on synthetic pairs of a seed that the demonstration does not use. It sees every
scene once in visible and once in infrared, so that it favours neither.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ..datasets.load import load_pairs
from ..datasets.records import Pair, PairSet
from ..datasets.synthetic.generate import generate
from .commands.demo import SIZE
from .console import Screen

SEED = 1000
COMMAND = "python -m regionfuse.pipeline.ship_detector --out DIR"


def main() -> None:
    """Generate the pairs, train the detector, and write it with its card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="working folder; results in OUT/shipped")
    parser.add_argument("--images", type=int, default=400, help="synthetic pairs to train on")
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    screen = Screen()
    with screen.task("synthetic pairs") as progress:
        generate(arguments.out / "data", images=arguments.images, size=SIZE, seed=SEED, progress=progress)
    pairs = load_pairs("m3fd", arguments.out / "data")
    ship_detector(pairs, arguments.epochs, arguments.out, screen)


def ship_detector(pairs: PairSet, epochs: int, out: Path, screen: Screen) -> None:
    """Train ``yolo-micro`` on visible and infrared pictures and write ``yolo-micro.safetensors``."""
    from ..detection.checkpoint import read_detector, save_detector
    from ..detection.recipe import DetectorRecipe
    from ..detection.train import train_detector

    both = both_modalities(pairs)
    files = {pair.stem: pair.visible for pair in both}
    stems = [pair.stem for pair in both]
    recipe = DetectorRecipe(
        model="yolo-micro.yaml",
        epochs=epochs,
        image_size=320,
        canvas="fit",
        batch_size=16,
        optimizer="AdamW",
        learning_rate=0.003,
        momentum=0.9,
        warmup_epochs=1.0,
        close_mosaic=5,
    )
    with screen.task("train yolo-micro") as progress:
        result = train_detector(
            recipe, both, stems, [], files.__getitem__, out / "detector", seed=0, progress=progress
        )
    model, _ = read_detector(result.weights)
    card = {**result.card, "command": COMMAND, "weights_license": "AGPL-3.0-or-later"}
    for key in ("dtype", "sha256"):
        card.pop(key, None)
    shipped = out / "shipped"
    shipped.mkdir(parents=True, exist_ok=True)
    save_detector(model, shipped / "yolo-micro.safetensors", card=card)


def both_modalities(pairs: PairSet) -> PairSet:
    """Return a set with every pair twice: ``<stem>v`` shows the visible picture, ``<stem>i`` the infrared."""
    twice: list[Pair] = []
    for pair in pairs:
        twice.append(replace(pair, stem=f"{pair.stem}v"))
        twice.append(replace(pair, stem=f"{pair.stem}i", visible=pair.infrared))
    twice.sort(key=lambda pair: pair.stem)
    return PairSet(pairs.name, pairs.root, tuple(twice), pairs.classes, pairs.synthetic)


if __name__ == "__main__":
    main()
