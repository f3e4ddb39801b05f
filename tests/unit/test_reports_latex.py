"""LaTeX tables: escaping, structure, bold."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from regionfuse.reports.blocks import Cell, Column, Table
from regionfuse.reports.latex import escape, latex_files, latex_table


def make_table(name: str = "detection", text: str = "Car_1 & 50 %") -> Table:
    columns = (
        Column("Source", "left"),
        Column("mean", group="mAP50"),
        Column("Δ", group="mAP50"),
        Column("n"),
    )
    rows = (
        (Cell(text), Cell("45.7", bold=True), Cell("−1.0"), Cell("3")),
        (Cell("broken"), Cell("failed: out_of_memory", span=3)),
    )
    return Table(name, "detection-x", "Caption with 100 %", columns, rows, note="A note.")


def test_every_special_character_is_escaped() -> None:
    assert escape(r"\#$%&_{}~^") == (r"\textbackslash{}\#\$\%\&\_\{\}\textasciitilde{}\textasciicircum{}")
    assert escape("a\nb  c") == "a b c"
    assert escape("−1.0 ± 2 × Δ") == r"$-$1.0 $\pm$ 2 $\times$ $\Delta$"
    assert escape("SF ↑, Nabf ↓") == r"SF $\uparrow$, Nabf $\downarrow$"


@given(st.text(max_size=40))
def test_no_active_character_survives(text: str) -> None:
    plain = re.sub(r"\\(text[a-z]+|dots)\{\}|\\[%&#$_{}]|\\,|\$(-|\^2|\\[A-Za-z]+)\$", "", escape(text))
    assert not set(plain) & set("\\%&#$_{}~^")


def test_structure_is_booktabs_and_every_row_fills_the_columns() -> None:
    text = latex_table(make_table())
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\cmidrule(lr){2-3}"):
        assert rule in text
    assert r"\begin{tabular}{lrrr}" in text
    assert r"Car\_1 \& 50 \% & \textbf{45.7} & $-$1.0 & 3 \\" in text
    assert r"broken & \multicolumn{3}{l}{failed: out\_of\_memory} \\" in text
    assert text.count("{") == text.count("}") + text.count(r"\{") - text.count(r"\}")


def test_tables_of_one_name_share_a_file_and_unnamed_ones_have_none() -> None:
    files = latex_files(
        [make_table("detection"), make_table("balance"), make_table("detection"), make_table("")]
    )
    assert sorted(files) == ["balance", "detection"]
    assert files["detection"].count(r"\begin{table}") == 2
