"""Which objects a source fixes and which it breaks against the reference, and the balance of the two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from .operating import HEADLINE, POINTS
from .records import TEST

CHANGE_COLUMNS: Final = (
    "protocol", "source", "seed", "split", "operating_point", "change", "reference", "object_id", "image_id",
    "stem", "block", "class", "size", "visibility", "reference_outcome", "reference_predicted",
    "reference_confidence", "source_outcome", "source_predicted", "source_confidence", "x1", "y1", "x2", "y2",
)  # fmt: skip
BALANCE_COLUMNS: Final = (
    "protocol", "source", "seed", "split", "operating_point", "reference", "class", "fixed", "broken",
    "balance", "objects", "precision", "reference_precision", "false_alarms_per_image",
    "reference_false_alarms_per_image",
)  # fmt: skip
EVERY_CLASS: Final = "all"
_RESULT = ("outcome", "predicted", "confidence")
_MEASURED = ("precision", "false_alarms_per_image")


def changes_tables(
    objects: Mapping[tuple[str, str, int], pd.DataFrame], operating: pd.DataFrame, reference: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the objects that change at the headline point, and the counts at every point.

    ``fixed``: the reference gets it wrong and the source right, by the label that a user of the system sees;
    ``broken``: the reverse. Both have the same protocol and seed.

    Args:
        objects: table of :func:`~.outcomes.objects_table` of each detector (protocol, source, seed).
        operating: table of operating points, for precision and false alarms per image beside every count.
        reference: source compared with.
    """
    changes, balances = [], []
    columns = ["protocol", "source", "seed", "operating_point", *_MEASURED]
    measured = {tuple(row[:4]): row[4:] for row in operating[columns].itertuples(index=False)}
    for (protocol, source, seed), table in objects.items():
        base = objects.get((protocol, reference, seed))
        if base is None or source == reference:
            continue
        # Rows of the same objects in the same order, by construction.
        after = table[table.kind == "object"].reset_index(drop=True)
        before = base[base.kind == "object"].reset_index(drop=True)
        changes.append(_changes(after, before, reference))
        category, classes = pd.factorize(after["class"])
        number = np.bincount(category, minlength=len(classes))
        for point in POINTS:
            column = "outcome" if point == HEADLINE else f"outcome_{point}"
            right, was_right = (side[column].to_numpy() == "correct" for side in (after, before))
            fixed, broken = (
                np.bincount(category[changed], minlength=len(classes))
                for changed in (right & ~was_right, was_right & ~right)
            )
            both = (measured[protocol, name, seed, point] for name in (source, reference))
            beside = [value for pair in zip(*both, strict=True) for value in pair]
            names, counts = [EVERY_CLASS, *classes], np.stack([fixed, broken, fixed - broken, number], axis=1)
            rows = np.concatenate([counts.sum(axis=0, keepdims=True), counts]).tolist()
            balances += [
                (protocol, source, seed, TEST, point, reference, name, *row, *beside)
                for name, row in zip(names, rows, strict=True)
            ]
    return _joined(changes), pd.DataFrame(balances, columns=list(BALANCE_COLUMNS))


def _changes(after: pd.DataFrame, before: pd.DataFrame, reference: str) -> pd.DataFrame:
    right_after, right_before = after.outcome == "correct", before.outcome == "correct"
    both = after.rename(columns={name: f"source_{name}" for name in _RESULT})
    both = both.assign(
        operating_point=HEADLINE,
        reference=reference,
        change=right_after.map({True: "fixed", False: "broken"}),
        **{f"reference_{name}": before[name] for name in _RESULT},
    )
    changed = both.loc[right_after != right_before, list(CHANGE_COLUMNS)]
    return changed.sort_values(["change", "image_id", "object_id"], key=_fixed_first, ignore_index=True)


def _fixed_first(column: pd.Series) -> pd.Series:
    return column != "fixed" if column.name == "change" else column


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    tables = [table for table in tables if len(table)]
    if not tables:
        return pd.DataFrame(columns=list(CHANGE_COLUMNS))
    return pd.concat(tables, ignore_index=True)
