"""The unit of the fusion metrics: its rows, its key, what a stopped process leaves, and the table of all."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import numpy as np
import pytest
from PIL import Image

from regionfuse.datasets.storage import write_json
from regionfuse.fusion.metrics import score
from regionfuse.fusion.metrics.registry import METRICS, PAPER
from regionfuse.fusion.metrics.score import REGION_METRICS
from regionfuse.pipeline.config import FAST_METRICS, QualityConfig, QualityMetric
from regionfuse.pipeline.execute import Outcome
from regionfuse.pipeline.quality import quality_unit, write_quality_table
from regionfuse.pipeline.store import Store, Unit
from regionfuse.pipeline.workload import Workload

STEMS = ("b", "a", "c")
NAMES = ("SF", "EN", "MS_SSIM")  # the last is undefined for small pictures


def quiet(done: int, total: int, message: str) -> None:
    return None


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    """Three pairs of 48 x 64 pixels."""
    pairs: dict[str, Any] = {}
    for number, stem in enumerate(STEMS):
        halves = {}
        for half in ("infrared", "visible"):
            path = tmp_path / half / f"{stem}.png"
            path.parent.mkdir(exist_ok=True)
            random = np.random.default_rng([number, len(half)])
            Image.fromarray(random.integers(0, 255, (48, 64), dtype=np.uint8)).save(path)
            halves[half] = path
        pairs[stem] = SimpleNamespace(stem=stem, **halves)
    hashes = {path: path.as_posix() for pair in pairs.values() for path in (pair.infrared, pair.visible)}
    return Workload(cast(Any, pairs), (), hashes)


def fused(workload: Workload, method: str = "average") -> Unit:
    def action(work: Path, progress: object) -> None:
        for stem in STEMS:
            halves = [np.asarray(Image.open(p), dtype=float) for p in
                      (workload.pairs[stem].infrared, workload.pairs[stem].visible)]  # fmt: skip
            (work / "images").mkdir(exist_ok=True)
            Image.fromarray(np.mean(halves, axis=0).astype(np.uint8)).save(work / "images" / f"{stem}.png")

    return Unit("fuse", method, {"method": method}, action)


def divided(offset: int = 0) -> Unit:
    """The ground truth: an object each in the first and the last image, and a region to ignore."""

    def action(work: Path, progress: object) -> None:
        images = [{"id": number, "stem": stem} for number, stem in enumerate(STEMS, start=1)]
        boxes = [(1, [4, 4, 20, 16], 0), (3, [40, 30, 24, 18], 0), (3, [0, 0, 9, 9], 1)]
        annotations = [
            {"id": number, "image_id": image, "bbox": box, "iscrowd": ignore}
            for number, (image, box, ignore) in enumerate(boxes, start=7)
        ]
        write_json(work / "ground_truth" / "test.json", {"images": images, "annotations": annotations})

    return Unit("split", "set", {"offset": offset}, action)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def made(tmp_path: Path, workload: Workload) -> tuple[Store, Unit]:
    store = Store(tmp_path / "run")
    pictures = fused(workload)
    store.execute(pictures, quiet)
    store.execute(divided(), quiet)
    return store, quality_unit("average", NAMES, workload, STEMS, pictures, divided(), store)


def test_the_configuration_knows_exactly_the_metrics_of_the_registry() -> None:
    assert get_args(QualityMetric) == tuple(METRICS)
    assert FAST_METRICS[:5] == tuple(PAPER)
    assert QualityConfig().metrics == FAST_METRICS
    assert QualityConfig.model_validate({"metrics": "SF, AG,SF"}).metrics == ("SF", "AG")
    with pytest.raises(ValueError, match="SFF"):
        QualityConfig.model_validate({"metrics": ["SFF"]})


def test_every_test_picture_has_a_row_with_the_values_of_its_pair(tmp_path: Path, workload: Workload) -> None:
    store, unit = made(tmp_path, workload)
    rows = rows_of(store.execute(unit, quiet) / "quality.csv")
    assert [row["image"] for row in rows] == ["a.png", "b.png", "c.png"]
    assert list(rows[0]) == ["image", *NAMES]
    assert {row["MS_SSIM"] for row in rows} == {""}
    objects = rows_of(store.folder(unit) / "regions.csv")
    assert [(row["object_id"], row["SF"] != "") for row in objects] == [("7", True), ("8", True)]
    assert list(objects[0]) == ["object_id", *(name for name in REGION_METRICS if name in NAMES)]
    pair = workload.pairs["b"]
    picture = store.folder(unit.needs[0]) / "images" / "b.png"
    expected = score.score_files(pair.infrared, pair.visible, picture, ["SF"])["SF"]
    assert float(rows[1]["SF"]) == pytest.approx(expected, rel=1e-7)


def test_the_key_follows_pictures_pairs_and_metrics(tmp_path: Path, workload: Workload) -> None:
    store = Store(tmp_path / "run")
    base = quality_unit("average", NAMES, workload, STEMS, fused(workload), divided(), store)
    same = quality_unit("other name", NAMES, workload, STEMS[::-1], fused(workload), divided(), store)
    assert base.key == same.key
    changed = {path: value + "x" for path, value in workload.hashes.items()}
    others = [
        quality_unit("average", NAMES[:2], workload, STEMS, fused(workload), divided(), store),
        quality_unit("average", NAMES, workload, STEMS[:2], fused(workload), divided(), store),
        quality_unit("average", NAMES, workload, STEMS, fused(workload, "maximum"), divided(), store),
        quality_unit(
            "average", NAMES, Workload(workload.pairs, (), changed), STEMS, fused(workload), divided(), store
        ),
        quality_unit("average", NAMES, workload, STEMS, fused(workload), divided(1), store),
    ]
    assert len({base.key, *(unit.key for unit in others)}) == 6


def test_a_stopped_process_loses_no_finished_picture(
    tmp_path: Path, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, unit = made(tmp_path, workload)
    whole = (store.execute(unit, quiet) / "quality.csv").read_bytes()
    partial = tmp_path / "partial"
    partial.mkdir()
    (partial / "quality.csv").write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    real, seen = score.score_files, []

    def counted(infrared: Path, visible: Path, picture: Path, *more: Any, **options: Any) -> dict[str, float]:
        seen.append(picture.name)
        return real(infrared, visible, picture, *more, **options)

    monkeypatch.setattr(score, "score_files", counted)
    unit.action(partial, quiet)
    assert seen == ["c.png"]
    assert (partial / "quality.csv").read_bytes() == whole


def test_the_table_holds_what_is_done_and_goes_with_the_metrics(tmp_path: Path, workload: Workload) -> None:
    store, unit = made(tmp_path, workload)
    store.execute(unit, quiet)
    broken = quality_unit("broken", NAMES, workload, STEMS, fused(workload, "broken"), divided(), store)
    outcome = Outcome(done={unit.key}, failed={broken.key: "out of memory"})
    write_quality_table({"average": unit, "broken": broken}, NAMES, outcome, store)
    path = store.run / "tables" / "quality.csv"
    rows = rows_of(path)
    assert list(rows[0]) == ["source", "split", "image", *NAMES]
    assert [(row["source"], row["split"]) for row in rows] == [("average", "test")] * 3
    write_quality_table({}, (), outcome, store)
    assert not path.exists()
