"""From stored predictions to all tables: the evaluation stage, which never runs a model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from ...datasets.errors import DataError
from ...datasets.storage import write_json
from . import changes, confidence, confusion, outcomes
from .bootstrap import RESAMPLES, intervals_table
from .detection import CLASS_COLUMNS, class_rows, detection_row, detection_table, failed_row, summary_table
from .load import load_ground_truth
from .records import TEST, FailedSource, GroundTruth, PredictionKey
from .scoring import DetectorScore, score_all
from .swaps import swaps_table
from .warn import find_warnings
from .write import write_csv, write_parquet

log = logging.getLogger(__name__)

Detector = tuple[str, str, int]  # protocol, source, seed


@dataclass(frozen=True)
class Evaluation:
    """All tables of an evaluation, each also a file of the same name in the output folder.

    Attributes:
        detection: scores of every detector on every split; failed sources too.
        per_class: average precision per class.
        confusion: misclassification matrix on test, long form.
        objects: one row per object and unmatched prediction of test.
        confidence: confidence on the test objects that all sources found.
        changes: test objects that a source mends or breaks against the reference.
        swaps: classes taken for each other on test.
        detection_summary: mean, deviation and difference over seeds.
        intervals: bootstrap intervals of the mAP50 difference on test.
        warnings: what a reader of the tables must know, one line each.
    """

    detection: pd.DataFrame
    per_class: pd.DataFrame
    confusion: pd.DataFrame
    objects: pd.DataFrame
    confidence: pd.DataFrame
    changes: pd.DataFrame
    swaps: pd.DataFrame
    detection_summary: pd.DataFrame
    intervals: pd.DataFrame
    warnings: tuple[str, ...]


def evaluate(
    predictions: Mapping[PredictionKey, Path],
    ground_truth: Mapping[str, Path],
    out: Path,
    *,
    failed: Sequence[FailedSource] = (),
    reference: str = "visible",
    progress: Callable[[int, int, str], None] | None = None,
    workers: int = 1,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Compute and write every table. The same files give the same bytes, however many workers.

    Args:
        predictions: predictions file of each key. The split ``val``, if there, sets the operating threshold;
            the tables of objects are about the split ``test``.
        ground_truth: ground truth of each split.
        out: folder for the tables.
        failed: detectors without results; each becomes a row with its reason, and predictions that it may
            have left behind are not used.
        reference: source that the others are compared with.
        progress: called with done, total and a message.
        workers: processes for the scoring, see :func:`scoring.score_all`.
        resamples: draws for the intervals; 0 leaves their limits undefined.

    Raises:
        DataError: nothing to evaluate, or a file is missing or wrong.
        StorageError: the output cannot be written.
    """
    dropped = {(item.protocol, item.source, item.seed) for item in failed}
    used = {key: path for key, path in sorted(predictions.items()) if _detector(key) not in dropped}
    if not used and not failed:
        raise DataError(
            "There are no predictions to evaluate; expected predictions/<protocol>/<source>/seed<k>/*.json"
        )
    truths = _load_truths(ground_truth, {key.split for key in used})
    jobs: dict[Detector, dict[str, Path]] = {}
    for key, path in used.items():
        jobs.setdefault(_detector(key), {})[key.split] = path
    names, steps = list(jobs), len(jobs) + 2
    report = progress or _silent
    report(0, steps, "scoring")
    scored = score_all(
        list(jobs.values()),
        truths,
        workers,
        lambda n: report(n, steps, f"scored {'/'.join(names[n - 1][:2])}"),
    )
    scores = dict(zip(names, scored, strict=True))
    tables = _tables(scores, truths, failed, reference)
    report(steps - 1, steps, "tables")
    on_test = {key: scores[_detector(key)].splits[TEST].coco.matches for key in used if key.split == TEST}
    images = {TEST: truths[TEST].images} if TEST in truths else {}
    intervals = intervals_table(on_test, images, reference, resamples)
    leftovers = sorted({_detector(key) for key in predictions} & dropped)
    result = Evaluation(
        **tables,
        intervals=intervals,
        warnings=tuple(find_warnings(scores, truths, intervals, leftovers, reference)),
    )
    _write(result, out)
    for warning in result.warnings:
        log.warning("%s", warning)
    report(steps, steps, "done")
    return result


def _silent(_done: int, _total: int, _message: str) -> None:
    pass


def _detector(key: PredictionKey) -> Detector:
    return key.protocol, key.source, key.seed


def _load_truths(paths: Mapping[str, Path], splits: set[str]) -> dict[str, GroundTruth]:
    missing = sorted(splits - paths.keys())
    if missing:
        given = ", ".join(sorted(paths)) or "none"
        raise DataError(
            f"There are predictions for the split {missing[0]!r} but no ground truth of it (given: {given}); "
            f"expected ground_truth/{missing[0]}.json"
        )
    return {split: load_ground_truth(paths[split]) for split in sorted(splits)}


def _tables(
    scores: Mapping[Detector, DetectorScore],
    truths: Mapping[str, GroundTruth],
    failed: Iterable[FailedSource],
    reference: str,
) -> dict[str, pd.DataFrame]:
    detection_rows, per_class, confusions, objects = [], [], [], []
    for detector, score in scores.items():
        for split, result in score.splits.items():
            key, truth = PredictionKey(*detector, split), truths[split]
            detection_rows.append(detection_row(key, truth, result, score.threshold))
            per_class += class_rows(key, truth, result)
            if split == TEST:
                confusions.append(confusion.confusion_table(key, truth, result))
                objects.append(outcomes.objects_table(key, truth, result))
    detection = detection_table([*detection_rows, *map(failed_row, sorted(set(failed)))])
    matrix = _stacked(confusions, confusion.COLUMNS)
    every_object = _stacked(objects, outcomes.COLUMNS)
    return {
        "detection": detection,
        "per_class": pd.DataFrame(per_class, columns=list(CLASS_COLUMNS)),
        "confusion": matrix,
        "objects": every_object,
        "confidence": confidence.confidence_table(every_object, reference),
        "changes": changes.changes_table(every_object, reference),
        "swaps": swaps_table(matrix),
        "detection_summary": summary_table(detection, reference),
    }


def _stacked(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))


def _write(result: Evaluation, out: Path) -> None:
    for item in fields(result):
        value = getattr(result, item.name)
        if item.name == "objects":
            write_parquet(value, out / "objects.parquet")
        elif item.name == "warnings":
            write_json(out / "warnings.json", list(value))
        else:
            write_csv(value, out / f"{item.name}.csv")
