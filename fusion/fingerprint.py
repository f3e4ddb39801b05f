"""What defines a method's output, as a hash; the cache of fused images goes by it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..datasets.errors import MethodError
from ..datasets.storage import sha256_file
from .doors.entry_point import content_hash, installed
from .doors.specs import (
    IMAGE_SUFFIXES,
    is_file_spec,
    is_model_spec,
    model_file,
    model_files,
    source_files,
    split_command,
    split_file_spec,
)
from .names import BUILTINS, COMMAND, FOLDER, split_mode, unknown


def fingerprint(spec: str, weights: Path | None = None, options: Mapping[str, Any] | None = None) -> str:
    """Return a hash of everything that defines a method's output, without running it.

    It covers, by kind of spec: the name and version of a built-in method; version and code of an installed
    one; the file and the neighbours it imports; a network file and its card; names, sizes and times of a
    folder's images; a command line and the files named in it. Weights count by content, options by value.

    Raises:
        MethodError: the method or the weights do not exist.
    """
    digest = hashlib.sha256()
    for part in (*_parts(spec), *(f"{key}={value!r}" for key, value in sorted((options or {}).items()))):
        digest.update(part.encode() + b"\0")
    if weights is None and spec in BUILTINS and BUILTINS[spec].shipped:
        shipped = Path(__file__).parent / BUILTINS[spec].shipped
        weights = shipped if shipped.is_file() else None
    if weights is not None:
        if not weights.is_file():
            raise MethodError(f"{spec}: weights {weights} do not exist")
        digest.update(sha256_file(weights).encode())
    return digest.hexdigest()


def _parts(spec: str) -> list[str]:
    """Return the texts that :func:`fingerprint` hashes for ``spec``."""
    if spec.startswith(FOLDER):
        folder = Path(spec.removeprefix(FOLDER)).expanduser()
        if not folder.is_dir():
            raise MethodError(f"{spec}: there is no folder {folder}")
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        stats = [(path.name, path.stat()) for path in files]
        return ["folder", *(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats)]
    if spec.startswith(COMMAND):
        command = spec.removeprefix(COMMAND).strip()
        files = [Path(word) for word in split_command(command) if Path(word).is_file()]
        return ["command", command, *(sha256_file(path) for path in files)]
    if is_model_spec(spec):
        return ["model", *(sha256_file(file) for file in model_files(model_file(spec)))]
    if is_file_spec(spec):
        path, name = split_file_spec(spec)
        return ["file", name or "", *(sha256_file(file) for file in source_files(path))]
    name, mode = split_mode(spec)
    if name in BUILTINS:
        return ["builtin", name, str(BUILTINS[name].version), *([mode] if mode not in ("", "fair") else [])]
    plugins = installed()
    if spec in plugins:
        return ["entry point", content_hash(plugins[spec])]
    raise MethodError(unknown(spec))
