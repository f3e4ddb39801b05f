"""The report as a file: same bytes for same results, and no run, however odd, that breaks it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regionfuse.datasets.errors import ReportError, StorageError
from regionfuse.reports.blocks import Heading
from regionfuse.reports.build import build_report
from regionfuse.reports.context import make_context
from regionfuse.reports.document import make_document
from regionfuse.reports.stored import load_results
from regionfuse.reports.typeset import breakable, needs_system_fonts, typeset

sys.path.append(str(Path(__file__).resolve().parents[1]))
from reports_fake_run import CLASSES, NOTICE, Fake, write_fake_run

SMALL: dict[str, Any] = {
    "images": 6,
    "objects_per_image": 5,
    "sources": ("visible", "average", "regionfuse"),
}
NASTY = (
    "Peo#ple_*",
    "$x$ \\alpha",
    "Bus & <b>co</b> @ref",
    "//*=`~^{}[]",
    "An_extraordinarily_long_class_name",
    "1.",
)


@pytest.fixture(autouse=True)
def no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


def test_same_results_same_bytes_anywhere(tmp_path: Path) -> None:
    first = write_fake_run(tmp_path / "one" / "run", Fake(**SMALL))
    second = write_fake_run(tmp_path / "Zwei mit Leerzeichen ü", Fake(**SMALL))
    steps: list[tuple[int, int, str]] = []
    one = build_report(first, progress=lambda *step: steps.append(step))
    assert one == first / "report" / "report.pdf"
    assert one.read_bytes().startswith(b"%PDF-")
    assert steps[-1][0] == steps[-1][1]
    assert [step[0] for step in steps] == sorted(step[0] for step in steps)
    # Another process, working directory, hash seed, time zone and locale.
    code = "import sys; from regionfuse.reports.build import build_report; from pathlib import Path; "
    code += (
        "build_report(Path(sys.argv[1])); sys.exit('torch' in sys.modules or 'ultralytics' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    root = Path(__file__).resolve().parents[2]
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [os.environ.get("PYTHONPATH"), str(root.parent)])
    )
    subprocess.run([sys.executable, "-c", code, str(second)], check=True, env=environment, cwd=tmp_path)
    for name in ("report/report.pdf", "report/summary.json", "tables/detection.tex", "tables/confusion.tex"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert str(tmp_path).encode() not in one.read_bytes()


def test_files_beside_the_pdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_fake_run(tmp_path / "run", Fake(**SMALL))
    target = tmp_path / "elsewhere" / "mine.pdf"
    assert build_report(run, out=target) == target
    assert not (run / "report" / "report.pdf").exists()
    plain = target.read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert build_report(run, out=target).read_bytes() != plain
    shown = {path.stem for path in (run / "tables").glob("*.tex")}
    assert shown >= {
        "detection",
        "differences",
        "balance",
        "operating",
        "misclassifications",
        "confusion",
        "objects",
    }
    assert shown >= {"per_class", "errors", "confidence", "calibration", "quality", "fusion", "leakage"}
    for path in (run / "tables").glob("*.tex"):
        text = path.read_text(encoding="utf-8")
        assert text.count(r"\begin{tabular}") == text.count(r"\bottomrule") > 0
    summary = json.loads((run / "report" / "summary.json").read_text())
    assert len(summary["verdict"]) == 2
    assert [row["source"] for row in summary["rows"]] == list(SMALL["sources"]) * 2
    assert summary["notice"] == NOTICE
    assert not list(tmp_path.rglob("*.part"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ReportError):
        build_report(run)


@pytest.mark.parametrize(
    "facts",
    [
        {"sources": ("visible",), "blocks": 1},
        {"sources": ("average", "regionfuse"), "protocols": ("frozen",)},
        {"failed": ("average",)},
        {"failed": ("visible",)},
        {"failed": SMALL["sources"]},
        {"absent": ("Truck",)},
        {"absent": CLASSES},
        {"seeds": (0, 1, 2)},
        {"classes": NASTY, "synthetic": False, "titles": (("average", "#set page(width: 1cm)"),)},
        {"classes": tuple(f"class{index}" for index in range(15)), "images": 3},
        {"images": 1, "objects_per_image": 1},
        {"pictures": False, "protocols": ("frozen", "retrained")},
    ],
    ids=str,
)
def test_no_run_breaks_the_report(tmp_path: Path, facts: dict[str, Any]) -> None:
    run = write_fake_run(tmp_path / "run", Fake(**{**SMALL, "protocols": ("retrained",), **facts}))
    assert build_report(run).stat().st_size > 20_000


def test_twelve_sources_fit(tmp_path: Path) -> None:
    sources = ("visible", "infrared", "average", "maximum", "laplacian", "guided", "regionfuse")
    sources += tuple(f"a_method_with_a_long_name_{index}" for index in range(5))
    run = write_fake_run(tmp_path / "run", Fake(images=4, sources=sources, protocols=("retrained",)))
    build_report(run)
    assert len(json.loads((run / "report/summary.json").read_text())["rows"]) == 12


def test_missing_tables_are_named_in_one_line_and_break_nothing(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run", Fake(**SMALL, protocols=("retrained",), pictures=False))
    kept = ("detection.csv", "warnings.json")
    names = sorted(path.name for path in (run / "tables").iterdir() if path.name not in kept)
    for name in names:
        (run / "tables" / name).unlink()
    results = load_results(run)
    document = make_document(make_context(results), lambda _: None)
    said = repr(document.blocks)
    for name in (
        "per_class",
        "operating",
        "confusion",
        "differences",
        "errors",
        "calibration",
        "quality",
        "fusion",
    ):
        assert f"{name}.csv" in said, name
    heads = [block.text for block in document.blocks if isinstance(block, Heading)]
    assert "Detection" in heads and "Kinds of error" not in heads and "Fusion quality" not in heads
    assert "nothing is established" in document.verdict[0]
    assert build_report(run).is_file()


def test_a_bare_manifest_is_enough(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run", Fake(**SMALL, protocols=("retrained",), pictures=False))
    (run / "manifest.json").write_text('{"schema": 2}')
    for name in ("split.json", "ground_truth/test.json"):
        (run / name).unlink()
    assert build_report(run).is_file()


def test_a_comparison_has_a_report_without_what_only_a_run_knows(tmp_path: Path) -> None:
    fake = Fake(**SMALL, protocols=("given",), pictures=False, quality=False)
    folder = tmp_path / "comparison"
    (write_fake_run(tmp_path / "run", fake) / "tables").rename(folder)
    (folder / "fusion.csv").unlink()
    detection = pd.read_csv(folder / "detection.csv")
    detection[detection["split"] == "test"].to_csv(folder / "detection.csv", index=False)  # no val was given
    facts = {"schema": 2, "kind": "comparison", "reference": "average", "dataset": {"name": "gt"}}
    (folder / "manifest.json").write_text(json.dumps(facts))
    assert build_report(folder) == folder / "report" / "report.pdf"
    assert (folder / "differences.tex").is_file()
    document = make_document(make_context(load_results(folder)), lambda _: None)
    heads = [block.text for block in document.blocks if isinstance(block, Heading)]
    assert "Operating points" in heads and "Left out for want of input" in heads
    for title in ("Data and split", "Cost of fusion", "Fusion quality", "The same object in every source"):
        assert title not in heads and title in repr(document.blocks)
    assert document.verdict[0].startswith("With given predictions, ")
    said = repr([*document.summary, *document.blocks])
    assert "chosen on the test images themselves" in said and "chosen on val" not in said
    assert "differences are to average under" in said


def test_the_demo_sized_report_stays_short(tmp_path: Path) -> None:
    sources = ("visible", "infrared", "average", "maximum", "laplacian", "guided", "regionfuse")
    run = write_fake_run(tmp_path / "run", Fake(images=12, objects_per_image=10, sources=sources))
    pages = typeset(make_document(make_context(load_results(run)), lambda _: None), 0, format="svg")
    assert len(pages) < 26


def test_a_damaged_picture_is_told_in_one_line(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run", Fake(**SMALL, protocols=("retrained",)))
    for path in (run / "fused" / "visible" / "test").glob("*.png"):
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ReportError, match="png"):
        build_report(run)


def test_an_unwritable_folder_is_told(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run", Fake(**SMALL, protocols=("retrained",), pictures=False))
    (run / "report").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="report"):
        build_report(run)


def test_the_notice_is_on_every_page_and_only_when_it_is_due(tmp_path: Path) -> None:
    pages = {}
    for synthetic in (True, False):
        fake = Fake(**SMALL, protocols=("retrained",), pictures=False, synthetic=synthetic)
        run = write_fake_run(tmp_path / str(synthetic), fake)
        document = make_document(make_context(load_results(run)), lambda _: None)
        assert document.notice == (NOTICE if synthetic else "")
        pages[synthetic] = typeset(document, 0, format="svg")
    # The banner is a filled field of one colour in the head of each page.
    for page in pages[True]:
        assert re.search(rb'fill="#fff1cf"', page)
    assert not re.search(rb'fill="#fff1cf"', pages[False][0])


def test_long_words_may_break_and_short_ones_stay_whole() -> None:
    assert breakable("short words only") == "short words only"
    word = "a/" * 40
    assert breakable(word).replace("\u200b", "") == word
    assert max(len(part) for part in breakable("x" * 100).split("\u200b")) <= 11


def test_only_scripts_that_the_bundled_faces_lack_need_the_machine() -> None:
    assert not needs_system_fonts("Жук Δ ± – µ")
    assert needs_system_fonts("卡车")
