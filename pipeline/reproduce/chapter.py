"""What an experiment hands to the PDF, and how its units are asked for results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from ...reports.blocks import Block, Heading, Paragraph, Table
from ..execute import Outcome
from ..store import Unit
from .records import Experiment
from .scale import Scale


@dataclass(frozen=True)
class Chapter:
    """One experiment, ready to be printed.

    Attributes:
        experiment: the experiment.
        finding: one or two sentences, for the overview: what came out, against what the paper says.
        blocks: everything below the heading.
        frames: stem of a CSV file -> its table.
        failed: reasons of units that failed, by what they were for.
    """

    experiment: Experiment
    finding: str
    blocks: tuple[Block, ...]
    frames: Mapping[str, pd.DataFrame]
    failed: Mapping[str, str] = field(default_factory=dict)

    def tables(self) -> list[Table]:
        """Return the tables among the blocks."""
        return [block for block in self.blocks if isinstance(block, Table)]


def opening(experiment: Experiment) -> list[Block]:
    """Return heading and what the paper shows."""
    place = f" Numbers: {experiment.paper.place}." if experiment.paper else ""
    return [
        Heading(f"{experiment.title} ({experiment.name})"),
        Paragraph.of("Paper.", f" {experiment.shows}{place}"),
    ]


def caption(text: str, scale: Scale) -> str:
    """Return a caption that says at which scale its values are, when that is not the paper's."""
    if scale.name == "paper":
        return text
    return f"{text} Small scale: ours are not values to compare with the paper's, only their order may be."


def reason(unit: Unit, outcome: Outcome) -> str | None:
    """Return why a unit has no result; None when it has one."""
    if unit.key in outcome.done:
        return None
    return shortened(outcome.failed.get(unit.key, "not run"))


def shortened(reason: str) -> str:
    """Return a reason as a table can print it; lack of memory is recognised."""
    low = reason.lower()
    if "out of memory" in low or "can't allocate memory" in low or "memoryerror" in low:
        return "out of memory"
    return reason if len(reason) <= 160 else reason[:159].rstrip() + "…"
