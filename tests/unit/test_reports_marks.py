"""Sources trained here, or perhaps on test images, are marked wherever their scores stand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from regionfuse.reports.blocks import Block, Note, Paragraph, Table
from regionfuse.reports.build import build_report, references
from regionfuse.reports.context import Context, make_context
from regionfuse.reports.latex import latex_table
from regionfuse.reports.marks import explain_marks, make_label
from regionfuse.reports.opening import reading_guide, title_remarks
from regionfuse.reports.sections.appendix import appendix_section
from regionfuse.reports.sections.detection import detection_section, score_table
from regionfuse.reports.sections.limits import limits_section
from regionfuse.reports.sections.summary import summary_section
from regionfuse.reports.stored import load_results
from regionfuse.reports.verdict import make_verdict

sys.path.append(str(Path(__file__).resolve().parents[1]))
from reports_fake_run import Fake, write_fake_run

FLAG = "3 of 12 test images seen in training"


def made(folder: Path, *contamination: tuple[str, str]) -> Context:
    fake = Fake(
        sources=("visible", "average", "regionfuse"),
        images=6,
        pictures=False,
        quality=False,
        contamination=contamination,
    )
    run = write_fake_run(folder / "run", fake)
    path = run / "tables" / "detection.csv"
    frame = pd.read_csv(path)
    frame.loc[frame["source"] == "regionfuse", "mAP50"] = 0.99  # so the verdict is about it
    frame.to_csv(path, index=False)
    return make_context(load_results(run))


def without_figures(context: Context) -> list[Block]:
    summary = summary_section(context)
    assert isinstance(summary, list)
    blocks = [
        *summary,
        *title_remarks(context),
        *reading_guide(context),
        *detection_section(context),
        *limits_section(context),
        *appendix_section(context),
    ]
    return [explain_marks(context.results, block) for block in blocks]


def test_marked_in_tables_notes_and_verdict(tmp_path: Path) -> None:
    context = made(tmp_path, ("regionfuse", FLAG))
    blocks = without_figures(context)
    firsts = {
        block.label: [row[0].text for row in block.rows] for block in blocks if isinstance(block, Table)
    }
    marked = {label for label, cells in firsts.items() if "RegionFuse † ‡" in cells}
    wanted = {
        "detection-retrained",
        "detection-frozen",
        "differences-retrained",
        "balance-retrained",
        "cards",
    }
    assert wanted <= marked
    assert not [label for label, cells in firsts.items() if "RegionFuse" in cells]  # never without its marks
    assert {cell for cells in firsts.values() for cell in cells if cell.startswith("Average")} == {"Average"}
    said = [
        block.text for block in blocks if isinstance(block, Note) and f"† RegionFuse: {FLAG}." in block.text
    ]
    assert len(said) == 2  # title page, detection
    texts = [block.parts for block in blocks if isinstance(block, Paragraph)]
    assert any(parts[0] == "Training data." and FLAG in parts[1] for parts in texts)
    assert make_verdict(context)[0].endswith(f"But RegionFuse may have seen these images before: {FLAG}.")
    table = explain_marks(context.results, score_table(context, "retrained"))
    assert isinstance(table, Table)
    tex = latex_table(table)
    assert r"RegionFuse $^\dagger$ $^\ddagger$" in tex and "May have been trained on images" in tex


def test_every_table_says_which_networks_were_trained_here_and_on_how_much(tmp_path: Path) -> None:
    context = made(tmp_path)
    assert context.results.trained == {"regionfuse": "48 pairs, 6 epochs"}
    tables = [block for block in without_figures(context) if isinstance(block, Table)]
    marked = [table for table in tables if any("‡" in cell.text for row in table.rows for cell in row)]
    assert len(marked) >= 5
    for table in tables:
        said = "‡ Trained here: RegionFuse on 48 pairs, 6 epochs." in table.note
        assert said == (table in marked)


def test_latex_files_are_marked_too(tmp_path: Path) -> None:
    made(tmp_path)
    build_report(tmp_path / "run")
    files = sorted((tmp_path / "run" / "tables").glob("*.tex"))
    assert len(files) > 8
    for path in files:
        tex = path.read_text(encoding="utf-8")
        marked = r"$^\ddagger$ Trained here: RegionFuse on 48 pairs, 6 epochs." in tex
        assert marked == (r"RegionFuse $^\ddagger$" in tex), path.name


@pytest.mark.parametrize("column", [True, False])
def test_nothing_is_said_where_nothing_is_known(tmp_path: Path, column: bool) -> None:
    context = made(tmp_path)
    if not column:  # a run of an earlier version
        table = tmp_path / "run" / "tables" / "fusion.csv"
        lines = [line.rpartition(",")[0] for line in table.read_text(encoding="utf-8").splitlines()]
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
        context = make_context(load_results(tmp_path / "run"))
    assert context.results.contamination == {}
    assert "†" not in repr(without_figures(context)) and "Training data." not in repr(limits_section(context))
    assert "seen these images" not in make_verdict(context)[0]


def test_a_source_of_unknown_training_is_named(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    card = next(item["card"] for item in manifest["sources"] if item["name"] == "regionfuse")
    for trained_on, named in ((["unknown: see the paper"], True), ([], True), (["MSRS"], False)):
        card["trained_on"] = trained_on
        path.write_text(json.dumps(manifest), encoding="utf-8")
        blocks = limits_section(make_context(load_results(tmp_path / "run")))
        assert ("What RegionFuse was trained on is not stated" in repr(blocks)) is named


def test_citations_of_all_sources_once() -> None:
    entry = "@article{a,\n  year = {2024},\n}"
    cards = [{"bibtex": entry}, {"bibtex": ""}, {}, {"bibtex": f"{entry}\n"}, {"bibtex": "@misc{b}"}]
    manifest = {"sources": [{"name": str(number), "card": card} for number, card in enumerate(cards)]}
    assert references(manifest) == f"{entry}\n\n@misc{{b}}\n\n"
    assert references({}) == ""


def test_labels_are_short_and_marked() -> None:
    assert make_label("SAGE (trained here)", seen=False, trained=True) == "SAGE ‡"
    assert make_label("SHIP", seen=True, trained=False) == "SHIP †"
    assert make_label("RegionFuse", seen=True, trained=True) == "RegionFuse † ‡"
    assert make_label("Mine (trained here)", seen=False, trained=False) == "Mine (trained here)"
