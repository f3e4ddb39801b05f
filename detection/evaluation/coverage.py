"""Do the intervals hold? Differences that are known (:mod:`.simulation`), judged by :mod:`.resample`.

With three seeds the truth is the difference of methods (the mean over trainings), with one that of these
detectors.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import pandas as pd

from .resample import compare, draw_blocks
from .simulation import Cell, Sample, entropy, level_sd, simulate

COVERAGE: Final = (0.93, 0.97)  # wanted, from COVERED_BLOCKS blocks on
COVERED_BLOCKS: Final = 10
FALSE_VERDICTS: Final = 0.06  # at most, for any number of equal sources
_OLD_DRAWS = 500


@dataclass(frozen=True)
class Judged:
    """What the replications of a cell gave; all shares in [0, 1].

    Attributes:
        difference: largest true difference between a source and the reference, on average.
        coverage: share of individual intervals that hold the true difference.
        simultaneous_coverage: share of replications in which all simultaneous intervals do.
        false_verdicts: share in which one does not; with equal sources: a verdict where there is nothing.
        sign_flip_verdicts: share in which a sign-flip p-value is below 0.05 (NaN where sources differ).
        width: median width of the individual interval over that of a normal interval with the true standard
            error.
        old_coverage, old_false_verdicts: of percentile intervals of a bootstrap over blocks, unadjusted,
            hull over seeds.
        replications: number of simulated evaluations.
    """

    difference: float
    coverage: float
    simultaneous_coverage: float
    false_verdicts: float
    sign_flip_verdicts: float
    width: float
    old_coverage: float
    old_false_verdicts: float
    replications: int


def cells(quick: bool = False) -> list[Cell]:
    """Return the settings that are simulated; ``quick`` leaves a few."""
    if quick:
        return [
            Cell("recall", 2, 10, 0.3),
            Cell("recall", 30, 10, 0.3),
            Cell("recall", 5, 20, 0.3, seeds=3, seed_sd=1.0, differ=True),
            Cell("precision", 2, 20, 0.3, differ=True),
            Cell("average_precision", 2, 20, 0.3),
            Cell("balance", 2, 20, 0.3, val_blocks=20),
        ]
    numbers = (5, 10, 20, 50, 100)
    result = [Cell("recall", 2, b, icc) for icc in (0, 0.1, 0.3, 0.5) for b in numbers]
    result += [Cell("precision", 2, b, icc) for icc in (0, 0.3) for b in numbers]
    result += [Cell(q, 5, b, 0.3, differ=True) for q in ("recall", "precision") for b in numbers]
    result += [Cell("recall", k, b, 0.3) for k in (5, 10, 30) for b in numbers]
    result += [Cell("recall", 2, b, 0.3, 3, sd) for sd in (0, 0.5, 1) for b in (5, 10, 20, 50)]
    result += [Cell("recall", k, b, 0.3, 3, sd) for k in (10, 30) for sd in (0.5, 1) for b in (10, 20)]
    result += [Cell("recall", 5, 20, 0.3, 3, sd, differ=True) for sd in (0, 0.5, 1)]
    result += [Cell("recall", 5, 20, 0.3, 1, 1, differ=True)]
    result += [
        Cell("average_precision", 2, b, icc)
        for b, icc in ((5, 0.3), (10, 0), (10, 0.3), (20, 0.3), (50, 0.3))
    ]
    result += [Cell("average_precision", 5, 20, 0.3, differ=True), Cell("average_precision", 10, 10, 0.3)]
    result += [Cell("average_precision", 2, 20, 0.3, 3, sd, differ=sd > 0) for sd in (0, 1)]
    result += [Cell("balance", 2, b, 0.3, val_blocks=v) for b, v in ((10, 10), (20, 10), (20, 20), (50, 25))]
    result += [
        Cell("balance", 5, 20, 0.3, differ=True, val_blocks=20),
        Cell("balance", 10, 20, 0.3, val_blocks=20),
    ]
    result += [Cell("balance", 2, 20, 0.3, 3, 0.5, val_blocks=20)]
    return result


def run_coverage(
    replications: int = 2000,
    quick: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> pd.DataFrame:
    """Simulate all cells; one row each, deterministic for a number of replications, whatever the workers.

    Args:
        replications: simulated evaluations of a cell, half as many for average precision and balance.
        quick: only a few cells.
        workers: processes; by default one per core.
        progress: called with done, total and a message.
    """
    work = cells(quick)
    parts = [(cell, part) for cell in work for part in _parts(replications // (2 if cell.heavy else 1))]
    parts.sort(key=lambda item: -_cost(item[0]))
    outcomes: dict[Cell, list[tuple[int, _Outcome]]] = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers or os.cpu_count(), spawn) as pool:
        waiting = {pool.submit(replicate, cell, part): (cell, part) for cell, part in parts}
        for done, future in enumerate(as_completed(waiting), start=1):
            cell, part = waiting[future]
            outcomes.setdefault(cell, []).append((part.start, future.result()))
            if progress:
                progress(done, len(parts), f"{cell.quantity}, {cell.sources} sources, {cell.blocks} blocks")
    rows = [
        asdict(cell) | asdict(judge([o for _, o in sorted(outcomes[cell], key=lambda item: item[0])]))
        for cell in work
    ]
    return pd.DataFrame(rows)


def targets_met(table: pd.DataFrame) -> pd.Series:
    """Return which rows meet the targets: coverage, from ``COVERED_BLOCKS`` blocks on, and false verdicts."""
    covered = table["coverage"].between(*COVERAGE) | (table["blocks"] < COVERED_BLOCKS)
    return covered & (table["false_verdicts"] <= FALSE_VERDICTS)


@dataclass(frozen=True)
class _Outcome:
    """Of R replications with K - 1 compared sources: errors of the differences, and the verdicts."""

    truth: float
    error: np.ndarray  # (R, K - 1)
    half: np.ndarray  # (R, K - 1), half the width of the interval
    covered: np.ndarray  # (R, K - 1), float, NaN where there is no interval
    wrong: np.ndarray  # (R,), bool, whether a simultaneous interval excludes the truth
    flipped: np.ndarray  # (R,), smallest sign-flip p-value, NaN where sources differ
    old: np.ndarray  # (R, K - 1), float, whether the percentile interval covers; NaN where it was not made


def judge(outcomes: Sequence[_Outcome]) -> Judged:
    """Summarise the replications of one cell."""
    covered = np.concatenate([o.covered for o in outcomes])
    wrong = np.concatenate([o.wrong for o in outcomes])
    error, half = (np.concatenate([getattr(o, name) for o in outcomes]) for name in ("error", "half"))
    flipped = np.concatenate([o.flipped for o in outcomes])
    old = np.concatenate([o.old for o in outcomes])
    made = not np.isnan(old).all()
    return Judged(
        difference=float(np.average([o.truth for o in outcomes], weights=[len(o.error) for o in outcomes])),
        coverage=float(np.nanmean(covered)),
        simultaneous_coverage=float(1 - wrong.mean()),
        false_verdicts=float(wrong.mean()),
        sign_flip_verdicts=float((flipped < 0.05).mean()) if not np.isnan(flipped).all() else float("nan"),
        width=float(np.nanmedian(half) / (1.96 * error.std())),
        old_coverage=float(old.mean()) if made else float("nan"),
        old_false_verdicts=float(1 - old.all(axis=1).mean()) if made else float("nan"),
        replications=len(wrong),
    )


def replicate(cell: Cell, part: range) -> _Outcome:
    """Simulate and judge the replications ``part`` of a cell."""
    sd = level_sd(cell)
    rows: list[tuple[object, ...]] = []
    truth = 0.0
    for number in part:
        generator = np.random.default_rng([number, *entropy(cell)])
        sample = simulate(cell, sd, generator)
        truth += float(np.abs(sample.truth).max()) / len(part)
        found = compare(sample.values, sample.without, 0, sample.without_val, sizes=sample.sizes)
        value, low, high = found.value[1:], found.low[1:], found.high[1:]
        # Where too few blocks matter there is no interval, hence no verdict, and nothing to cover.
        covered = np.where(np.isnan(low), np.nan, (low <= sample.truth) & (sample.truth <= high))
        wrong = (found.simultaneous_low[1:] > sample.truth) | (sample.truth > found.simultaneous_high[1:])
        flip = not cell.differ and sample.without_val is None
        flipped = found.p_sign_flip[1:].min() if flip else np.nan
        rows.append(
            (
                value - sample.truth,
                (high - low) / 2,
                covered,
                wrong.any(),
                flipped,
                _percentile(sample),
            )
        )
    return _Outcome(truth, *(np.array(column) for column in zip(*rows, strict=True)))


@functools.lru_cache(maxsize=8)
def _old_draws(blocks: int) -> np.ndarray:
    return draw_blocks(blocks, _OLD_DRAWS).T.copy()


def _percentile(sample: Sample) -> np.ndarray:
    """Return whether percentile intervals over drawn blocks (hull over seeds) hold the truth, (K - 1,)."""
    if sample.counts is None:
        return np.full(len(sample.truth), np.nan)
    weights = _old_draws(sample.without.shape[-1])
    above, below = (array.astype(np.float32) @ weights for array in sample.counts)
    drawn = above / np.maximum(below, 1)  # (K, S, R); a draw may hold nothing
    low, high = np.quantile(drawn[1:] - drawn[0], [0.025, 0.975], axis=-1)
    return ((low.min(axis=1) <= sample.truth) & (sample.truth <= high.max(axis=1))).astype(np.float64)


def _parts(replications: int, size: int = 250) -> Iterator[range]:
    return (range(start, min(start + size, replications)) for start in range(0, replications, size))


def _cost(cell: Cell) -> float:
    slow = {"recall": 1, "precision": 2, "average_precision": 20, "balance": 10}[cell.quantity]
    return slow * cell.sources * cell.seeds * cell.blocks
