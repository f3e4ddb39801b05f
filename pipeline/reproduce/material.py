"""The pairs that a reproduction works on: what the user points at, or the package's own synthetic set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...datasets.errors import ConfigError, DataError
from ...datasets.formats import FORMATS
from ...datasets.records import Pair, PairSet
from ..fingerprint import FileHashes
from ..store import Progress, digest
from .scale import Scale

SYNTHETIC_PAIRS = 40
SYNTHETIC_SIZE = (320, 256)
SYNTHETIC_SEED = 11  # not one that the shipped weights were trained on


@dataclass(frozen=True)
class Request:
    """What the command line names, as ``FORMAT:ROOT`` or a folder."""

    train: tuple[str, ...] = ()
    test: str | None = None
    detection: str | None = None


@dataclass(frozen=True)
class Material:
    """Pairs with the content hashes of their files.

    Attributes:
        train: training pairs; no test pair is among them. Empty when nothing is trained.
        train_names: data sets they come from.
        test: pairs that fusion quality is measured on.
        detection: pairs with boxes, or None.
        hashes: SHA-256 of every image file.
        synthetic: whether any of it is generated.
        remarks: what a reader must know about the choice of the pairs.
    """

    train: tuple[Pair, ...]
    train_names: tuple[str, ...]
    test: PairSet
    detection: PairSet | None
    hashes: dict[Path, str]
    synthetic: bool
    remarks: tuple[str, ...]

    def digest(self, pairs: Sequence[Pair]) -> str:
        """Return one hash over the pictures of ``pairs``: stems and file contents."""
        return digest([(pair.stem, self.hashes[pair.infrared], self.hashes[pair.visible]) for pair in pairs])


def gather(
    request: Request, scale: Scale, out: Path, progress: Progress, *, trains: bool, detects: bool
) -> Material:
    """Read all pair sets and hash their files.

    Args:
        request: what the user named.
        scale: how many test pairs are taken.
        out: folder in which the synthetic set is made when it is needed.
        progress: told how many files are hashed.
        trains: whether training pairs are needed.
        detects: whether pairs with boxes are needed.

    Raises:
        ConfigError: a set that the scale needs is not named.
        DataError: a set cannot be read, has no boxes, or leaves nothing to train on.
    """
    _require_named(request, scale, trains)
    remarks = []
    generated: PairSet | None = None
    named = {entry: read_set(option, entry) for option, entry in _entries(request)}
    if request.test is None and not request.train:
        generated = synthetic_set(out, progress)
        remarks.append(
            "No pairs were named: training and test pairs are the package's own synthetic road scenes."
        )
    sets = [named[entry] for entry in request.train] or ([generated] if generated else [])
    pool = named[request.test] if request.test else _joined(sets)
    count = scale.test_images if request.test or scale.test_images else max(1, len(pool) // 10)
    test = pool.select(pair.stem for pair in spread(pool.pairs, count))
    detection = None
    if detects:
        detection, remark = _detection(request, named, generated, pool, out, progress)
        remarks += [remark] if remark else []
        chosen = spread_over_classes(detection, scale.detection_images)
        detection = detection.select(pair.stem for pair in chosen)
    candidates = [pair for each in sets for pair in each] if trains else []
    everything = [*candidates, *test, *(detection or ())]
    files = [path for pair in everything for path in (pair.infrared, pair.visible)]
    hashes = FileHashes(out / "units" / "hashes.json").of(files, progress)
    held_out = {hashes[pair.visible] for pair in (*test, *(detection or ()))}
    train = tuple(pair for pair in candidates if hashes[pair.visible] not in held_out)
    if trains and not train:
        raise DataError(
            f"no training pairs are left: all {len(candidates)} are tested on; name more with --train"
        )
    if trains and len(train) < len(candidates):
        remarks.append(
            f"{len(candidates) - len(train)} of {len(candidates)} training pairs are tested on and therefore "
            "left out of the training."
        )
    used = [*sets, test, *([detection] if detection else [])]
    synthetic = any(each.synthetic for each in used)
    names = tuple(dict.fromkeys(each.name for each in sets))
    return Material(train, names, test, detection, hashes, synthetic, tuple(remarks))


def read_set(option: str, entry: str) -> PairSet:
    """Read the pair set that ``FORMAT:ROOT`` names; of a folder alone the format is guessed.

    Raises:
        ConfigError: the entry is neither.
        DataError: the set cannot be read.
    """
    from ...datasets.load import detect_format, load_pairs

    if Path(entry).is_dir():
        return load_pairs(detect_format(entry), Path(entry))
    name, separator, root = entry.partition(":")
    if not separator or name not in FORMATS or not root:
        known = ", ".join(FORMATS)
        raise ConfigError(f"{option} {entry}: expected a folder, or FORMAT:ROOT with a format of {known}")
    return load_pairs(name, Path(root).expanduser())


def synthetic_set(out: Path, progress: Progress) -> PairSet:
    """Make the synthetic set below ``out``, once, and read it."""
    from ...datasets.load import load_pairs
    from ...datasets.synthetic.generate import generate

    root = out / "synthetic"
    generate(root, images=SYNTHETIC_PAIRS, size=SYNTHETIC_SIZE, seed=SYNTHETIC_SEED, progress=progress)
    return load_pairs("m3fd", root)


def spread(pairs: Sequence[Pair], count: int | None) -> list[Pair]:
    """Return ``count`` pairs evenly spread over the list; all of them for None."""
    if count is None or count >= len(pairs):
        return list(pairs)
    return [pairs[(2 * index + 1) * len(pairs) // (2 * count)] for index in range(count)]


def spread_over_classes(pairs: PairSet, count: int | None) -> list[Pair]:
    """Return ``count`` pairs with boxes: for each class the one with most of it, the others evenly spread."""
    labelled = [pair for pair in pairs if pair.objects]
    if count is None or count >= len(labelled):
        return labelled
    chosen: dict[str, Pair] = {}
    for label in pairs.classes:
        numbers = [sum(box.label == label for box in pair.objects) for pair in labelled]
        if not any(label == box.label for pair in chosen.values() for box in pair.objects):
            best = max(numbers)
            if best and len(chosen) < count:
                pair = labelled[numbers.index(best)]
                chosen[pair.stem] = pair
    rest = [pair for pair in labelled if pair.stem not in chosen]
    return [*chosen.values(), *spread(rest, count - len(chosen))]


def _entries(request: Request) -> list[tuple[str, str]]:
    entries = [("--train", entry) for entry in request.train]
    if request.test:
        entries.append(("--test", request.test))
    if request.detection:
        entries.append(("--detection", request.detection))
    return entries


def _require_named(request: Request, scale: Scale, trains: bool) -> None:
    if scale.name == "paper":
        for option, given in (("--train", request.train if trains else ("msrs:",)), ("--test", request.test)):
            entries = given if isinstance(given, tuple) else (given,) if given else ()
            if not entries or not all(entry.startswith("msrs:") for entry in entries):
                raise ConfigError(
                    f"--scale paper needs {option} msrs:ROOT, the MSRS pairs that the paper uses; "
                    f"found {', '.join(entries) or 'none'}"
                )
    if trains and request.test is not None and not request.train:
        raise ConfigError("--test was given but nothing to train on; add --train FORMAT:ROOT")


def _joined(sets: Sequence[PairSet]) -> PairSet:
    """One set of several, for choosing test pairs among them; stems that repeat are taken once."""
    first = sets[0]
    pairs = {pair.stem: pair for each in reversed(sets) for pair in each}
    ordered = tuple(pairs[stem] for stem in sorted(pairs))
    return PairSet(first.name, first.root, ordered, first.classes, any(each.synthetic for each in sets))


def _detection(
    request: Request,
    named: dict[str, PairSet],
    generated: PairSet | None,
    pool: PairSet,
    out: Path,
    progress: Progress,
) -> tuple[PairSet, str]:
    """Return the set with boxes, and a remark when it was not named."""
    if request.detection:
        found = named[request.detection]
        if not any(pair.objects for pair in found):
            raise DataError(f"--detection {request.detection}: no annotated objects; detection needs boxes")
        return found, ""
    if generated is not None:
        return generated, ""
    if any(pair.objects for pair in pool):
        return pool, f"Detection runs on the test set ({pool.name}), which has boxes."
    return (
        synthetic_set(out, progress),
        "No pairs with boxes were named (--detection FORMAT:ROOT): detection runs on synthetic road scenes.",
    )
