"""Operating points: confidence thresholds, all chosen on val, at which sources can be compared.

Fixed and broken objects, recall and misclassifications say nothing when one source is run at a lower
precision than the other. So every source is looked at where its precision on val equals the reference's (the
headline), where it raises as many false alarms per image, and at the reference's own threshold, as a deployed
detector would be run. Its own best F1 comes last: two sources at their own best F1 are not comparable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from .curves import leave_one_out
from .matching import Matches

EQUAL_PRECISION: Final = "equal_precision"
KEPT: Final = "kept_threshold"
OWN: Final = "own_best_f1"
FALSE_ALARMS: Final[Mapping[str, float]] = {"fppi_0.1": 0.1, "fppi_1": 1.0}
POINTS: Final = (EQUAL_PRECISION, *FALSE_ALARMS, KEPT, OWN)
HEADLINE: Final = EQUAL_PRECISION
FALLBACK: Final = 0.25  # used when the images to choose on cannot tell
_FLAT = 0.95  # thresholds whose F1 is at least so much of the best count as best for the reference's goal
_ROOM = 1e-12  # for rounding in comparisons of precisions


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of one operating point of one detector.

    Attributes:
        value: shape (C,), lowest confidence that counts, by class; all equal unless chosen per class.
        without: shape (V, C), the same choice made without each block of the images that it was made on.
        reached: whether the goal (e.g. the precision) could be reached; else the nearest is taken, or
            :data:`FALLBACK`.
        precision: precision on the images that the choice was made on; NaN if nothing was chosen.
        recall: recall on them.
        warning: why :data:`FALLBACK` was taken; empty if it was not.
    """

    value: np.ndarray
    without: np.ndarray
    reached: bool = True
    precision: float = math.nan
    recall: float = math.nan
    warning: str = ""

    @property
    def common(self) -> float:
        """The threshold of all classes; NaN where each has its own."""
        return float(self.value[0]) if len(set(self.value.tolist())) == 1 else math.nan


@dataclass(frozen=True)
class Goal:
    """What the reference sets for the others.

    Attributes:
        thresholds: the reference's thresholds.
        precision: shape (1 + V, C), the precision to reach, on all images and without each block.
    """

    thresholds: Thresholds
    precision: np.ndarray


@dataclass(frozen=True)
class _Ladder:
    """Counts at each confidence that finds an object, by resampled set.

    Attributes:
        scores: shape (H,), falling.
        hits: shape (R, H), correct predictions with at least this confidence.
        shown: shape (R, H), all predictions with at least this confidence.
        objects: shape (R,).
        wrong: confidence, falling, and block of each false alarm.
        images: shape (R,).
    """

    scores: np.ndarray
    hits: np.ndarray
    shown: np.ndarray
    objects: np.ndarray
    wrong: tuple[np.ndarray, np.ndarray]
    images: np.ndarray


_Choice = Callable[[_Ladder, int], tuple[np.ndarray, np.ndarray]]  # position by set, and whether it is met


def best_f1(
    matches: Matches, block: np.ndarray, blocks: int, *, per_class: bool = False, flat: float = 1.0
) -> Goal:
    """Choose the threshold of best F1, the higher one among equals.

    Args:
        matches: COCO matching on the images to choose on, never those of test if there are others.
        block: shape (I,), block of each of these images.
        blocks: number of blocks.
        per_class: choose for each class by itself instead of for all pooled.
        flat: take the middle of the thresholds around the best whose F1 is at least this share of it. F1 is
            flat there, so the very best of a small set is chance, and its precision is too good: a goal that
            others, which are not so lucky, would have to pay for in recall.
    """

    def choose(ladder: _Ladder, _: int) -> tuple[np.ndarray, np.ndarray]:
        at = _best_f1(ladder, flat)
        return at, np.ones(len(at), dtype=bool)

    return _chosen(matches, block, blocks, per_class, choose)


def reference_goal(matches: Matches, block: np.ndarray, blocks: int, *, per_class: bool = False) -> Goal:
    """Return what the reference sets for the others: precision around its best F1, and its threshold there.

    Its own threshold is found by the rule that all sources follow, :func:`equal_precision`, so that a source
    that ranks its predictions alike is run alike, whatever the scale of its scores.

    Args:
        matches: as in :func:`best_f1`, of the reference.
        block: as in :func:`best_f1`.
        blocks: as in :func:`best_f1`.
        per_class: as in :func:`best_f1`.
    """
    goal = best_f1(matches, block, blocks, per_class=per_class, flat=_FLAT)
    if goal.thresholds.warning:
        return goal
    return Goal(equal_precision(matches, block, blocks, goal, per_class=per_class), goal.precision)


def equal_precision(
    matches: Matches, block: np.ndarray, blocks: int, goal: Goal, *, per_class: bool = False
) -> Thresholds:
    """Choose the threshold of largest recall at which precision is at least the reference's.

    Where the reference has none (it finds no object of the class), that of best F1.

    Args:
        matches: as in :func:`best_f1`.
        block: as in :func:`best_f1`.
        blocks: as in :func:`best_f1`; the same blocks as the goal's.
        goal: of the reference; without its block v, the choice is made without that block too.
        per_class: as in :func:`best_f1`.
    """

    def choose(ladder: _Ladder, category: int) -> tuple[np.ndarray, np.ndarray]:
        precision = ladder.hits / np.maximum(ladder.shown, 1)
        aim = goal.precision[:, category]
        enough = precision >= aim[:, None] - _ROOM
        last = enough.shape[1] - 1 - enough[:, ::-1].argmax(axis=1)
        reached = enough.any(axis=1)
        nearest = np.where(np.isnan(aim), _best_f1(ladder), precision.argmax(axis=1))
        return np.where(reached, last, nearest), reached

    return _chosen(matches, block, blocks, per_class, choose).thresholds


def equal_false_alarms(
    matches: Matches, block: np.ndarray, blocks: int, limit: float, *, per_class: bool = False
) -> Thresholds:
    """Choose the lowest threshold with at most ``limit`` false alarms per image (and class, if per class)."""
    classes = matches.positives.shape[1]
    weights = leave_one_out(blocks)
    result = np.zeros((len(weights), classes))
    reached = True
    for category, columns in _groups(classes, per_class):
        ladder = _ladder(matches, block, weights, category)
        scores, where = ladder.wrong
        for r, row in enumerate(weights):
            left = scores[row[where] > 0]
            allowed = math.floor(limit * ladder.images[r] + 1e-9)
            # Just above the first false alarm too many, on the grid of published thresholds.
            if allowed < len(left):
                result[r, columns] = (math.floor(left[allowed] * 1e6 + 1e-6) + 1) / 1e6
        reached = reached and bool((result[0, columns] > 0).all())
    value = Thresholds(result[0], result[1:], reached)
    return _measured(value, matches)


def kept(thresholds: Thresholds, matches: Matches) -> Thresholds:
    """Take over the reference's thresholds, as a detector that is run on another source without tuning."""
    return _measured(Thresholds(thresholds.value, thresholds.without), matches)


def _chosen(matches: Matches, block: np.ndarray, blocks: int, per_class: bool, choose: _Choice) -> Goal:
    """Apply ``choose`` to all classes pooled, or to each; without steps to choose from, take the fallback."""
    classes = matches.positives.shape[1]
    weights = leave_one_out(blocks)
    value = np.full((len(weights), classes), FALLBACK)
    precision = np.full((len(weights), classes), np.nan)
    reached, warnings = True, []
    groups = _groups(classes, per_class)
    for category, columns in groups:
        ladder = _ladder(matches, block, weights, category)
        if not len(ladder.scores):
            warnings.append("no prediction is correct" if ladder.objects[0] else "there are no objects")
            reached = reached and not ladder.objects[0]
            continue
        at, met = choose(ladder, category or 0)
        # Without a block its hits are no steps: of steps with as many hits the first is the one that is left.
        at = (ladder.hits == np.take_along_axis(ladder.hits, at[:, None], axis=1)).argmax(axis=1)
        # A set that lost all it could be chosen on keeps the choice of the full set.
        empty = ladder.hits[:, -1] == 0
        at = np.where(empty, at[0], at)
        rows = np.where(empty, 0, np.arange(len(weights)))
        ratio = ladder.hits[rows, at] / np.maximum(ladder.shown[rows, at], 1)
        value[:, columns], precision[:, columns] = _not_above(ladder.scores[at])[:, None], ratio[:, None]
        reached = reached and bool(met[0])
    nothing = len(warnings) == len(groups)
    reached, warning = reached and not nothing, warnings[0] if nothing else ""
    return Goal(_measured(Thresholds(value[0], value[1:], reached, warning=warning), matches), precision)


def _best_f1(ladder: _Ladder, flat: float = 1.0) -> np.ndarray:
    """Return the position of best F1 in each resampled set, see :func:`best_f1`."""
    f1 = 2 * ladder.hits / np.maximum(ladder.shown + ladder.objects[:, None], 1)
    first = f1.argmax(axis=1)
    if flat == 1:
        return first
    # The stretch around the best without a gap: a second peak elsewhere is another operating point.
    poor = f1 < flat * f1.max(axis=1, keepdims=True)
    steps = np.arange(f1.shape[1])
    left = np.where(poor & (steps < first[:, None]), steps, -1).max(axis=1) + 1
    right = np.where(poor & (steps > first[:, None]), steps, len(steps)).min(axis=1) - 1
    return (left + right) // 2


def _groups(classes: int, per_class: bool) -> list[tuple[int | None, list[int]]]:
    """Return what a threshold is chosen for: a class (None: all pooled) and the columns that it fills."""
    return [(c, [c]) for c in range(classes)] if per_class else [(None, list(range(classes)))]


def _ladder(matches: Matches, block: np.ndarray, weights: np.ndarray, category: int | None) -> _Ladder:
    mine = ~matches.ignored[0]
    wanted = matches.positives.sum(axis=1) if category is None else matches.positives[:, category]
    if category is not None:
        mine = mine & (matches.category == category)
    scores, correct, where = matches.scores[mine], matches.correct[0][mine], block[matches.image[mine]]
    steps = np.unique(scores[correct])[::-1]
    # The first step that each prediction passes; predictions of equal confidence pass together.
    step = np.searchsorted(-steps, -scores, side="left")
    passes = step < len(steps)
    blocks = weights.shape[1]

    def counts(kept: np.ndarray) -> np.ndarray:
        flat = np.bincount(where[kept] * len(steps) + step[kept], minlength=blocks * len(steps))
        return weights @ np.cumsum(flat.reshape(blocks, -1), axis=1) if len(steps) else weights[:, :0]

    return _Ladder(
        scores=steps,
        hits=counts(passes & correct),
        shown=counts(passes),
        objects=weights @ np.bincount(block, wanted, minlength=blocks),
        wrong=(scores[~correct], where[~correct]),
        images=weights @ np.bincount(block, minlength=blocks),
    )


def _measured(thresholds: Thresholds, matches: Matches) -> Thresholds:
    """Fill in precision and recall on the images that the choice was made on."""
    passing = ~matches.ignored[0] & (matches.scores >= thresholds.value[matches.category])
    hits, shown, objects = (passing & matches.correct[0]).sum(), passing.sum(), matches.positives.sum()
    return Thresholds(
        thresholds.value,
        thresholds.without,
        thresholds.reached,
        float(hits / shown) if shown else math.nan,
        float(hits / objects) if objects else math.nan,
        thresholds.warning,
    )


def _not_above(scores: np.ndarray) -> np.ndarray:
    """Round to six decimals without ever excluding the score itself: what is published is what is applied."""
    rounded = np.round(scores, 6)
    return np.where(rounded <= scores, rounded, np.round(rounded - 1e-6, 6))
