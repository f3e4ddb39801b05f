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

from ..datasets.errors import MethodError, RegionFuseError
from ..datasets.images import image_size, read_rgb8, write_png
from ..datasets.records import Pair
from .apply import fuse_tensors
from .check_scenes import LEVEL, Scene, colour_change, make_scene, target_kept, texture_kept
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
from .doors.specs import IMAGE_SUFFIXES
from .registry import create
from .run import fuse_pairs

SIZES = ((96, 128), (97, 131), (64, 51))


@dataclass(frozen=True)
class CheckResult:
    """One check: its name, whether it passed, and what was found (and what to do about it)."""

    name: str
    passed: bool
    message: str


Runner = Callable[[list[Scene]], list[np.ndarray]]


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
        return [*results, _guarded("images", lambda: _folder(method))]
    with _runner(method) as run:
        results.append(_guarded("run", lambda: _size(run)))
        if results[-1].passed:
            checks: list[tuple[str, Callable[[], str]]] = [("determinism", lambda: _determinism(run))]
            if not isinstance(method, FinishedImages):
                checks += [
                    ("dtype", lambda: check_dtype(method)),
                    ("range", lambda: check_range(method)),
                    ("finite", lambda: check_finite(method)),
                    ("batch", lambda: check_batch(method)),
                    ("inputs", lambda: check_inputs(method)),
                    ("device", lambda: check_device(method)),
                ]
            checks += [("roles", lambda: _roles(method, run)), ("colour", lambda: _colour(method, run))]
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


def _folder(method: FolderMethod) -> str:
    files = sorted(path for path in method.folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise MethodError(f"{method.folder} holds no image; expected files named STEM.png")
    sizes = {image_size(path) for path in files}
    read_rgb8(files[0])
    return f"{len(files)} images of {len(sizes)} size(s); stems and sizes are compared when they are used"


def _size(run: Runner) -> str:
    run([make_scene(*size) for size in SIZES])  # the harness itself refuses another size
    return "it runs; size in is size out, odd sizes too"


def _determinism(run: Runner) -> str:
    scene = make_scene()
    first, second = run([scene])[0], run([scene])[0]
    worst = float(np.abs(first - second).max())
    if worst > LEVEL / 2:
        raise MethodError(
            f"the same pair twice gave images that differ by {worst * 255:.1f} of 255 levels; draw random "
            "numbers from torch's global generator, which is seeded for every image, or fix the seed"
        )
    return "the same pair gives the same image"


def _roles(method: FusionMethod, run: Runner) -> str:
    if method.card.kind == "control":
        return "a control shows one modality on purpose"
    scene = make_scene()
    swapped = scene.swapped()
    images = run([scene, swapped])
    visible_y = swapped.infrared
    target, texture = (target_kept(scene, images[0]), texture_kept(scene, images[0], visible_y))
    other = target_kept(scene, images[1]) + texture_kept(scene, images[1], visible_y)
    if other > target + texture + 0.3:
        raise MethodError(
            f"keeps {target:.0%} of a warm target and {texture:.0%} of visible texture, together "
            f"{other - target - texture:.0%} more with swapped inputs; the order is fuse(infrared, visible)"
        )
    if target < 0.05:
        return "warning: a warm target in the infrared image leaves no bright trace; is infrared read at all?"
    if texture < 0.05:
        return "warning: visible texture leaves no trace; is the visible image read at all?"
    return f"keeps {target:.0%} of a warm target and {texture:.0%} of visible texture"


def _colour(method: FusionMethod, run: Runner) -> str:
    if method.card.kind == "control":
        return "a control has the colours it has"
    scene = make_scene()
    fused = run([scene])[0]
    if float(np.ptp(fused, axis=-1).max()) < 2 * LEVEL:
        return (
            "warning: the image is grey, so a detector sees colour in some sources only; "
            "set color='luminance' in the card, or attach the chroma of the visible image"
        )
    change = colour_change(scene, fused)
    if change > 0.02:
        reverse = colour_change(scene, fused[..., ::-1])
        hint = (
            "the channels look like BGR, return RGB"
            if reverse < change / 2
            else "fuse Y only and keep Cb, Cr"
        )
        raise MethodError(f"colours changed by {change * 255:.0f} of 255 levels on average; {hint}")
    return "colours of the visible image are kept"
