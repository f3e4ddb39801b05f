"""Benchmark of MoRA: one layer of the network, its forms beside the dense reference in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from ..peak_memory import peak_mebibytes
from ..timing import synchronise
from .config import BASE, RegionFuseConfig
from .mora import MixtureOfRegionAttention

REFERENCE = "dense"
MORA_FORMS = (REFERENCE, "folded", "packed", "auto")


@dataclass(frozen=True)
class MoraProblem:
    """What is measured: MoRA of the last stage, the one with the largest regions.

    Attributes:
        config: network whose layer it is.
        height: rows of the image.
        width: columns of the image.
        batch: images.
        backward: also go back, in training mode: with the noisy router and gradients of everything.
        device: where.
    """

    config: RegionFuseConfig = BASE
    height: int = 480
    width: int = 640
    batch: int = 1
    backward: bool = False
    device: str = "cpu"

    @classmethod
    def of(
        cls, *, region: int, experts: int, top_k: int, channels: int, heads: int, **rest: object
    ) -> MoraProblem:
        """Return ``base`` with other settings; ``channels`` are the 2C channels that MoRA sees.

        Raises:
            ConfigError: the settings do not fit.
        """
        settings = {
            "width": channels // 2,
            "heads": heads,
            "region": region,
            "experts": experts,
            "top_k": top_k,
            "decoder_width": channels,
        }
        return replace(cls(config=BASE.changed(settings)), **rest)  # type: ignore[arg-type]

    def layer(self, form: str) -> MixtureOfRegionAttention:
        """Build the layer with the same random weights every time."""
        config = self.config
        torch.manual_seed(0)
        layer = MixtureOfRegionAttention(
            2 * config.width,
            config.heads,
            config.region,
            config.region_sizes[-1],
            config.reach_regions,
            config.experts,
            config.top_k,
            config.router_hidden,
        )
        layer.form = form
        return layer.train(self.backward).to(self.device)

    def features(self, height: int, width: int) -> torch.Tensor:
        """Return random normalised features, channels-last memory."""
        shape = (self.batch, height, width, 2 * self.config.width)
        features = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        return features.permute(0, 3, 1, 2).to(self.device)


@dataclass(frozen=True)
class MoraRow:
    """One form.

    Attributes:
        form: its name.
        seconds: fastest of the timed calls.
        peak: MiB above what was there before the call; see :mod:`regionfuse.fusion.peak_memory`.
        difference: largest absolute difference from the dense reference, of the result; with ``backward``
            also of the gradients, relative to the largest of each.
    """

    form: str
    seconds: float
    peak: float
    difference: float


def run_mora(
    problem: MoraProblem,
    repeats: int = 3,
    forms: Sequence[str] = MORA_FORMS,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[MoraRow]:
    """Measure the forms, the reference first; calls alternate between them, after one call to warm up."""
    calls = {form: prepare(problem, form) for form in forms}
    total, done = len(forms) * (repeats + 2), 0

    def tell(message: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total, message)

    seconds: dict[str, list[float]] = {form: [] for form in forms}
    differences: dict[str, float] = {}
    wanted: list[torch.Tensor] = []
    for form, call in calls.items():
        found = call()
        wanted = wanted or found
        differences[form] = max(_difference(a, b) for a, b in zip(found, wanted, strict=True))
        tell(f"{form}: compared with {forms[0]}")
    del found, wanted
    for _ in range(repeats):
        for form, call in calls.items():
            started = time.perf_counter()
            call()
            synchronise(problem.device)
            seconds[form].append(time.perf_counter() - started)
            tell(f"{form}: timed")
    rows = []
    for form in forms:
        peak = peak_mebibytes(prepare, problem, form)
        tell(f"{form}: memory")
        rows.append(MoraRow(form, min(seconds[form]), peak, differences[form]))
    return rows


def prepare(problem: MoraProblem, form: str) -> Callable[[], list[torch.Tensor]]:
    """Return a call of one form; it returns the result, and with ``backward`` the gradients."""
    layer, x = problem.layer(form), problem.features(problem.height, problem.width)

    def call(x: torch.Tensor = x) -> list[torch.Tensor]:
        torch.manual_seed(2)  # the same routing noise
        if not problem.backward:
            with torch.inference_mode():
                return [layer(x)[0]]
        x = x.detach().requires_grad_()
        layer.zero_grad(set_to_none=True)
        out, load, _ = layer(x, with_load_loss=True)
        ((out * out).mean() + load).backward()
        gradients = [x.grad, *(parameter.grad for parameter in layer.parameters())]
        return [out.detach(), *(gradient for gradient in gradients if gradient is not None)]

    call(problem.features(problem.config.region, problem.config.region))
    synchronise(problem.device)
    return call


def _difference(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max().clamp_min(1.0))
