"""Every number of the paper that an experiment is compared with, and where it stands there.

Paper: RegionFuse: Region-Adaptive Pixel Distribution Learning for Infrared and Visible Image Fusion, CVPR
2026, and its supplementary material.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

QUALITY = ("SF", "AG", "VIF", "Qabf", "Qcb")
"""The five fusion metrics of the paper, in its order; higher is better for all of them."""
RANKS = ("MR", "RoR")
"""Mean rank over the five metrics, and rank of the mean rank; lower is better."""
COST = ("Params (M)", "FLOPs (G)", "Time (ms)")


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        place: where it stands.
        columns: names of the numbers.
        rows: label of a row, as our own table writes it, -> its numbers.
        remarks: label of a row without numbers -> what the paper says instead.
    """

    place: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]
    remarks: Mapping[str, str]

    def value(self, label: str, column: str) -> float | None:
        """Return the number of a row, or None where the paper has none."""
        numbers = self.rows.get(label)
        if numbers is None or column not in self.columns:
            return None
        return numbers[self.columns.index(column)]


_DEFAULT = (12.115, 3.995, 1.063, 0.723, 0.601)

REGION_SIZE = PaperTable(
    "supplement, Table 1 (MSRS test set)",
    QUALITY,
    {
        "64": (11.963, 3.931, 1.013, 0.710, 0.596),
        "48": _DEFAULT,
        "32": (12.002, 3.962, 1.023, 0.710, 0.597),
    },
    {"16": "out of memory"},
)

LAMBDA = PaperTable(
    "supplement, Table 2 (MSRS test set)",
    (*QUALITY, *RANKS),
    {
        "1": (12.336, 4.025, 1.048, 0.717, 0.606, 2.6, 2),
        "2": (12.054, 3.980, 1.051, 0.722, 0.603, 3.6, 5),
        "5": (*_DEFAULT, 2.4, 1),
        "10": (12.109, 3.997, 1.057, 0.719, 0.601, 3.4, 4),
        "20": (12.209, 4.023, 1.062, 0.721, 0.599, 2.8, 3),
    },
    {},
)

MU = PaperTable(
    "supplement, Table 3 (MSRS test set)",
    QUALITY,
    {
        "0.5": (11.505, 3.754, 1.054, 0.704, 0.592),
        "1": (11.496, 3.762, 1.041, 0.704, 0.586),
        "5": _DEFAULT,
        "10": (11.767, 3.886, 1.056, 0.708, 0.594),
        "50": (11.613, 3.813, 1.053, 0.706, 0.595),
    },
    {},
)

EFFICIENCY = PaperTable(
    "supplement, Table 4 (480 x 640, RTX 4090)",
    COST,
    {
        "piafusion": (1.18, 361.06, 16.50),
        "cddfuse": (1.19, 547.74, 190.82),
        "ddfm": (552.81, 5.36e5, 3.31e4),
        "ship": (0.55, 164.81, 26.46),
        "dcevo": (2.00, 912.98, 158.11),
        "sage": (0.14, 20.21, 2.06),
        "a2rnet": (10.61, 171.19, 36.34),
        "regionfuse base": (2.82, 455.82, 168.87),
    },
    {},
)

X_RESTORMER = PaperTable(
    "supplement, Table 5 (MSRS test set)",
    QUALITY,
    {
        "PIAFusion": (11.49, 3.75, 0.99, 0.69, 0.58),
        "PIAFusion*": (13.41, 4.09, 0.97, 0.69, 0.58),
        "RegionFuse": (12.12, 3.99, 1.06, 0.72, 0.60),
    },
    {},
)

ABLATION = PaperTable(
    "main paper, ablation study (MSRS test set)",
    QUALITY,
    {
        "full model": _DEFAULT,
        "Restormer encoder": (11.374, 3.678, 1.037, 0.713, 0.597),
        "plain attention": (11.640, 3.774, 1.060, 0.717, 0.592),
        "no RFCM": (11.779, 3.832, 1.018, 0.682, 0.569),
        "no load loss": (12.088, 3.954, 1.036, 0.714, 0.593),
        "sample-level routing": (11.965, 3.938, 1.039, 0.719, 0.584),
    },
    {},
)

EXPERT_NUMBER = PaperTable(
    "supplement, Figure 4 and Section 2.2 (MSRS test set)", QUALITY, {"E4-K2": _DEFAULT}, {}
)
"""The figure's other values are printed nowhere; the text says which setting is best in which metric."""
BEST_EXPERT_NUMBER: Mapping[str, str] = {
    "SF": "E6-K1",
    "AG": "E4-K3",
    "VIF": "E4-K2",
    "Qabf": "E4-K2",
    "Qcb": "E4-K2",
}
"""Metric -> setting that the paper finds best."""

LOAD_LOSS = PaperTable(
    "main paper, ablation study (MSRS test set)",
    QUALITY,
    {"first 5 epochs": _DEFAULT, "never": (12.088, 3.954, 1.036, 0.714, 0.593)},
    {},
)

CONTRAST_STRENGTHS = (1.5, 5.0)
"""Range of k in I' = clip(k (I - 0.5) + 0.5, 0, 1) (main paper, Section 4.2)."""
FIGURE3_STRENGTH = 2.5
"""k of the supplement's Figure 3."""

LOAD_EPOCHS = 5
"""Epochs with the load-balancing loss (supplement, Section 2.5 and Figure 5)."""
DETECTION_MAP50: Mapping[str, float] = {"regionfuse": 86.50, "ddfm": 85.05, "piafusion": 84.41}
"""mAP at IoU 0.5 on M3FD, YOLOv5s trained per method, split not published (main paper)."""
