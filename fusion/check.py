"""``regionfuse methods check``: does a method keep the contract, and if not, what is to be done."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..datasets.errors import RegionFuseError
from ..datasets.images import read_rgb8, write_png
from ..datasets.records import Pair
from .apply import fuse_tensors, out_of_memory
from .check_images import (
    Gallery,
    Runner,
    check_colour,
    check_determinism,
    check_folder,
    check_registration,
    check_roles,
    check_scale,
    check_size,
)
from .check_scenes import SIZE, ImagePair
from .check_tensors import (
    SEED,
    check_batch,
    check_device,
    check_dtype,
    check_finite,
    check_inputs,
    check_mode,
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
        The results in order. When the method cannot be made or does not run, the rest is left out, and so are
        checks whose findings would only follow from what an earlier one found.
    """
    made: list[FusionMethod] = []

    def make() -> FusionMethod:
        return create(spec, weights=weights, options=options)

    def first() -> str:
        made.append(make())
        return f"made {made[0].card.title}"

    results = [_guarded("create", first)]
    if not results[0].passed:
        return results
    (method,) = made
    results.append(_card(method, weights))
    if isinstance(method, FolderMethod):
        return [*results, _guarded("images", lambda: check_folder(method))]
    with _runner(method) as run:
        results.append(_guarded("run", lambda: check_size(run)))
        if results[-1].passed:
            gallery = Gallery(run)
            if isinstance(method, FinishedImages):
                results.append(_guarded("determinism", lambda: check_determinism(run)))
                results.append(_guarded("range", lambda: check_scale(gallery)))
            else:
                results += _tensor_checks(method, run, make)
            if not _failed(results, "dtype", "range", "finite"):
                # Of images that are out of scale these would say the same once more, or nonsense.
                results.append(_guarded("registration", lambda: check_registration(gallery)))
                if results[-1].passed:  # in another place neither target nor texture would be found
                    results.append(_guarded("roles", lambda: check_roles(method, gallery)))
                results.append(_guarded("colour", lambda: check_colour(method, gallery)))
    return results


def _tensor_checks(method: FusionMethod, run: Runner, make: Callable[[], FusionMethod]) -> list[CheckResult]:
    """Run the checks of methods that are called on tensors.

    Args:
        method: the method, which ran before: a network that it makes in its first call is there.
        run: runs it.
        make: makes the method anew.
    """
    results = [_guarded("mode", lambda: check_mode(method))]
    if results[-1].passed:
        results.append(
            _guarded("determinism", lambda: check_determinism(run, lambda: _tensor_runner(make())))
        )
    results += [
        _guarded("dtype", lambda: check_dtype(method)),
        _guarded("range", lambda: check_range(method)),
        _guarded("finite", lambda: check_finite(method)),
    ]
    if not _failed(results, "mode", "determinism"):
        # Where two calls differ anyway, that a batch differs too says nothing of batches.
        results.append(_guarded("batch", lambda: check_batch(method)))
    return [
        *results,
        _guarded("inputs", lambda: check_inputs(method)),
        _guarded("device", lambda: check_device(method)),
    ]


def _failed(results: list[CheckResult], *names: str) -> bool:
    return any(result.name in names and not result.passed for result in results)


def _guarded(name: str, check: Callable[[], str]) -> CheckResult:
    """Turn the text of a check that passed, or the error of one that did not, into a result."""
    try:
        return CheckResult(name, True, check())
    except RegionFuseError as error:
        return CheckResult(name, False, str(error))
    except Exception as error:
        if not out_of_memory(error):
            raise
        height, width = SIZE
        return CheckResult(
            name,
            False,
            f"memory ran out, though no image here is much larger than {width} x {height} pixels; look for a "
            "tensor that grows with the square of the number of pixels, or take a smaller network",
        )


def _tensor_runner(method: FusionMethod) -> Runner:
    """Return a function from pairs to fused RGB arrays that calls the method on tensors."""
    if method.network is not None:
        method.network.eval()

    def by_tensors(pairs: Sequence[ImagePair]) -> list[np.ndarray]:
        fused = []
        for pair in pairs:
            torch.manual_seed(SEED)
            height, width = pair.infrared.shape
            image = fuse_tensors(method, *to_tensors(pair), image=f"of {width} x {height}")
            fused.append(image[0].permute(1, 2, 0).numpy())
        return fused

    return by_tensors


@contextmanager
def _runner(method: FusionMethod) -> Iterator[Runner]:
    """Yield a function from pairs to fused RGB arrays, by tensors or through files as the method needs."""
    if not isinstance(method, FinishedImages):
        with torch.random.fork_rng():
            yield _tensor_runner(method)
        return
    with tempfile.TemporaryDirectory(prefix="regionfuse-check-") as folder:
        runs = 0

        def by_files(pairs: Sequence[ImagePair]) -> list[np.ndarray]:
            nonlocal runs
            runs += 1
            root = Path(folder) / f"run {runs}"
            files = []
            for number, pair in enumerate(pairs):
                stem, (height, width) = f"{number:05}", pair.infrared.shape
                file = Pair(stem, root / "ir" / f"{stem}.png", root / "vis" / f"{stem}.png", width, height)
                write_png(file.infrared, pair.infrared)
                write_png(file.visible, pair.visible)
                files.append(file)
            fuse_pairs(method, files, root / "out")
            return [read_rgb8(root / "out" / f"{file.stem}.png").astype(np.float32) / 255 for file in files]

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
