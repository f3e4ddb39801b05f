"""Content-addressed units of work on disk.

A unit is a folder whose name carries a hash of everything that decides its content: the stage and its
version, its parameters, and the keys of the units it builds on. So a finished unit is never redone, and one
whose inputs changed is never reused. Work happens in ``units/.partial/<key>``; the folder is renamed to its
final name once it is complete, so whatever stands under ``units/<stage>/`` is whole. A killed process leaves
its partial folder behind, and the next run hands it to the same unit, which goes on from there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..datasets.errors import StorageError
from ..datasets.storage import write_json

Progress = Callable[[int, int, str], None]
Action = Callable[[Path, Progress], None]

_FULL_OR_READ_ONLY = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def digest(value: Any) -> str:
    """Return the SHA-256 (hexadecimal) of ``value`` written as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Unit:
    """One piece of work with a content-addressed result.

    Attributes:
        stage: the kind of work, e.g. ``fuse``; also the folder's name.
        name: what it is for, e.g. ``regionfuse``; readable, not part of the key.
        params: everything besides ``needs`` that decides the result; JSON-serialisable.
        action: does the work in a folder it is given; called only when there is no finished result.
        needs: units whose results the action reads.
        version: raised when the code changes what the same inputs give.
        source: the fusion source the unit serves; a failure then costs only this source.
    """

    stage: str
    name: str
    params: Mapping[str, Any]
    action: Action = field(repr=False, compare=False)
    needs: tuple[Unit, ...] = ()
    version: int = 1
    source: str | None = None

    @cached_property
    def key(self) -> str:
        """SHA-256 of stage, version, parameters and the keys of all needed units."""
        return digest(
            {
                "stage": self.stage,
                "version": self.version,
                "params": self.params,
                "needs": [unit.key for unit in self.needs],
            }
        )


class Store:
    """The ``units`` folder of a run.

    Args:
        run: the run folder; created when missing.

    Raises:
        StorageError: the folder cannot be created or written.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.root = run / "units"
        with explained(run):
            (self.root / ".partial").mkdir(parents=True, exist_ok=True)

    def folder(self, unit: Unit) -> Path:
        """Return where the finished result of ``unit`` stands or will stand."""
        # The key alone decides: the same work under another name (a detector for two protocols) is found.
        there = next((self.root / unit.stage).glob(f"*-{unit.key[:16]}"), None)
        if there is not None:
            return there
        readable = re.sub(r"[^A-Za-z0-9._-]+", "-", unit.name).strip("-") or "unit"
        return self.root / unit.stage / f"{readable[:60]}-{unit.key[:16]}"

    def is_done(self, unit: Unit) -> bool:
        """Tell whether the result is there, whole and of exactly this key."""
        record = self.folder(unit) / "unit.json"
        return record.is_file() and self.record(unit).get("key") == unit.key

    def record(self, unit: Unit) -> dict[str, Any]:
        """Return the stored manifest of a finished unit.

        Raises:
            StorageError: the file is damaged.
        """
        path = self.folder(unit) / "unit.json"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise StorageError(f"{path}: damaged ({error}); delete its folder and run again") from error
        if not isinstance(record, dict):
            raise StorageError(f"{path}: damaged (no JSON object); delete its folder and run again")
        return record

    def execute(self, unit: Unit, progress: Progress) -> Path:
        """Run ``unit`` and return the folder of its finished result.

        Raises:
            StorageError: the disk is full or read-only. Whatever the action raises passes through.
        """
        final = self.folder(unit)
        partial = self.root / ".partial" / unit.key
        with explained(self.run):
            partial.mkdir(parents=True, exist_ok=True)
            started = time.monotonic()
            warnings: list[str] = []
            with listening(warnings.append):
                unit.action(partial, progress)
            record = {
                "schema": 1,
                "key": unit.key,
                "stage": unit.stage,
                "name": unit.name,
                "version": unit.version,
                "source": unit.source,
                "params": unit.params,
                "needs": [need.key for need in unit.needs],
                "seconds": round(time.monotonic() - started, 3),
                "warnings": list(dict.fromkeys(warnings)),
            }
            write_json(partial / "unit.json", record)
            final.parent.mkdir(parents=True, exist_ok=True)
            if final.exists():  # A damaged leftover: a whole one would have been reused.
                shutil.rmtree(final)
            partial.rename(final)
        return final


class _Listener(logging.Handler):
    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self.hear(record.getMessage())


@contextlib.contextmanager
def listening(hear: Callable[[str], None]) -> Iterator[None]:
    """Call ``hear`` with each warning that this package logs meanwhile."""
    logger = logging.getLogger("regionfuse")
    listener = _Listener(hear)
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)


@contextlib.contextmanager
def explained(run: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL_OR_READ_ONLY:
            raise
        where = error.filename or run
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = _free_gib(run)
            raise StorageError(
                f"{where}: the disk is full ({free:.1f} GiB free); make room, or move the run with --out, "
                "and run the same command again: finished work is kept"
            ) from error
        raise StorageError(
            f"{where}: cannot write ({os.strerror(error.errno or 0)}); "
            "choose another folder with --out or change its permissions"
        ) from error


def _free_gib(path: Path) -> float:
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free / 2**30


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run folder for this process; the lock goes with the process, however it ends.

    Raises:
        StorageError: another process holds it.
    """
    import fcntl

    try:
        run.mkdir(parents=True, exist_ok=True)
        handle = (run / ".lock").open("a+")
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise StorageError(f"{run}: cannot work in this folder ({reason}); choose another --out") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"{run}: another regionfuse process works in this folder; wait for it or choose another --out"
            ) from error
        yield
