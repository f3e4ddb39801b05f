"""Fusion-quality metrics of a run: one unit per source, and the table that all of them make."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..datasets.storage import write_text
from .execute import Outcome
from .store import Progress, Store, Unit
from .workload import Workload

VERSION = 1  # Raised when a metric's definition changes what the same three images give.
SPLIT = "test"
RESULT = "quality.csv"
TABLE = "tables/quality.csv"
_SAVE_EVERY = 20  # images; what a killed process may lose


def quality_unit(
    source: str,
    metrics: Sequence[str],
    workload: Workload,
    stems: Sequence[str],
    fused: Unit,
    store: Store,
    *,
    device: str = "cpu",
) -> Unit:
    """Score the pictures that the detector saw against both halves of their pair; result: ``quality.csv``.

    Args:
        source: name of the fusion source.
        metrics: names of the registry of fusion metrics, in the order of the columns.
        workload: pairs and hashes.
        stems: the test split.
        fused: the unit that made the pictures.
        store: where results stand.
        device: where to compute, as for fusion; no part of the key.
    """
    pairs = [workload.pairs[stem] for stem in sorted(stems)]
    params = {"metrics": list(metrics), "images": workload.images_digest(pairs)}

    def action(work: Path, progress: Progress) -> None:
        from ..fusion.metrics.score import score_files
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

    return Unit("quality", source, params, action, needs=(fused,), version=VERSION, source=source)


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
