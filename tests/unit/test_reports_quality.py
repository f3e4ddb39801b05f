"""Fusion quality in the report: means, ranks, who takes part in a correlation, and what is said of it."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regionfuse.reports.blocks import Block, Figure, Heading, Note, Paragraph, Table
from regionfuse.reports.context import Context, make_context
from regionfuse.reports.correlation import Correlation
from regionfuse.reports.document import make_document
from regionfuse.reports.quality import Quality, Relation, make_quality, relations
from regionfuse.reports.sections.quality import answer, quality_section, quality_tables
from regionfuse.reports.stored import load_results

sys.path.append(str(Path(__file__).resolve().parents[1]))
from reports_fake_run import QUALITY, Fake, write_fake_run

SOURCES = ("visible", "infrared", "average", "maximum", "laplacian", "regionfuse")
FACTS: dict[str, Any] = {
    "images": 6, "objects_per_image": 4, "pictures": False, "seeds": (0, 1), "blocks": 5,
}  # fmt: skip


def context_of(folder: Path, **facts: Any) -> Context:
    return make_context(load_results(write_fake_run(folder, Fake(**{**FACTS, "sources": SOURCES, **facts}))))


def quality_of(context: Context) -> Quality:
    found = make_quality(context)
    assert found is not None
    return found


def stored(context: Context) -> pd.DataFrame:
    return pd.read_csv(context.results.run / "tables" / "quality.csv")


def text_of(blocks: list[Block] | str) -> str:
    assert not isinstance(blocks, str)
    return " ".join(" ".join(block.parts) for block in blocks if isinstance(block, Paragraph))


def test_means_are_those_of_the_stored_rows_and_the_papers_metrics_come_first(tmp_path: Path) -> None:
    context = context_of(tmp_path / "run")
    quality = quality_of(context)
    assert quality.metrics == ("SF", "AG", "VIF", "Qabf", "Qcb", "EN", "MI", "Nabf")
    assert quality.paper == ("SF", "AG", "VIF", "Qabf", "Qcb")
    assert list(quality.mean.index) == list(SOURCES)
    means = stored(context).groupby("source")[list(QUALITY)].mean()
    for source in SOURCES:
        for metric in QUALITY:
            assert quality.mean.loc[source, metric] == pytest.approx(means.loc[source, metric])
    assert quality.images == 6


def test_intervals_are_drawn_over_the_stored_blocks(tmp_path: Path) -> None:
    few = quality_of(context_of(tmp_path / "few", blocks=3))
    assert few.blocks == 3 and few.low.isna().all(axis=None)
    quality = quality_of(context_of(tmp_path / "enough", images=12, blocks=6))
    assert quality.blocks == 6
    assert (quality.low < quality.mean).all(axis=None) and (quality.mean < quality.high).all(axis=None)
    # Six blocks of equal size: the classical interval of the mean of their means, or somewhat wider.
    frame = stored(context_of(tmp_path / "again", images=12, blocks=6))
    rows = frame[frame["source"] == "average"].sort_values("image").reset_index(drop=True)
    means = rows["SF"].groupby(rows.index % 6).mean()
    half = 2.570582 * means.std(ddof=1) / 6**0.5
    found = quality.high.loc["average", "SF"] - quality.mean.loc["average", "SF"]
    assert half <= found <= 1.25 * half


def test_one_modality_alone_is_shown_but_not_ranked(tmp_path: Path) -> None:
    quality = quality_of(context_of(tmp_path / "run"))
    assert list(quality.ranks.index) == ["average", "maximum", "laplacian", "regionfuse"]
    expected = quality.mean.loc[quality.ranks.index, list(quality.paper)].round(3)
    expected = expected.rank(ascending=False, method="min").mean(axis=1)
    assert quality.ranks["mean_rank"].to_dict() == pytest.approx(expected.to_dict())
    assert quality.ranks["rank_of_rank"].min() == 1
    assert quality.ranks["rank_of_rank"].idxmin() == expected.idxmin()


def test_the_best_is_bold_in_the_direction_of_the_metric(tmp_path: Path) -> None:
    context = context_of(tmp_path / "run")
    quality = quality_of(context)
    section = quality_section(context)
    assert isinstance(section, list)
    tables = [block for block in [*section, *quality_tables(context)] if isinstance(block, Table)]
    further = next(table for table in tables if table.label == "quality-further")
    heads = [column.head for column in further.columns]
    assert heads == ["Source", "EN ↑", "MI ↑", "Nabf ↓"]
    bold = {SOURCES[at] for at, row in enumerate(further.rows) if row[3].bold}
    fused = quality.mean.loc[list(SOURCES[2:]), "Nabf"]
    assert quality.mean["Nabf"].idxmin() in ("visible", "infrared")  # else the next line shows nothing
    assert fused.idxmin() in bold and not bold & {"visible", "infrared"}
    assert all(table.name == "quality" for table in tables)
    assert len({table.label for table in tables}) == len(tables) == 3


def test_correlations_keep_protocols_apart_and_single_modalities_out(tmp_path: Path) -> None:
    context = context_of(tmp_path / "run")
    quality = quality_of(context)
    detection = pd.read_csv(context.results.run / "tables" / "detection.csv")
    fused = list(SOURCES[2:])
    for protocol in ("retrained", "frozen"):
        number, found = relations(context, quality, protocol)
        assert number == 4
        rows = detection[(detection["protocol"] == protocol) & (detection["split"] == "test")]
        map50 = rows.groupby("source")["mAP50"].mean()[fused]
        for relation in found:
            means = quality.mean.loc[fused, relation.metric]
            assert relation.rank.value == pytest.approx(means.corr(map50, method="spearman"))


def test_three_methods_are_too_few_and_nothing_else_is_said(tmp_path: Path) -> None:
    context = context_of(tmp_path / "run", sources=SOURCES[:5], protocols=("frozen",))
    blocks = quality_section(context)
    notes = [block.text for block in blocks if isinstance(block, Note)]
    assert notes == ["One frozen detector: too few methods (n = 3) for a correlation."]
    assert not any(isinstance(block, Figure) for block in blocks)
    assert "correlation" not in text_of(blocks)
    assert [block.label for block in blocks if isinstance(block, Table)] == ["quality-paper"]


def test_a_failed_source_has_no_row_and_takes_no_part(tmp_path: Path) -> None:
    context = context_of(tmp_path / "run", failed=("maximum",))
    quality = quality_of(context)
    assert "maximum" not in quality.mean.index
    assert relations(context, quality, "retrained") == (3, ())


def test_a_metric_that_is_undefined_everywhere_is_left_out(tmp_path: Path) -> None:
    run = write_fake_run(tmp_path / "run", Fake(**FACTS, sources=SOURCES))
    frame = pd.read_csv(run / "tables" / "quality.csv")
    frame["Qcb"] = math.nan
    frame.loc[frame["source"] == "average", "VIF"] = math.nan
    frame.to_csv(run / "tables" / "quality.csv", index=False)
    context = make_context(load_results(run))
    quality = quality_of(context)
    assert "Qcb" not in quality.metrics
    assert not quality.ranks.empty
    relation = next(item for item in relations(context, quality, "retrained")[1] if item.metric == "VIF")
    assert relation.rank.number == 3 and math.isnan(relation.rank.value)
    assert quality_section(context)


def test_a_run_without_the_table_has_no_section(tmp_path: Path) -> None:
    context = context_of(tmp_path / "run", quality=False)
    assert make_quality(context) is None
    document = make_document(context, lambda _: None)
    heads = [block.text for block in document.blocks if isinstance(block, Heading)]
    assert "Detection" in heads and "Fusion quality" not in heads


def relation(metric: str, value: float, low: float, high: float) -> Relation:
    found = Correlation(value, low, high, 5)
    return Relation(metric, found)


@pytest.mark.parametrize(
    ("value", "low", "high", "words"),
    [
        (0.3, -0.74, 0.94, "with 5 methods an interval this wide says nothing"),
        (-0.9, -1.0, -0.2, "a higher SF goes with a lower mAP50"),
        (0.9, 0.2, 1.0, "a higher SF goes with a higher mAP50"),
        (0.1, -0.3, 0.4, "no relation is established"),
        (math.nan, math.nan, math.nan, "cannot be said"),
    ],
)
def test_the_answer_says_no_more_than_the_interval(value: float, low: float, high: float, words: str) -> None:
    others = (relation("VIF", 0.9, 0.3, 1.0), relation("AG", 0.1, -0.5, 0.6))
    said = answer((*others, relation("SF", value, low, high)), 5)
    assert said.startswith("Does SF say anything about mAP50?")
    assert words in said
    assert "n = 5" in said
    assert "excludes zero for VIF" in said and "for each of" not in said


def test_chance_is_named_only_where_something_stands_out() -> None:
    said = answer((relation("SF", 0.3, -0.7, 0.9), relation("VIF", 0.1, -0.8, 0.9)), 5)
    assert said.endswith("includes zero for each of 2 metrics.")
    assert "chance" in answer((relation("SF", 0.9, 0.2, 1.0), relation("VIF", 0.1, -0.8, 0.9)), 5)


def test_the_section_prints_n_and_the_sentence_for_each_protocol(tmp_path: Path) -> None:
    text = text_of(quality_section(context_of(tmp_path / "run")))
    assert text.count("With n = 4 methods") == 2
    assert "Visible-only and infrared-only are left out" in text
