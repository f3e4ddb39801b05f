"""Every difference between two sources, with its interval; and their ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from .detector import Detector, DetectorScore
from .quantities import ALL, Quantity, Replicates
from .resample import Comparison, compare, ranks

COLUMNS: Final = (
    "protocol", "reference", "source", "quantity", "stratum", "operating_point", "value", "low", "high",
    "simultaneous_low", "simultaneous_high", "p", "p_holm", "p_sign_flip", "se_blocks", "se_val", "se_seeds",
    "df", "detectable", "equivalent", "blocks", "seeds", "covers",
)  # fmt: skip
RANK_COLUMNS: Final = (
    "protocol", "source", "quantity", "value", "rank", "rank_low", "rank_high", "p_best", "draws",
    "se_blocks", "se_seeds",
)  # fmt: skip
_NUMBERS = COLUMNS[6:19]  # as the attributes of a comparison are called
_LIMITS = COLUMNS[7:11]
EQUIVALENCE: Final = 0.01
"""Average precisions that differ by less than one point are called equivalent."""
PRECISIONS: Final = ("mAP50", "mAP75", "mAP50_95", "AP50")
_UNBOUNDED = ("margin", "false_alarms_per_image")  # all others are rates or shares, or counts of objects
PAIRED: Final = "frozen"
"""Protocol in which one detector runs on all sources, so that seeds are paired."""


def differences_table(scores: Mapping[Detector, DetectorScore], reference: str) -> pd.DataFrame:
    """Compare all sources with each other on the whole test set, and with the reference on its parts.

    Args:
        scores: result of each detector; those without test results take no part.
        reference: source that comes first, and the only one that parts of the test set are compared with.
    """
    rows: list[tuple[object, ...]] = []
    for protocol, sources, seeds in _protocols(scores, reference):
        found = {
            (k, s): scores[protocol, source, seed].quantities
            for k, source in enumerate(sources)
            for s, seed in enumerate(seeds)
            if (protocol, source, seed) in scores and scores[protocol, source, seed].quantities
        }
        known = sorted(
            {q for quantities in found.values() for q, r in quantities.items() if not math.isnan(r.value)}
        )
        for quantity in known:
            values, without, without_val, sizes = _arrays(found, quantity, len(sources), len(seeds))
            everywhere = quantity.stratum == ALL or quantity.name == "AP50"
            for k, name in enumerate(sources):
                if not everywhere and name != reference:
                    continue
                margin = EQUIVALENCE if quantity.name in PRECISIONS else None
                result = compare(
                    values, without, k, without_val,
                    paired_seeds=protocol == PAIRED, equivalence=margin, sizes=sizes,
                )  # fmt: skip
                bound = float(sizes.sum()) if quantity.name == "balance" else 1.0
                limits = (math.inf if quantity.name in _UNBOUNDED else bound) * np.array([-1, 1])
                rows += _rows(protocol, sources, k, quantity, result, limits)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    # Differences with the reference first, as people read them.
    first = (table.reference != reference).astype(int)
    return table.iloc[np.lexsort((np.arange(len(table)), first, table.protocol))].reset_index(drop=True)


def ranks_table(scores: Mapping[Detector, DetectorScore], reference: str) -> pd.DataFrame:
    """Rank the sources by mAP50: how often each is best, over draws of blocks and of seeds."""
    rows: list[tuple[object, ...]] = []
    for protocol, sources, seeds in _protocols(scores, reference):
        number = max(len(score.draws) for score in scores.values())
        if not number:
            continue
        draws = np.full((len(sources), len(seeds), number), np.nan)
        values = np.full(draws.shape[:2], np.nan)
        for k, source in enumerate(sources):
            for s, seed in enumerate(seeds):
                score = scores.get((protocol, source, seed))
                if score is not None and len(score.draws):
                    draws[k, s] = score.draws
                    values[k, s] = score.quantities[Quantity("mAP50")].value
        if np.isnan(values).all():
            continue  # no objects
        ranked = ranks(draws, values, paired_seeds=protocol == PAIRED)
        with np.errstate(invalid="ignore"):
            mean = np.nanmean(values, axis=1)
        rows += [
            (protocol, source, "mAP50", mean[k], ranked.rank[k], ranked.low[k], ranked.high[k],
             ranked.p_best[k], number, ranked.se_blocks[k], ranked.se_seeds[k])
            for k, source in enumerate(sources)
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(RANK_COLUMNS))


def _protocols(
    scores: Mapping[Detector, DetectorScore], reference: str
) -> list[tuple[str, list[str], list[int]]]:
    """Return protocol, sources (the reference first) and seeds of what has test results."""
    scored = [detector for detector, score in scores.items() if score.quantities]
    result = []
    for protocol in sorted({protocol for protocol, _, _ in scored}):
        sources = sorted({source for p, source, _ in scored if p == protocol})
        sources.sort(key=lambda name: name != reference)
        result.append((protocol, sources, sorted({seed for p, _, seed in scored if p == protocol})))
    return result


def _arrays(
    found: Mapping[tuple[int, int], Mapping[Quantity, Replicates]],
    quantity: Quantity,
    sources: int,
    seeds: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
    """Return values (K, S), without each block (K, S, B) and each val block or None, and sizes (B,)."""
    known = [quantities[quantity] for quantities in found.values() if quantity in quantities]
    values = np.full((sources, seeds), np.nan)
    without = np.full((sources, seeds, len(known[0].without)), np.nan)
    without_val = np.full((sources, seeds, max(len(r.without_val) for r in known)), np.nan)
    for (k, s), quantities in found.items():
        replicates = quantities.get(quantity)
        if replicates is not None:
            values[k, s], without[k, s] = replicates.value, replicates.without
            # A seed whose thresholds were chosen on test has this variance in ``without``.
            without_val[k, s] = replicates.without_val if len(replicates.without_val) else replicates.value
        elif quantity.name == "misclassification" and Quantity("recall", ALL, quantity.point) in quantities:
            # Stored only where it happens.
            values[k, s], without[k, s], without_val[k, s] = 0.0, 0.0, 0.0
    # Sizes differ between detectors only where predictions are counted.
    sizes = np.mean([replicates.sizes for replicates in known], axis=0)
    return values, without, without_val if without_val.shape[2] else None, sizes


def _rows(
    protocol: str,
    sources: list[str],
    reference: int,
    quantity: Quantity,
    result: Comparison,
    limits: np.ndarray,
) -> list[tuple[object, ...]]:
    """Return the rows of one comparison; an interval ends where the possible differences do."""
    rows: list[tuple[object, ...]] = []
    for k, source in enumerate(sources):
        if k == reference or math.isnan(result.value[k]):
            continue
        numbers = {name: float(getattr(result, name)[k]) for name in _NUMBERS}
        numbers |= {name: float(np.clip(numbers[name], *limits)) for name in _LIMITS}
        if quantity.name == "misclassification" and not (numbers["se_blocks"] or numbers["se_val"]):
            # Alike in every block, mostly without a single case: that says nothing of how rare it is.
            numbers |= dict.fromkeys((*_LIMITS, "p", "p_holm", "p_sign_flip", "detectable"), math.nan)
        equivalent = None if result.equivalent is None else bool(result.equivalent[k])
        where = (protocol, sources[reference], source, quantity.name, quantity.stratum, quantity.point)
        reach = (int(result.blocks[k]), int(result.seeds[k]), str(result.covers[k]))
        rows.append((*where, *numbers.values(), equivalent, *reach))
    return rows
