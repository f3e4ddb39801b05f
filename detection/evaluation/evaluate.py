"""From stored predictions to all tables: the evaluation stage, which never runs a model."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...datasets.errors import DataError
from ...datasets.storage import write_json
from .changes import changes_tables
from .columns import COLUMNS, KEY
from .detector import Detector, DetectorScore, Settings, goal_of_reference, score_detector
from .differences import differences_table, ranks_table
from .load import by_image, join_blocks, load_ground_truth
from .operating import HEADLINE, Goal
from .outcomes import SAME_CLASS_FIRST, TOP_LABEL
from .records import BACKGROUND, TEST, VALIDATION, FailedSource, GroundTruth, PredictionKey
from .resample import LEAST_BLOCKS
from .warn import find_warnings
from .write import join_parquet, parquet_bytes, read_parquet, write_csv

log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
_THREADS = "OPENBLAS_NUM_THREADS"
_AVERAGED = ("mAP50", "mAP75", "mAP50_95")
# The pair that the method's authors argue with; compared without regard to case.
_ALWAYS = (("truck", "car"), ("car", "truck"))


@dataclass(frozen=True)
class Evaluation:
    """All tables of an evaluation, each also a file of that name; ``docs/run-folder.md`` lists the columns.

    Attributes:
        detection: scores of every detector on every split; failed sources too.
        detection_summary: mean and deviation over seeds.
        operating: threshold, precision, recall, false alarms and outcomes at each operating point.
        curves: recall against false alarms per image.
        per_class: average precision and oLRP per class.
        strata: mAP50 and recall on parts of the test set.
        confusion: misclassification matrices, long form.
        misclassifications: classes taken for each other, in both directions.
        changes: test objects that a source fixes or breaks against the reference.
        balance: how many, at every operating point.
        differences: every difference between two sources with its interval.
        ranks: how often each source is best.
        errors: TIDE's errors and what each costs.
        calibration: calibration of each source, before and after temperature.
        reliability: the bins behind it.
        confidence: confidence in all objects, beside the reference's.
        warnings: what a reader of the tables must know, one line each.
        packed_objects: :attr:`objects` in parts, one of each detector.
    """

    detection: pd.DataFrame
    detection_summary: pd.DataFrame
    operating: pd.DataFrame
    curves: pd.DataFrame
    per_class: pd.DataFrame
    strata: pd.DataFrame
    confusion: pd.DataFrame
    misclassifications: pd.DataFrame
    changes: pd.DataFrame
    balance: pd.DataFrame
    differences: pd.DataFrame
    ranks: pd.DataFrame
    errors: pd.DataFrame
    calibration: pd.DataFrame
    reliability: pd.DataFrame
    confidence: pd.DataFrame
    warnings: tuple[str, ...]
    packed_objects: tuple[bytes, ...] = field(repr=False)

    @cached_property
    def objects(self) -> pd.DataFrame:
        """One row per object and false alarm of test; large where there are many detectors."""
        return _concatenated(map(read_parquet, self.packed_objects), "objects")

    def difference(self, source: str, reference: str, quantity: str = "mAP50", **where: str) -> pd.Series:
        """Return the row of :attr:`differences` for one comparison.

        Args:
            source: the source.
            reference: what it is compared with.
            quantity: e.g. ``mAP50``, ``recall``, ``balance``.
            where: ``protocol``, ``stratum`` (default ``all``) and ``operating_point`` (default: headline).

        Raises:
            DataError: there is no such comparison, or more than one.
        """
        table = self.differences
        rows = table[(table.source == source) & (table.reference == reference) & (table.quantity == quantity)]
        where = {"stratum": "all", **where}
        for column, value in where.items():
            rows = rows[rows[column] == value]
        if "operating_point" not in where:
            rows = rows[rows.operating_point.isin(["", HEADLINE])]
        if len(rows) != 1:
            raise DataError(
                f"expected one difference of {quantity} between {source!r} and {reference!r}, found "
                f"{len(rows)}; name protocol, stratum and operating_point"
            )
        return rows.iloc[0]


def evaluate(
    predictions: Mapping[PredictionKey, Path | str],
    ground_truth: Mapping[str, Path | str],
    out: Path | str | None = None,
    *,
    failed: Sequence[FailedSource] = (),
    settings: Settings | None = None,
    blocks: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    workers: int = 1,
) -> Evaluation:
    """Compute and write every table. The same files give the same bytes, however many workers.

    Args:
        predictions: predictions file of each key. The split ``val``, if there, sets operating points and
            temperatures; the tables of objects and differences are about the split ``test``.
        ground_truth: ground truth of each split.
        out: folder for the tables; None writes nothing.
        failed: detectors without results; each becomes a row with its reason, and predictions that it may
            have left behind are not used.
        settings: reference and choices; see :class:`~.detector.Settings`.
        blocks: block of each image by stem, in place of what the ground truth says.
        progress: called with done, total and a message.
        workers: processes to use; 1 starts none. Fresh interpreters are started (no fork, which would copy
            the locks of running threads), so a script that asks for several needs ``if __name__ ==
            "__main__":``.

    Raises:
        DataError: nothing to evaluate, or a file is missing or wrong.
        StorageError: the output cannot be written.
    """
    settings = settings or Settings()
    dropped = {(item.protocol, item.source, item.seed) for item in failed}
    used = {key: Path(path) for key, path in sorted(predictions.items()) if _detector(key) not in dropped}
    if not used and not failed:
        raise DataError(
            "There are no predictions to evaluate; expected predictions/<protocol>/<source>/seed<k>/*.json"
        )
    as_given = _load_truths(ground_truth, {key.split for key in used}, blocks)
    truths = {split: join_blocks(truth) for split, truth in as_given.items()}
    jobs: dict[Detector, dict[str, Path]] = {}
    for key, path in used.items():
        jobs.setdefault(_detector(key), {})[key.split] = path
    report, steps = progress or _silent, len(jobs) + 3
    report(0, steps, "operating points of the reference")
    without_val = _without_val(jobs)
    goals: dict[tuple[str, int], Goal] = {}
    for (protocol, source, seed), paths in jobs.items():
        split = TEST if (protocol, seed) in without_val else VALIDATION
        if source == settings.reference and split in paths:
            goals[protocol, seed] = goal_of_reference(paths[split], truths[split], settings)
    tasks = [
        (
            detector,
            paths,
            truths,
            _goal(goals, detector, without_val),
            TEST if (detector[0], detector[2]) in without_val else VALIDATION,
            settings,
        )
        for detector, paths in jobs.items()
    ]
    scores: dict[Detector, DetectorScore] = {}
    for detector, score in zip(jobs, _score_all(tasks, workers), strict=True):
        scores[detector] = score
        report(len(scores), steps, f"scored {'/'.join(detector[:2])}")
    report(len(jobs) + 1, steps, "differences and their intervals")
    tables = _tables(scores, failed, settings.reference)
    leftovers = sorted({_detector(key) for key in predictions} & dropped)
    result = Evaluation(
        **tables,
        warnings=tuple(find_warnings(scores, as_given, without_val, leftovers, settings.reference)),
    )
    if out is not None:
        report(len(jobs) + 2, steps, "writing tables")
        _write(result, Path(out))
    for warning in result.warnings:
        log.warning("%s", warning)
    report(steps, steps, "done")
    return result


def _silent(_done: int, _total: int, _message: str) -> None:
    pass


def _detector(key: PredictionKey) -> Detector:
    return key.protocol, key.source, key.seed


def _goal(
    goals: Mapping[tuple[str, int], Goal], detector: Detector, on_test: Container[tuple[str, int]]
) -> Goal | None:
    """Return what the reference sets for a detector: its own seed's, else one of the reference's in turn.

    Only goals that were chosen on the same images count.
    """
    protocol, _, seed = detector
    here = (protocol, seed) in on_test
    seeds = sorted(s for name, s in goals if name == protocol and ((name, s) in on_test) == here)
    if not seeds:
        return None
    return goals[protocol, seed if seed in seeds else seeds[seed % len(seeds)]]


def _without_val(jobs: Mapping[Detector, Mapping[str, Path]]) -> dict[tuple[str, int], list[str]]:
    """Return protocol and seed -> sources that lack predictions on val: there all are chosen for on test.

    Thresholds of one comparison are all chosen on the same images.
    """
    lacking: dict[tuple[str, int], list[str]] = {}
    for (protocol, source, seed), paths in jobs.items():
        if TEST in paths and VALIDATION not in paths:
            lacking.setdefault((protocol, seed), []).append(source)
    return lacking


def _load_truths(
    paths: Mapping[str, Path | str], splits: set[str], blocks: Mapping[str, str] | None
) -> dict[str, GroundTruth]:
    missing = sorted(splits - paths.keys())
    if missing:
        given = ", ".join(sorted(paths)) or "none"
        raise DataError(
            f"There are predictions for the split {missing[0]!r} but no ground truth of it (given: {given}); "
            f"expected ground_truth/{missing[0]}.json"
        )
    truths = {}
    for split in sorted(splits):
        truth = load_ground_truth(Path(paths[split]), blocks if split == TEST else None)
        # The blocks of val tell how sure a threshold is; a small val has too few, so its images must.
        truths[split] = truth if split != VALIDATION or len(truth.blocks) >= LEAST_BLOCKS else by_image(truth)
    return truths


class _Unpacked(Mapping[Detector, pd.DataFrame]):
    """The tables of objects, each unpacked when it is asked for and forgotten soon."""

    def __init__(self, packed: Mapping[Detector, bytes]) -> None:
        self.packed = packed

    def __getitem__(self, detector: Detector) -> pd.DataFrame:
        return read_parquet(self.packed[detector])

    def __iter__(self) -> Iterator[Detector]:
        return iter(self.packed)

    def __len__(self) -> int:
        return len(self.packed)


def _tables(
    scores: Mapping[Detector, DetectorScore], failed: Sequence[FailedSource], reference: str
) -> dict[str, Any]:
    def stacked(name: str) -> pd.DataFrame:
        rows = [row for score in scores.values() for row in score.tables.get(name, ())]
        return pd.DataFrame(rows, columns=list(COLUMNS[name]))

    detection = pd.DataFrame(
        [
            *(row for score in scores.values() for row in score.tables["detection"]),
            *(
                {"protocol": item.protocol, "source": item.source, "seed": item.seed, "split": TEST,
                 "status": "failed", "reason": " ".join(item.reason.split())}
                for item in sorted(set(failed))
            ),
        ],
        columns=list(COLUMNS["detection"]),
    ).sort_values(list(KEY), ignore_index=True)  # fmt: skip
    operating = stacked("operating")
    packed = {detector: score.objects for detector, score in scores.items() if score.objects is not None}
    confusion = (score.confusion for score in scores.values() if score.confusion is not None)
    matrix = _concatenated(confusion, "confusion")
    changes, balance = changes_tables(_Unpacked(packed), operating, reference)
    return {
        "detection": detection,
        "detection_summary": _summary(detection),
        "operating": operating,
        **{
            name: stacked(name)
            for name in ("curves", "per_class", "strata", "errors", "calibration", "reliability")
        },
        "confusion": matrix,
        "misclassifications": _misclassifications(matrix),
        "packed_objects": tuple(packed.values()),
        "changes": changes,
        "balance": balance,
        "differences": differences_table(scores, reference),
        "ranks": ranks_table(scores, reference),
        "confidence": _confidence(scores, reference),
    }


def _concatenated(tables: Iterable[pd.DataFrame], name: str) -> pd.DataFrame:
    some = list(tables)
    if not some:
        return pd.DataFrame(columns=list(COLUMNS[name]))
    return pd.concat(some, ignore_index=True)[list(COLUMNS[name])]


def _summary(detection: pd.DataFrame) -> pd.DataFrame:
    """Return mean and sample standard deviation over seeds; the deviation of a single seed is NaN."""
    scored = detection[detection.status == "ok"]
    groups = scored.groupby(["protocol", "source", "split"], sort=True)
    columns = {"seeds": groups.size()}
    for metric in _AVERAGED:
        columns[f"{metric}_mean"] = groups[metric].mean()
        columns[f"{metric}_std"] = groups[metric].std(ddof=1)
    return pd.DataFrame(columns).reset_index()


def _misclassifications(confusion: pd.DataFrame) -> pd.DataFrame:
    """Return ordered pairs of classes with how often the first is taken for the second.

    Listed for every detector of a protocol: truck as car and car as truck where those classes exist, and each
    pair that any of them confuses at the point, so that a zero of one source stands beside another's count.
    """
    columns = list(COLUMNS["misclassifications"])
    if confusion.empty:
        return pd.DataFrame(columns=columns)
    where = [*KEY, "operating_point", "true"]
    real = confusion[confusion.true != BACKGROUND]
    wide = real.pivot_table(index=[*where, "predicted"], columns="matching", values="count", sort=False)
    wide = wide.reset_index()
    objects = real[real.matching == TOP_LABEL].groupby(where, sort=False)["count"].sum().rename("objects")
    wide = wide.merge(objects, on=where)
    wide = wide[(wide.predicted != BACKGROUND) & (wide.true != wide.predicted)]
    pairs = zip(wide.true.str.lower(), wide.predicted.str.lower(), strict=True)
    always = np.array([pair in _ALWAYS for pair in pairs], dtype=bool)
    some = wide[[TOP_LABEL, SAME_CLASS_FIRST]].sum(axis=1)
    total = some.groupby([wide.protocol, wide.operating_point, wide.true, wide.predicted]).transform("sum")
    wide = wide.assign(rate=wide[TOP_LABEL] / wide.objects)[(total > 0) | always]
    wide[[TOP_LABEL, SAME_CLASS_FIRST]] = wide[[TOP_LABEL, SAME_CLASS_FIRST]].astype(int)
    return wide[columns].reset_index(drop=True)


def _confidence(scores: Mapping[Detector, DetectorScore], reference: str) -> pd.DataFrame:
    rows = []
    for (protocol, source, seed), score in scores.items():
        if not score.quantities or score.objects is None:
            continue
        base = scores.get((protocol, reference, seed))
        row: dict[str, object] = {
            "protocol": protocol, "source": source, "seed": seed, "split": TEST, "reference": reference,
            "objects": score.tables["operating"][0]["objects"],
        }  # fmt: skip
        for quantity, mine in score.quantities.items():
            if quantity.name.startswith("confidence_"):
                name = quantity.name.removeprefix("confidence_")
                theirs = base.quantities.get(quantity) if base is not None else None
                row[name] = mine.value
                row[f"{name}_difference"] = mine.value - theirs.value if theirs is not None else math.nan
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS["confidence"]))


def _write(result: Evaluation, out: Path) -> None:
    for item in fields(result):
        value = getattr(result, item.name)
        if item.name == "packed_objects":
            join_parquet(value or (parquet_bytes(result.objects),), out / "objects.parquet")
        elif item.name == "warnings":
            write_json(out / "warnings.json", list(value))
        else:
            write_csv(value, out / f"{item.name}.csv")


def _score_all(tasks: Sequence[tuple], workers: int) -> Iterator[DetectorScore]:  # type: ignore[type-arg]
    """Yield the score of each task in order; the result does not depend on the number of workers."""
    done = 0
    # A daemonic process, such as a worker of somebody else's pool, may not have children.
    if workers > 1 and len(tasks) > 1 and not multiprocessing.current_process().daemon:
        try:
            for score in _pooled(tasks, min(workers, len(tasks))):
                done += 1
                yield score
        except BrokenProcessPool:
            log.warning("The evaluation workers could not be kept running; going on in this process")
    for task in tasks[done:]:
        yield score_detector(*task)


def _pooled(tasks: Sequence[tuple], workers: int) -> Iterator[DetectorScore]:  # type: ignore[type-arg]
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker, initargs=(reader,))
    try:
        with _one_thread_each():
            futures = [pool.submit(score_detector, *task) for task in tasks]
        for position in range(len(futures)):
            yield futures[position].result()
            futures[position] = None  # type: ignore[call-overload]  # its result is not needed twice
        pool.shutdown()
    finally:
        # After an error or Ctrl-C this ends the workers at once, in the middle of what they do.
        writer.close()
        pool.shutdown(cancel_futures=True)
        reader.close()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start meanwhile do linear algebra in one thread: there is one for each core."""
    given = os.environ.get(_THREADS)
    os.environ.setdefault(_THREADS, "1")
    try:
        yield
    finally:
        if given is None:
            del os.environ[_THREADS]


def _prepare_worker(alive: Connection) -> None:
    """Leave Ctrl-C to the parent, and end when its end of the pipe closes: on purpose or because it died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        alive.poll(None)  # returns when there is nobody left to write
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
