"""Fusion-quality metrics of a run: one unit per source, and the tables that all of them make."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..datasets.storage import write_text
from .execute import Outcome
from .store import Progress, Store, Unit
from .workload import Workload

VERSION = 2  # Raised when a metric's definition changes what the same three images give.
SPLIT = "test"
RESULT = "quality.csv"
REGIONS = "regions.csv"
TABLE = "tables/quality.csv"
ASSOCIATION = "tables/association.csv"
_SAVE_EVERY = 20  # images; what a killed process may lose


def quality_unit(
    source: str,
    metrics: Sequence[str],
    workload: Workload,
    stems: Sequence[str],
    fused: Unit,
    divided: Unit,
    store: Store,
    *,
    device: str = "cpu",
) -> Unit:
    """Score the pictures that the detector saw against both halves of their pair.

    The result: ``quality.csv``, one row an image, and ``regions.csv``, one row an object of the ground truth.

    Args:
        source: name of the fusion source.
        metrics: names of the registry of fusion metrics, in the order of the columns.
        workload: pairs and hashes.
        stems: the test split.
        fused: the unit that made the pictures.
        divided: the unit that wrote the ground truth.
        store: where results stand.
        device: where to compute, as for fusion; no part of the key.
    """
    pairs = [workload.pairs[stem] for stem in sorted(stems)]
    params = {"metrics": list(metrics), "images": workload.images_digest(pairs)}

    def action(work: Path, progress: Progress) -> None:
        from ..fusion.metrics.score import REGION_METRICS, score_files, score_regions
        from ..fusion.run import resolve_device

        place = str(resolve_device(device))
        images = store.folder(fused) / "images"
        path = work / RESULT
        rows = _read(path)  # Of a process that was stopped; the same images give the same numbers.
        for done, pair in enumerate(pairs, start=1):
            name = f"{pair.stem}.png"
            if done > len(rows):
                scores = score_files(pair.infrared, pair.visible, images / name, metrics, device=place)
                rows.append({"image": name, **{metric: _text(scores[metric]) for metric in metrics}})
                if done % _SAVE_EVERY == 0:
                    _write(path, ("image", *metrics), rows)
            progress(done, len(pairs), name)
        _write(path, ("image", *metrics), rows)
        of_objects = [name for name in REGION_METRICS if name in metrics]
        regions: list[dict[str, str]] = []
        for done, (stem, objects) in enumerate(_objects(store.folder(divided), SPLIT).items(), start=1):
            pair = workload.pairs[stem]
            boxes = np.array([box for _, box in objects]).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            found = score_regions(pair.infrared, pair.visible, images / f"{stem}.png", boxes, of_objects)
            for (number, _), row in zip(objects, found.to_dict("records"), strict=True):
                texts = {str(metric): _text(value) for metric, value in row.items()}
                regions.append({"object_id": str(number), **texts})
            progress(done, len(pairs), f"objects of {stem}")
        _write(work / REGIONS, ("object_id", *of_objects), regions)

    return Unit("quality", source, params, action, needs=(fused, divided), version=VERSION, source=source)


def write_association_table(
    units: Mapping[str, Unit], fused: Collection[str], outcome: Outcome, store: Store
) -> None:
    """Write ``tables/association.csv``: do metrics go with detection within images and within objects?

    Args:
        units: source name -> its unit.
        fused: sources that are fused images; one modality alone takes no part.
        outcome: what became of the units.
        store: where results stand; the tables of the evaluation are published already.
    """
    import pandas as pd

    from ..detection.evaluation.association import association_table
    from ..detection.evaluation.write import write_csv
    from ..fusion.metrics.registry import METRICS

    path = store.run / ASSOCIATION
    done = {name: unit for name, unit in units.items() if name in fused and unit.key in outcome.done}
    if not done:
        path.unlink(missing_ok=True)  # Of an earlier configuration.
        return

    def stacked(file: str) -> pd.DataFrame:
        tables = [pd.read_csv(store.folder(unit) / file).assign(source=name) for name, unit in done.items()]
        return pd.concat(tables, ignore_index=True)

    objects = pd.read_parquet(store.run / "tables" / "objects.parquet")
    lower = {name for name, metric in METRICS.items() if metric.direction == "lower"}
    write_csv(association_table(objects, stacked(RESULT), stacked(REGIONS), list(done), lower), path)


def _objects(divided: Path, split: str) -> dict[str, list[tuple[int, list[float]]]]:
    """Return stem -> annotation id and box (left, top, width, height) of the objects to be found."""
    truth = json.loads((divided / "ground_truth" / f"{split}.json").read_text(encoding="utf-8"))
    stems = {image["id"]: str(image["stem"]) for image in truth["images"]}
    found: dict[str, list[tuple[int, list[float]]]] = {}
    for item in truth["annotations"]:
        if not item.get("iscrowd"):
            found.setdefault(stems[item["image_id"]], []).append((int(item["id"]), item["bbox"]))
    return found


def write_quality_table(
    units: Mapping[str, Unit], metrics: Sequence[str], outcome: Outcome, store: Store
) -> None:
    """Write ``tables/quality.csv``; sources that failed have no rows, and without metrics there is no file.

    Args:
        units: source name -> its unit.
        metrics: the columns.
        outcome: what became of the units.
        store: where results stand.
    """
    path = store.run / TABLE
    if not units:
        for stale in (path, path.with_suffix(".tex")):  # Of an earlier configuration.
            stale.unlink(missing_ok=True)
        return
    rows = [
        {"source": source, "split": SPLIT, **row}
        for source, unit in units.items()
        if unit.key in outcome.done
        for row in _read(store.folder(unit) / RESULT)
    ]
    _write(path, ("source", "split", "image", *metrics), rows)


def _text(value: float) -> str:
    """Eight digits: more than any reader needs, and few enough that the order of a sum does not show."""
    return "" if math.isnan(value) else f"{value:.8g}"


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())
