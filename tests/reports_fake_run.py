"""A made-up run folder in the stored layout, for tests of the reports.

Predictions are simulated and evaluated as in a run; nothing here runs a model.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from regionfuse.datasets.similarity_quality import near_duplicate_quality
from regionfuse.detection.evaluation.detector import Settings
from regionfuse.detection.evaluation.evaluate import evaluate
from regionfuse.detection.evaluation.records import FailedSource, PredictionKey

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
    blocks: int = 6
    random_seed: int = 3
    titles: tuple[tuple[str, str], ...] = ()
    pictures: bool = True
    quality: bool = True
    contamination: tuple[tuple[str, str], ...] = ()


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


def stem_of(image_id: int) -> str:
    return f"{image_id:05d}"


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


def leakage(fake: Fake) -> dict[str, Any]:
    """Three relations, as ``split.json`` of schema 2 stores them."""
    relations = []
    for at, (images, against) in enumerate((("test", "train"), ("val", "train"), ("test", "val"))):
        within = {str(k): min(1.0, 0.01 * at + 0.004 * k) for k in (1, 2, 5, 10, 20, 50)}
        relations.append(
            {
                "images": images,
                "against": against,
                "count": fake.images,
                "within": within,
                "same_block": 0.0,
                "same_scene": None if at else 0.04,
                "near_duplicates": 0.02,
                "examples": [["00001", "00099", "near-duplicate"]],
            }
        )
    return {"relations": relations, "near_duplicate_quality": near_duplicate_quality()}


def manifest_of(fake: Fake, objects: list[dict[str, Any]]) -> dict[str, Any]:
    counts = {name: sum(item["class"] == name for item in objects) for name in fake.classes}
    findings = [
        {"level": "warning", "code": "empty-image", "message": "2 images have no boxes", "count": 2},
        {"level": "info", "code": "registration-border", "message": "1 image has a black border", "count": 1},
    ]
    return {
        "schema": 2,
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
            "given_up": ["the guard was narrowed from 2 images to 1 at 3 borders"],
            "leakage": leakage(fake),
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
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(_made(fake), folder)
    return folder


@cache
def _made(fake: Fake) -> Path:
    """Make a run once; tests work on copies."""
    folder = Path(tempfile.mkdtemp(prefix="regionfuse-fake-")) / "run"
    random = np.random.default_rng(fake.random_seed)
    objects = {split: make_objects(fake, random) for split in ("test", "val")}
    keys, truths = {}, {}
    for split, items in objects.items():
        truths[split] = _write_ground_truth(folder, fake, items, split)
        for key, predictions in _predictions(fake, items, split):
            path = folder / "predictions" / key.protocol / key.source / f"seed{key.seed}" / f"{split}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_json(path, predictions)
            keys[key] = path
    reason = "MethodError: fuse returned 3 channels, expected 1 x 240 x 320 for a luminance method"
    failed = [
        FailedSource(protocol, source, seed, reason)
        for protocol in fake.protocols
        for source in fake.failed
        for seed in fake.seeds
    ]
    reference = "visible" if "visible" in fake.sources else fake.sources[0]
    settings = Settings(reference=reference, image_size=WIDTH, draws=200)
    evaluate(keys, truths, folder / "tables", failed=failed, settings=settings)
    fusion_table(fake).to_csv(folder / "tables" / "fusion.csv", index=False)
    if fake.quality:
        quality_table(fake).to_csv(folder / "tables" / "quality.csv", index=False)
    manifest = manifest_of(fake, objects["test"])
    _write_json(folder / "manifest.json", manifest)
    stems = [stem_of(index) for index in range(1, fake.images + 1)]
    blocks = {stem: block_of(fake, index) for index, stem in enumerate(stems, start=1)}
    split: dict[str, Any] = {"schema": 2, "dataset": "made-up", **manifest["split"], "blocks": blocks}
    split.update(train=[], val=[], test=stems, dropped=["00099"])
    _write_json(folder / "split.json", split)
    for source in fake.sources if fake.pictures else ():
        if source in fake.failed:
            continue
        place = folder / "fused" / source / "test"
        place.mkdir(parents=True)
        for image_id in range(1, fake.images + 1):
            Image.fromarray(draw(objects["test"], image_id, source)).save(place / f"{stem_of(image_id)}.png")
    return folder


def block_of(fake: Fake, image_id: int) -> str:
    return f"block {(image_id - 1) % fake.blocks}"


def _predictions(fake: Fake, objects: list[dict[str, Any]], split: str) -> Any:
    """Simulated detectors: key and COCO results. How easy an object is is the same for all."""
    shared = np.random.default_rng(fake.random_seed + (split == "val"))
    ease = shared.normal(0, 1, len(objects))
    for position, source in enumerate(fake.sources):
        for protocol in fake.protocols:
            for seed in fake.seeds:
                if source in fake.failed:
                    continue
                random = np.random.default_rng(
                    [fake.random_seed, position, seed, len(protocol), split == "val"]
                )
                level = 0.6 + 0.2 * position - (0.6 if protocol == "frozen" and source != "visible" else 0)
                found: list[dict[str, Any]] = []
                for item, easy in zip(objects, ease, strict=True):
                    found += _of_object(fake, item, level + easy, random)
                for _ in range(4 * fake.images):
                    box = [*random.uniform(0, 200, 2), *random.uniform(8, 60, 2)]
                    image, label = (int(random.integers(most)) for most in (fake.images, len(fake.classes)))
                    found.append(_result(image + 1, label, box, random.normal(-2, 1)))
                yield PredictionKey(protocol, source, seed, split), found


def _of_object(fake: Fake, item: dict[str, Any], level: float, random: Any) -> list[dict[str, Any]]:
    """Boxes of one detector on one object: often one, sometimes two labels, seldom far off."""
    if random.normal() > level + 0.4:
        return []
    x1, y1, x2, y2 = item["box"]
    spread = 0.04 if random.uniform() < 0.9 else 0.3
    shift = random.normal(0, spread, 4) * np.array([x2 - x1, y2 - y1] * 2)
    box = np.array([x1, y1, x2, y2]) + shift
    box = [*box[:2], *np.maximum(box[2:] - box[:2], 2.0)]
    true, logit = fake.classes.index(item["class"]), level + random.normal(0, 0.8)
    found = [_result(item["image_id"], true, box, logit)]
    likely = {"Truck": "Car", "Car": "Truck", "Bus": "Truck"}.get(item["class"])
    if likely in fake.classes and random.uniform() < 0.3:
        other = fake.classes.index(likely)
        found.append(_result(item["image_id"], other, box, logit + random.normal(-0.4, 1)))
        found = found[1:] if random.uniform() < 0.2 else found
    return found


def _result(image_id: int, label: int, box: Any, logit: float) -> dict[str, Any]:
    score = float(np.clip(1 / (1 + np.exp(-logit)), 0.001, 0.999))
    return {"image_id": image_id, "category_id": label + 1, "bbox": [round(float(v), 2) for v in box],
            "score": round(score, 5)}  # fmt: skip


def _write_ground_truth(folder: Path, fake: Fake, objects: list[dict[str, Any]], split: str) -> Path:
    ids = {name: index + 1 for index, name in enumerate(fake.classes)}
    kinds = ("both", "infrared", "visible", "neither")
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
                "visibility": kinds[item["id"] % 7 % 4],
            }
        )
    images = [
        {
            "id": index,
            "file_name": f"{stem_of(index)}.png",
            "stem": stem_of(index),
            "width": WIDTH,
            "height": HEIGHT,
            "block": block_of(fake, index),
            "scene": None,
            "tags": ["night" if index % 2 else "day"],
        }
        for index in range(1, fake.images + 1)
    ]
    path = folder / "ground_truth" / f"{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_json(
        path,
        {
            "info": {"dataset": "made-up", "split": split, "schema": 2, "synthetic": fake.synthetic},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": number, "name": name} for name, number in ids.items()],
        },
    )
    return path


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
