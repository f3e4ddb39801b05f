"""The report's tables as LaTeX (booktabs), ready for ``\\input``."""

from __future__ import annotations

from collections.abc import Iterable

from .blocks import Cell, Column, Table

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "−": r"$-$",
    "–": "--",
    "±": r"$\pm$",
    "×": r"$\times$",
    "²": r"$^2$",
    "≥": r"$\geq$",
    "Δ": r"$\Delta$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "µ": r"$\mu$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "…": r"\dots{}",
    "\u202f": r"\,",
    "\u200b": "",
}
_SIDES = {"left": "l", "right": "r", "center": "c"}


def escape(text: str) -> str:
    """Make any text safe in LaTeX's text mode."""
    return "".join(_ESCAPES.get(letter, letter) for letter in " ".join(text.split()))


def latex_table(table: Table) -> str:
    """One ``table`` environment; needs the package booktabs.

    Bold is what it is in the report. Long tables are not broken over pages.
    """
    shares = sum(column.share for column in table.columns)
    sides = "".join(
        rf"p{{{0.6 * column.share / shares:.2f}\linewidth}}" if column.share else _SIDES[column.align]
        for column in table.columns
    )
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(table.caption)}}}",
        rf"  \label{{tab:{''.join(letter if letter.isalnum() else '-' for letter in table.label)}}}",
        rf"  \begin{{tabular}}{{{sides}}}",
        r"    \toprule",
    ]
    lines += [f"    {line}" for line in _head(table.columns)]
    lines.append(r"    \midrule")
    lines += [f"    {' & '.join(_cell(cell) for cell in row)} \\\\" for row in table.rows]
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    if table.note:
        lines.append(rf"  \par\smallskip\footnotesize {escape(table.note)}")
    lines.append(r"\end{table}")
    return "\n".join(lines) + "\n"


def latex_files(tables: Iterable[Table]) -> dict[str, str]:
    """All named tables by the stem of their file, in the given order within a file."""
    files: dict[str, list[str]] = {}
    for table in tables:
        if table.name:
            files.setdefault(table.name, []).append(latex_table(table))
    head = "% Made by regionfuse; needs \\usepackage{booktabs}.\n"
    return {name: head + "\n".join(parts) for name, parts in files.items()}


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.mono:
        text = rf"\texttt{{{text}}}"
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    return rf"\multicolumn{{{cell.span}}}{{l}}{{{text}}}" if cell.span > 1 else text


def _head(columns: tuple[Column, ...]) -> list[str]:
    heads = " & ".join(escape(column.head) for column in columns) + r" \\"
    if not any(column.group for column in columns):
        return [heads]
    groups: list[tuple[str, int]] = []
    for column in columns:
        if groups and column.group and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    cells, rules, start = [], [], 1
    for group, count in groups:
        cells.append(rf"\multicolumn{{{count}}}{{c}}{{{escape(group)}}}" if group else "")
        if group:
            rules.append(rf"\cmidrule(lr){{{start}-{start + count - 1}}}")
        start += count
    return [" & ".join(cells) + r" \\", " ".join(rules), heads]
