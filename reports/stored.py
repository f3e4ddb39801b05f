"""Read a run folder into :class:`Results`, checking what is there and noting what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from ..datasets.errors import ReportError
from .results import SPLIT, Results

SCHEMA = 1
KEY = ("protocol", "source", "seed", "split")

# Columns that hold text; every other column of a table is numeric. Reading the text columns
# verbatim keeps a class that is called "NA" or "001" what it is.
_TEXT = frozenset(
    {
        *("protocol", "source", "split", "status", "reason", "class", "true", "predicted", "kind", "stem"),
        *("outcome", "size", "scene", "tags", "change", "visible_outcome", "visible_predicted"),
        *(
            "source_outcome",
            "source_predicted",
            "title",
            "device",
            "trained_here",
            "weights_sha256",
            "contamination",
            "metric",
            "image",
        ),
    }
)
_REQUIRED = {
    "detection": (*KEY, "mAP50", "mAP75", "mAP50_95", "images", "objects", "status"),
    "per_class": (*KEY, "class", "AP50", "AP50_95", "objects"),
    "confusion": (*KEY, "true", "predicted", "count"),
    "objects": (
        *(
            *KEY,
            "kind",
            "image_id",
            "stem",
            "object_id",
            "class",
            "outcome",
            "predicted",
            "confidence",
            "size",
        ),
        *("x1", "y1", "x2", "y2", "px1", "py1", "px2", "py2"),
    ),
    "confidence": (*KEY, "objects", "mean", "median", "q25", "q75", "delta_visible", "share_higher"),
    "changes": (*KEY, "change", "object_id", "stem", "class", "size", "visible_outcome", "source_outcome"),
    "swaps": (*KEY, "true", "predicted", "count", "objects", "rate", "low", "high"),
    "fusion": ("source", "status", "seconds_per_image"),
    "intervals": ("protocol", "source", "metric", "low", "high"),
    "quality": ("source", "split", "image"),
}
_PARQUET = ("objects",)
_SILENT = ("intervals", "quality")  # optional by design: a run may be without them


def load_results(run: Path) -> Results:
    """Read a run folder.

    Args:
        run: folder with ``manifest.json`` and ``tables/detection.csv``; the rest is optional.

    Raises:
        ReportError: a required file is missing, or a file is not what it should be.
    """
    if not run.is_dir():
        raise ReportError(f"{run}: no such run folder; give the folder that `regionfuse run` wrote")
    manifest = _read_json(run / "manifest.json", required=True)
    if manifest.get("schema") != SCHEMA:
        raise ReportError(
            f"{run / 'manifest.json'}: found schema {manifest.get('schema')!r}, expected {SCHEMA}; "
            "run `regionfuse run` again with this version"
        )
    manifest.setdefault("dataset", {})
    missing: list[str] = []
    tables: dict[str, pd.DataFrame] = {}
    for name in _REQUIRED:
        frame = _read_table(run, name)
        if frame is None:
            if name not in _SILENT:
                missing.append(f"{_table_file(name)} is missing: what it holds is left out of this report.")
            continue
        tables[name] = frame
    truth = _read_json(run / "ground_truth" / f"{SPLIT}.json", required=False)
    if not truth:
        missing.append(
            f"ground_truth/{SPLIT}.json is missing: counts of objects are those of the data check."
        )
    split = _read_json(run / "split.json", required=False)
    if not split:
        missing.append("split.json is missing: what is said of the split is what the manifest says.")
    return Results(run, manifest, split, tables, truth, tuple(missing))


def _table_file(name: str) -> str:
    return f"tables/{name}.{'parquet' if name in _PARQUET else 'csv'}"


def _read_json(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise ReportError(f"{path}: missing; a report needs it, finish `regionfuse run` first") from None
        return {}
    except (ValueError, OSError) as error:
        raise ReportError(f"{path}: cannot be read as JSON ({error}); run `regionfuse run` again") from error
    if not isinstance(value, dict):
        raise ReportError(
            f"{path}: expected a JSON object, found {type(value).__name__}; run `regionfuse run` again"
        )
    return value


def _read_table(run: Path, name: str) -> pd.DataFrame | None:
    path = run / _table_file(name)
    if not path.is_file():
        if name == "detection":
            raise ReportError(f"{path}: missing; a report needs it, finish `regionfuse run` first")
        return None
    try:
        if name in _PARQUET:
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except Exception as error:  # the readers raise many unrelated types for a damaged file
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReportError(f"{path}: cannot be read ({first}); run `regionfuse evaluate` again") from error
    lacking = [column for column in _REQUIRED[name] if column not in frame.columns]
    if lacking:
        raise ReportError(f"{path}: column {lacking[0]!r} is missing; run `regionfuse evaluate` again")
    for column in frame.columns:
        if column in _TEXT:
            frame[column] = frame[column].fillna("").astype(str)
        else:
            frame[column] = pd.to_numeric(frame[column], errors="coerce")
    if "split" in frame.columns:
        frame = frame[frame["split"] == SPLIT]
        if name == "detection" and frame.empty:
            raise ReportError(f"{path}: no rows of split {SPLIT!r}; evaluate the {SPLIT} split first")
    return frame.reset_index(drop=True)
