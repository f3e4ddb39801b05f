"""Colours, safe for colour-vision deficiency: every source keeps one all through the report.

The hues are those of Okabe and Ito (2008) and of Paul Tol's muted scheme; controls are greys.
"""

from __future__ import annotations

from collections.abc import Sequence

INK = "#1b1b1f"
MUTED = "#6b7078"
RULE = "#c9ccd1"
PAPER = "#f4f5f7"
ACCENT = "#0b4f79"
GOOD = "#0072b2"
BAD = "#d55e00"

_NAMED = {
    "visible": "#3d3d3d",
    "infrared": "#9a9a9a",
    "average": "#56b4e9",
    "maximum": "#e69f00",
    "laplacian": "#009e73",
    "guided": "#cc79a7",
    "regionfuse": "#0072b2",
}
_OTHERS = (
    "#d55e00",
    "#882255",
    "#999933",
    "#332288",
    "#44aa99",
    "#aa4499",
    "#ddcc77",
    "#117733",
    "#cc6677",
    "#f0e442",
)

OUTCOMES = {
    "correct": "#0096c7",
    "ambiguous": "#882255",
    "misclassified": "#d55e00",
    "poorly_localised": "#e69f00",
    "missed": "#6b7078",
}
OUTCOME_WORDS = {
    "correct": "correct",
    "ambiguous": "ambiguous",
    "misclassified": "misclassified",
    "poorly_localised": "poorly localised",
    "missed": "missed",
    "background": "false alarm",
    "duplicate": "duplicate",
}


def source_colors(sources: Sequence[str]) -> dict[str, str]:
    """Colour of every source, by name; unknown names take the ten spare hues in turn."""
    spare = [name for name in sources if name not in _NAMED]
    given = {name: _OTHERS[index % len(_OTHERS)] for index, name in enumerate(spare)}
    return {name: _NAMED.get(name) or given[name] for name in sources}
