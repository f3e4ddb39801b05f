"""What every section needs: results, means over seeds, differences, and the colour of each source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .differences import Difference, Differences, basis, intervals
from .numbers import defined
from .palette import source_colors
from .results import Results

HEADLINE = "mAP50"  # the metric of the verdict: what fusion papers quote
PROTOCOL_TITLES = {
    "retrained": "Retrained detectors",
    "frozen": "One frozen detector",
    "given": "Given predictions",
}
PROTOCOL_QUESTIONS = {
    "retrained": (
        "One detector is trained for each source, by the same recipe on the same split: how much can a "
        "detector get out of a source when it may adapt to it?"
    ),
    "frozen": (
        "One and the same detector is run unchanged on every source: how well does a source serve a detector "
        "that was not trained on it?"
    ),
    "given": "Predictions made elsewhere: how they were made is not known here.",
}
CONTROLS = ("visible", "infrared")
METRICS = (
    *("mAP50", "mAP50_95", "mAP75", "mAP_small", "mAP_medium", "mAP_large", "mAR100"),
    "log_average_miss_rate",
)
METRIC_TITLES = {
    "mAP50": "mAP50",
    "mAP50_95": "mAP50–95",
    "mAP75": "mAP75",
    "mAP_small": "small",
    "mAP_medium": "medium",
    "mAP_large": "large",
    "mAR100": "mAR100",
    "log_average_miss_rate": "log-average miss rate",
}
POINTS = {
    "equal_precision": "equal precision",
    "fppi_0.1": "0.1 false alarms per image",
    "fppi_1": "1 false alarm per image",
    "kept_threshold": "reference's threshold kept",
    "own_best_f1": "own best F1 (not comparable)",
}


@dataclass(frozen=True)
class SourceScore:
    """What one source scored under one protocol.

    Attributes:
        source: its name.
        title: its name as printed.
        reason: why it has no scores; empty when it has some.
        seeds: number of detectors behind the means.
        mean: mean over seeds by metric, fractions 0..1; NaN where undefined.
        std: sample standard deviation over seeds; NaN with fewer than two.
    """

    source: str
    title: str
    reason: str = ""
    seeds: int = 0
    mean: dict[str, float] = field(default_factory=dict)
    std: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is any score."""
        return self.seeds > 0

    def value(self, metric: str = HEADLINE) -> float:
        """Mean of a metric, NaN when there is none."""
        return self.mean.get(metric, float("nan"))


@dataclass(frozen=True)
class Context:
    """Results with what is derived from them once.

    Attributes:
        results: the stored results.
        scores: scores of every source by protocol, failed ones included, in the order of the sources.
        differences: the stored differences.
        colors: colour of every source.
    """

    results: Results
    scores: dict[str, tuple[SourceScore, ...]]
    differences: Differences
    colors: dict[str, str]

    @property
    def headline_protocol(self) -> str:
        """The protocol of the verdict: retrained when it was run, else the first one."""
        return self.results.protocols[0]

    def gap(
        self, protocol: str, source: str, quantity: str = HEADLINE, stratum: str = "all", point: str = ""
    ) -> Difference | None:
        """Difference of a source to the reference; None when it is not stored or for the reference itself."""
        return self.differences.get(protocol, self.results.reference, source, quantity, stratum, point)

    def gaps(
        self, protocol: str, quantity: str = HEADLINE, stratum: str = "all", point: str = ""
    ) -> dict[str, Difference]:
        """Differences of all other sources to the reference, by source; undefined ones are left out."""
        names = (score.source for score in self.rivals(protocol))
        found = {name: self.gap(protocol, name, quantity, stratum, point) for name in names}
        return {name: one for name, one in found.items() if one is not None and defined(one.value)}

    def intervals(self, protocol: str, *, long: bool = False) -> str:
        """Kind, unit of resampling and coverage of the intervals of a protocol; ``long`` for running text."""
        return (basis if long else intervals)(self.weakest(protocol))

    def weakest(self, protocol: str) -> Difference | None:
        """The difference in mAP50 that rests on the fewest seeds: what may be said of all of them."""
        gaps = self.gaps(protocol).values()
        return min(gaps, key=lambda one: (not one.has_interval, one.seeds), default=None)

    def ranks(self, protocol: str) -> dict[str, dict[str, float]]:
        """Chance to be the best and ranks in mAP50 by source; empty where there are too few blocks to say."""
        weakest = self.weakest(protocol)
        known = weakest is not None and weakest.has_interval
        return self.means("ranks", protocol, quantity="mAP50") if known else {}

    def best(self, protocol: str) -> SourceScore | None:
        """Source with the highest headline metric; the first of equals; None when no score is defined."""
        return _highest(self.scores[protocol])

    def fused(self, protocol: str) -> tuple[SourceScore, ...]:
        """Sources with scores that are fused images, not one modality alone."""
        return tuple(score for score in self.finished(protocol) if not self.is_single(score.source))

    def is_single(self, source: str) -> bool:
        """Whether a source is one modality alone."""
        kind = self.results.cards.get(source, {}).get("kind", "")
        return source in CONTROLS or kind == "control" or source == self.results.reference

    def rivals(self, protocol: str) -> tuple[SourceScore, ...]:
        """Sources with scores besides the reference."""
        return tuple(score for score in self.finished(protocol) if score.source != self.results.reference)

    def rival(self, protocol: str) -> SourceScore | None:
        """The source whose objects are looked at in detail: the best fused one, else the best other one."""
        return _highest(self.fused(protocol)) or _highest(self.rivals(protocol))

    def reference(self, protocol: str) -> SourceScore | None:
        """The reference, when it has scores."""
        found = (score for score in self.finished(protocol) if score.source == self.results.reference)
        return next(found, None)

    def finished(self, protocol: str) -> tuple[SourceScore, ...]:
        """Sources with scores."""
        return tuple(score for score in self.scores[protocol] if score.ok)

    def several(self, protocol: str) -> bool:
        """Whether numbers of this protocol are means over seeds."""
        return len(self.results.seeds(protocol)) > 1

    def caption(self, protocol: str, text: str, *, point: str = "", sure: bool = True) -> str:
        """Add to a caption what its numbers rest on: operating point, protocol, seeds, and intervals.

        Args:
            protocol: which detectors.
            text: what is shown, with a full stop.
            point: operating point; empty where there is none.
            sure: whether intervals are shown.
        """
        chosen = f"Operating point: {POINTS.get(point, point)}, chosen on {self.results.chosen_on}."
        parts = [text, chosen if point else ""]
        parts += [f"{protocol_title(protocol)}.", "Means over seeds." if self.several(protocol) else ""]
        parts += [self.intervals(protocol) if sure else ""]
        return " ".join(part for part in parts if part)

    def means(self, name: str, protocol: str, **where: str) -> dict[str, dict[str, float]]:
        """Means over seeds of a table with one row per source and seed.

        Args:
            name: table.
            protocol: which detectors.
            where: columns and the text that a row must have there, e.g. ``operating_point="fppi_1"``.

        Returns:
            Numbers by column for every finished source that has rows.
        """
        frame = self.results.table(name, protocol)
        if frame is None:
            return {}
        for column, value in where.items():
            frame = frame[frame[column] == value]
        grouped = frame.groupby("source", sort=False).mean(numeric_only=True)
        rows = {
            str(source): {str(key): float(row[key]) for key in row.index}
            for source, row in grouped.iterrows()
        }
        return {score.source: rows[score.source] for score in self.finished(protocol) if score.source in rows}


def make_context(results: Results) -> Context:
    """Derive scores and colours."""
    scores = {protocol: _protocol_scores(results, protocol) for protocol in results.protocols}
    differences = Differences(results.table("differences"))
    return Context(results, scores, differences, source_colors(results.sources))


def protocol_title(protocol: str) -> str:
    """Name of a protocol as printed."""
    return PROTOCOL_TITLES.get(protocol, protocol)


def _protocol_scores(results: Results, protocol: str) -> tuple[SourceScore, ...]:
    frame = results.table("detection", protocol)
    assert frame is not None  # load_results refuses a folder without it
    scores = []
    for source in results.sources:
        rows = frame[frame["source"] == source]
        if rows.empty:
            continue
        done = rows[rows["status"] == "ok"]
        title = results.titles[source]
        if done.empty:
            reason = next((str(text) for text in rows["reason"] if text), "no reason stored")
            scores.append(SourceScore(source, title, reason=reason))
            continue
        mean, std = done[list(METRICS)].mean(), done[list(METRICS)].std()
        scores.append(SourceScore(source, title, "", len(done), mean.to_dict(), std.to_dict()))
    return tuple(scores)


def _highest(scores: Iterable[SourceScore]) -> SourceScore | None:
    valid = [score for score in scores if score.ok and defined(score.value())]
    return max(valid, key=lambda score: score.value(), default=None)
