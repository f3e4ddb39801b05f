"""Made-up tables of schema 2 (interim: until the fake run is evaluated by the evaluation core itself)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

POINTS = ("equal_precision", "fppi_0.1", "fppi_1", "kept_threshold", "own_best_f1")
OUTCOMES = ("correct", "ambiguous", "misclassified", "poorly_localised", "missed")
ERRORS = ("classification", "localisation", "both", "duplicate", "background", "missed", "false_positive",
          "false_negative")  # fmt: skip


def make_tables(fake: Any, objects: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(fake.random_seed)
    n = len(objects)
    out: dict[str, list[dict[str, Any]]] = {name: [] for name in (
        "detection", "per_class", "operating", "curves", "strata", "confusion", "misclassifications", "balance",
        "differences", "ranks", "errors", "calibration", "reliability", "confidence", "objects")}  # fmt: skip
    counts = {name: sum(item["class"] == name for item in objects) for name in fake.classes}
    for protocol in fake.protocols:
        level = 0.42 if protocol == "retrained" else 0.33
        for position, source in enumerate(fake.sources):
            for seed in fake.seeds:
                key = {"protocol": protocol, "source": source, "seed": seed, "split": "test"}
                if source in fake.failed:
                    reason = "MethodError: fuse returned 3 channels, expected 1 x 240 x 320"
                    out["detection"].append({**key, "images": fake.images, "objects": n, "status": "failed",
                                             "reason": reason})  # fmt: skip
                    continue
                s = level + 0.01 * position + random.normal(0, 0.008) if n else np.nan
                out["detection"].append({**key, "mAP50": s * 1.6, "mAP75": s * 0.95, "mAP50_95": s,
                    "mAP_small": s * 0.5, "mAP_medium": s * 1.15, "mAP_large": np.nan, "mAR100": s * 1.25,
                    "log_average_miss_rate": 1 - s, "classes": sum(v > 0 for v in counts.values()),
                    "images": fake.images, "objects": n, "ignored": 0, "blocks": fake.blocks, "status": "ok",
                    "reason": ""})  # fmt: skip
                _one(out, key, fake, counts, n, s, random, position)
                _objects(out["objects"], key, fake, objects, random, 0.62 + 0.02 * position)
        for reference, source in itertools.permutations([s for s in fake.sources if s not in fake.failed], 2):
            gap = 0.016 * (fake.sources.index(source) - fake.sources.index(reference))
            for row in _differences(fake, counts, gap, random):
                out["differences"].append({"protocol": protocol, "reference": reference, "source": source, **row})
        for rank, source in enumerate(reversed([s for s in fake.sources if s not in fake.failed]), 1):
            out["ranks"].append({"protocol": protocol, "source": source, "quantity": "mAP50", "value": 0.6,
                "rank": rank, "rank_low": max(1, rank - 2), "rank_high": min(len(fake.sources), rank + 2),
                "p_best": 0.6 / 2**(rank - 1), "draws": 5000, "se_blocks": 0.01, "se_seeds": np.nan})  # fmt: skip
    frames = {name: pd.DataFrame(rows, columns=COLUMNS.get(name)) for name, rows in out.items()}
    return frames


KEY = ["protocol", "source", "seed", "split"]
COLUMNS = {
    "detection": [*KEY, "mAP50", "mAP75", "mAP50_95", "mAP_small", "mAP_medium", "mAP_large", "mAR100",
        "log_average_miss_rate", "classes", "images", "objects", "ignored", "blocks", "status", "reason"],
    "per_class": [*KEY, "class", "AP50", "AP75", "AP50_95", "oLRP", "oLRP_localisation", "oLRP_false_positive",
        "oLRP_false_negative", "oLRP_threshold", "objects"],
    "operating": [*KEY, "operating_point", "threshold", "reached", "val_precision", "val_recall", "precision",
        "recall", "f1", "false_alarms_per_image", "objects", *OUTCOMES],
    "curves": [*KEY, "false_alarms_per_image", "recall", "precision", "threshold"],
    "strata": [*KEY, "stratum", "images", "objects", "blocks", "mAP50", "recall"],
    "confusion": [*KEY, "operating_point", "matching", "true", "predicted", "count"],
    "misclassifications": [*KEY, "operating_point", "true", "predicted", "top_label", "same_class_first",
        "objects", "rate"],
    "balance": [*KEY, "operating_point", "reference", "class", "fixed", "broken", "balance", "objects",
        "precision", "reference_precision", "false_alarms_per_image", "reference_false_alarms_per_image"],
    "differences": ["protocol", "reference", "source", "quantity", "stratum", "operating_point", "value", "low",
        "high", "simultaneous_low", "simultaneous_high", "p", "p_holm", "p_sign_flip", "se_blocks", "se_val",
        "se_seeds", "df", "detectable", "equivalent", "blocks", "seeds", "covers"],
    "ranks": ["protocol", "source", "quantity", "value", "rank", "rank_low", "rank_high", "p_best", "draws",
        "se_blocks", "se_seeds"],
    "errors": [*KEY, "error", "dAP", "count"],
    "calibration": [*KEY, "stage", "temperature", "d_ece", "laece", "brier", "mean_confidence", "precision",
        "detections"],
    "reliability": [*KEY, "stage", "low", "high", "count", "confidence", "precision", "mean_iou"],
    "confidence": [*KEY, "reference", "objects", "raw", "raw_difference", "calibrated", "calibrated_difference",
        "rank", "rank_difference"],
    "objects": [*KEY, "kind", "image_id", "stem", "block", "object_id", "class", "outcome", "predicted",
        "confidence", "iou", "top_label", "top_score", "true_score", "other_score", "margin", "x1", "y1", "x2",
        "y2", "px1", "py1", "px2", "py2", "area", "size", "network_size", "visibility", "tags"],
}  # fmt: skip


def _one(out: Any, key: Any, fake: Any, counts: Any, n: int, s: float, random: Any, position: int) -> None:
    for name, number in counts.items():
        ap = float(np.clip(s + random.normal(0, 0.12), 0.02, 0.95)) if number else np.nan
        out["per_class"].append({**key, "class": name, "AP50": ap * 1.5, "AP75": ap * 0.9, "AP50_95": ap,
            "oLRP": 1 - ap * 0.7, "objects": number})  # fmt: skip
    reference = "visible" if "visible" in fake.sources else fake.sources[0]
    for place, point in enumerate(POINTS):
        right = int(n * (0.5 + 0.02 * position + 0.03 * place))
        rest = n - right
        out["operating"].append({**key, "operating_point": point, "threshold": 0.2 + 0.05 * place,
            "reached": "true", "precision": 0.75 + 0.01 * position, "recall": right / n if n else np.nan, "f1": 0.7,
            "false_alarms_per_image": 0.8 - 0.03 * position, "objects": n, "correct": right, "ambiguous": rest // 5,
            "misclassified": rest // 5, "poorly_localised": rest // 5, "missed": rest - 3 * (rest // 5)})  # fmt: skip
        pairs = [(a, b) for a in fake.classes for b in fake.classes if a != b]
        for a, b in pairs:
            top = int(random.poisson(0.06 * counts[a] if {a, b} <= {"Car", "Truck", "Bus"} else 0.01 * counts[a]))
            out["misclassifications"].append({**key, "operating_point": point, "true": a, "predicted": b,
                "top_label": top, "same_class_first": top // 2, "objects": counts[a]})  # fmt: skip
            for matching in ("top_label", "same_class_first"):
                value = top if matching == "top_label" else top // 2
                out["confusion"].append({**key, "operating_point": point, "matching": matching, "true": a,
                                         "predicted": b, "count": value})  # fmt: skip
        for matching, name in itertools.product(("top_label", "same_class_first"), fake.classes):
            for a, b, value in ((name, name, 0.6 * counts[name]), (name, "background", 0.3 * counts[name]),
                                ("background", name, 0.2 * counts[name])):  # fmt: skip
                out["confusion"].append({**key, "operating_point": point, "matching": matching, "true": a,
                                         "predicted": b, "count": int(value)})  # fmt: skip
        if key["source"] != reference and reference in fake.sources and reference not in fake.failed:
            for name in ("all", *fake.classes):
                m = n if name == "all" else counts[name]
                fixed, broken = int(0.14 * m) + position, int(0.1 * m)
                out["balance"].append({**key, "operating_point": point, "reference": reference, "class": name,
                    "fixed": fixed, "broken": broken, "balance": fixed - broken, "objects": m, "precision": 0.76,
                    "reference_precision": 0.75, "false_alarms_per_image": 0.7,
                    "reference_false_alarms_per_image": 0.8})  # fmt: skip
    for x in np.geomspace(0.01, 10, 31):
        out["curves"].append({**key, "false_alarms_per_image": x,
                              "recall": 0.9 / (1 + 0.4 * x**-0.6 / (1 + 0.05 * position)), "precision": 0.5,
                              "threshold": 0.3})  # fmt: skip
    for stratum in STRATA(fake.classes):
        out["strata"].append({**key, "stratum": stratum, "images": fake.images, "objects": n // 3,
                              "blocks": fake.blocks, "mAP50": s * 1.6, "recall": 0.6})  # fmt: skip
    for index, error in enumerate(ERRORS):
        out["errors"].append({**key, "error": error, "dAP": abs(random.normal(0.01 * (index + 1), 0.004)),
                              "count": index * 7})  # fmt: skip
    for stage, factor in (("raw", 1.0), ("temperature", 0.5)):
        out["calibration"].append({**key, "stage": stage, "temperature": 1.0 if stage == "raw" else 1.4,
            "d_ece": 0.08 * factor, "laece": 0.2 * factor, "brier": 0.18 * factor, "mean_confidence": 0.5,
            "precision": 0.52, "detections": 4 * n})  # fmt: skip
        for low in np.arange(0, 1, 0.1):
            out["reliability"].append({**key, "stage": stage, "low": low, "high": low + 0.1,
                "count": int(200 * (1 - low)), "confidence": low + 0.05,
                "precision": (low + 0.05) ** (1.5 if stage == "raw" else 1.05)})  # fmt: skip
    out["confidence"].append({**key, "reference": reference, "objects": n, "raw": 0.4, "raw_difference": 0.02,
        "calibrated": 0.42, "calibrated_difference": 0.01, "rank": 0.7, "rank_difference": 0.015})  # fmt: skip


def STRATA(classes: Any) -> list[str]:
    return ["all", *(f"visibility:{v}" for v in ("both", "infrared", "visible", "neither")), "condition:day",
            "condition:night", *(f"{k}:{s}" for k in ("size", "network_size") for s in ("small", "medium", "large")),
            *(f"class:{c}" for c in classes),
            *(f"class_size:{c}/{s}" for c in classes for s in ("small", "medium", "large"))]  # fmt: skip


def _differences(fake: Any, counts: Any, gap: float, random: Any) -> list[dict[str, Any]]:
    rows = []
    covers = {1: "these detectors", 2: "few seeds"}.get(len(fake.seeds), "methods")

    def add(quantity: str, value: float, half: float, stratum: str = "all", point: str = "") -> None:
        known = fake.blocks >= 5
        value += random.normal(0, half / 4)
        row = {"quantity": quantity, "stratum": stratum, "operating_point": point, "value": value}
        if known:
            row |= {"low": value - half, "high": value + half, "simultaneous_low": value - 1.35 * half,
                    "simultaneous_high": value + 1.35 * half, "p": 0.04, "p_holm": 0.12, "p_sign_flip": 0.06,
                    "se_blocks": half / 2, "df": fake.blocks - 1, "detectable": 1.4 * half}  # fmt: skip
        ap = quantity in ("mAP50", "mAP75", "mAP50_95", "AP50")
        row["equivalent"] = "true" if ap and known and abs(value) + half < 0.01 else "false" if ap else ""
        rows.append({**row, "blocks": fake.blocks, "seeds": len(fake.seeds), "covers": covers})

    for name in ("mAP50", "mAP75", "mAP50_95"):
        add(name, gap, 0.03)
    add("log_average_miss_rate", -gap, 0.04)
    for name in counts:
        add("AP50", gap, 0.06, f"class:{name}")
        add("oLRP", -gap, 0.05, f"class:{name}")
    add("margin", 5 * gap, 0.2)
    for stratum in STRATA(fake.classes)[1:]:
        add("mAP50", gap, 0.08, stratum)
        add("recall", gap, 0.08, stratum, "equal_precision")
    for point in POINTS:
        add("recall", gap, 0.04, point=point)
        add("precision", 0.3 * gap, 0.03, point=point)
        add("false_alarms_per_image", -gap, 0.1, point=point)
        add("balance", 84 * gap, 6, point=point)
        for a, b in itertools.permutations(counts, 2):
            add("misclassification", -gap, 0.1, f"{a}>{b}", point)
    for name in ("raw", "calibrated", "rank"):
        add(f"confidence_{name}", gap, 0.02)
    return rows


def _objects(rows: Any, key: Any, fake: Any, objects: Any, random: Any, skill: float) -> None:
    for item in objects:
        x1, y1, x2, y2 = item["box"]
        draw, predicted, outcome = random.uniform(), item["class"], "correct"
        if draw > skill:
            others = [name for name in fake.classes if name != item["class"]]
            outcome = "missed" if draw < 0.85 or not others else "misclassified" if draw < 0.93 else "ambiguous"
            likely = {"Truck": "Car", "Car": "Truck"}.get(item["class"], others[0] if others else "")
            predicted = likely if outcome == "misclassified" and likely in others else item["class"]
        found = outcome != "missed"
        box = np.array(item["box"]) + random.normal(0, 1.5, 4) if found else np.full(4, np.nan)
        score = float(np.clip(random.beta(6, 3), 0.26, 0.98)) if found else np.nan
        rows.append({**key, "kind": "object", "image_id": item["image_id"], "stem": f"{item['image_id']:05d}",
            "block": str(item["image_id"]), "object_id": item["id"], "class": item["class"], "outcome": outcome,
            "predicted": predicted if found else "", "confidence": score, "iou": 0.7 if found else np.nan,
            "top_label": predicted if found else "", "top_score": score, "x1": x1, "y1": y1, "x2": x2, "y2": y2,
            **dict(zip(("px1", "py1", "px2", "py2"), box, strict=True)), "area": (x2 - x1) * (y2 - y1),
            "size": "small", "network_size": "small", "visibility": "both", "tags": "day"})  # fmt: skip
    for _ in range(len(objects) // 7):
        left, top = random.uniform(0, 280), random.uniform(60, 200)
        image = int(random.integers(1, fake.images + 1))
        rows.append({**key, "kind": "prediction", "image_id": image, "stem": f"{image:05d}", "object_id": -1,
            "class": fake.classes[0], "outcome": "background", "predicted": fake.classes[0], "confidence": 0.4,
            "x1": left, "y1": top, "x2": left + 36, "y2": top + 25})  # fmt: skip
