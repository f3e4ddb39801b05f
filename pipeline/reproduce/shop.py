"""What all experiments of one command share, and the units that several of them build on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ...datasets.errors import ConfigError
from ...datasets.storage import sha256_file, write_text
from ..store import Progress, Store, Unit
from .experiments import DEFAULT
from .material import Material
from .paper_values import QUALITY
from .prepared import prepare_unit, read_prepared
from .records import Variant
from .scale import Scale

if TYPE_CHECKING:
    from ...fusion.training.options import TrainingOptions

SCORING = 1  # version of the metrics' definitions


@dataclass(frozen=True)
class Candidate:
    """A way to fuse.

    Attributes:
        name: unique within an experiment.
        title: as printed.
        spec: method of the registry.
        weights: given weights, or None.
        trained: unit whose weights are used, or None.
    """

    name: str
    title: str
    spec: str
    weights: Path | None = None
    trained: Unit | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Shop:
    """Data, scale and settings of one command.

    Attributes:
        scale: small or paper.
        material: the pairs.
        store: where units stand.
        device: for everything that runs a network.
        weights: RegionFuse weights for the experiments that train nothing; None: see :meth:`regionfuse`.
        extra: further methods of the user, with weights.
        detector: detector checkpoint.
        image_size: longer side of the detector's input in pixels.
        classifier: PIAFusion's illumination classifier, or None for equal weights.
        steps: optimiser steps of a training instead of the scale's, or None.
    """

    scale: Scale
    material: Material
    store: Store
    device: str = "auto"
    weights: Path | None = None
    extra: tuple[Candidate, ...] = ()
    detector: Path | None = None
    image_size: int = 640
    classifier: Path | None = None
    steps: int | None = None

    def options(self, variant: Variant) -> TrainingOptions:
        """Return the training options of a variant."""
        from ...fusion.regionfuse.config import preset
        from ...fusion.training.recipes import options_for

        if variant.recipe == "piafusion":
            values = dict(self.scale.piafusion)
            network = dict(variant.network)
            if self.classifier is not None:
                network["illumination"] = str(self.classifier)
        else:
            values = dict(self.scale.training)
            # What the preset has anyway is left out: the same training is the same unit in every experiment.
            own = preset(values["preset"]).to_dict()
            changed = {key: value for key, value in variant.network.items() if own.get(key) != value}
            network = {**self.scale.network, **changed}
        values |= variant.options
        if variant.recipe == "regionfuse":
            values["load_epochs"] = min(values.get("load_epochs", 5), values["epochs"])
        if self.steps is not None:
            values["epochs"] = min(values["epochs"], self.steps)
            values["steps_per_epoch"] = -(-self.steps // values["epochs"])
        return options_for(variant.recipe, {**values, "device": self.device, "network": network})

    def trained(self, variant: Variant) -> Unit:
        """Train a variant; result: ``weights.safetensors`` with its card, and ``log.csv``."""
        from ...fusion.training.options import NETWORK_FILES
        from ...fusion.training.recipes import recipe_class

        options = self.options(variant)
        settings = asdict(options)
        for key in ("device", "workers", "init_weights", "labels"):
            settings.pop(key, None)
        for name in NETWORK_FILES & options.network.keys():
            settings["network"][name] = sha256_file(options.network[name])
        material = self.material
        held_out = material.test.pairs if options.validation_images else ()
        params = {
            "options": settings,
            "train": material.digest(material.train),
            "validation": material.digest(held_out),
            "names": material.train_names,
        }

        def action(work: Path, progress: Progress) -> None:
            from ...fusion.training.trainer import train

            train(
                options, material.train, held_out, work,
                resume=True, progress=progress, trained_on=material.train_names,
            )  # fmt: skip

        name, version = variant.name or variant.label, recipe_class(variant.recipe).version
        return Unit("train-fusion", name, params, action, version=version)

    def candidate(self, variant: Variant) -> Candidate:
        """Return the trained network of a variant as a way to fuse."""
        return Candidate(
            variant.name or variant.label,
            variant.label,
            variant.recipe,
            None,
            self.trained(variant),
        )

    def regionfuse(self) -> Candidate:
        """RegionFuse for the experiments that do not compare trainings.

        The weights that the user gave; else, at the paper's scale, the default configuration trained here;
        else those that come with the package, which saw far more steps than a small training.
        """
        if self.weights is not None:
            return Candidate("regionfuse", "RegionFuse", "regionfuse", self.weights)
        if self.scale.name == "paper":
            return Candidate("regionfuse", "RegionFuse", "regionfuse", None, self.trained(DEFAULT))
        from ...fusion.regionfuse.method import SHIPPED

        return Candidate("regionfuse", "RegionFuse", "regionfuse", SHIPPED)

    def needs_training(self) -> bool:
        """Whether :meth:`regionfuse` is trained here."""
        return self.regionfuse().trained is not None

    def sources(self) -> tuple[Candidate, ...]:
        """Controls, simple methods, the user's methods and RegionFuse."""
        simple = (
            Candidate("visible", "Visible", "visible"),
            Candidate("infrared", "Infrared", "infrared"),
            Candidate("average", "Average", "average"),
            Candidate("laplacian", "Laplacian", "laplacian"),
        )
        return (*simple, *self.extra, self.regionfuse())

    def test(self, strength: float = 1.0) -> Unit:
        """The test pairs, cropped as the scale says, with contrast k."""
        return prepare_unit(self.material, self.material.test, crop=self.scale.test_size, strength=strength)

    def detection(self, strength: float = 1.0) -> Unit:
        """The pairs with boxes, shrunk as the scale says, with contrast k.

        Raises:
            ConfigError: there are none.
        """
        if self.material.detection is None:
            raise ConfigError("this experiment needs pairs with boxes; name some with --detection")
        side = self.scale.detection_side
        return prepare_unit(self.material, self.material.detection, side=side, strength=strength)

    def fused(self, candidate: Candidate, prepared: Unit) -> Unit:
        """Fuse prepared pairs; result: ``images/STEM.png``."""
        from ...fusion.registry import fingerprint

        trained, store, device = candidate.trained, self.store, self.device
        params = {"method": fingerprint(candidate.spec, None if trained else candidate.weights)}

        def action(work: Path, progress: Progress) -> None:
            from ...fusion.registry import create
            from ...fusion.run import fuse_pairs

            weights = store.folder(trained) / "weights.safetensors" if trained else candidate.weights
            method = create(candidate.spec, weights=weights)
            pairs = read_prepared(store.folder(prepared))
            fuse_pairs(method, pairs, work / "images", device=device, progress=progress)

        needs = (prepared, *((trained,) if trained else ()))
        name = f"{candidate.name} on {prepared.name}"
        return Unit("fuse", name, params, action, needs=needs, source=candidate.name)

    def scored(self, candidate: Candidate, prepared: Unit) -> Unit:
        """Score fused pairs with the paper's five metrics; result: ``quality.csv``, one row an image."""
        store, fused = self.store, self.fused(candidate, prepared)

        def action(work: Path, progress: Progress) -> None:
            from ...fusion.metrics.score import score_files

            pairs, rows = read_prepared(store.folder(prepared)), []
            images = store.folder(fused) / "images"
            for done, pair in enumerate(pairs, start=1):
                image = f"{pair.stem}.png"
                scores = score_files(pair.infrared, pair.visible, images / image, list(QUALITY))
                rows.append({"image": image, **{name: f"{scores[name]:.8g}" for name in QUALITY}})
                progress(done, len(pairs), image)
            write_text(work / "quality.csv", pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))

        params = {"metrics": list(QUALITY)}
        return Unit("quality", fused.name, params, action, needs=(prepared, fused), version=SCORING)

    def quality(self, scored: Unit) -> dict[str, float]:
        """Return the mean of each metric over the images of a finished :meth:`scored` unit."""
        table = pd.read_csv(self.store.folder(scored) / "quality.csv")
        return {name: float(table[name].mean()) for name in QUALITY}
