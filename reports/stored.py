"""Read a folder of stored results into :class:`Results`, checking what is there and noting what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from ..datasets.errors import ReportError
from .results import SPLIT, Results

SCHEMA = 2
_KEY = "protocol source split"

# Every table that a report reads: its text columns, then its numeric ones (an empty cell is undefined).
# Text is read verbatim, so that a class called "NA" or "001" stays what it is. A column with a question
# mark may be absent; columns that are not listed are numbers.
TABLES = {
    "detection": (
        f"{_KEY} status reason",
        "seed mAP50 mAP75 mAP50_95 mAP_small mAP_medium mAP_large mAR100 log_average_miss_rate classes "
        "images objects blocks",
    ),
    "per_class": (f"{_KEY} class", "seed AP50 AP75 AP50_95 oLRP objects"),
    "operating": (
        f"{_KEY} operating_point reached",
        "seed threshold precision recall f1 false_alarms_per_image objects correct ambiguous misclassified "
        "poorly_localised missed",
    ),
    "curves": (_KEY, "seed false_alarms_per_image recall"),
    "strata": (f"{_KEY} stratum", "seed images objects blocks mAP50 recall"),
    "confusion": (f"{_KEY} operating_point matching true predicted", "seed count"),
    "misclassifications": (
        f"{_KEY} operating_point true predicted",
        "seed top_label same_class_first objects",
    ),
    "balance": (
        f"{_KEY} operating_point reference class",
        "seed fixed broken balance objects precision reference_precision false_alarms_per_image "
        "reference_false_alarms_per_image",
    ),
    "differences": (
        "protocol reference source quantity stratum operating_point equivalent covers",
        "value low high simultaneous_low simultaneous_high p_holm p_sign_flip detectable blocks seeds",
    ),
    "ranks": ("protocol source quantity", "value rank rank_low rank_high p_best"),
    "errors": (f"{_KEY} error", "seed dAP count"),
    "calibration": (f"{_KEY} stage", "seed temperature d_ece laece brier mean_confidence precision"),
    "reliability": (f"{_KEY} stage", "seed low high count confidence precision"),
    "confidence": (
        f"{_KEY} reference",
        "seed objects raw raw_difference calibrated calibrated_difference rank rank_difference",
    ),
    "fusion": (
        "source status title? kind? reason? device? trained_here? weights_sha256? contamination?",
        "seconds_per_image",
    ),
    "quality": ("source split image", ""),
    "association": (
        "protocol level metric",
        "within within_low within_high beyond_sources beyond_sources_low beyond_sources_high units blocks",
    ),
}
OPTIONAL = ("fusion", "quality", "association")  # made by runs, and not by all of them


def load_results(run: Path) -> Results:
    """Read what ``regionfuse run`` or ``regionfuse compare`` left behind.

    Args:
        run: a run folder (``manifest.json`` and ``tables/``), or a folder with the tables themselves.
            Only ``detection.csv`` is required.

    Raises:
        ReportError: a required file is missing, of another schema, or not what it should be.
    """
    if not run.is_dir():
        raise ReportError(f"{run}: no such folder; give one that `regionfuse run` or `compare` wrote")
    folder = run if (run / "detection.csv").is_file() else run / "tables"
    manifest = _read_json(run / "manifest.json", required=folder != run) or {"schema": SCHEMA}
    if manifest.get("schema") != SCHEMA:
        raise ReportError(
            f"{run / 'manifest.json'}: found schema {manifest.get('schema')!r} of another version, expected "
            f"{SCHEMA}; run `regionfuse run` again with this version, work that is not affected is reused"
        )
    manifest.setdefault("dataset", {})
    missing: list[str] = []
    tables: dict[str, pd.DataFrame] = {}
    splits: set[str] = set()
    for name in TABLES:
        frame = _read_table(folder / f"{name}.csv", name)
        if frame is not None and "split" in frame.columns:
            splits |= set(frame["split"]) if name == "detection" else set()
            frame = frame[frame["split"] == SPLIT].reset_index(drop=True)
            if name == "detection" and frame.empty:
                raise ReportError(
                    f"{folder / name}.csv: no rows of split {SPLIT!r}; evaluate that split first"
                )
        if frame is not None:
            tables[name] = frame
        elif name not in OPTIONAL:
            missing.append(f"{name}.csv is missing: what it holds is left out of this report.")
    truth = _read_json(run / "ground_truth" / f"{SPLIT}.json", required=False)
    split = _read_json(run / "split.json", required=False)
    return Results(run, folder, manifest, split, tables, truth, tuple(missing), "val" in splits)


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


def _read_table(path: Path, name: str) -> pd.DataFrame | None:
    if not path.is_file():
        if name == "detection":
            raise ReportError(f"{path}: missing; a report needs it, finish `regionfuse run` first")
        return None
    texts, numbers = (columns.split() for columns in TABLES[name])
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:  # a table without rows may have no columns
        frame = pd.DataFrame(
            columns=[column for column in (*texts, *numbers) if not column.endswith("?")], dtype=str
        )
    except Exception as error:  # the reader raises many unrelated types for a damaged file
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReportError(f"{path}: cannot be read ({first}); evaluate again") from error
    for column in (*texts, *numbers):
        if column not in frame.columns and not column.endswith("?"):
            raise ReportError(f"{path}: column {column!r} is missing; evaluate again with this version")
    text = {column.removesuffix("?") for column in texts}
    for column in frame.columns:
        if column not in text:
            frame[column] = pd.to_numeric(frame[column], errors="coerce")
    return frame
