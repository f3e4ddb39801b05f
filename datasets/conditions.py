"""The optional file that names scenes and condition tags: our JSON, index ranges, or a CSV table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .blocks import numbered
from .errors import DataError
from .pairing import listed_stem

CONDITIONS_FILE = "conditions.json"

Conditions = dict[str, tuple[str | None, tuple[str, ...]]]


def read_conditions(root: Path, stems: Iterable[str] = (), file: Path | str | None = None) -> Conditions:
    """Return stem -> (scene, tags).

    Args:
        root: folder of the data set; its ``conditions.json`` is read where no other file is named.
        stems: the images, wanted where the file gives ranges of numbers.
        file: one of three forms. ``{stem: {"scene": text, "tags": [text, ...]}}`` as JSON. TarDAL's
            ``scenario.json``: conditions with scenes with ranges of numbers, where every contiguous range is
            a scene of its own, and conditions are the tags. A CSV file with the columns ``image,tag`` or
            ``image,tag,scene``; an image may have several rows.

    Raises:
        DataError: the file cannot be read, or has none of these forms.
    """
    path = Path(file) if file is not None else root / CONDITIONS_FILE
    if file is None and not path.is_file():
        return {}
    if path.suffix.lower() == ".csv":
        return _from_table(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if isinstance(content, list) and content:
        return _from_ranges(path, content, stems)
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return _from_stems(path, content)


def _from_stems(path: Path, content: dict[str, Any]) -> Conditions:
    conditions: Conditions = {}
    for stem, entry in content.items():
        scene, tags = (entry.get("scene"), entry.get("tags") or []) if isinstance(entry, dict) else (0, [])
        texts = isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)
        if not (scene is None or isinstance(scene, str)) or not texts:
            raise DataError(
                f'{path}: {stem!r}: expected {{"scene": text, "tags": [text, ...]}}, found {entry!r}'
            )
        conditions[stem] = (scene, tuple(tags))
    return conditions


def _from_ranges(path: Path, content: list[Any], stems: Iterable[str]) -> Conditions:
    try:
        ranges = [
            (
                int(part["max"]) - int(part["min"]),
                int(part["min"]),
                str(condition["name"]),
                str(scene["name"]),
            )
            for condition in content
            for scene in condition["scene"]
            for part in scene["range"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f'{path}: expected [{{"name": condition, "scene": [{{"name": text, "range": [{{"min": number, '
            f'"max": number}}]}}]}}], found {type(error).__name__} {error}'
        ) from error
    conditions: Conditions = {}
    for stem in stems:
        key = numbered(stem)
        holding = [each for each in sorted(ranges) if key and each[1] <= key[1] <= each[1] + each[0]]
        if holding:
            span, first, condition, scene = holding[0]  # ranges overlap here and there: the shortest names it
            tags = tuple(dict.fromkeys(each[2] for each in holding))
            conditions[stem] = (f"{condition}/{scene} {first}-{first + span}", tags)
    return conditions


def _from_table(path: Path) -> Conditions:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.reader(lines))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV: {error}") from error
    header = [cell.strip().casefold() for cell in rows[0]] if rows else []
    if header not in (["image", "tag"], ["image", "tag", "scene"]):
        raise DataError(
            f"{path}: expected the columns image,tag or image,tag,scene, found {','.join(header)}"
        )
    conditions: Conditions = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header) or not row[0].strip():
            raise DataError(f"{path}, line {number}: expected {','.join(header)}, found {','.join(row)}")
        image, tag, scene = (cell.strip() for cell in (*row, "")[:3])
        stem = listed_stem(image)
        known, tags = conditions.get(stem, (None, ()))
        if scene and known not in (None, scene):
            raise DataError(f"{path}, line {number}: {stem!r} is in the scenes {known!r} and {scene!r}")
        tags = tuple(dict.fromkeys((*tags, tag))) if tag else tags
        conditions[stem] = (scene or known, tags)
    return conditions
