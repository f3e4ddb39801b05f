"""Which objects a source mends and which it breaks, one row each, against the reference source."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

COLUMNS: Final = (
    "protocol", "source", "seed", "split", "change", "object_id", "image_id", "stem", "class", "size",
    "visible_outcome", "visible_predicted", "visible_confidence",
    "source_outcome", "source_predicted", "source_confidence", "x1", "y1", "x2", "y2",
)  # fmt: skip
_OBJECT = ["protocol", "seed", "split", "object_id"]
_RESULT = ["outcome", "predicted", "confidence"]


def changes_table(objects: pd.DataFrame, reference: str = "visible") -> pd.DataFrame:
    """Return the objects that are correct in exactly one of a source and the reference.

    ``fixed``: the reference gets it wrong and the source right; ``broken``: the reverse. Both have the same
    protocol and seed. Empty when the reference is absent.

    Args:
        objects: table of :func:`outcomes.objects_table` for any number of detectors.
        reference: source compared with; its columns are called ``visible_...`` whatever its name.
    """
    found = objects[objects.kind == "object"]
    before = found.loc[found.source == reference, [*_OBJECT, *_RESULT]]
    before = before.rename(columns={name: f"visible_{name}" for name in _RESULT})
    after = found[found.source != reference].rename(columns={name: f"source_{name}" for name in _RESULT})
    both = after.merge(before, on=_OBJECT, how="inner", validate="many_to_one")
    right_before, right_after = both.visible_outcome == "correct", both.source_outcome == "correct"
    both["change"] = np.where(right_after, "fixed", "broken")
    changed = both.loc[right_before != right_after, list(COLUMNS)]
    order = ["protocol", "source", "seed", "split", "change", "image_id", "object_id"]
    changed = changed.sort_values(order, key=_fixed_first, ignore_index=True)
    return changed


def _fixed_first(column: pd.Series) -> pd.Series:
    return column != "fixed" if column.name == "change" else column
