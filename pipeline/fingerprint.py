"""Content hashes of input files, remembered by size and time stamp: a second run need not read them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..datasets.errors import DataError
from ..datasets.storage import sha256_file, write_json
from .store import Progress


class FileHashes:
    """SHA-256 of files, with a memory on disk.

    A remembered hash is used again only when size, modification time (nanoseconds) and inode are unchanged.

    Args:
        memory: JSON file that keeps the hashes between runs; may be missing or damaged (then they are
            computed anew).
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, list[object]] = {}
        if memory.is_file():
            try:
                loaded = json.loads(memory.read_text(encoding="utf-8"))
            except ValueError:
                loaded = {}  # Only a cache: a damaged one costs time, never correctness.
            if isinstance(loaded, dict):
                self._known = loaded

    def of(self, paths: Iterable[Path], progress: Progress | None = None) -> dict[Path, str]:
        """Return the SHA-256 of each file.

        Raises:
            DataError: a file cannot be read.
        """
        wanted = list(dict.fromkeys(paths))
        result: dict[Path, str] = {}
        fresh: dict[Path, list[object]] = {}
        for path in wanted:
            try:
                stat = path.stat()
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror})") from error
            state: list[object] = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
            known = self._known.get(str(path.absolute()))
            if isinstance(known, list) and known[:3] == state:
                result[path] = str(known[3])
            else:
                fresh[path] = state
        if fresh:
            with ThreadPoolExecutor() as pool:
                hashes = pool.map(sha256_file, fresh)
                for done, (path, value) in enumerate(zip(fresh, hashes, strict=True), start=1):
                    result[path] = value
                    self._known[str(path.absolute())] = [*fresh[path], value]
                    if progress is not None:
                        progress(done, len(fresh), "hashing input files")
            write_json(self._memory, self._known)
        return result
