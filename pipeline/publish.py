"""Finished units at stable paths, as hard links: nothing is stored twice and a copied folder is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from .store import explained

_ROOTS = ("fused", "predictions", "ground_truth", "tables")
_MADE_BY_REPORT = ".tex"


def publish(run: Path, wanted: Mapping[str, Path], keep: Iterable[str] = ()) -> None:
    """Make ``run/<key>`` a link to each value, and remove what an earlier configuration left there.

    Args:
        run: the run folder.
        wanted: relative path below the run folder -> file inside a finished unit.
        keep: further relative paths that are not to be removed.

    Raises:
        StorageError: disk full or read-only.
    """
    with explained(run):
        for relative, origin in wanted.items():
            _link(origin, run / relative)
        known = {(run / relative).as_posix() for relative in (*wanted, *keep)}
        for root in _ROOTS:
            for folder, _, names in os.walk(run / root, topdown=False):
                for name in names:
                    path = Path(folder, name)
                    if path.as_posix() not in known and path.suffix != _MADE_BY_REPORT:
                        path.unlink()
                if not any(Path(folder).iterdir()):
                    Path(folder).rmdir()


def _link(origin: Path, target: Path) -> None:
    if target.exists() and target.samefile(origin):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(origin, temporary)
    except OSError:
        # A file system without hard links: a copy serves as well, and only costs space.
        shutil.copyfile(origin, temporary)
    temporary.replace(target)
