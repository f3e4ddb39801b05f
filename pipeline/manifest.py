"""The manifest of a run: what was compared, on what, with which versions and machine, and what it cost."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import __version__
from ..datasets.box_checks import size_counts
from ..datasets.splits import Split
from ..datasets.storage import write_json, write_text
from .config import Config, dump_config
from .execute import Outcome
from .machine import describe_machine, versions
from .plan import REFERENCE, Plan, with_reference
from .stages import read_json
from .store import Store, Unit
from .trainings import trained_here
from .workload import SPLITS, Workload

FUSION_COLUMNS = (
    "source",
    "title",
    "kind",
    "status",
    "reason",
    "images",
    "seconds_per_image",
    "device",
    "parameters",
    "multiply_accumulates",
    "trained_here",
    "weights_sha256",
    "contamination",
)
NOTICE = "synthetic: shows that the pipeline works, not how good a method is"


def write_manifest(
    config: Config,
    detector: Mapping[str, Any],
    workload: Workload,
    split: Split,
    divided: Unit,
    plan: Plan,
    outcome: Outcome,
    store: Store,
    warnings: Iterable[str],
) -> None:
    """Write ``manifest.json``; the same results give the same bytes, the time of the first run included."""
    run = store.run
    pairs = workload.pairs
    doctor = read_json(store.folder(divided) / "doctor.json")
    stored_split = read_json(store.folder(divided) / "split.json")
    sources = with_reference(config)
    units = {unit.key: unit for unit in (divided, *plan)}.values()
    earlier = _earlier(run / "manifest.json")
    # Versions and machine of the run that did the work: a later look at its results must not rewrite them.
    same = earlier.get("regionfuse") == __version__ and not outcome_changed(earlier, plan, store)
    manifest = {
        "schema": 2,
        "regionfuse": __version__,
        "title": config.report.title or default_title(config),
        "created": earlier.get("created") or _now(),
        "notice": NOTICE if pairs.synthetic else None,
        "reference": REFERENCE,
        "dataset": {
            "name": pairs.name,
            "format": config.dataset.format,
            "pairs": len(pairs),
            **{name: len(getattr(split, name)) for name in SPLITS},
            "classes": list(pairs.classes),
            "synthetic": pairs.synthetic,
            "doctor": {
                "findings": [
                    {
                        "level": finding["level"],
                        "code": finding["code"],
                        "message": finding["message"],
                        "count": max(len(finding.get("files", [])), 1),
                    }
                    for finding in doctor.get("findings", [])
                ],
                "class_counts": {name: _class_counts(workload, getattr(split, name)) for name in SPLITS},
                "size_counts": {name: _size_counts(workload, getattr(split, name)) for name in SPLITS},
            },
            "sha256": workload.images_digest(pairs),
        },
        "split": {
            "kind": split.kind,
            "seed": split.seed,
            "sha256": split.sha256,
            **{key: stored_split.get(key) for key in ("leakage", "given_up")},
        },
        "sources": [
            {"name": source.name, "card": _card(plan.fused[source.name], store)} for source in sources
        ],
        "protocols": list(config.protocols),
        "seeds": list(config.seeds),
        "detector": dict(detector),
        "fusion_training": config.fusion.model_dump(mode="json") if plan.trained else None,
        "config": dump_config(config),
        "versions": earlier["versions"] if same and "versions" in earlier else versions(),
        "machine": earlier["machine"] if same and "machine" in earlier else describe_machine(),
        "units": [_unit_row(unit, outcome, store) for unit in units],
        "warnings": list(dict.fromkeys([*warnings, *_unit_warnings(units, outcome, store)])),
    }
    write_json(run / "manifest.json", manifest)


def outcome_changed(earlier: Mapping[str, Any], plan: Plan, store: Store) -> bool:
    """Tell whether units finished or failed since the earlier manifest was written."""
    known = {row.get("key") for row in earlier.get("units", []) if row.get("status") == "done"}
    return any(store.is_done(unit) != (unit.key in known) for unit in plan)


def default_title(config: Config) -> str:
    """Return the report's title when the configuration gives none."""
    count = len(with_reference(config))
    return f"What fusion changes for detection: {count} image sources on {config.dataset.format.upper()}"


def write_fusion_table(
    config: Config,
    workload: Workload,
    split: Split,
    plan: Plan,
    outcome: Outcome,
    store: Store,
    contamination: Mapping[str, str],
) -> None:
    """Write ``tables/fusion.csv``: status, time per image, parameters and multiply-accumulates per source.

    ``contamination`` says for each source whether it was trained on test images, see ``contamination.py``.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, FUSION_COLUMNS, lineterminator="\n")
    table.writeheader()
    for source in with_reference(config):
        unit = plan.fused[source.name]
        row: dict[str, Any] = {"source": source.name, "title": source.name, "kind": ""}
        if unit.key in outcome.done:
            card = _card(unit, store)
            timing = read_json(store.folder(unit) / "timing.json")
            row |= {key: card.get(key, "") for key in ("title", "kind", "weights_sha256")}
            row |= {
                key: timing.get(key) for key in ("images", "device", "parameters", "multiply_accumulates")
            }
            seconds = timing.get("seconds_per_image")
            row["seconds_per_image"] = "" if seconds is None else f"{seconds:.6g}"
            row["status"] = "ok"
        else:
            row |= {"status": "failed", "reason": outcome.failed.get(unit.key, "not run")}
        trained = plan.trained.get(source.name)
        if trained is not None and {trained.key, unit.key} & outcome.done:
            row["trained_here"] = trained_here(source, config, workload, split)
        row["contamination"] = contamination.get(source.name, "")
        table.writerow(row)
    write_text(store.run / "tables" / "fusion.csv", text.getvalue())


def _unit_row(unit: Unit, outcome: Outcome, store: Store) -> dict[str, Any]:
    done = unit.key in outcome.done
    return {
        "stage": unit.stage,
        "name": unit.name,
        "key": unit.key,
        "status": "done" if done else "failed",
        "seconds": store.record(unit)["seconds"] if done else None,
        "reason": outcome.failed.get(unit.key, ""),
    }


def _unit_warnings(units: Iterable[Unit], outcome: Outcome, store: Store) -> list[str]:
    done = [unit for unit in units if unit.key in outcome.done]
    return [message for unit in done for message in store.record(unit).get("warnings", [])]


def _card(unit: Unit, store: Store) -> dict[str, Any]:
    path = store.folder(unit) / "card.json"
    return read_json(path) if path.is_file() else {"name": unit.name, "title": unit.name, "kind": ""}


def _class_counts(workload: Workload, stems: Iterable[str]) -> dict[str, int]:
    counts = Counter(box.label for stem in stems for box in workload.pairs[stem].objects)
    return {label: counts.get(label, 0) for label in workload.pairs.classes}


def _size_counts(workload: Workload, stems: Iterable[str]) -> dict[str, int]:
    """Count objects by COCO's size names, in pixels of the original image."""
    return size_counts([box for stem in stems for box in workload.pairs[stem].objects])


def _earlier(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return read_json(path)
    except ValueError:
        return {}  # Damaged: it is written anew.


def _now() -> str:
    return datetime.now(timezone.utc).replace(microsecond=0).isoformat()
