"""Write the synthetic data set to disk in M3FD's format."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, StorageError
from ..images import write_png
from ..storage import write_json, write_text
from .annotate import voc_xml
from .conditions import CONDITIONS
from .layout import build_scene
from .render import render_scene

GENERATOR = 2  # raise it whenever the same parameters give other files
NOTICE = "synthetic: shows that the pipeline works, not how good a method is"
PARAMETERS_FILE = "synthetic.json"
CONDITIONS_FILE = "conditions.json"
IMAGE_FOLDERS = ("Ir", "Vis", "Annotation")
_STALE_SECONDS = 3600  # a temporary folder this old belongs to a run that was killed

_log = logging.getLogger(__name__)


def generate(
    root: Path,
    *,
    images: int = 120,
    size: tuple[int, int] = (320, 240),
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> None:
    """Make the synthetic set in ``root``: ``Ir/ Vis/ Annotation/ conditions.json synthetic.json``.

    The set appears in full or not at all: it is written beside ``root`` and renamed. When ``root`` already
    holds the set of the same parameters, nothing is done; a set of other parameters made here is replaced.
    Image i depends on ``seed`` and ``size`` only, not on how many images follow it.

    Args:
        root: folder to make.
        images: number of pairs.
        size: width and height in pixels, both even and at least 64.
        seed: the same seed gives the same bytes (with the same versions of OpenCV and NumPy).
        progress: called with (done, total, message).

    Raises:
        DataError: a parameter is out of range, or ``root`` holds files that are not ours.
        StorageError: ``root`` cannot be written.
    """
    root = Path(root).absolute()
    width, height = size
    if images < 1 or min(width, height) < 64 or width % 2 or height % 2 or seed < 0:
        raise DataError(
            f"synthetic set: expected images >= 1, seed >= 0 and an even size of at least 64 x 64, "
            f"found images={images}, seed={seed}, size={width} x {height}"
        )
    wanted = {
        "generator": GENERATOR,
        "seed": seed,
        "images": images,
        "size": [width, height],
        "notice": NOTICE,
    }
    if _holds(root, wanted):
        _log.info("%s: the synthetic set is already there", root)
        return
    _require_ours(root)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(root)
        temporary = Path(tempfile.mkdtemp(prefix=_prefix(root), dir=root.parent))
    except OSError as error:
        raise StorageError(f"{root}: the synthetic set cannot be written: {error.strerror}") from error
    try:
        _write(temporary, wanted, progress)
        _swap(temporary, root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def scene_plan(seed: int) -> Iterator[tuple[str, int]]:
    """Yield the condition and the number of frames of scene 0, 1, 2, ... without end.

    Every block of ``len(CONDITIONS)`` scenes has each condition once, in an order of its own.
    """
    block = 0
    while True:
        rng = np.random.default_rng([seed, block, 7])
        for position in rng.permutation(len(CONDITIONS)):
            yield CONDITIONS[position], int(rng.integers(3, 6))
        block += 1


def _write(folder: Path, wanted: dict[str, Any], progress: Callable[[int, int, str], None] | None) -> None:
    images, (width, height), seed = wanted["images"], wanted["size"], wanted["seed"]
    conditions: dict[str, dict[str, Any]] = {}
    done = 0
    for index, (condition, length) in enumerate(scene_plan(seed)):
        if done >= images:
            break
        scene = build_scene(seed, index, condition, (width, height), length)
        for frame in render_scene(scene, min(length, images - done)):
            stem = f"{done:05d}"
            # M3FD's infrared files are grey pictures stored with three channels.
            write_png(folder / "Ir" / f"{stem}.png", np.repeat(frame.infrared[..., None], 3, axis=2))
            write_png(folder / "Vis" / f"{stem}.png", frame.visible)
            write_text(
                folder / "Annotation" / f"{stem}.xml", voc_xml(f"{stem}.png", width, height, frame.objects)
            )
            conditions[stem] = {"scene": scene.name, "tags": list(scene.conditions.tags)}
            done += 1
            if progress is not None:
                progress(done, images, "synthetic images")
    write_json(folder / CONDITIONS_FILE, conditions)
    write_json(folder / PARAMETERS_FILE, wanted)


def _holds(root: Path, wanted: dict[str, Any]) -> bool:
    """Tell whether ``root`` has the whole set of these parameters."""
    if _parameters(root) != wanted or not (root / CONDITIONS_FILE).is_file():
        return False
    stems = [f"{i:05d}" for i in range(wanted["images"])]
    expected = {"Ir": ".png", "Vis": ".png", "Annotation": ".xml"}
    for name, ending in expected.items():
        folder = root / name
        found = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
        if not found.issuperset(stem + ending for stem in stems):
            return False
    return True


def _parameters(root: Path) -> dict[str, Any] | None:
    """Return the parameters recorded in ``root``, or None when it has no (readable) record of ours."""
    try:
        content = json.loads((root / PARAMETERS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("notice") == NOTICE else None


def _require_ours(root: Path) -> None:
    """Refuse to write where something else lies."""
    if not root.exists() and not root.is_symlink():
        return
    if not root.is_dir() or root.is_symlink():
        raise DataError(
            f"{root}: expected a folder for the synthetic set, found a file or a link; choose another path"
        )
    names = {entry.name for entry in root.iterdir()}
    foreign = sorted(names - {*IMAGE_FOLDERS, PARAMETERS_FILE, CONDITIONS_FILE})
    if names and (foreign or _parameters(root) is None):
        what = foreign[0] if foreign else f"no valid {PARAMETERS_FILE}"
        raise DataError(
            f"{root}: expected an empty folder or a synthetic set made here, found {what}; "
            "choose another folder or empty this one"
        )


def _prefix(root: Path) -> str:
    return f".{root.name}.partial-"


def _remove_stale(root: Path) -> None:
    for left in root.parent.iterdir():
        if (
            left.name.startswith(_prefix(root))
            and left.is_dir()
            and time.time() - left.stat().st_mtime > _STALE_SECONDS
        ):
            shutil.rmtree(left, ignore_errors=True)


def _swap(temporary: Path, root: Path) -> None:
    """Put the finished folder in place of ``root``; an older set of ours is moved aside first."""
    aside = temporary.with_name(temporary.name + "-old")
    try:
        temporary.chmod(0o755)  # mkdtemp makes it private
        if root.exists() and any(root.iterdir()):
            root.rename(aside)
        # An empty folder is simply replaced.
        temporary.rename(root)
    except OSError as error:
        if aside.exists() and not root.exists():
            aside.rename(root)
        raise StorageError(f"{root}: the synthetic set cannot be put in place: {error.strerror}") from error
    shutil.rmtree(aside, ignore_errors=True)
