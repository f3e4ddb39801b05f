"""Benchmark of the network: what it costs, where the time goes, and what each step of speed brings."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ..efficiency import Cost, method_cost, own_form_cost
from ..isolation import in_own_process
from ..peak_memory import peak_mebibytes
from ..timing import synchronise
from .blocks import FusionStage
from .config import preset
from .method import RegionFuseMethod
from .model import RegionFuse
from .strips import whole_images


@dataclass(frozen=True)
class NetworkProblem:
    """What is measured: a preset with random weights on random images.

    Attributes:
        preset: ``tiny`` or ``base``.
        height: rows of the images.
        width: columns of the images.
        device: ``cpu`` or a GPU.
        calls: timed calls; one before them warms up.
    """

    preset: str = "tiny"
    height: int = 480
    width: int = 640
    device: str = "cpu"
    calls: int = 3

    def network(self) -> RegionFuse:
        """Build the network, the same every time."""
        torch.manual_seed(0)
        network = RegionFuse(preset(self.preset)).eval()
        nn.init.normal_(network.decoder.image.weight, std=0.1)
        return network.to(self.device)

    def images(self, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        """Return random luminance and infrared images."""
        generator = torch.Generator().manual_seed(1)
        shape = (2, batch, 1, self.height, self.width)
        visible, infrared = torch.rand(shape, generator=generator).to(self.device)
        return visible, infrared


@dataclass(frozen=True)
class Step:
    """A way to run the network, to be compared with the one before it.

    Attributes:
        name: what is done differently.
        keeps: True: what earlier steps did is done as well. False: a trial on top of the last one that
            keeps, which the next one does without.
        gradients: keep what a backward pass would need.
        freed: let the process keep freed memory.
        whole: work on whole images.
        batch: images a call.
        autocast: half precision.
        compiled: by torch.compile.
    """

    name: str
    keeps: bool = True
    gradients: bool = False
    freed: bool = True
    whole: bool = False
    batch: int = 1
    autocast: bool = False
    compiled: bool = False


FREED, STRIPS = "+ freed memory kept", "+ strips, blocks (`fuse`)"
PLAIN = Step("plain, gradients kept", gradients=True, freed=False, whole=True)
STEPS = (
    PLAIN,
    Step("+ inference mode", freed=False, whole=True),
    Step(FREED, whole=True),
    Step(STRIPS),
    Step("trial: 4 images a call", keeps=False, batch=4),
    Step("trial: bfloat16", keeps=False, autocast=True),
    Step("trial: torch.compile", keeps=False, whole=True, compiled=True),
)
GPU_STEPS = tuple(
    replace(step, freed=True, whole=False) for step in STEPS if step.name not in (FREED, STRIPS)
)
"""Malloc and strips are matters of CPUs."""


@dataclass(frozen=True)
class Timing:
    """Seconds an image: median, fastest, slowest; and of the first call, which compiles where that is asked.

    ``error`` says why there is none.
    """

    median: float
    fastest: float
    slowest: float
    first: float
    error: str = ""


def network_cost(problem: NetworkProblem) -> tuple[Cost, Cost]:
    """Count the dense form, to which the published figures refer, and our own, halos included."""
    method = RegionFuseMethod.random(problem.preset)
    with torch.inference_mode():
        return (
            method_cost(method, problem.height, problem.width),
            own_form_cost(method, problem.height, problem.width),
        )


def network_peak(problem: NetworkProblem, step: Step) -> float:
    """Peak memory of one call, MiB beyond weights and images."""
    return peak_mebibytes(_prepare, problem, step)


def time_step(problem: NetworkProblem, step: Step, keep_freed_memory: Callable[[], object]) -> Timing:
    """Time one way to run the network, in a process of its own: malloc's settings cannot be taken back.

    Args:
        problem: what to run.
        step: how.
        keep_freed_memory: function of a module; called first when the step says so.
    """
    return in_own_process(_time, problem, step, keep_freed_memory)


def part_seconds(problem: NetworkProblem) -> dict[str, float]:
    """Seconds of the parts of one call as ``fuse`` runs it, median over the calls; they add up to all."""
    network = problem.network()
    visible, infrared = problem.images()
    rows = []
    with torch.inference_mode():
        network(visible, infrared)
        for _ in range(problem.calls):
            rows.append(_parts(network, visible, infrared, problem.device))
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def _parts(
    network: RegionFuse, visible: torch.Tensor, infrared: torch.Tensor, device: str
) -> dict[str, float]:
    seconds: dict[str, float] = {}
    with ExitStack() as hooks:

        def clock(name: str, modules: list[nn.Module]) -> None:
            seconds[name] = 0.0
            for module in modules:
                hooks.enter_context(_clocked(module, name, seconds, device))

        stages = [stage for stage in network.stages if isinstance(stage, FusionStage)]
        clock("encoders", [network.visible_encoder, network.infrared_encoder])
        clock("MoRA", [stage.former.attention for stage in stages])
        clock("MLP", [stage.former.mlp for stage in stages])
        clock("RFCM", [stage.compression for stage in stages])
        clock("decoder", [network.decoder])
        started = _now(device)
        network(visible, infrared)
        total = _now(device) - started
    return {**seconds, "rest": total - sum(seconds.values()), "all": total}


@contextmanager
def _clocked(module: nn.Module, name: str, seconds: dict[str, float], device: str) -> Iterator[None]:
    """Add the time that a module takes to ``seconds[name]``."""
    starts: list[float] = []

    def before(*_: Any) -> None:
        starts.append(_now(device))

    def after(*_: Any) -> None:
        seconds[name] += _now(device) - starts.pop()

    handles = module.register_forward_pre_hook(before), module.register_forward_hook(after)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _prepare(problem: NetworkProblem, step: Step) -> Callable[[], object]:
    network: Callable[..., torch.Tensor] = problem.network()
    images = problem.images(step.batch)
    if step.compiled:
        network = torch.compile(network, dynamic=False)
    half: Callable[[], AbstractContextManager[object]] = nullcontext
    if step.autocast:
        kind = torch.device(problem.device).type
        half = lambda: torch.autocast(kind, dtype=torch.bfloat16)  # noqa: E731

    def call() -> torch.Tensor:
        with ExitStack() as contexts:
            contexts.enter_context(torch.enable_grad() if step.gradients else torch.inference_mode())
            contexts.enter_context(half())
            if step.whole:
                contexts.enter_context(whole_images())
            return network(*images)

    return call


def _time(problem: NetworkProblem, step: Step, keep_freed_memory: Callable[[], object]) -> Timing:
    if step.freed:
        keep_freed_memory()
    call = _prepare(problem, step)
    seconds = []
    try:
        for _ in range(1 + problem.calls):
            started = _now(problem.device)
            call()
            seconds.append((_now(problem.device) - started) / step.batch)
    except Exception as error:  # a trial may not work here: no compiler, no memory
        nan = float("nan")
        return Timing(nan, nan, nan, nan, f"{type(error).__name__}: {' '.join(str(error).split())[:120]}")
    timed = seconds[1:]
    return Timing(statistics.median(timed), min(timed), max(timed), seconds[0])


def _now(device: str) -> float:
    synchronise(device)
    return time.perf_counter()
