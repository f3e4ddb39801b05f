"""Checks of the method contract that look at fused images, however they were made.

Each returns a sentence when the method passes and raises a MethodError that says what to do when it does not.
A sentence that begins with ``warning:`` tells of what is allowed, but seldom meant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np

from ..datasets.errors import MethodError
from ..datasets.images import image_size, read_rgb8
from .check_scenes import (
    LEVEL,
    SIZE,
    ImagePair,
    Scene,
    Shift,
    correlation,
    edge_strength,
    find_shift,
    make_scene,
    mark_pairs,
    part_colours,
    role_scenes,
    target_kept,
    texture_kept,
)
from .chroma import luminance
from .contract import FusionMethod
from .doors.finished import FinishedImages
from .doors.folder import FolderMethod
from .doors.model_file import ModelFile
from .doors.specs import IMAGE_SUFFIXES

Runner = Callable[[Sequence[ImagePair]], list[np.ndarray]]
"""From pairs to fused images, float32 ``H x W x 3`` RGB in [0, 1]."""

SIZES = (SIZE, (97, 131), (64, 51))
LOOKED_AT = 5
"""About so many images of a folder are opened."""
NOTICEABLE = LEVEL / 10
"""Far above what the order of sums does to an image, far below what can be seen."""
GOOD_FIT = 0.7
"""Correlation of edges: trained networks reach 0.9, random weights, which do shift a little, 0.66."""
LATER = 12_345.678
"""Seconds by which the clock is put forward."""
MEMORY = (
    "the image depends on what was fused before it: {how}; keep nothing of an image in the method, or "
    "compute it anew for every image"
)


class Gallery:
    """Scenes and what a method makes of them, all in one go when first asked: a program starts only once."""

    def __init__(self, run: Runner) -> None:
        self._run = run
        self.scene = make_scene()
        self.scenes = role_scenes()
        self.marks = mark_pairs()

    @cached_property
    def _fused(self) -> list[np.ndarray]:
        swapped = [scene.swapped() for scene in self.scenes]
        return self._run([self.scene, *self.scenes, *swapped, *self.marks])

    @property
    def fused(self) -> np.ndarray:
        """The fused image of ``scene``."""
        return self._fused[0]

    @property
    def of_scenes(self) -> list[np.ndarray]:
        """The fused images of ``scenes``."""
        return self._fused[1 : 1 + len(self.scenes)]

    @property
    def of_swapped(self) -> list[np.ndarray]:
        """The fused images of ``scenes`` with infrared and visible in each other's place."""
        return self._fused[1 + len(self.scenes) : 1 + 2 * len(self.scenes)]

    @property
    def of_marks(self) -> list[np.ndarray]:
        """The fused images of ``marks``."""
        return self._fused[1 + 2 * len(self.scenes) :]


def check_folder(method: FolderMethod) -> str:
    """The folder holds images, and they are on the scale of grey levels; grey ones are told of."""
    files = sorted(path for path in method.folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise MethodError(
            f"{method.folder} holds no image; write one for each pair, named STEM.png, into the folder itself"
        )
    sizes = {image_size(path) for path in files}
    grey, looked_at = True, files[:: max(len(files) // LOOKED_AT, 1)]
    for path in looked_at:
        image = read_rgb8(path).astype(np.float32) / 255
        try:
            _check_levels(image)
        except MethodError as error:
            raise MethodError(f"{path}: {error}") from error
        grey = grey and _is_grey(image)
    if grey:
        return (
            f"warning: {len(files)} images, and the {len(looked_at)} looked at are grey, so a detector sees "
            f"colour in some sources only; {_grey(method)}"
        )
    return f"{len(files)} images of {len(sizes)} size(s); stems and sizes are compared when they are used"


def check_size(run: Runner) -> str:
    """It runs, and every image has the size of its pair."""
    run([make_scene(*size) for size in SIZES])  # the harness itself refuses another size
    return "it runs; size in is size out, odd sizes too"


def check_determinism(run: Runner, anew: Callable[[], Runner] | None = None) -> str:
    """The same pair gives the same image, at another time and whatever was fused before it.

    Args:
        run: the method.
        anew: makes the method a second time, where what the first remembers can outlast a run.
    """
    first, other = make_scene(80, 112), _other(80, 112)
    before = run([first, other, first])
    # A seed taken from the clock is the same twice within a second; the second run sees a later time.
    now, now_ns = time.time, time.time_ns
    with (
        patch("time.time", lambda: now() + LATER),
        patch("time.time_ns", lambda: now_ns() + int(LATER * 1e9)),
    ):
        after = run([first, other, first])
    worst = max(
        *(_apart(before[0], image) for image in (before[2], after[0], after[2])), _apart(before[1], after[1])
    )
    if worst > NOTICEABLE:
        within = max(_apart(images[0], images[2]) for images in (before, after))
        if within > NOTICEABLE and _fades(run):
            raise MethodError(
                MEMORY.format(how=f"a pair fused again after another differs by {within * 255:.1f} levels")
            )
        raise MethodError(
            f"the same pair twice gave images that differ by {worst * 255:.1f} of 255 levels; draw random "
            "numbers from torch's global generator, which is seeded for every image, or fix the seed (not by "
            "the clock)"
        )
    if anew is not None:
        _compare_orders(run, anew(), first, before[0])
    return "the same pair gives the same image, whatever came before it"


def _compare_orders(run: Runner, second: Runner, scene: Scene, image: np.ndarray) -> None:
    """Find what is kept from the first image of a size: repeats agree on it, so another order is needed.

    Args:
        run: the method.
        second: the method, made again.
        scene: a scene.
        image: what the method made of it.
    """
    apart = _apart(image, second([scene])[0])
    if apart > NOTICEABLE:
        raise MethodError(
            f"the method made a second time gives images that differ by {apart * 255:.1f} of 255 levels; "
            "load its weights, or fix the seed they are drawn with"
        )
    ours, others = make_scene(72, 104), _other(72, 104)  # a size that neither has seen
    forth, back = run([ours, others]), second([others, ours])
    apart = max(_apart(forth[0], back[1]), _apart(forth[1], back[0]))
    if apart > NOTICEABLE:
        raise MethodError(
            MEMORY.format(how=f"the same two pairs in another order differ by {apart * 255:.1f} levels")
        )


def _other(height: int, width: int) -> Scene:
    """Return a scene of the size that looks different from the usual one everywhere."""
    return make_scene(height, width, seed=1, ground=0.5, hot=0.75, light=0.25, contrast=0.1)


def _apart(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).max())


def _fades(run: Runner) -> bool:
    """Tell whether another image changes those after it less and less: memory does, chance does not."""
    images = run([_other(80, 112), *[make_scene(80, 112)] * 7])[1:]
    steps = [_apart(one, next_one) for one, next_one in pairwise(images)]
    falls = all(later <= earlier + NOTICEABLE / 10 for earlier, later in pairwise(steps))
    return steps[0] > NOTICEABLE and falls and steps[-1] < 0.9 * steps[0]


def check_roles(method: FusionMethod, gallery: Gallery) -> str:
    """Infrared and visible are not taken for one another, and both leave a trace.

    Every scene is fused as it is and with exchanged images. Exchanged roles are proven where the exchange
    brings back visible texture that was lost, at little cost to the warm target, in most kinds of scenes
    and clearly against none. More of the target alone proves nothing: methods that are cautious with
    infrared, RegionFuse among them, gain there, too. So not every exchange can be found: that of images which
    a method treats much alike (a maximum, pyramids, the shipped RegionFuse) passes.
    """
    if method.card.kind == "control":
        return "a control shows one modality on purpose"
    own, other = (
        np.array(
            [
                (target_kept(scene, image), texture_kept(scene, image))
                for scene, image in zip(gallery.scenes, images, strict=True)
            ]
        )
        for images in (gallery.of_scenes, gallery.of_swapped)
    )
    (target, texture), (other_target, other_texture) = own.mean(axis=0), other.mean(axis=0)
    kept = f"keeps {target:.0%} of a warm target and {texture:.0%} of visible texture"
    gains = (other - own).sum(axis=1)
    if min(gains.mean(), other_texture - texture) > 0.15 and other_target > target - 0.25:
        better = int((gains > 0.1).sum())
        agreed = better >= len(gains) - 2 and gains.min() > -0.5 * gains.mean()
        found = f"{kept}, with exchanged inputs {other_target:.0%} and {other_texture:.0%}"
        if agreed:
            raise MethodError(f"{found}, better in {better} of {len(gains)} scenes; {_order(method)}")
        return (
            f"warning: {found}, but not in all scenes, which proves nothing: make sure that infrared and "
            "visible are not exchanged"
        )
    if target < 0.05:
        return "warning: a warm target in the infrared image leaves no bright trace; is infrared read at all?"
    if texture < 0.05:
        return "warning: visible texture leaves no trace; is the visible image read at all?"
    return kept


def _grey(method: FusionMethod) -> str:
    if isinstance(method, FinishedImages):
        return "attach Cb and Cr of the visible image before writing"
    return "set color='luminance' in the card, or attach the chroma of the visible image"


def _is_grey(image: np.ndarray) -> bool:
    return float(np.ptp(image, axis=-1).max()) < 2 * LEVEL


def _order(method: FusionMethod) -> str:
    if isinstance(method, FinishedImages):
        return "exchange {infrared} and {visible} in the command"
    if isinstance(method, ModelFile):
        return f'write the order of its inputs into {method.path.name}.json: {{"inputs": [...]}}'
    return "the order is fuse(infrared, visible): exchange them where the network is called"


def check_scale(gallery: Gallery) -> str:
    """Files hold grey levels; a program that works in [0, 1] may forget to scale before it writes."""
    fused = gallery.fused
    _check_levels(fused)
    return f"grey levels from {fused.min() * 255:.0f} to {fused.max() * 255:.0f}"


def _check_levels(fused: np.ndarray) -> None:
    """Refuse an RGB image in [0, 1] that no detector could see anything in."""
    low, high = float(fused.min()), float(fused.max())
    if high <= 1.5 * LEVEL:
        raise MethodError("the image holds no grey level above 1; multiply by 255 before it is written")
    if high - low < 2 * LEVEL:
        raise MethodError(f"a flat image of grey level {low * 255:.0f} was written; check scale and weights")


def check_colour(method: FusionMethod, gallery: Gallery) -> str:
    """The colours of the visible image are kept, on the warm target as elsewhere.

    Paler or stronger colours are in order. A hue that the visible image has not is refused: any colour where
    it is grey, and one that points well away from its own where it is coloured.
    """
    if method.card.kind == "control":
        return "a control has the colours it has"
    scene, fused = gallery.scene, gallery.fused
    if _is_grey(fused):
        return f"warning: the image is grey, so a detector sees colour in some sources only; {_grey(method)}"
    worst, where = _false_colour(scene, fused)
    if worst > 0.5:
        levels = max(part.false for part in part_colours(scene, fused)) * 255
        found = f"by up to {levels:.0f} of 255 levels, most on {where}"
        if worst <= 1:
            return f"warning: hues are slightly changed, {found}; fuse Y only and keep Cb, Cr to avoid it"
        reverse, _ = _false_colour(scene, fused[..., ::-1])
        hint = "the channels look like BGR, return RGB" if reverse < 0.5 else "fuse Y only and keep Cb, Cr"
        raise MethodError(f"colours changed to a hue that the visible image has not, {found}; {hint}")
    lost = {part.where for part in part_colours(scene, fused) if part.kept < 0.25}
    if lost:
        return (
            f"warning: colour is lost on {' and '.join(sorted(lost, reverse=True))}; change Y there and keep "
            "Cb, Cr if a detector is to see it"
        )
    return "colours of the visible image are kept"


def _false_colour(scene: Scene, fused: np.ndarray) -> tuple[float, str]:
    """Return the largest share of the allowed false colour, and where it is; more than 1 is refused."""
    # 4 levels of chroma are what 8 levels more of red do to grey; rules for each channel turn hues by more.
    allowed = {True: 4 * LEVEL, False: 8 * LEVEL}
    return max((part.false / allowed[part.grey], part.where) for part in part_colours(scene, fused))


def check_registration(gallery: Gallery) -> str:
    """Edges lie where they are in the pair: nothing is shifted by a few pixels or flipped.

    Only what is clear counts: another place fits much better, and the same in both pairs.
    """
    verdicts = {_misplaced(pair, fused) for pair, fused in zip(gallery.marks, gallery.of_marks, strict=True)}
    (verdict,) = verdicts if len(verdicts) == 1 else ("",)
    if verdict:
        raise MethodError(verdict)
    return "edges lie where they are in the pair"


def _misplaced(pair: ImagePair, fused: np.ndarray) -> str:
    """Return what is wrong with the place of things in the fused RGB image, and what to do; or nothing."""
    found = edge_strength(luminance(fused))
    visible, infrared = edge_strength(luminance(pair.visible)), edge_strength(pair.infrared)
    both = np.maximum(visible / visible.max(), infrared / infrared.max())
    straight = max(correlation(source, found) for source in (both, visible, infrared))
    flips: dict[str, Any] = {
        "left to right": np.s_[:, ::-1],
        "upside down": np.s_[::-1],
        "both ways": np.s_[::-1, ::-1],
    }
    for name, flip in flips.items():
        fit = max(correlation(source, found[flip]) for source in (both, visible, infrared))
        if _clearly(fit, straight):
            return f"the image is flipped ({name}); look for a flip that is not undone"
    half = found.shape[1] // 2
    shifts: dict[str, Shift] = {}
    for name, source, part in (
        ("visible", visible, np.s_[:, :half]),
        ("infrared", infrared, np.s_[:, half:]),
    ):
        shift, best, fit = find_shift(source[part], found[part])
        if _clearly(best, fit):
            shifts[name] = shift
        elif fit > 0.5:
            shifts[name] = (0, 0)
    moved = {name: shift for name, shift in shifts.items() if shift != (0, 0)}
    if not moved:
        return ""
    (name, shift), *_ = moved.items()
    what = "the image" if len(set(shifts.values())) == 1 else f"what comes from the {name} image"
    return (
        f"{what} is shifted by ({shift[0]}, {shift[1]}) pixels (right, down); pad by (kernel - 1) / 2 on all "
        "sides, and crop at the right and bottom only what was padded there"
    )


def _clearly(fit: float, usual: float) -> bool:
    """Tell whether a fit is good, and better by far than the usual one; that of a blur is not."""
    return fit > GOOD_FIT and fit - usual > 0.2
