"""A made-up run folder in the stored layout, for tests of the reports: plausible numbers, drawn pictures.

Objects and outcomes are simulated; confusion, changes, swaps and confidence are counted from them, so the
tables agree with each other. Nothing here runs a model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

CLASSES = ("People", "Car", "Bus", "Motorcycle", "Lamp", "Truck")
TITLES = {
    "visible": "Visible",
    "infrared": "Infrared",
    "average": "Average",
    "maximum": "Maximum",
    "laplacian": "Laplacian pyramid",
    "guided": "Guided filter",
    "regionfuse": "RegionFuse",
}
KINDS = {"visible": "control", "infrared": "control", "average": "trivial", "maximum": "trivial"}
NOTICE = "synthetic: shows that the pipeline works, not how good a method is"
WIDTH, HEIGHT = 320, 240


@dataclass(frozen=True)
class Fake:
    """What the made-up run holds; see :func:`write_fake_run`."""

    sources: tuple[str, ...] = ("visible", "infrared", "average", "laplacian", "regionfuse")
    protocols: tuple[str, ...] = ("retrained", "frozen")
    seeds: tuple[int, ...] = (0,)
    images: int = 12
    objects_per_image: int = 7
    classes: tuple[str, ...] = CLASSES
    absent: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    synthetic: bool = True
    intervals: bool = True
    random_seed: int = 3
    titles: tuple[tuple[str, str], ...] = ()
    pictures: bool = True
    quality: bool = True
    contamination: tuple[tuple[str, str], ...] = ()


def wilson(count: float, total: float) -> tuple[float, float]:
    if total == 0:
        return float("nan"), float("nan")
    z, p = 1.959963984540054, count / total
    middle = p + z * z / (2 * total)
    half = z * np.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def title_of(fake: Fake, source: str) -> str:
    return dict(fake.titles).get(source, TITLES.get(source, source))


def make_objects(fake: Fake, random: np.random.Generator) -> list[dict[str, Any]]:
    """Ground-truth objects: annotation id, image id, class, box xyxy."""
    shapes = {"People": (10, 24), "Lamp": (8, 10), "Motorcycle": (20, 18), "Truck": (64, 48), "Bus": (80, 50)}
    present = [name for name in fake.classes if name not in fake.absent]
    objects: list[dict[str, Any]] = []
    if not present:
        return objects
    weights = np.array([1.0 / (1 + 0.35 * index) for index in range(len(present))])
    for image_id in range(1, fake.images + 1):
        for _ in range(fake.objects_per_image):
            name = present[random.choice(len(present), p=weights / weights.sum())]
            wide, high = shapes.get(name, (42, 26))
            scale = random.uniform(0.7, 1.6)
            wide, high = wide * scale, high * scale
            left, top = random.uniform(0, WIDTH - wide), random.uniform(70, max(71, HEIGHT - high))
            box = [round(float(v), 2) for v in (left, top, left + wide, min(HEIGHT, top + high))]
            objects.append({"id": len(objects) + 1, "image_id": image_id, "class": name, "box": box})
    return objects


def draw(objects: list[dict[str, Any]], image_id: int, source: str) -> np.ndarray:
    """One picture, uint8 HxWx3 RGB."""
    random = np.random.default_rng(1000 * image_id + len(source))
    rows = np.linspace(0, 1, HEIGHT)[:, None, None]
    tone = {"visible": (70, 90, 120), "infrared": (40, 40, 40)}.get(source, (60, 70, 85))
    picture = np.array(tone)[None, None] * (1.25 - 0.6 * rows) + np.zeros((HEIGHT, WIDTH, 1))
    picture[150:] += 25
    for item in objects:
        if item["image_id"] != image_id:
            continue
        x1, y1, x2, y2 = (round(v) for v in item["box"])
        rng = np.random.default_rng(item["id"])
        colour = rng.uniform(60, 200, 3) if source == "visible" else np.full(3, rng.uniform(150, 250))
        if source not in ("visible", "infrared"):
            colour = 0.5 * colour + 0.5 * rng.uniform(60, 220, 3)
        picture[y1:y2, x1:x2] = colour
        middle = (y1 + y2) // 2
        picture[middle:y2, x1:x2] *= 0.7
    picture += random.normal(0, 5, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def simulate(fake: Fake, objects: list[dict[str, Any]], random: np.random.Generator) -> pd.DataFrame:
    rows = []
    for protocol in fake.protocols:
        for position, source in enumerate(fake.sources):
            if source in fake.failed:
                continue
            for seed in fake.seeds:
                skill = (
                    0.62 + 0.025 * position - (0.12 if protocol == "frozen" and source != "visible" else 0)
                )
                for item in objects:
                    rows.append(_object_row(fake, item, protocol, source, seed, skill, random))
                for _ in range(int(0.15 * len(objects))):
                    rows.append(_prediction_row(fake, protocol, source, seed, random))
    return pd.DataFrame(rows, columns=OBJECT_COLUMNS)


OBJECT_COLUMNS = [
    *("protocol", "source", "seed", "split", "kind", "image_id", "stem", "object_id", "class", "outcome"),
    *("predicted", "confidence", "iou", "x1", "y1", "x2", "y2", "px1", "py1", "px2", "py2"),
    *("area", "size", "scene", "tags"),
]


def stem_of(image_id: int) -> str:
    return f"{image_id:05d}"


def _size(area: float) -> str:
    return "small" if area < 32**2 else "medium" if area < 96**2 else "large"


def _object_row(
    fake: Fake, item: dict[str, Any], protocol: str, source: str, seed: int, skill: float, random: Any
) -> dict[str, Any]:
    x1, y1, x2, y2 = item["box"]
    area = (x2 - x1) * (y2 - y1)
    draw_one, predicted, outcome = random.uniform(), item["class"], "correct"
    if draw_one > skill:
        outcome = "missed"
        vehicle = item["class"] in ("Truck", "Car", "Bus")
        if draw_one > (0.72 if vehicle else 0.93) and len(fake.classes) > 1:
            outcome = "misclassified"
            others = [name for name in fake.classes if name != item["class"]]
            likely = {"Truck": "Car", "Car": "Truck", "Bus": "Truck"}.get(item["class"], others[0])
            predicted = likely if likely in others else others[0]
        elif draw_one > 0.9:
            outcome = "poorly_localised"
    found = outcome != "missed"
    shift = random.normal(0, 1.5, 4) if outcome != "poorly_localised" else np.array([12.0, 6, 12, 6])
    box = np.array(item["box"]) + shift
    return {
        "protocol": protocol,
        "source": source,
        "seed": seed,
        "split": "test",
        "kind": "object",
        "image_id": item["image_id"],
        "stem": stem_of(item["image_id"]),
        "object_id": item["id"],
        "class": item["class"],
        "outcome": outcome,
        "predicted": predicted if found else "",
        "confidence": float(np.clip(random.beta(6, 3), 0.26, 0.98)) if found else np.nan,
        "iou": float(random.uniform(0.55, 0.95)) if found else np.nan,
        **dict(zip(("x1", "y1", "x2", "y2"), item["box"], strict=True)),
        **{
            key: float(value) if found else np.nan
            for key, value in zip(("px1", "py1", "px2", "py2"), box, strict=True)
        },
        "area": area,
        "size": _size(area),
        "scene": "s1",
        "tags": "night" if item["image_id"] % 2 else "day",
    }


def _prediction_row(fake: Fake, protocol: str, source: str, seed: int, random: Any) -> dict[str, Any]:
    left, top = random.uniform(0, WIDTH - 40), random.uniform(60, HEIGHT - 30)
    image_id = int(random.integers(1, fake.images + 1))
    row = dict.fromkeys(OBJECT_COLUMNS, np.nan)
    row.update(protocol=protocol, source=source, seed=seed, split="test", kind="prediction")
    row.update(image_id=image_id, stem=stem_of(image_id), object_id=-1, predicted="", scene="s1", tags="")
    row["class"] = fake.classes[int(random.integers(len(fake.classes)))]
    row["outcome"] = "background" if random.uniform() < 0.8 else "duplicate"
    row.update(confidence=float(random.uniform(0.26, 0.6)), area=900.0, size="small")
    row.update(x1=left, y1=top, x2=left + 36, y2=top + 25)
    return row


KEYS = ["protocol", "source", "seed"]


def count_tables(fake: Fake, objects: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Confusion, swaps, changes and confidence, counted from the simulated outcomes."""
    confusion, swaps, changes, confidence = [], [], [], []
    for (protocol, source, seed), group in objects.groupby(KEYS, sort=False):
        head = {"source": source, "protocol": protocol, "seed": seed, "split": "test"}
        real, extra = group[group["kind"] == "object"], group[group["kind"] == "prediction"]
        for true in fake.classes:
            of_class = real[real["class"] == true]
            for predicted in fake.classes:
                count = int(
                    ((of_class["predicted"] == predicted) & (of_class["outcome"] != "poorly_localised")).sum()
                )
                confusion.append({**head, "true": true, "predicted": predicted, "count": count})
                if predicted != true:
                    low, high = wilson(count, len(of_class))
                    rate = count / len(of_class) if len(of_class) else np.nan
                    swaps.append(
                        {
                            **head,
                            "true": true,
                            "predicted": predicted,
                            "count": count,
                            "objects": len(of_class),
                            "rate": rate,
                            "low": low,
                            "high": high,
                        }
                    )
            missed = int(of_class["outcome"].isin(["missed", "poorly_localised"]).sum())
            confusion.append({**head, "true": true, "predicted": "background", "count": missed})
            false = int(((extra["class"] == true) & (extra["outcome"] == "background")).sum())
            confusion.append({**head, "true": "background", "predicted": true, "count": false})
    real = objects[objects["kind"] == "object"]
    for (protocol, seed), group in real.groupby(["protocol", "seed"], sort=False):
        by_source = {name: part.set_index("object_id") for name, part in group.groupby("source", sort=False)}
        right = [set(part.index[part["outcome"] == "correct"]) for part in by_source.values()]
        common = sorted(set.intersection(*right)) if right else []
        base = by_source.get("visible")
        for name, part in by_source.items():
            values = part.loc[common, "confidence"]
            delta = values - base.loc[common, "confidence"] if base is not None else values * np.nan
            confidence.append(
                {
                    "protocol": protocol,
                    "source": name,
                    "seed": seed,
                    "split": "test",
                    "objects": len(common),
                    "mean": values.mean(),
                    "median": values.median(),
                    "q25": values.quantile(0.25),
                    "q75": values.quantile(0.75),
                    "delta_visible": delta.mean(),
                    "share_higher": (delta > 0).mean() if len(delta) else np.nan,
                }
            )
            if base is None or name == "visible":
                continue
            for object_id, row in part.iterrows():
                before = base.loc[object_id]
                was, now = before["outcome"] == "correct", row["outcome"] == "correct"
                if was == now:
                    continue
                changes.append(
                    {
                        "protocol": protocol,
                        "source": name,
                        "seed": seed,
                        "split": "test",
                        "change": "fixed" if now else "broken",
                        "object_id": object_id,
                        **{key: row[key] for key in ("image_id", "stem", "class", "size")},
                        "visible_outcome": before["outcome"],
                        "visible_predicted": before["predicted"],
                        "visible_confidence": before["confidence"],
                        "source_outcome": row["outcome"],
                        "source_predicted": row["predicted"],
                        "source_confidence": row["confidence"],
                        **{key: row[key] for key in ("x1", "y1", "x2", "y2")},
                    }
                )
    columns = {
        "confusion": ["source", "protocol", "seed", "split", "true", "predicted", "count"],
        "swaps": [*KEYS, "split", "true", "predicted", "count", "objects", "rate", "low", "high"],
        "changes": [
            *(*KEYS, "split", "change", "object_id", "image_id", "stem", "class", "size"),
            *("visible_outcome", "visible_predicted", "visible_confidence"),
            *("source_outcome", "source_predicted", "source_confidence", "x1", "y1", "x2", "y2"),
        ],
        "confidence": [
            *(*KEYS, "split", "objects", "mean", "median", "q25", "q75"),
            *("delta_visible", "share_higher"),
        ],
    }
    data = {"confusion": confusion, "swaps": swaps, "changes": changes, "confidence": confidence}
    return {name: pd.DataFrame(rows, columns=columns[name]) for name, rows in data.items()}


def score_tables(fake: Fake, objects: list[dict[str, Any]], random: Any) -> dict[str, pd.DataFrame]:
    """Detection, per-class and interval tables with plausible random scores."""
    detection, per_class, intervals = [], [], []
    base: dict[tuple[str, int], float] = {}
    for protocol in fake.protocols:
        level = 0.42 if protocol == "retrained" else 0.33
        for position, source in enumerate(fake.sources):
            for seed in fake.seeds:
                head = {"source": source, "protocol": protocol, "seed": seed, "split": "test"}
                if source in fake.failed:
                    reason = (
                        "MethodError: fuse returned 3 channels, expected 1 x 240 x 320 for a luminance method"
                    )
                    detection.append(
                        {**head, "images": fake.images, "objects": len(objects), "status": "failed"}
                    )
                    detection[-1]["reason"] = reason
                    continue
                score = level + 0.006 * position + random.normal(0, 0.008) if objects else np.nan
                detection.append(
                    {
                        **head,
                        "mAP50": score * 1.6,
                        "mAP75": score * 0.95,
                        "mAP50_95": score,
                        "mAP_small": score * 0.5,
                        "mAP_medium": score * 1.15,
                        "mAP_large": np.nan,
                        "mAR100": score * 1.25,
                        "images": fake.images,
                        "objects": len(objects),
                        "threshold": 0.26,
                        "precision": 0.78,
                        "recall": 0.64,
                        "f1": 0.703,
                        "status": "ok",
                        "reason": "",
                    }
                )
                if source == "visible":
                    base[protocol, seed] = score * 1.6
                for name in fake.classes:
                    number = sum(item["class"] == name for item in objects)
                    ap = float(np.clip(score + random.normal(0, 0.12), 0.02, 0.95)) if number else np.nan
                    per_class.append(
                        {
                            **head,
                            "class": name,
                            "AP50": ap * 1.5,
                            "AP75": ap * 0.9,
                            "AP50_95": ap,
                            "objects": number,
                        }
                    )
                if source != "visible" and "visible" in fake.sources and fake.intervals:
                    delta = detection[-1]["mAP50"] - base.get((protocol, seed), np.nan)
                    low, high = delta - 0.031, delta + 0.027
                    bounds = {"metric": "mAP50", "delta": delta, "low": low, "high": high}
                    intervals.append({**head, **bounds, "blocks": fake.images, "resamples": 500})
    columns = [
        *("source", "protocol", "seed", "split", "mAP50", "mAP75", "mAP50_95", "mAP_small", "mAP_medium"),
        *("mAP_large", "mAR100", "images", "objects", "threshold", "precision", "recall", "f1"),
        *("status", "reason"),
    ]
    class_columns = ["source", "protocol", "seed", "split", "class", "AP50", "AP75", "AP50_95", "objects"]
    tables = {
        "detection": pd.DataFrame(detection, columns=columns),
        "per_class": pd.DataFrame(per_class, columns=class_columns),
    }
    if intervals:
        tables["intervals"] = pd.DataFrame(intervals)
    return tables


def fusion_table(fake: Fake) -> pd.DataFrame:
    rows = []
    for position, source in enumerate(fake.sources):
        learned = source == "regionfuse"
        rows.append(
            {
                "source": source,
                "title": title_of(fake, source),
                "kind": KINDS.get(source, "learned" if learned else "classical"),
                "status": "failed" if source in fake.failed else "ok",
                "reason": "out of memory" if source in fake.failed else "",
                "images": 4 * fake.images,
                "seconds_per_image": 0.0004 * 4**position if KINDS.get(source) != "control" else 0.0,
                "device": "cpu",
                "parameters": 182_340 if learned else 0,
                "multiply_accumulates": 21_400_000_000 if learned else 0,
                "trained_here": "48 pairs, 6 epochs" if learned else "",
                "weights_sha256": "9f" * 32 if learned else "",
                "contamination": dict(fake.contamination).get(source, ""),
            }
        )
    return pd.DataFrame(rows)


QUALITY = {"SF": 12.0, "AG": 4.0, "VIF": 0.9, "Qabf": 0.6, "Qcb": 0.5, "EN": 7.0, "MI": 3.0, "Nabf": 0.02}


def quality_table(fake: Fake) -> pd.DataFrame:
    """Fusion metrics of every test picture; a source that failed has no rows."""
    random = np.random.default_rng(fake.random_seed + 1)
    rows = []
    for position, source in enumerate(fake.sources):
        for image_id in range(1, fake.images + 1):
            factor = 1 + 0.04 * position + 0.03 * random.normal(size=len(QUALITY))
            values = dict(zip(QUALITY, np.array(list(QUALITY.values())) * factor, strict=True))
            rows.append({"source": source, "split": "test", "image": f"{stem_of(image_id)}.png", **values})
    frame = pd.DataFrame(rows, columns=["source", "split", "image", *QUALITY])
    return frame[~frame["source"].isin(fake.failed)]


def manifest_of(fake: Fake, objects: list[dict[str, Any]]) -> dict[str, Any]:
    counts = {name: sum(item["class"] == name for item in objects) for name in fake.classes}
    findings = [
        {"level": "warning", "code": "empty-image", "message": "2 images have no boxes", "count": 2},
        {"level": "info", "code": "registration-border", "message": "1 image has a black border", "count": 1},
    ]
    return {
        "schema": 1,
        "regionfuse": "0.1.0",
        "title": "Fusion judged by detection on a made-up set",
        "created": "2024-05-06T07:08:09+00:00",
        "notice": NOTICE if fake.synthetic else None,
        "dataset": {
            "name": "synthetic" if fake.synthetic else "m3fd",
            "format": "m3fd",
            "pairs": fake.images * 5,
            "train": fake.images * 3,
            "val": fake.images,
            "test": fake.images,
            "classes": list(fake.classes),
            "synthetic": fake.synthetic,
            "doctor": {
                "findings": findings,
                "class_counts": {
                    "train": {name: 3 * value + 4 for name, value in counts.items()},
                    "val": {name: value + 1 for name, value in counts.items()},
                    "test": counts,
                },
                "size_counts": {
                    "train": {"small": 90, "medium": 110, "large": 3},
                    "val": {"small": 30, "medium": 36, "large": 1},
                    "test": {"small": 31, "medium": 40, "large": 0},
                },
            },
            "sha256": "ab" * 32,
        },
        "split": {
            "kind": "scenes",
            "seed": 0,
            "sha256": "cd" * 32,
            "guard": 1,
            "leakage": {
                "test_images": fake.images,
                "neighbour_share": 0.05,
                "near_duplicate_share": 0.1,
                "either_share": 0.12,
            },
        },
        "sources": [
            {
                "name": source,
                "card": {
                    "name": source,
                    "title": title_of(fake, source),
                    "kind": KINDS.get(source, "learned" if source == "regionfuse" else "classical"),
                    "color": "rgb" if source in ("visible", "infrared") else "luminance",
                    "stride": 8 if source == "regionfuse" else 1,
                    "citation": "A. Author and B. Writer. A fusion method. Journal of Fusion, 1:1-9, 2025."
                    if KINDS.get(source) != "control"
                    else "",
                    "year": 2025 if KINDS.get(source) != "control" else None,
                    "code_license": "AGPL-3.0-or-later",
                    "weights_license": "AGPL-3.0-or-later" if source == "regionfuse" else "",
                    "trained_on": ["synthetic"] if source == "regionfuse" else [],
                    "weights_sha256": "9f" * 32 if source == "regionfuse" else "",
                    "notes": "Trained in this run on the train split only." if source == "regionfuse" else "",
                },
            }
            for source in fake.sources
        ],
        "protocols": list(fake.protocols),
        "seeds": list(fake.seeds),
        "detector": {
            "weights": "yolov5n.yaml",
            "epochs": 10,
            "image_size": 320,
            "optimizer": "AdamW",
            "lr0": 0.001,
        },
        "fusion_training": {"epochs": 6, "batch": 4, "crop": 96, "learning_rate": 1e-4},
        "config": {
            "dataset": {"format": "m3fd", "root": "data/a rather long path/with/many/parts/m3fd_synthetic"},
            "sources": list(fake.sources),
            "seeds": list(fake.seeds),
            "fusion": {"epochs": 6, "crop": 96, "weights": None},
            "detector": {"weights": "yolov5n.yaml", "epochs": 10, "image_size": 320},
        },
        "versions": {"python": "3.11.2", "torch": "2.15.0", "ultralytics": "8.4.190", "numpy": "2.4.0"},
        "machine": {
            "cpu": "a processor",
            "cores": 2,
            "gpu": None,
            "memory_gib": 7.8,
            "os": "Linux",
            "python": "3.11.2",
        },
        "units": [
            {
                "stage": stage,
                "name": f"{source}",
                "key": "0123456789abcdef" * 4,
                "status": "failed" if source in fake.failed else "done",
                "seconds": 3.5,
                "reason": "fuse returned 3 channels" if source in fake.failed else "",
            }
            for source in fake.sources
            for stage in ("fuse", "detect")
        ],
        "warnings": ["the test split has fewer than 30 objects of class Truck"],
    }


def write_fake_run(folder: Path, fake: Fake | None = None) -> Path:
    """Write the run folder and return it."""
    fake = fake or Fake()
    random = np.random.default_rng(fake.random_seed)
    objects = make_objects(fake, random)
    outcomes = simulate(fake, objects, random)
    tables = {**score_tables(fake, objects, random), **count_tables(fake, outcomes)}
    tables["fusion"] = fusion_table(fake)
    if fake.quality:
        tables["quality"] = quality_table(fake)
    (folder / "tables").mkdir(parents=True)
    for name, table in tables.items():
        table.to_csv(folder / "tables" / f"{name}.csv", index=False)
    outcomes.to_parquet(folder / "tables" / "objects.parquet", index=False)
    _write_ground_truth(folder, fake, objects)
    _write_json(folder / "manifest.json", manifest_of(fake, objects))
    split: dict[str, Any] = {"schema": 1, "dataset": "made-up", **manifest_of(fake, objects)["split"]}
    split.update(train=[], val=[], test=[stem_of(i) for i in range(1, fake.images + 1)], dropped=["00099"])
    _write_json(folder / "split.json", split)
    for source in fake.sources:
        if source in fake.failed or not fake.pictures:
            continue
        place = folder / "fused" / source / "test"
        place.mkdir(parents=True)
        for image_id in range(1, fake.images + 1):
            Image.fromarray(draw(objects, image_id, source)).save(place / f"{stem_of(image_id)}.png")
    return folder


def _write_ground_truth(folder: Path, fake: Fake, objects: list[dict[str, Any]]) -> None:
    ids = {name: index + 1 for index, name in enumerate(fake.classes)}
    annotations = []
    for item in objects:
        x1, y1, x2, y2 = item["box"]
        annotations.append(
            {
                "id": item["id"],
                "image_id": item["image_id"],
                "category_id": ids[item["class"]],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
            }
        )
    images = [
        {
            "id": index,
            "file_name": f"{stem_of(index)}.png",
            "stem": stem_of(index),
            "width": WIDTH,
            "height": HEIGHT,
            "scene": None,
            "tags": [],
        }
        for index in range(1, fake.images + 1)
    ]
    (folder / "ground_truth").mkdir()
    _write_json(
        folder / "ground_truth" / "test.json",
        {
            "info": {"dataset": "made-up", "split": "test", "schema": 1, "synthetic": fake.synthetic},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": number, "name": name} for name, number in ids.items()],
        },
    )


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
