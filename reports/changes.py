"""Objects that a source gets right where visible-only is wrong (fixed), and the reverse (broken)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from .results import Results


@dataclass(frozen=True)
class ChangeCount:
    """Fixed and broken objects of one source under one protocol; means when there are several seeds."""

    fixed: float
    broken: float

    @property
    def net(self) -> float:
        """Fixed minus broken."""
        return self.fixed - self.broken


def change_counts(results: Results, protocol: str, source: str) -> ChangeCount | None:
    """Counts of one source; None when nothing is stored."""
    frame = results.table("changes", protocol)
    seeds = len(results.seeds(protocol))
    if frame is None or not seeds:
        return None
    kinds = frame[frame["source"] == source]["change"].value_counts()
    return ChangeCount(kinds.get("fixed", 0) / seeds, kinds.get("broken", 0) / seeds)


def class_change_counts(results: Results, protocol: str) -> dict[tuple[str, str], ChangeCount]:
    """Counts by source and class; what never changed has no entry."""
    frame = results.table("changes", protocol)
    seeds = len(results.seeds(protocol))
    if frame is None or not seeds:
        return {}
    found: dict[tuple[str, str], dict[str, float]] = {}
    sizes = frame.groupby(["source", "class", "change"]).size().reset_index(name="number")
    for source, label, change, number in sizes.itertuples(index=False):
        found.setdefault((str(source), str(label)), {})[str(change)] = number / seeds
    return {
        key: ChangeCount(kinds.get("fixed", 0.0), kinds.get("broken", 0.0)) for key, kinds in found.items()
    }


def top_rows(results: Results, protocol: str, source: str, change: str, limit: int) -> pd.DataFrame | None:
    """The rows to print: first seed, the most confident first.

    Fixed objects are ordered by the confidence of the source, broken ones by the confidence visible-only
    had; ties by object id.
    """
    frame = results.table("changes", protocol)
    seeds = results.seeds(protocol)
    if frame is None or not seeds:
        return None
    rows = frame[(frame["source"] == source) & (frame["change"] == change) & (frame["seed"] == seeds[0])]
    column = "source_confidence" if change == "fixed" else "visible_confidence"
    keys = [column, "object_id"] if column in rows.columns else ["object_id"]
    return rows.sort_values(keys, ascending=[False, True][-len(keys) :]).head(limit)
