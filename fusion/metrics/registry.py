"""The metrics by name, in the order of tables. No torch is imported before one is computed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from ...datasets.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from .triple import Image, Triple

PAPER: Final = ("SF", "AG", "VIF", "Qabf", "Qcb")
"""The five metrics of the RegionFuse paper, in the order of its tables."""


@dataclass(frozen=True)
class Metric:
    """A fusion-quality metric. A, B are the sources (the order never matters), F is the fused image.

    Attributes:
        name: column name in tables and files.
        title: name in words.
        formula: the definition in one line; the function's docstring has it in full.
        range: values that it can take.
        direction: whether larger or smaller values are better.
        source: publication.
        definition: ``module:function`` in this package.
    """

    name: str
    title: str
    formula: str
    range: str
    direction: Literal["higher", "lower"]
    source: str
    definition: str

    @property
    def function(self) -> Callable[[Triple], torch.Tensor]:
        """The definition: takes a triple of image batches, returns one float64 value an image."""
        module, name = self.definition.split(":")
        function: Callable[[Triple], torch.Tensor] = getattr(import_module(f".{module}", __package__), name)
        return function

    @property
    def arrow(self) -> str:
        """An arrow in the direction of better."""
        return "↑" if self.direction == "higher" else "↓"

    def __call__(self, infrared: Image, visible: Image, fused: Image) -> torch.Tensor:
        """Return the metric of each image of a batch, float64 ``B``; images as in :meth:`Triple.of`."""
        from .triple import Triple

        return self.function(Triple.of(infrared, visible, fused))


_ALL = (
    Metric(
        "EN", "entropy", "-sum p_i log2 p_i over the 256 grey levels of F", "0..8 bits", "higher",
        "Roberts et al. 2008", "information:entropy",
    ),
    Metric(
        "SD", "standard deviation", "sqrt(mean((F - mean F)^2))", "0..127.5", "higher",
        "Rao 1997", "contrast:standard_deviation",
    ),
    Metric(
        "SF", "spatial frequency", "sqrt(mean (dF/dx)^2 + mean (dF/dy)^2), differences of neighbours",
        "0..361", "higher", "Eskicioglu and Fisher 1995", "contrast:spatial_frequency",
    ),
    Metric(
        "AG", "average gradient", "mean sqrt((gx^2 + gy^2) / 2), central differences", "0..255", "higher",
        "Cui et al. 2015", "contrast:average_gradient",
    ),
    Metric(
        "MI", "mutual information", "I(A;F) + I(B;F) of 256 x 256 grey levels, in nats", "0..11.1", "higher",
        "Qu et al. 2002", "information:mutual_information",
    ),
    Metric(
        "SCD", "sum of the correlations of differences", "r(A, F - B) + r(B, F - A)", "-2..2", "higher",
        "Aslantas and Bendes 2015", "fidelity:sum_of_correlations_of_differences",
    ),
    Metric(
        "CC", "correlation coefficient", "(r(A, F) + r(B, F)) / 2", "-1..1", "higher",
        "Ma et al. 2019", "fidelity:mean_correlation",
    ),
    Metric(
        "MSE", "mean square error", "(mean (A - F)^2 + mean (B - F)^2) / 2", "0..65025", "lower",
        "Ma et al. 2019", "fidelity:mean_square_error",
    ),
    Metric(
        "PSNR", "peak signal-to-noise ratio", "10 log10(max(F)^2 / MSE), in dB", "-inf..inf", "higher",
        "Ma et al. 2019", "fidelity:peak_signal_to_noise_ratio",
    ),
    Metric(
        "VIF", "visual information fidelity", "v(A, F) + v(B, F), pixel domain, 4 scales", "0 upwards",
        "higher", "Sheikh and Bovik 2006", "vif:visual_information_fidelity",
    ),
    Metric(
        "Qabf", "edge preservation", "sum(Q_AF g_A + Q_BF g_B) / sum(g_A + g_B), Sobel", "0..0.987", "higher",
        "Xydeas and Petrovic 2000", "qabf:edge_preservation",
    ),
    Metric(
        "SSIM", "structural similarity", "s(A, F) + s(B, F), 7 x 7 windows, data range 2", "-2..2", "higher",
        "Wang et al. 2004", "ssim:structural_similarity",
    ),
    Metric(
        "Qcb", "Chen-Blum", "mean(l_A Q_AF + l_B Q_BF) of the contrast that the eye sees (MATLAB variant)",
        "0..1", "higher", "Chen and Blum 2009", "qcb:chen_blum",
    ),
    Metric(
        "Qcb_zoo", "Chen-Blum, other variant", "as Qcb, frequencies half as large, no rounding", "0..1",
        "higher", "Chen and Blum 2009", "qcb:chen_blum_zoo",
    ),
    Metric(
        "MS_SSIM", "multi-scale structural similarity", "(m(A, F) + m(B, F)) / 2, 5 scales", "0..1", "higher",
        "Wang et al. 2003", "ssim:multiscale_structural_similarity",
    ),
    Metric(
        "FMI", "feature mutual information",
        "mean of I(A;F) / (H_A + H_F) + I(B;F) / (H_B + H_F), 3 x 3 windows of grey levels", "0..1",
        "higher", "Haghighat et al. 2011", "fmi:feature_mutual_information",
    ),
    Metric(
        "Nabf", "fusion artefacts", "edges of F in neither source, lost share of sum(w_A + w_B)", "0..1",
        "lower", "Shreyamsha Kumar 2013", "nabf:artefacts",
    ),
)  # fmt: skip
METRICS: Final[Mapping[str, Metric]] = MappingProxyType({metric.name: metric for metric in _ALL})


def select(names: Iterable[str] | None = None) -> tuple[Metric, ...]:
    """Return the named metrics in the order of the registry; all of them if left out.

    Args:
        names: any of :data:`METRICS`, without regard to case.

    Raises:
        ConfigError: a name is unknown, or there is none.
    """
    if names is None:
        return _ALL
    by_folded = {name.casefold(): name for name in METRICS}
    wanted = set()
    for name in names:
        if name.casefold() not in by_folded:
            near = difflib.get_close_matches(name.casefold(), by_folded, n=1)
            hint = f"did you mean {by_folded[near[0]]}? " if near else ""
            raise ConfigError(f"unknown metric {name!r}; {hint}Known: {', '.join(METRICS)}")
        wanted.add(by_folded[name.casefold()])
    if not wanted:
        raise ConfigError(f"no metric was named; known: {', '.join(METRICS)}")
    return tuple(metric for metric in _ALL if metric.name in wanted)
