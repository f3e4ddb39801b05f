"""The third door: an installed package that names its class in the group ``regionfuse.methods``.

[project.entry-points."regionfuse.methods"]
mymethod = "mypackage.fusion:MyMethod"
"""

from __future__ import annotations

import hashlib
import importlib.util
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets.errors import MethodError

if TYPE_CHECKING:
    from ..contract import FusionMethod

GROUP = "regionfuse.methods"


def installed() -> dict[str, EntryPoint]:
    """Return the entry points of all installed packages by name; nothing is imported."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, e.value))}


def load_class(entry: EntryPoint) -> type[FusionMethod]:
    """Import the class that an entry point names.

    Raises:
        MethodError: it does not import or is not a FusionMethod.
    """
    from .build import require_method_class

    where = f"{entry.name} (entry point {entry.value})"
    try:
        found = entry.load()
    except Exception as error:
        text = " ".join(str(error).split())
        raise MethodError(f"{where}: does not import: {type(error).__name__}: {text}") from error
    return require_method_class(found, where)


def content_hash(entry: EntryPoint) -> str:
    """Hash what defines the method: the package's version and its Python files, without importing it."""
    digest = hashlib.sha256(f"{entry.name}={entry.value}".encode())
    if entry.dist is not None:
        digest.update(f"{entry.dist.name}=={entry.dist.version}".encode())
    spec = importlib.util.find_spec(entry.module.split(".")[0])
    if spec is not None:
        folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
        files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
        if not folders and spec.origin and Path(spec.origin).is_file():
            files = [Path(spec.origin)]
        for file in files:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
