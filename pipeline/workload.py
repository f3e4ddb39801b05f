"""What a run works on: the pairs, the content hashes of their files, and the split."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..datasets.coco import write_ground_truth
from ..datasets.doctor import examine
from ..datasets.load import load_pairs
from ..datasets.official import official_lists
from ..datasets.records import Pair, PairSet
from ..datasets.similarity import signatures
from ..datasets.split_list import read_lists
from ..datasets.splits import Split, make_split
from ..datasets.storage import write_json
from ..datasets.visibility import visibility_of
from .config import Config, DatasetConfig
from .fingerprint import FileHashes
from .store import Progress, Unit, digest

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Workload:
    """Pairs of a data set with the content hashes of their images.

    Attributes:
        pairs: the data set.
        extra: further pair sets, used only to train fusion networks.
        hashes: SHA-256 of every image file.
    """

    pairs: PairSet
    extra: tuple[PairSet, ...]
    hashes: dict[Path, str]

    def images_digest(self, pairs: Iterable[Pair]) -> str:
        """Return one hash over the pictures of ``pairs``: stems and file contents, not labels."""
        return digest([(pair.stem, self.hashes[pair.infrared], self.hashes[pair.visible]) for pair in pairs])

    def labels_digest(self, pairs: Iterable[Pair]) -> str:
        """Return one hash over the boxes of ``pairs`` and the classes of the set."""
        boxes = [(pair.stem, pair.scene, pair.tags, [asdict(box) for box in pair.boxes]) for pair in pairs]
        return digest([self.pairs.classes, boxes])


def load_dataset(section: DatasetConfig) -> PairSet:
    """Read the pairs that a configuration section names."""
    return load_pairs(section.format, section.root, **_where(section))


def load_workload(config: Config, memory: Path, progress: Progress) -> Workload:
    """Read all pair sets of a configuration and hash their images.

    Args:
        config: the resolved configuration.
        memory: JSON file in which hashes are remembered between runs.
        progress: told how many files are hashed.
    """
    pairs = load_dataset(config.dataset)
    extra = tuple(load_dataset(section) for section in config.fusion.extra_pairs)
    files = [path for each in (pairs, *extra) for pair in each for path in (pair.infrared, pair.visible)]
    return Workload(pairs, extra, FileHashes(memory).of(files, progress))


def split_unit(config: Config, workload: Workload, cache: Path) -> Unit:
    """Return the unit that examines the data, divides it, and writes the ground truth.

    ``cache`` remembers image signatures between runs. The result: ``split.json``, ``doctor.json`` and
    ``ground_truth/<split>.json``.
    """
    pairs = workload.pairs
    section = config.split
    params: dict[str, Any] = {
        "images": workload.images_digest(pairs),
        "labels": workload.labels_digest(pairs),
        "dataset": pairs.name,
        "synthetic": pairs.synthetic,
        "kind": section.kind,
        "fractions": section.fractions,
        "seed": section.seed,
        "guard": section.guard,
        "lists": read_lists(section.file, pairs) if section.file else None,
        "folders": official_lists(pairs)[0] if section.kind == "official" and not section.file else None,
    }

    def action(work: Path, progress: Progress) -> None:
        divide(config, pairs, progress, cache).save(work / "split.json")
        split = Split.load(work / "split.json")
        shutil.rmtree(work / "ground_truth", ignore_errors=True)
        # How well objects can be seen matters where they are counted.
        seen = visibility_of(pairs, split.test, progress)
        for name in SPLITS:
            path = work / "ground_truth" / f"{name}.json"
            visibility = seen if name == "test" else None
            write_ground_truth(pairs, name, getattr(split, name), path, split.blocks, visibility=visibility)
        write_json(work / "doctor.json", diagnose(config.dataset, progress))

    return Unit("split", pairs.name, params, action, version=2)


def divide(config: Config, pairs: PairSet, progress: Progress, cache: Path | None = None) -> Split:
    """Split ``pairs`` as the configuration says; blocks and leakage by numbers, names and image content."""
    section = config.split
    return make_split(
        pairs,
        kind=section.kind,
        fractions=section.fractions,
        seed=section.seed,
        guard=section.guard,
        file=section.file,
        signatures=signatures(pairs, progress=progress, cache=cache),
    )


def diagnose(section: DatasetConfig, progress: Progress) -> dict[str, Any]:
    """Return the doctor's report as plain values."""
    return examine(section.format, section.root, progress=progress, **_where(section)).to_dict()


def _where(section: DatasetConfig) -> dict[str, Any]:
    names = ("infrared", "visible", "annotations", "classes", "ignore_classes", "merge_classes", "conditions")
    return {name: getattr(section, name) for name in names}
