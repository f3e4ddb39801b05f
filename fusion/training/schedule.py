"""Learning-rate schedules, as factors on the peak rate."""

from __future__ import annotations

import math

RISING_STEPS = 100
"""Steps in which :func:`rising` reaches 1."""


def warmup_cosine(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then half a cosine down to zero (Loshchilov and Hutter 2017, without restarts).

    Args:
        step: optimiser step, counted from 0.
        steps: all steps of the run.
        warmup: steps of warm-up; more than a quarter of the run is cut to a quarter, so that short runs
            still spend most of their steps near the peak.

    Returns:
        A factor in (0, 1]; 1 at the end of the warm-up.
    """
    warmup = min(warmup, steps // 4)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def rising(step: int) -> float:
    """Return a factor that rises to 1 over the first :data:`RISING_STEPS` steps, however long the run is.

    For networks that end in a saturating activation and are trained at a high rate. Their first images are
    too bright or too dark everywhere, so that Adam moves all weights the same way; at the full rate the
    output is where the activation has no gradient before the error changes its sign, and stays there.

    Args:
        step: optimiser step, counted from 0.
    """
    return min(1.0, (step + 1) / RISING_STEPS)
