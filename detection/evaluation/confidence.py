"""Confidence compared fairly: on the objects that every source found, pair by pair."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

COLUMNS: Final = (
    "protocol", "source", "seed", "split", "objects", "mean", "median", "q25", "q75",
    "delta_visible", "share_higher",
)  # fmt: skip


def confidence_table(objects: pd.DataFrame, reference: str = "visible") -> pd.DataFrame:
    """Return the confidence of correct detections of each source.

    Sources that find more hard objects would look less confident if each were averaged over what it found. So
    only objects count that all sources of the same protocol and seed found correctly.

    Args:
        objects: table of :func:`outcomes.objects_table` for any number of detectors.
        reference: source that the paired differences are taken to; NaN where it is absent.
    """
    rows = []
    found = objects[objects.kind == "object"]
    for (protocol, seed, split), group in found.groupby(["protocol", "seed", "split"], sort=True):
        correct = group[group.outcome == "correct"]
        wide = correct.pivot(index="object_id", columns="source", values="confidence")
        # A source without any correct object makes the common set empty, but keeps its row.
        wide = wide.reindex(columns=sorted(group.source.unique())).dropna()
        for source, values in wide.items():
            delta = share = math.nan
            if reference in wide and len(wide):
                difference = values - wide[reference]
                delta, share = float(difference.mean()), float((difference > 0).mean())
            quartiles = values.quantile([0.5, 0.25, 0.75])
            rows.append((protocol, source, seed, split, len(values), values.mean(), *quartiles, delta, share))
    return pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(list(COLUMNS[:4]), ignore_index=True)
