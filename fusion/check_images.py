"""Checks of the method contract that look at fused images, however they were made.

Each returns a sentence when the method passes and raises a MethodError that says what to do when it does not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..datasets.errors import MethodError
from ..datasets.images import image_size, read_rgb8
from .check_scenes import LEVEL, Scene, colour_change, make_scene, target_kept, texture_kept
from .contract import FusionMethod
from .doors.finished import FinishedImages
from .doors.folder import FolderMethod
from .doors.model_file import ModelFile
from .doors.specs import IMAGE_SUFFIXES

Runner = Callable[[list[Scene]], list[np.ndarray]]
"""From scenes to fused images, float32 ``H x W x 3`` RGB in [0, 1]."""

SIZES = ((96, 128), (97, 131), (64, 51))
LOOKED_AT = 5
"""About so many images of a folder are opened."""
REPEATS = 3
"""Images a run in which the same pair must give the same image: two random numbers can be alike by chance."""


def check_folder(method: FolderMethod) -> str:
    """The folder holds images, and they are on the scale of grey levels."""
    files = sorted(path for path in method.folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise MethodError(
            f"{method.folder} holds no image; write one for each pair, named STEM.png, into the folder itself"
        )
    sizes = {image_size(path) for path in files}
    for path in files[:: max(len(files) // LOOKED_AT, 1)]:
        try:
            _check_levels(read_rgb8(path).astype(np.float32) / 255)
        except MethodError as error:
            raise MethodError(f"{path}: {error}") from error
    return f"{len(files)} images of {len(sizes)} size(s); stems and sizes are compared when they are used"


def check_size(run: Runner) -> str:
    """It runs, and every image has the size of its pair."""
    run([make_scene(*size) for size in SIZES])  # the harness itself refuses another size
    return "it runs; size in is size out, odd sizes too"


def check_determinism(run: Runner) -> str:
    """The same pairs twice give the same images."""
    scenes = [make_scene()] * REPEATS
    worst = max(
        float(np.abs(first - second).max()) for first, second in zip(run(scenes), run(scenes), strict=True)
    )
    if worst > LEVEL / 10:  # far above what the order of sums does, and offsets are seldom so alike
        raise MethodError(
            f"the same pair twice gave images that differ by {worst * 255:.1f} of 255 levels; draw random "
            "numbers from torch's global generator, which is seeded for every image, or fix the seed"
        )
    return "the same pair gives the same image"


def check_roles(method: FusionMethod, run: Runner) -> str:
    """Infrared and visible are not taken for one another, and both leave a trace."""
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
            f"{other - target - texture:.0%} more with swapped inputs; {_order(method)}"
        )
    if target < 0.05:
        return "warning: a warm target in the infrared image leaves no bright trace; is infrared read at all?"
    if texture < 0.05:
        return "warning: visible texture leaves no trace; is the visible image read at all?"
    return f"keeps {target:.0%} of a warm target and {texture:.0%} of visible texture"


def _grey(method: FusionMethod) -> str:
    if isinstance(method, FinishedImages):
        return "attach Cb and Cr of the visible image before writing"
    return "set color='luminance' in the card, or attach the chroma of the visible image"


def _order(method: FusionMethod) -> str:
    if isinstance(method, FinishedImages):
        return "exchange {infrared} and {visible} in the command"
    if isinstance(method, ModelFile):
        return f'write the order of its inputs into {method.path.name}.json: {{"inputs": [...]}}'
    return "the order is fuse(infrared, visible): exchange them where the network is called"


def check_scale(run: Runner) -> str:
    """Files hold grey levels; a program that works in [0, 1] may forget to scale before it writes."""
    fused = run([make_scene()])[0]
    _check_levels(fused)
    return f"grey levels from {fused.min() * 255:.0f} to {fused.max() * 255:.0f}"


def _check_levels(fused: np.ndarray) -> None:
    """Refuse an RGB image in [0, 1] that no detector could see anything in."""
    low, high = float(fused.min()), float(fused.max())
    if high <= 1.5 * LEVEL:
        raise MethodError("the image holds no grey level above 1; multiply by 255 before it is written")
    if high - low < 2 * LEVEL:
        raise MethodError(f"a flat image of grey level {low * 255:.0f} was written; check scale and weights")


def check_colour(method: FusionMethod, run: Runner) -> str:
    """The colours of the visible image are kept."""
    if method.card.kind == "control":
        return "a control has the colours it has"
    scene = make_scene()
    fused = run([scene])[0]
    if float(np.ptp(fused, axis=-1).max()) < 2 * LEVEL:
        return f"warning: the image is grey, so a detector sees colour in some sources only; {_grey(method)}"
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
