"""What every section needs: the results, the scores of each protocol, and the colour of each source."""

from __future__ import annotations

from dataclasses import dataclass

from .palette import source_colors
from .results import Results
from .scores import HEADLINE, REFERENCE, SourceScore, best_other, best_source, find, protocol_scores

PROTOCOL_TITLES = {"retrained": "Retrained detectors", "frozen": "One frozen detector"}
PROTOCOL_QUESTIONS = {
    "retrained": (
        "One detector is trained for each source, by the same recipe on the same split: how much can a "
        "detector get out of a source when it may adapt to it?"
    ),
    "frozen": (
        "One and the same detector is run unchanged on every source: how well does a source serve a detector "
        "that was not trained on it?"
    ),
}
CONTROLS = ("visible", "infrared")
METRIC_TITLES = {
    "mAP50": "mAP50",
    "mAP50_95": "mAP50–95",
    "mAP75": "mAP75",
    "mAP_small": "small",
    "mAP_medium": "medium",
    "mAP_large": "large",
    "mAR100": "mAR100",
    "threshold": "threshold",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}


@dataclass(frozen=True)
class Context:
    """Results with what is derived from them once.

    Attributes:
        results: the stored results.
        scores: scores of every source by protocol.
        colors: colour of every source.
    """

    results: Results
    scores: dict[str, tuple[SourceScore, ...]]
    colors: dict[str, str]

    @property
    def headline_protocol(self) -> str:
        """The protocol of the verdict: retrained when it was run, else the first one."""
        return self.results.protocols[0]

    def best(self, protocol: str) -> SourceScore | None:
        """Source with the highest headline metric."""
        return best_source(self.scores[protocol], HEADLINE)

    def fused(self, protocol: str) -> tuple[SourceScore, ...]:
        """Sources with scores that are fused images, not one modality alone."""
        return tuple(score for score in self.finished(protocol) if not self.is_single(score.source))

    def is_single(self, source: str) -> bool:
        """Whether a source is one modality alone."""
        kinds = {
            str(item["name"]): str((item.get("card") or {}).get("kind", ""))
            for item in self.results.manifest.get("sources") or []
        }
        return source in CONTROLS or kinds.get(source) == "control"

    def closest(self, protocol: str) -> SourceScore | None:
        """Best source besides visible-only."""
        return best_other(self.scores[protocol], HEADLINE)

    def rival(self, protocol: str) -> SourceScore | None:
        """The source whose objects are looked at in detail: the best fused one, else the best other one."""
        return best_source(self.fused(protocol), HEADLINE) or self.closest(protocol)

    def visible(self, protocol: str) -> SourceScore | None:
        """Visible-only, when it has scores."""
        return find(self.scores[protocol], REFERENCE)

    def finished(self, protocol: str) -> tuple[SourceScore, ...]:
        """Sources with scores."""
        return tuple(score for score in self.scores[protocol] if score.ok)

    def several(self, protocol: str) -> bool:
        """Whether numbers of this protocol are means over seeds."""
        return len(self.results.seeds(protocol)) > 1


def make_context(results: Results) -> Context:
    """Derive scores and colours."""
    scores = {protocol: protocol_scores(results, protocol) for protocol in results.protocols}
    return Context(results, scores, source_colors(results.sources))


def protocol_title(protocol: str) -> str:
    """Name of a protocol as printed."""
    return PROTOCOL_TITLES.get(protocol, protocol)
