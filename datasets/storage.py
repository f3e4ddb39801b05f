"""Files that are either there in full or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from .errors import DataError, StorageError


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write ``content`` under a temporary name in the same folder, then rename: nobody sees half a file.

    Missing parent folders are made.

    Raises:
        StorageError: the disk is full, the folder is read-only, or the path is not writable.
    """
    path = Path(path)
    # Hidden, and without the image extension, so that a reader of the folder never takes it for an image.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {_reason(error)}") from error
    finally:
        if temporary.exists():
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, content: str) -> None:
    """Write ``content`` as UTF-8; see :func:`write_bytes`."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path | str, value: Any, *, indent: int | None = 2) -> None:
    """Write ``value`` as JSON with a final newline; see :func:`write_bytes`.

    Raises:
        ValueError: ``value`` holds NaN or infinity, which JSON does not know.
    """
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_file(path: Path | str) -> str:
    """Return the SHA-256 (hexadecimal) of a file's content.

    Raises:
        DataError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full; free some space and run the same command again"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{error.strerror}; choose an output folder that you may write to"
    return error.strerror or str(error)
