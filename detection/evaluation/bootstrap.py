"""How sure is a difference in mAP50? Paired bootstrap over scenes, not over images.

Frames of one scene resemble each other, so they are drawn together. Each resample draws as many scene blocks
as there are, with replacement, and every source is scored on the same draw: what makes a draw easy or hard
for all sources cancels in the difference.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from .coco import MatchArrays
from .records import ImageRecord, PredictionKey

COLUMNS: Final = (
    "protocol",
    "source",
    "seed",
    "split",
    "metric",
    "delta",
    "low",
    "high",
    "blocks",
    "resamples",
)
METRIC: Final = "mAP50"
RESAMPLES: Final = 500
_RECALLS = np.linspace(0.0, 1.0, 101)  # COCO's recall levels
_CELLS = 8_000_000  # resamples x predictions held at once
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")


def scene_blocks(images: Sequence[ImageRecord]) -> np.ndarray:
    """Return the block of each image, shape (I,), int64, counted from 0.

    Images with the same named scene form a block. Images without one form a block with the images whose
    numbers follow theirs without a gap (``00012``, ``00013``); a stem without a number is a block of its own.
    """
    blocks: dict[tuple[str, ...], int] = {}
    result = np.empty(len(images), dtype=np.int64)
    numbered: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for position, image in enumerate(images):
        match = _NUMBERED.fullmatch(image.stem)
        if image.scene is not None:
            result[position] = blocks.setdefault(("scene", image.scene), len(blocks))
        elif match:
            numbered.setdefault((match[1], match[3]), []).append((int(match[2]), position))
        else:
            result[position] = blocks.setdefault(("stem", image.stem), len(blocks))
    count = len(blocks)
    for _, members in sorted(numbered.items()):
        previous = None
        for number, position in sorted(members):
            if previous is None or number > previous + 1:
                count += 1
            result[position] = count - 1
            previous = number
    return result


def draw_weights(blocks: int, resamples: int, seed: int = 0) -> np.ndarray:
    """Return how often each resample holds each block, shape (R, B), int64; rows add up to ``blocks``."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)


def weighted_map50(matches: MatchArrays, block: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return mAP50 of each resample, shape (R,), NaN where a resample holds no object.

    Equals COCOeval's number on a data set in which each block is repeated as often as its weight says, since
    repeating a block repeats its true and false positives at their places in the order of confidence.

    Args:
        matches: COCO matching at IoU 0.5.
        block: shape (I,), block of each image.
        weights: shape (R, B), integers >= 0.
    """
    per_block = np.zeros((weights.shape[1], matches.positives.shape[1]), dtype=np.int64)
    np.add.at(per_block, block, matches.positives)
    positives = weights @ per_block  # (R, C)
    ap = np.full(positives.shape, np.nan)
    for c in range(positives.shape[1]):
        mine = np.flatnonzero(matches.category == c)
        mine = mine[np.argsort(-matches.scores[mine], kind="stable")]
        ap[:, c] = _average_precision(
            matches.correct[mine], block[matches.image[mine]], weights, positives[:, c]
        )
    defined = ~np.isnan(ap)
    total = np.where(defined, ap, 0).sum(axis=1)
    return np.divide(total, defined.sum(axis=1), out=np.full(len(ap), np.nan), where=defined.any(axis=1))


def intervals_table(
    matches: Mapping[PredictionKey, MatchArrays],
    images: Mapping[str, Sequence[ImageRecord]],
    reference: str = "visible",
    resamples: int = RESAMPLES,
    progress: Callable[[int, int, str], None] | None = None,
) -> pd.DataFrame:
    """Return 95 % percentile intervals of the mAP50 difference of each source to the reference.

    Args:
        matches: COCO matching at IoU 0.5 of every detector; compared within a protocol, seed and split.
        images: images of each split, in the order that ``matches`` counts them.
        reference: source that the others are compared with; without it the table is empty.
        resamples: number of draws. With fewer than two blocks, or none drawn, the limits are NaN.
        progress: called with done, total and a message.
    """
    rows = []
    scores: dict[PredictionKey, np.ndarray] = {}
    blocks = {split: scene_blocks(records) for split, records in images.items()}
    counts = {split: int(block.max(initial=-1)) + 1 for split, block in blocks.items()}
    weights = {split: _weights(count, resamples) for split, count in counts.items()}
    for done, (key, found) in enumerate(sorted(matches.items(), key=lambda item: item[0]), start=1):
        scores[key] = weighted_map50(found, blocks[key.split], weights[key.split])
        if progress:
            progress(done, len(matches), f"interval of {key.source}")
    for key, values in scores.items():
        base = scores.get(PredictionKey(key.protocol, reference, key.seed, key.split))
        if base is None or key.source == reference:
            continue
        difference = values - base
        drawn = difference[1:][~np.isnan(difference[1:])]
        low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (math.nan, math.nan)
        where = (key.protocol, key.source, key.seed, key.split)
        rows.append((*where, METRIC, difference[0], low, high, counts[key.split], resamples))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _weights(blocks: int, resamples: int) -> np.ndarray:
    """Return the full sample in row 0, then the draws, if there is anything to draw from."""
    full = np.ones((1, blocks), dtype=np.int64)
    return np.concatenate([full, draw_weights(blocks, resamples)]) if blocks > 1 and resamples else full


def _average_precision(
    correct: np.ndarray, block: np.ndarray, weights: np.ndarray, positives: np.ndarray
) -> np.ndarray:
    """Return COCO's 101-point AP of one class for each resample, shape (R,).

    Args:
        correct: shape (M,), bool, in descending order of confidence.
        block: shape (M,), block of each prediction.
        weights: shape (R, B).
        positives: shape (R,), weighted number of objects; AP is NaN where it is zero.
    """
    result = np.where(positives > 0, 0.0, np.nan)
    hits = np.flatnonzero(correct)
    if not len(hits):
        return result
    # Recall rises only at hits, so precision is looked at there alone, and nothing after the last hit
    # matters.
    block, small = block[: hits[-1] + 1], weights.astype(np.int32)
    step = max(1, _CELLS // len(block))
    for start in range(0, len(weights), step):
        some = slice(start, start + step)
        drawn = small[some]
        seen = np.cumsum(drawn[:, block], axis=1, dtype=np.int32)[:, hits].astype(np.float64)
        found = np.cumsum(drawn[:, block[hits]], axis=1, dtype=np.int32).astype(np.float64)
        precision = found / (seen + np.spacing(1))
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = found / np.maximum(positives[some], 1)[:, None]
        for row in np.flatnonzero(positives[some] > 0):
            reached = np.searchsorted(recall[row], _RECALLS, side="left")
            result[start + row] = envelope[row, reached[reached < len(hits)]].sum() / len(_RECALLS)
    return result
