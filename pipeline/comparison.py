"""Comparing sources from files alone: ground truth and predictions in, tables and a report out.

Neither torch nor Ultralytics is imported: the predictions may come from any program.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import __version__
from ..datasets.errors import ConfigError
from ..datasets.storage import sha256_file, write_json
from ..detection.evaluation.records import TEST, VALIDATION, PredictionKey
from .console import Screen, shown_warnings
from .machine import describe_machine, scoring_workers, versions
from .store import explained

if TYPE_CHECKING:
    from ..detection.evaluation.evaluate import Evaluation

GIVEN: Final = "given"
"""Protocol of predictions of which nothing is known."""
REFERENCE: Final = "visible"
KIND: Final = "comparison"


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes:
        ground_truth: COCO ground truth of the test images.
        predictions: ``NAME=FILE`` entries; a repeated name is another seed.
        out: folder for the tables.
        val_ground_truth: COCO ground truth of the images on which operating points are chosen.
        val_predictions: like ``predictions``, on those images.
        reference: source that the others are compared with; None: ``visible``, else the first one named.
        blocks: CSV file ``image,block``.
        image_size: longer side in pixels that the detectors' networks see.
        per_class: choose thresholds class by class.
        report: also write the PDF.
        title: of the report.
    """

    ground_truth: Path
    predictions: Sequence[str]
    out: Path
    val_ground_truth: Path | None = None
    val_predictions: Sequence[str] = ()
    reference: str | None = None
    blocks: Path | None = None
    image_size: int | None = None
    per_class: bool = False
    report: bool = False
    title: str | None = None


@dataclass(frozen=True)
class Compared:
    """What came out of it.

    Attributes:
        result: all tables.
        reference: source that the others are compared with.
        sources: all sources in the order in which they were named.
        block_origin: where the blocks come from, see :class:`~..detection.evaluation.records.GroundTruth`.
        chosen_on: name of the file on whose images operating points were chosen; None: the test images.
        pdf: the report, if asked for.
    """

    result: Evaluation
    reference: str
    sources: tuple[str, ...]
    block_origin: str
    chosen_on: str | None
    pdf: Path | None = None


def compare(request: Request, screen: Screen) -> Compared:
    """Evaluate the predictions and write the tables, the manifest and, if asked for, the report.

    Raises:
        ConfigError: an option is wrong or contradicts another; nothing is written.
        DataError: a file is missing or wrong; nothing is written.
        ReportError: the report cannot be made; the tables are there.
        StorageError: the output cannot be written.
    """
    files = _named_files(request)
    sources = tuple(dict.fromkeys(key.source for key in files))
    reference = _reference(request.reference, sources)
    _require_free(request.out)
    from ..detection.evaluation.detector import Settings
    from ..detection.evaluation.evaluate import evaluate
    from ..detection.evaluation.load import load_ground_truth, read_blocks

    blocks = read_blocks(request.blocks) if request.blocks is not None else None
    truth = load_ground_truth(request.ground_truth, blocks)
    truths = {TEST: request.ground_truth}
    if request.val_ground_truth is not None:
        truths[VALIDATION] = request.val_ground_truth
    settings = Settings(reference, request.image_size, request.per_class)
    with shown_warnings(screen), explained(request.out):
        with screen.task("compare") as progress:
            result = evaluate(
                files,
                truths,
                request.out,
                settings=settings,
                blocks=blocks,
                progress=progress,
                workers=scoring_workers(len(truth.images) * len(files)),
            )
        write_json(request.out / "manifest.json", _manifest(request, files, reference, result))
        pdf = None
        if request.report:
            from ..reports.build import build_report

            with screen.task("report") as progress:
                pdf = build_report(request.out, progress=progress)
    chosen_on = request.val_ground_truth.name if request.val_ground_truth is not None else None
    return Compared(result, reference, sources, truth.block_origin, chosen_on, pdf)


def _named_files(request: Request) -> dict[PredictionKey, Path]:
    """Return the files by source, seed and split, in the order in which they were named."""
    if (request.val_ground_truth is None) != (not request.val_predictions):
        raise ConfigError(
            "--val-ground-truth and --val-predictions belong together: the images on which operating points "
            "are chosen, and what each source predicts on them; give both or neither"
        )
    files: dict[PredictionKey, Path] = {}
    for option, split, entries in (
        ("--predictions", TEST, request.predictions),
        ("--val-predictions", VALIDATION, request.val_predictions),
    ):
        seeds: Counter[str] = Counter()
        known: set[tuple[str, Path]] = set()
        for entry in entries:
            source, path = _named_file(option, entry)
            if (source, path.resolve()) in known:
                raise ConfigError(f"{option} {entry}: given twice; a repeated name is another seed's file")
            known.add((source, path.resolve()))
            files[PredictionKey(GIVEN, source, seeds[source], split)] = path
            seeds[source] += 1
    number = {
        split: Counter(key.source for key in files if key.split == split) for split in (TEST, VALIDATION)
    }
    for source, count in number[VALIDATION].items():
        if source not in number[TEST]:
            known_names = list(number[TEST])
            raise ConfigError(
                f"--val-predictions {source}=...: there are no --predictions of {source!r}"
                f"{_hint(source, known_names)}"
            )
        if count != number[TEST][source]:
            raise ConfigError(
                f"--val-predictions {source}=...: {count} file(s) on val but {number[TEST][source]} on test; "
                "the k-th of each are one detector, so give as many, in the same order"
            )
    lacking = [
        source for source in number[TEST] if request.val_predictions and not number[VALIDATION][source]
    ]
    if lacking:
        raise ConfigError(
            f"--val-predictions: none of {lacking[0]!r}; operating points of all sources are chosen on the "
            "same images, so give the predictions of every source, or of none"
        )
    return files


def _named_file(option: str, entry: str) -> tuple[str, Path]:
    name, separator, path = entry.partition("=")
    if not separator or not name or not path:
        raise ConfigError(f"{option} {entry}: expected NAME=FILE, e.g. visible=predictions/visible.json")
    if not Path(path).is_file():
        raise ConfigError(f"{option} {entry}: there is no file {path}")
    return name, Path(path)


def _reference(given: str | None, sources: Sequence[str]) -> str:
    if given is None:
        return REFERENCE if REFERENCE in sources else sources[0]
    if given not in sources:
        raise ConfigError(f"--reference {given}: not among the sources{_hint(given, sources)}")
    return given


def _hint(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f" ({', '.join(known)}); name one of them"


def _require_free(out: Path) -> None:
    """Refuse a folder that belongs to a run: its manifest says how its tables were made."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: expected a folder for the tables, found a file")
    path = out / "manifest.json"
    try:
        there: Any = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"kind": KIND}
    except ValueError:
        there = None
    if not isinstance(there, dict) or there.get("kind") != KIND:
        raise ConfigError(f"--out {out}: holds the manifest of a run, which stays; choose another folder")


def _manifest(
    request: Request, files: dict[PredictionKey, Path], reference: str, result: Evaluation
) -> dict[str, Any]:
    """Return what is known of a comparison, in the form of a run's manifest."""
    sources = dict.fromkeys(key.source for key in files)
    test = result.per_class[result.per_class["split"] == TEST]
    name = request.ground_truth.stem
    return {
        "schema": 2,
        "kind": KIND,
        "regionfuse": __version__,
        "title": request.title or f"{len(sources)} sources compared on {name}",
        "created": datetime.now(timezone.utc).replace(microsecond=0).isoformat(),
        "notice": None,
        "reference": reference,
        "dataset": {"name": name, "classes": list(dict.fromkeys(test["class"]))},
        "sources": [{"name": source, "card": {"name": source, "title": source}} for source in sources],
        "protocols": [GIVEN],
        "seeds": sorted({key.seed for key in files}),
        "config": {
            "image_size": request.image_size,
            "per_class_thresholds": request.per_class,
            "blocks": request.blocks.name if request.blocks is not None else None,
        },
        "inputs": [
            {"split": split, "source": None, "seed": None, "file": path.name, "sha256": sha256_file(path)}
            for split, path in ((TEST, request.ground_truth), (VALIDATION, request.val_ground_truth))
            if path is not None
        ]
        + [
            {
                "split": key.split,
                "source": key.source,
                "seed": key.seed,
                "file": path.name,
                "sha256": sha256_file(path),
            }
            for key, path in files.items()
        ],
        "versions": versions(),
        "machine": describe_machine(),
        "warnings": list(result.warnings),
    }
