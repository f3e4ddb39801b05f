"""Differences between sources as stored, and the one place where they become words and cells.

A difference is *established* when its simultaneous 95 % interval, over all sources that are compared with the
same reference, excludes zero. With one seed that says nothing of another training: every text says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ..detection.evaluation.operating import HEADLINE
from ..detection.evaluation.resample import LEAST_BLOCKS
from .blocks import Cell
from .numbers import NONE, defined, plural, signed

HEADLINE_POINT = HEADLINE

COVERS = {
    "methods": "They cover the choice of test images and the chance in training: they speak of the methods.",
    "few seeds": "Two seeds are too few for the chance in training: they speak of these trained detectors.",
    "these detectors": "With one seed per source they speak of these trained detectors only: the chance in "
    "training is not in them, and training again may change the result.",
}


@dataclass(frozen=True)
class Quantity:
    """How a quantity is printed: name, factor, decimals, which way is better, and unit."""

    title: str
    scale: float = 100.0
    digits: int = 1
    higher: bool = True
    unit: str = ""

    def signed(self, value: float | None) -> str:
        """A difference with its sign; a whole number of objects has no decimals."""
        if value is None or not defined(value):
            return NONE
        whole = self.unit == " objects" and float(value).is_integer()
        return signed(self.scale * value, 0 if whole else self.digits)

    def plain(self, value: float | None) -> str:
        """A size without sign."""
        return self.signed(value).lstrip("+−")


QUANTITIES = {
    "mAP50": Quantity("mAP50", unit=" AP"),
    "mAP75": Quantity("mAP75", unit=" AP"),
    "mAP50_95": Quantity("mAP50–95", unit=" AP"),
    "AP50": Quantity("AP50", unit=" AP"),
    "log_average_miss_rate": Quantity("log-average miss rate", higher=False, unit=" points"),
    "recall": Quantity("recall", unit=" points"),
    "precision": Quantity("precision", unit=" points"),
    "false_alarms_per_image": Quantity("false alarms per image", 1.0, 2, higher=False),
    "balance": Quantity("balance", 1.0, 1, unit=" objects"),
    "misclassification": Quantity("misclassified", higher=False, unit=" points"),
    "margin": Quantity("margin", 1.0, 2),
    "confidence_raw": Quantity("raw", 1.0, 3),
    "confidence_calibrated": Quantity("calibrated", 1.0, 3),
    "confidence_rank": Quantity("rank", 1.0, 3),
    "oLRP": Quantity("oLRP", higher=False, unit=" points"),
}


@dataclass(frozen=True)
class Difference:
    """One row of ``differences.csv``: source minus reference, mean over seeds; undefined numbers are NaN."""

    source: str
    reference: str
    quantity: str
    stratum: str
    value: float
    low: float
    high: float
    simultaneous_low: float
    simultaneous_high: float
    p_holm: float
    p_sign_flip: float
    detectable: float
    equivalent: bool
    blocks: int
    seeds: int
    covers: str

    @property
    def kind(self) -> Quantity:
        """How its quantity is printed."""
        return QUANTITIES.get(self.quantity, Quantity(self.quantity, 1.0, 3))

    @property
    def has_interval(self) -> bool:
        """Whether there were enough blocks for one."""
        return defined(self.simultaneous_low) and defined(self.simultaneous_high)

    @property
    def established(self) -> bool:
        """Whether the simultaneous interval excludes zero."""
        return self.has_interval and (self.simultaneous_low > 0 or self.simultaneous_high < 0)

    @property
    def better(self) -> bool:
        """Whether the source is ahead of the reference."""
        return self.value > 0 if self.kind.higher else self.value < 0

    @property
    def text(self) -> str:
        """The value, e.g. ``+3.1``."""
        return self.kind.signed(self.value)

    @property
    def span(self) -> str:
        """The simultaneous interval in a table, e.g. ``[−0.4, +6.6]``."""
        if not self.has_interval:
            return NONE
        return f"[{self.kind.signed(self.simultaneous_low)}, {self.kind.signed(self.simultaneous_high)}]"

    @property
    def sentence(self) -> str:
        """Value and simultaneous interval in running text, e.g. ``+3.1 AP (−0.4 to +6.6)``."""
        shown = f"{self.text}{self.kind.unit}"
        if not self.has_interval:
            return shown
        low, high = self.kind.signed(self.simultaneous_low), self.kind.signed(self.simultaneous_high)
        return f"{shown} ({low} to {high})"

    @property
    def judgement(self) -> str:
        """What the simultaneous interval says, in two or three words."""
        if not self.has_interval:
            return "no interval"
        if not self.established:
            return "equivalent within ±1" if self.equivalent else "not established"
        word = "better" if self.better else "worse"
        return word if self.covers == "methods" else f"{word} ({plural(self.seeds, 'seed')})"

    def cells(self) -> list[Cell]:
        """Value and interval for a table: bold when established, grey when there is no interval."""
        bold = self.established
        return [Cell(self.text, bold=bold), Cell(self.span, bold=bold, muted=not self.has_interval)]


def difference_cells(found: Difference | None) -> list[Cell]:
    """Value and interval of a difference, dashes where none is stored."""
    return found.cells() if found is not None and defined(found.value) else [Cell(NONE, muted=True)] * 2


@dataclass(frozen=True)
class Differences:
    """All stored differences of a folder."""

    frame: pd.DataFrame | None

    @cached_property
    def _rows(self) -> dict[tuple[str, ...], Difference]:
        if self.frame is None:
            return {}
        keys = ("protocol", "reference", "source", "quantity", "stratum", "operating_point")
        rows = {}
        for row in self.frame.to_dict("records"):
            values = {name: row[name] for name in Difference.__dataclass_fields__}
            values["equivalent"] = str(row["equivalent"]).lower() == "true"
            for name in ("blocks", "seeds"):
                values[name] = int(row[name]) if defined(row[name]) else 0
            rows[tuple(str(row[key]) for key in keys)] = Difference(**values)
        return rows

    def get(
        self, protocol: str, reference: str, source: str, quantity: str, stratum: str = "all", point: str = ""
    ) -> Difference | None:
        """One difference, source minus reference; None when it is not stored."""
        return self._rows.get((protocol, reference, source, quantity, stratum or "all", point))

    def strata(self, protocol: str, quantity: str, prefix: str) -> list[str]:
        """Strata of one family, e.g. ``visibility:``, that have differences, in the stored order."""
        found = (key[4] for key in self._rows if key[0] == protocol and key[3] == quantity)
        return list(dict.fromkeys(name for name in found if name.startswith(prefix)))


def intervals(found: Difference | None) -> str:
    """Kind, unit of resampling and coverage of intervals, for captions; empty when none are stored."""
    if found is None:
        return ""
    blocks, seeds = plural(found.blocks, "block"), plural(found.seeds, "seed")
    if not found.has_interval:
        return f"No intervals: {blocks} are too few."
    who = "the methods" if found.covers == "methods" else "these trained detectors"
    return f"Intervals: simultaneous 95 %, over {blocks}, for {who} ({seeds})."


def basis(found: Difference | None) -> str:
    """The same at length, for the second page."""
    if found is None:
        return "No differences are stored, so nothing is said of chance."
    blocks, seeds = plural(found.blocks, "block"), plural(found.seeds, "seed")
    if not found.has_interval:
        return f"No intervals: {blocks} of test images are too few (at least {LEAST_BLOCKS} are needed)."
    return (
        f"Simultaneous 95 % intervals over {blocks} of test images and {seeds}. "
        f"{COVERS.get(found.covers, '')}"
    )
