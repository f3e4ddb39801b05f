"""Fuse a set of image pairs into a folder of PNG files; can be stopped and started again at any image."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from ..datasets.errors import DataError, MethodError, StorageError
from ..datasets.images import image_size, read_rgb8, write_png
from ..datasets.records import Pair
from .apply import finish, method_input
from .background import Background
from .batches import group, load
from .contract import FusionMethod
from .doors.finished import FinishedImages, Progress
from .timing import FusionTiming, TimedCalls

__all__ = ["FusionTiming", "fuse_pairs", "require_apart", "resolve_device"]

log = logging.getLogger(__name__)


def resolve_device(device: str) -> torch.device:
    """Return the device; ``auto`` is the first GPU, or the CPU where there is none.

    Raises:
        MethodError: there is no such device here.
    """
    try:
        found = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    except RuntimeError as error:
        raise MethodError(f"device {device!r}: expected auto, cpu, cuda or cuda:N") from error
    if found.type not in ("cpu", "cuda", "mps") or (
        found.type == "mps" and not torch.backends.mps.is_available()
    ):
        raise MethodError(f"device {device!r}: expected auto, cpu, cuda or cuda:N; this one is not here")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise MethodError(f"device {device!r}: found {torch.cuda.device_count()} GPU(s); use auto or cpu")
    return found


def fuse_pairs(
    method: FusionMethod,
    pairs: Iterable[Pair],
    out: Path,
    *,
    device: str = "auto",
    tile: int | None = None,
    batch_size: int = 1,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> FusionTiming:
    """Write ``out/STEM.png`` (8-bit RGB, the size of the pair) for every pair.

    Every image is written under a temporary name and renamed, so a file that is there is whole. Random
    numbers are seeded from the stem: an image does not depend on what was fused before it.

    Args:
        method: the method; moved to the device.
        pairs: pairs with unique stems.
        out: folder, made when missing.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        tile: fuse in overlapping tiles with this side in pixels, see :mod:`.tiling`. None: only beyond the
            method's ``max_pixels``, and, with a warning, where memory runs out.
        batch_size: neighbouring pairs of equal size that are fused in one call.
        progress: called with (done, total, stem).
        overwrite: make images anew that are already there in the right size.

    Raises:
        MethodError: the method failed or broke the contract; the message names the image. Or ``out`` holds
            the input images.
        DataError: an input image cannot be read.
        StorageError: the output cannot be written.
    """
    everything = list(pairs)
    if (tile is not None and tile < 1) or batch_size < 1:
        raise MethodError(f"expected tile and batch_size of at least 1, found {tile} and {batch_size}")
    require_apart(everything, out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {out}: {error.strerror}") from error
    todo = [pair for pair in everything if overwrite or not _is_done(pair, out)]
    done, total = len(everything) - len(todo), len(everything)

    counting = threading.Lock()

    def save(pair: Pair, image: np.ndarray) -> None:
        nonlocal done
        write_png(out / f"{pair.stem}.png", image)
        with counting:  # images are saved by several threads when a GPU fuses
            done += 1
            if progress is not None:
                progress(done, total, pair.stem)

    if isinstance(method, FinishedImages):
        return _take_finished(method, todo, out, progress, save)
    if progress is not None:
        method.on_step = lambda message: progress(done, total, message)
    try:
        return _fuse(method, todo, TimedCalls(method, resolve_device(device), tile), batch_size, save)
    finally:
        method.on_step = None


def require_apart(pairs: Iterable[Pair], out: Path) -> None:
    """Refuse to write fused images, which have the inputs' names, among the inputs.

    Raises:
        MethodError: ``out`` holds images of the pairs.
    """
    inputs = {path.parent.resolve() for pair in pairs for path in (pair.infrared, pair.visible)}
    if out.resolve() in inputs:
        raise MethodError(f"{out} holds the input images; write the fused ones into another folder")


def _is_done(pair: Pair, out: Path) -> bool:
    """Tell whether the fused image is there in the size of the pair."""
    path = out / f"{pair.stem}.png"
    if not path.is_file():
        return False
    try:
        size = image_size(path)
    except DataError as error:
        log.warning("%s; made anew", error)
        return False
    if size != (pair.width, pair.height):
        log.warning("%s is %d x %d, not %d x %d; made anew", path, *size, pair.width, pair.height)
        return False
    return True


def _fuse(
    method: FusionMethod,
    todo: Sequence[Pair],
    calls: TimedCalls,
    batch_size: int,
    save: Callable[[Pair, np.ndarray], None],
) -> FusionTiming:
    """Fuse tensors: read, call, finish, write."""
    device = calls.device
    method.to(device)
    if method.network is not None:
        method.network.eval()
    on_gpu = device.type == "cuda"
    with (
        torch.inference_mode(),
        torch.random.fork_rng([device] if on_gpu else []),
        # The same image twice gives the same bytes, and TF32 does not blur what a GPU and a CPU make.
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        Background(2 if on_gpu else 0) as background,
    ):
        for batch in background.ahead(load, group(todo, batch_size)):
            stem = batch.pairs[0].stem
            infrared, rgb = batch.infrared.to(device), batch.visible.to(device)
            torch.manual_seed(zlib.crc32(stem.encode()))
            fused = calls(infrared, method_input(method, rgb), stem)
            levels = (finish(method, fused, rgb, image=stem) * 255.0).round().to(torch.uint8)
            images = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
            for pair, image in zip(batch.pairs, images, strict=True):
                background.later(save, pair, image)
    return calls.timing()


def _take_finished(
    method: FinishedImages,
    todo: Sequence[Pair],
    out: Path,
    progress: Progress | None,
    save: Callable[[Pair, np.ndarray], None],
) -> FusionTiming:
    """Take images made elsewhere: all of them exist and have the right size before the first is written."""
    if not todo:
        return FusionTiming(0, float("nan"), "external")
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".delivery-", dir=out))
    except OSError as error:
        raise StorageError(f"cannot write in the folder {out}: {error.strerror}") from error
    try:
        delivery = method.deliver(todo, scratch, progress)
        for pair in todo:
            path = delivery.files[pair.stem]
            size = image_size(path)
            if size != (pair.width, pair.height):
                raise MethodError(
                    f"{method.card.name}: image {pair.stem!r}: expected {pair.width} x {pair.height} pixels, "
                    f"found {size[0]} x {size[1]} in {path.name}; fuse at the size of the input"
                )
        for pair in todo:
            save(pair, read_rgb8(delivery.files[pair.stem]))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return FusionTiming(len(todo), delivery.seconds / len(todo), "external")
