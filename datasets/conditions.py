"""The optional file beside a data set that names scenes and condition tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import DataError

CONDITIONS_FILE = "conditions.json"


def read_conditions(root: Path) -> dict[str, tuple[str | None, tuple[str, ...]]]:
    """Return stem -> (scene, tags) from ``conditions.json`` in ``root``; empty when there is no such file.

    Raises:
        DataError: the file does not hold ``{stem: {"scene": text, "tags": [text, ...]}}``.
    """
    path = root / CONDITIONS_FILE
    content = _json_object(path) if path.is_file() else {}
    conditions = {}
    for stem, entry in content.items():
        scene, tags = (entry.get("scene"), entry.get("tags") or []) if isinstance(entry, dict) else (0, [])
        texts = isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)
        if not (scene is None or isinstance(scene, str)) or not texts:
            raise DataError(
                f'{path}: {stem!r}: expected {{"scene": text, "tags": [text, ...]}}, found {entry!r}'
            )
        conditions[stem] = (scene, tuple(tags))
    return conditions


def _json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content
