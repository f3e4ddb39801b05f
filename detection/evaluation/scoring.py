"""Score one detector (a source, protocol and seed) on all its splits: the unit of work of an evaluation."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from .coco import CocoScores, coco_scores
from .load import load_predictions
from .matching import Matching, match_split
from .records import VALIDATION, GroundTruth, Predictions
from .threshold import Threshold, best_f1

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplitScore:
    """Everything computed from one predictions file."""

    predictions: Predictions
    coco: CocoScores
    matching: Matching


@dataclass(frozen=True)
class DetectorScore:
    """Everything computed from the predictions of one detector.

    Attributes:
        threshold: operating threshold, from the validation split alone.
        splits: result of each split that has predictions.
    """

    threshold: Threshold
    splits: Mapping[str, SplitScore]


def score_detector(paths: Mapping[str, Path], truths: Mapping[str, GroundTruth]) -> DetectorScore:
    """Score the predictions file of each split.

    Args:
        paths: predictions file of each split.
        truths: ground truth of at least those splits.

    Raises:
        DataError: a file is missing or wrong.
    """
    predictions = {split: load_predictions(path, truths[split]) for split, path in paths.items()}
    scores = {split: coco_scores(truths[split], found) for split, found in predictions.items()}
    threshold = best_f1(scores[VALIDATION].matches if VALIDATION in scores else None)
    return DetectorScore(
        threshold=threshold,
        splits={
            split: SplitScore(found, scores[split], match_split(truths[split], found, threshold.value))
            for split, found in predictions.items()
        },
    )


def score_all(
    jobs: Sequence[Mapping[str, Path]],
    truths: Mapping[str, GroundTruth],
    workers: int = 1,
    done: Callable[[int], None] | None = None,
) -> list[DetectorScore]:
    """Score several detectors; the result does not depend on the number of workers.

    Args:
        jobs: predictions files by split, one mapping per detector.
        truths: ground truth by split.
        workers: processes to use; 1 starts none. Fresh interpreters are started (no fork, which would copy
            the locks of running threads), so a script that asks for several needs ``if __name__ ==
            "__main__":``.
        done: called with the number of detectors finished so far.
    """
    report = done or (lambda _: None)
    results: list[DetectorScore] = []
    # A daemonic process, such as a worker of somebody else's pool, may not have children.
    if workers > 1 and len(jobs) > 1 and not multiprocessing.current_process().daemon:
        try:
            for result in _pooled(jobs, truths, min(workers, len(jobs))):
                results.append(result)
                report(len(results))
        except BrokenProcessPool:
            log.warning("The evaluation workers could not be kept running; going on in this process")
    for job in jobs[len(results) :]:
        results.append(score_detector(job, truths))
        report(len(results))
    return results


def _pooled(
    jobs: Sequence[Mapping[str, Path]], truths: Mapping[str, GroundTruth], workers: int
) -> Iterator[DetectorScore]:
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker, initargs=(reader,))
    try:
        futures = [pool.submit(score_detector, job, truths) for job in jobs]
        for future in futures:
            yield future.result()
        pool.shutdown()
    finally:
        # After an error or Ctrl-C this ends the workers at once, in the middle of what they do.
        writer.close()
        pool.shutdown(cancel_futures=True)
        reader.close()


def _prepare_worker(alive: Connection) -> None:
    """Leave Ctrl-C to the parent, and end when its end of the pipe closes: on purpose or because it died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        alive.poll(None)  # returns when there is nobody left to write
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
