"""Score one detector (a source, protocol and seed): the unit of work of an evaluation.

Its predictions are read, matched and reduced to rows of tables and to :class:`~.quantities.Replicates`;
nothing that grows with the number of predictions is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from .calibration import Temperature, calibration, fit_temperature, object_confidence
from .coco import coco_scores
from .curves import GRID, average_precision, log_average_miss_rate, mean_over_classes, recall_at
from .load import load_predictions
from .lrp import optimal_lrp
from .matching import Matches, Overlaps, coco_matches, find_overlaps, gather_evidence
from .operating import (
    EQUAL_PRECISION,
    FALSE_ALARMS,
    HEADLINE,
    KEPT,
    OWN,
    Goal,
    Thresholds,
    best_f1,
    equal_false_alarms,
    equal_precision,
    kept,
    reference_goal,
)
from .outcomes import OUTCOMES, Detections, confusion_table, object_outcomes, objects_table
from .quantities import ALL, Quantity, Replicates, Stratum, detector_quantities, mean_of_objects, strata
from .records import TEST, GroundTruth, PredictionKey
from .resample import draw_blocks
from .tide import ERRORS, tide_errors
from .write import parquet_bytes

Detector = tuple[str, str, int]
"""Protocol, source, seed."""
Row = dict[str, object]


@dataclass(frozen=True)
class Settings:
    """What decides the numbers of an evaluation, besides the files.

    Attributes:
        reference: source that sets the precision and the threshold of the others.
        image_size: longer side in pixels that the detectors' networks see; None if unknown.
        per_class: choose thresholds for each class by itself.
        draws: bootstrap draws for ranks; 0 for none.
    """

    reference: str = "visible"
    image_size: int | None = None
    per_class: bool = False
    draws: int = 5000


@dataclass(frozen=True)
class DetectorScore:
    """Everything kept of one detector.

    Attributes:
        tables: rows of the tables that have one row or more per detector, by the table's name.
        confusion: misclassification matrices on test.
        objects: outcomes of the test objects, as :func:`~.write.parquet_bytes` packs them.
        quantities: replicates of each quantity on test, none at points that a missing reference would have
            set; empty without test predictions.
        draws: shape (R,), float32, mAP50 on each bootstrap draw of the test blocks.
        warnings: what must be known of this detector.
    """

    tables: Mapping[str, list[Row]]
    confusion: pd.DataFrame | None
    objects: bytes | None
    quantities: Mapping[Quantity, Replicates]
    draws: np.ndarray
    warnings: tuple[str, ...]


def match_file(path: Path, truth: GroundTruth) -> tuple[Detections, Matches, Overlaps]:
    """Read a predictions file and match it.

    Raises:
        DataError: the file is missing or wrong.
    """
    predictions = load_predictions(path, truth)
    overlaps = find_overlaps(truth, predictions)
    matches = coco_matches(truth, predictions, overlaps)
    found = Detections(truth, predictions, gather_evidence(truth, predictions, overlaps, matches))
    return found, matches, overlaps


def goal_of_reference(path: Path, truth: GroundTruth, settings: Settings) -> Goal:
    """Return what the reference, scored on the images to choose on, sets for the other sources."""
    predictions = load_predictions(path, truth)
    matches = coco_matches(truth, predictions, find_overlaps(truth, predictions))
    return reference_goal(matches, truth.block, len(truth.blocks), per_class=settings.per_class)


def score_detector(
    detector: Detector,
    paths: Mapping[str, Path],
    truths: Mapping[str, GroundTruth],
    goal: Goal | None,
    choose_on: str,
    settings: Settings,
) -> DetectorScore:
    """Score the predictions file of each split.

    Args:
        detector: names it.
        paths: predictions file of each split.
        truths: ground truth of at least those splits.
        goal: of the reference under the same protocol and seed; None where it has no results.
        choose_on: split on which thresholds are chosen: val, or test for want of val.
        settings: see :class:`Settings`.

    Raises:
        DataError: a file is missing or wrong.
    """
    tables: dict[str, list[Row]] = {}
    warnings: list[str] = []
    matched: dict[str, tuple[Detections, Matches, Overlaps]] = {}
    for split, path in paths.items():
        key = PredictionKey(*detector, split)
        found, matches, overlaps = match_file(path, truths[split])
        if split in (TEST, choose_on):
            matched[split] = found, matches, overlaps
        if not len(found.predictions):
            warnings.append(f"{_name(detector)} predicts nothing on {split}")
        for name, rows in _score_rows(key, found, matches).items():
            tables.setdefault(name, []).extend(rows)
    if TEST not in matched or choose_on not in matched:
        return DetectorScore(tables, None, None, {}, np.empty(0, np.float32), tuple(warnings))
    chooser, choosing, _ = matched[choose_on]
    points = _points(choosing, chooser.truth, goal, settings)
    own = points[OWN]
    if own.warning:
        warnings.append(
            f"threshold {own.value[0]} is used for {_name(detector)}: {own.warning} on {choose_on}"
        )
    key = PredictionKey(*detector, TEST)
    found, matches, overlaps = matched[TEST]
    here = choose_on == TEST
    parts = list(strata(found, settings.image_size))
    quantities = detector_quantities(found, matches, points, parts, chosen_here=here)
    temperature = fit_temperature(choosing, chooser.truth.block)
    quantities |= _confidence(found, choosing, chooser.truth, temperature, here)
    thresholds = {point: chosen.value for point, chosen in points.items()}
    tables |= {
        "operating": [_operating_row(key, found, p, points[p], quantities) for p in points],
        "curves": _curve_rows(key, found, matches),
        "strata": [_stratum_row(key, found, part, quantities) for part in parts],
        "errors": _error_rows(key, found, matches, overlaps),
        **_calibration_rows(key, matches, temperature),
    }
    if goal is None and detector[1] != settings.reference:  # nothing that it could be compared at
        quantities = {q: r for q, r in quantities.items() if q.point not in (EQUAL_PRECISION, KEPT)}
    return DetectorScore(
        tables,
        confusion_table(key, found, thresholds),
        parquet_bytes(objects_table(key, found, thresholds, settings.image_size)),
        quantities,
        _draws(matches, found.truth, settings.draws),
        tuple(warnings),
    )


def _points(
    matches: Matches, truth: GroundTruth, goal: Goal | None, settings: Settings
) -> dict[str, Thresholds]:
    """Return the thresholds of every operating point, the headline first."""
    where = (matches, truth.block, len(truth.blocks))
    own = best_f1(*where, per_class=settings.per_class).thresholds
    equal = replace(own, reached=False)
    if goal is not None and not own.warning and not goal.thresholds.warning:
        equal = equal_precision(*where, goal, per_class=settings.per_class)
    points = {EQUAL_PRECISION: equal}
    for name, limit in FALSE_ALARMS.items():
        points[name] = equal_false_alarms(*where, limit, per_class=settings.per_class)
    return {**points, KEPT: kept(own if goal is None else goal.thresholds, matches), OWN: own}


def _score_rows(key: PredictionKey, found: Detections, matches: Matches) -> dict[str, list[Row]]:
    truth = found.truth
    scores, lrp = coco_scores(truth, found.predictions), optimal_lrp(matches)
    miss_rate = log_average_miss_rate(matches, truth.block, np.ones((1, len(truth.blocks))))
    objects = truth.objects_per_class()
    row: Row = {
        **key.columns,
        **scores.summary,
        "log_average_miss_rate": float(miss_rate[0]),
        "classes": scores.classes,
        "images": len(truth.images),
        "objects": truth.objects,
        "ignored": int(np.count_nonzero(truth.ignore)),
        "blocks": len(truth.blocks),
        "status": "ok",
        "reason": "",
    }
    per_class: list[Row] = [
        {
            **key.columns,
            "class": name,
            **dict(zip(("AP50", "AP75", "AP50_95"), scores.per_class[c].tolist(), strict=True)),
            "oLRP": lrp.value[c],
            "oLRP_localisation": lrp.localisation[c],
            "oLRP_false_positive": lrp.false_positive[c],
            "oLRP_false_negative": lrp.false_negative[c],
            "oLRP_threshold": lrp.threshold[c],
            "objects": int(objects[c]),
        }
        for c, name in enumerate(truth.classes)
    ]
    return {"detection": [row], "per_class": per_class}


def _operating_row(
    key: PredictionKey,
    found: Detections,
    point: str,
    chosen: Thresholds,
    quantities: Mapping[Quantity, Replicates],
) -> Row:
    precision = quantities[Quantity("precision", ALL, point)].value
    recall = quantities[Quantity("recall", ALL, point)].value
    outcome, _ = object_outcomes(found, chosen.value)
    real = outcome[~found.truth.ignore]
    both = precision + recall
    return {
        **key.columns,
        "operating_point": point,
        "threshold": chosen.common,
        "reached": chosen.reached,
        "val_precision": chosen.precision,
        "val_recall": chosen.recall,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / both if both > 0 else math.nan if math.isnan(both) else 0.0,
        "false_alarms_per_image": quantities[Quantity("false_alarms_per_image", ALL, point)].value,
        "objects": found.truth.objects,
        **{name: int(np.count_nonzero(real == code)) for code, name in enumerate(OUTCOMES)},
    }


def _curve_rows(key: PredictionKey, found: Detections, matches: Matches) -> list[Row]:
    truth = found.truth
    recall = recall_at(matches, truth.block, np.ones((1, len(truth.blocks))), GRID)[0]
    counted = ~matches.ignored[0]
    wrong = np.cumsum(~matches.correct[0][counted]) / max(1, len(truth.images))
    right = np.cumsum(matches.correct[0][counted])
    scores = matches.scores[counted]
    rows: list[Row] = []
    for limit, value in zip(GRID, recall, strict=True):
        last = int(np.searchsorted(wrong, limit * (1 + 1e-12), side="right")) - 1
        rows.append(
            {
                **key.columns,
                "false_alarms_per_image": limit,
                "recall": value,
                "precision": right[last] / (last + 1) if last >= 0 else math.nan,
                "threshold": scores[last] if last >= 0 else math.nan,
            }
        )
    return rows


def _stratum_row(
    key: PredictionKey, found: Detections, part: Stratum, quantities: Mapping[Quantity, Replicates]
) -> Row:
    truth = found.truth
    ap = "AP50" if part.name.startswith("class:") else "mAP50"
    return {
        **key.columns,
        "stratum": part.name,
        "images": len(np.unique(truth.image[part.objects])),
        "objects": int(np.count_nonzero(part.objects)),
        "blocks": len(np.unique(truth.block[truth.image[part.objects]])),
        "mAP50": quantities[Quantity(ap, part.name)].value,
        "recall": quantities[Quantity("recall", part.name, HEADLINE)].value,
    }


def _error_rows(key: PredictionKey, found: Detections, matches: Matches, overlaps: Overlaps) -> list[Row]:
    errors = tide_errors(found.truth, found.predictions, matches, overlaps)
    return [
        {**key.columns, "error": name, "dAP": float(errors.dap[i]), "count": int(errors.count[i])}
        for i, name in enumerate(ERRORS)
    ]


def _calibration_rows(key: PredictionKey, matches: Matches, temperature: Temperature) -> dict[str, list[Row]]:
    tables: dict[str, list[Row]] = {"calibration": [], "reliability": []}
    for stage, value in (("raw", 1.0), ("temperature", temperature.value)):
        measured = calibration(matches, value)
        tables["calibration"].append(
            {
                **key.columns,
                "stage": stage,
                "temperature": measured.temperature,
                "d_ece": measured.d_ece,
                "laece": measured.laece,
                "brier": measured.brier,
                "mean_confidence": measured.mean_confidence,
                "precision": measured.precision,
                "detections": measured.detections,
            }
        )
        bins = measured.reliability
        for i in range(len(bins.count)):
            tables["reliability"].append(
                {
                    **key.columns,
                    "stage": stage,
                    "low": bins.low[i],
                    "high": bins.high[i],
                    "count": int(bins.count[i]),
                    "confidence": bins.confidence[i],
                    "precision": bins.precision[i],
                    "mean_iou": bins.mean_iou[i],
                }
            )
    return tables


def _confidence(
    found: Detections, choosing: Matches, chosen_on: GroundTruth, temperature: Temperature, here: bool
) -> dict[Quantity, Replicates]:
    """Return mean confidence over all objects, found or not: raw, after temperature, as precision rank."""
    truth = found.truth
    measured = object_confidence(found.evidence.true_score, choosing, chosen_on.block, temperature)
    real = ~truth.ignore
    return {
        Quantity("confidence_raw"): mean_of_objects(measured.raw, real, truth),
        Quantity("confidence_calibrated"): mean_of_objects(
            measured.calibrated, real, truth, measured.calibrated_without_val, chosen_here=here
        ),
        Quantity("confidence_rank"): mean_of_objects(
            measured.rank, real, truth, measured.rank_without_val, chosen_here=here
        ),
    }


def _draws(matches: Matches, truth: GroundTruth, number: int) -> np.ndarray:
    if not number or len(truth.blocks) < 2:
        return np.empty(0, np.float32)
    weights = draw_blocks(len(truth.blocks), number)
    ap = average_precision(matches, truth.block, weights, thresholds=slice(0, 1))
    return mean_over_classes(ap[:, :, 0]).astype(np.float32)


def _name(detector: Detector) -> str:
    protocol, source, seed = detector
    return f"{protocol}/{source}/seed{seed}"
