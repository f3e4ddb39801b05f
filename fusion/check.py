"""``regionfuse methods check``: does a method keep the contract, and if not, what is to be done."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..datasets.errors import RegionFuseError
from ..datasets.images import read_rgb8, write_png
from ..datasets.records import Pair
from .apply import fuse_tensors
from .check_images import (
    Runner,
    check_colour,
    check_determinism,
    check_folder,
    check_roles,
    check_scale,
    check_size,
)
from .check_scenes import Scene
from .check_tensors import (
    SEED,
    check_batch,
    check_device,
    check_dtype,
    check_finite,
    check_inputs,
    check_range,
    to_tensors,
)
from .contract import FusionMethod
from .doors.finished import FinishedImages
from .doors.folder import FolderMethod
from .registry import create
from .run import fuse_pairs


@dataclass(frozen=True)
class CheckResult:
    """One check: its name, whether it passed, and what was found (and what to do about it)."""

    name: str
    passed: bool
    message: str


def check_method(
    spec: str, weights: Path | None = None, options: Mapping[str, Any] | None = None
) -> list[CheckResult]:
    """Run every check that fits the kind of method; small images, seconds for a small network.

    Args:
        spec: as for :func:`regionfuse.fusion.registry.create`.
        weights: checkpoint, where the method takes one.
        options: keywords of the constructor.

    Returns:
        The results in order. When the method cannot be made or does not run, the rest is left out.
    """
    try:
        method = create(spec, weights=weights, options=options)
    except RegionFuseError as error:
        return [CheckResult("create", False, str(error))]
    results = [CheckResult("create", True, f"made {method.card.title}"), _card(method, weights)]
    if isinstance(method, FolderMethod):
        return [*results, _guarded("images", lambda: check_folder(method))]
    with _runner(method) as run:
        results.append(_guarded("run", lambda: check_size(run)))
        if results[-1].passed:
            results.append(_guarded("determinism", lambda: check_determinism(run)))
            steady = results[-1].passed
            checks: list[tuple[str, Callable[[], str]]]
            if not isinstance(method, FinishedImages):
                checks = [
                    ("dtype", lambda: check_dtype(method)),
                    ("range", lambda: check_range(method)),
                    ("finite", lambda: check_finite(method)),
                    # Where two calls differ anyway, that a batch differs too says nothing of batches.
                    *([("batch", lambda: check_batch(method))] if steady else []),
                    ("inputs", lambda: check_inputs(method)),
                    ("device", lambda: check_device(method)),
                ]
            else:
                checks = [("range", lambda: check_scale(run))]
            checks += [
                ("roles", lambda: check_roles(method, run)),
                ("colour", lambda: check_colour(method, run)),
            ]
            results += [_guarded(name, check) for name, check in checks]
    return results


def _guarded(name: str, check: Callable[[], str]) -> CheckResult:
    """Turn the text of a check that passed, or the error of one that did not, into a result."""
    try:
        return CheckResult(name, True, check())
    except RegionFuseError as error:
        return CheckResult(name, False, str(error))


@contextmanager
def _runner(method: FusionMethod) -> Iterator[Runner]:
    """Yield a function from scenes to fused RGB arrays, by tensors or through files as the method needs."""
    if not isinstance(method, FinishedImages):
        if method.network is not None:
            method.network.eval()

        def by_tensors(scenes: list[Scene]) -> list[np.ndarray]:
            fused = []
            for scene in scenes:
                torch.manual_seed(SEED)
                height, width = scene.infrared.shape
                image = fuse_tensors(method, *to_tensors(scene), image=f"of {width} x {height}")
                fused.append(image[0].permute(1, 2, 0).numpy())
            return fused

        with torch.random.fork_rng():
            yield by_tensors
        return
    with tempfile.TemporaryDirectory(prefix="regionfuse-check-") as folder:
        runs = 0

        def by_files(scenes: list[Scene]) -> list[np.ndarray]:
            nonlocal runs
            runs += 1
            root = Path(folder) / f"run {runs}"
            pairs = []
            for number, scene in enumerate(scenes):
                stem, (height, width) = f"{number:05}", scene.infrared.shape
                pair = Pair(stem, root / "ir" / f"{stem}.png", root / "vis" / f"{stem}.png", width, height)
                write_png(pair.infrared, scene.infrared)
                write_png(pair.visible, scene.visible)
                pairs.append(pair)
            fuse_pairs(method, pairs, root / "out")
            return [read_rgb8(root / "out" / f"{pair.stem}.png").astype(np.float32) / 255 for pair in pairs]

        yield by_files


def _card(method: FusionMethod, weights: Path | None) -> CheckResult:
    card = method.card
    open_points = []
    if card.kind in ("classical", "learned") and not card.citation:
        open_points.append("citation")
    if card.kind == "learned" and weights is not None:
        open_points += [key for key in ("weights_license", "trained_on") if not getattr(card, key)]
    if open_points:
        return CheckResult(
            "card", True, f"warning: readers will look for {', '.join(open_points)} in the card"
        )
    return CheckResult("card", True, "complete")
