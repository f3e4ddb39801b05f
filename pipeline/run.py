"""``regionfuse run``: from a configuration to the comparison PDF."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets.errors import DataError, RegionFuseError
from ..datasets.splits import Split
from ..datasets.storage import sha256_file, write_text
from ..detection.evaluation.records import FailedSource
from ..detection.recipe import DetectorRecipe
from .config import Config, dump_config
from .console import Screen, shown_warnings
from .contamination import contaminated
from .detector_config import detector_recipe
from .execute import Outcome, execute, require
from .manifest import write_fusion_table, write_manifest
from .plan import REFERENCE, Plan, fused_sources, make_plan
from .publish import publish
from .quality import ASSOCIATION, write_association_table, write_quality_table
from .quality import TABLE as QUALITY_TABLE
from .stages import EVALUATED, evaluate_unit
from .store import Store, Unit, digest, explained, locked
from .trainings import require_trainable
from .workload import SPLITS, Workload, load_workload, split_unit


@dataclass(frozen=True)
class RunResult:
    """What a run ended with.

    Attributes:
        run: the run folder.
        report: the PDF.
        failed: source or stage -> reason; empty when all went well.
        units: number of units, and how many were there already.
        reused: units that were done before.
    """

    run: Path
    report: Path
    failed: dict[str, str]
    units: int
    reused: int


def run_pipeline(config: Config, out: Path, screen: Screen) -> RunResult:
    """Do everything a configuration asks for; what is done already is not done again.

    Raises:
        RegionFuseError: nothing to compare (data, split or every source failed) or no place to write.
    """
    recipe, frozen = detector_recipe(config)  # A wrong key must not leave a folder behind.
    require_trainable(config)
    with locked(out), explained(out), shown_warnings(screen) as warnings:
        store = Store(out)
        write_text(out / "config.yaml", _yaml(config))
        with screen.task("reading the data set") as progress:
            workload = load_workload(config, store.root / "hashes.json", progress)
        noticed = list(warnings)  # While reading; a unit's own warnings are stored with its result.
        outcome = Outcome()
        divided = split_unit(config, workload, store.root / "signatures.npz")
        require(divided, store, screen, outcome)
        split = Split.load(store.folder(divided) / "split.json")
        require_boxes(workload, split, trains=frozen is None or "retrained" in config.protocols)
        plan = make_plan(config, recipe, frozen, workload, split, divided, store)
        before = len(warnings)
        seen = contaminated(config, workload, split, store.root / "signatures.npz")
        noticed += warnings[before:]
        execute(list(plan), store, screen, outcome)
        settings = {
            "reference": REFERENCE,
            "image_size": recipe.image_size,
            "per_class": config.evaluation.per_class_thresholds,
            "draws": config.evaluation.draws,
        }
        tables = _evaluate(plan, divided, len(split.test), store, screen, outcome, settings)
        _publish(plan, divided, tables, split, store, outcome)
        write_fusion_table(config, workload, split, plan, outcome, store, seen)
        write_quality_table(plan.quality, config.quality.metrics, outcome, store)
        write_association_table(plan.quality, fused_sources(config), outcome, store)
        notes = [*noticed, *_stored_warnings(store.folder(tables) / "tables")]
        write_manifest(
            config, detector_facts(recipe, frozen), workload, split, divided, plan, outcome, store, notes
        )
        report = make_report(out, screen)
        failed = {
            f"{unit.stage} {unit.name}": outcome.failed[unit.key]
            for unit in plan
            if unit.key in outcome.failed
        }
        distinct = {unit.key for unit in (divided, *plan, tables)}
        return RunResult(out, report, failed, len(distinct), outcome.reused)


def require_boxes(workload: Workload, split: Split, *, trains: bool) -> None:
    """Stop before hours of fusion when there is nothing to detect.

    Raises:
        DataError: no annotated objects in test, or none in train where detectors are trained.
    """
    for name in ("train", "test") if trains else ("test",):
        if not any(workload.pairs[stem].objects for stem in getattr(split, name)):
            raise DataError(
                f"{workload.pairs.root}: the {name} split has no annotated objects; detection needs boxes "
                "(dataset.annotations says where they are)"
            )


def _evaluate(
    plan: Plan,
    divided: Unit,
    images: int,
    store: Store,
    screen: Screen,
    outcome: Outcome,
    settings: dict[str, Any],
) -> Unit:
    good = {key: unit for key, unit in plan.predictions.items() if unit.key in outcome.done}
    if not good:
        reasons = "; ".join(dict.fromkeys(outcome.failed.values()))
        raise RegionFuseError(f"every source failed, there is nothing to compare: {reasons}")
    failed = [
        FailedSource(protocol, source, seed, outcome.failed[unit.key])
        for (protocol, source, seed), unit in plan.predictions.items()
        if unit.key in outcome.failed
    ]
    unit = evaluate_unit(good, failed, divided, images, store, settings)
    require(unit, store, screen, outcome)
    return unit


def _publish(plan: Plan, divided: Unit, tables: Unit, split: Split, store: Store, outcome: Outcome) -> None:
    wanted: dict[str, Path] = {"split.json": store.folder(divided) / "split.json"}
    for name in SPLITS:
        wanted[f"ground_truth/{name}.json"] = store.folder(divided) / "ground_truth" / f"{name}.json"
    for source, unit in plan.fused.items():
        images = store.folder(unit) / "images"
        for name in SPLITS:
            for stem in getattr(split, name):
                if unit.key in outcome.done and (images / f"{stem}.png").is_file():
                    wanted[f"fused/{source}/{name}/{stem}.png"] = images / f"{stem}.png"
    for (protocol, source, seed), unit in plan.predictions.items():
        for name in EVALUATED:
            if unit.key in outcome.done:
                relative = f"predictions/{protocol}/{source}/seed{seed}/{name}.json"
                wanted[relative] = store.folder(unit) / f"{name}.json"
    for path in sorted((store.folder(tables) / "tables").iterdir()):
        wanted[f"tables/{path.name}"] = path
    publish(store.run, wanted, keep=("tables/fusion.csv", QUALITY_TABLE, ASSOCIATION))


def detector_facts(recipe: DetectorRecipe, frozen: Path | None = None) -> dict[str, Any]:
    """Return the recipe for the manifest: weights by file name and content, not by place.

    Args:
        recipe: how detectors are trained and run.
        frozen: given checkpoint of the frozen protocol, if any.
    """
    facts = recipe.to_dict()
    weights = recipe.weights
    if weights is not None and Path(weights).is_file():
        facts |= {"weights": Path(weights).name, "weights_sha256": sha256_file(weights)}
    if frozen is not None:
        facts |= {"frozen_weights": frozen.name, "frozen_weights_sha256": sha256_file(frozen)}
    return facts


def make_report(run: Path, screen: Screen) -> Path:
    """Typeset the PDF, unless the stored results and the program are those it was made from."""
    from .. import __version__

    stored = [
        run / "manifest.json",
        *sorted((run / "tables").glob("*.csv")),
        *sorted((run / "tables").glob("*.parquet")),
    ]
    state = digest([__version__, *((path.name, sha256_file(path)) for path in stored)])
    report = run / "report" / "report.pdf"
    stamp = run / "report" / ".made-from"
    if report.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return report
    with screen.task("report") as progress:
        from ..reports.build import build_report

        build_report(run, progress=progress)
    write_text(stamp, state)
    return report


def _stored_warnings(tables: Path) -> list[str]:
    path = tables / "warnings.json"
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else []


def _yaml(config: Config) -> str:
    import yaml

    return str(yaml.safe_dump(dump_config(config), sort_keys=False, allow_unicode=True))
