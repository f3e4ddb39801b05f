"""Splits that users bring: our own JSON, JSON or YAML with three lists, or one text file per subset."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from .errors import DataError
from .layout import IMAGE_EXTENSIONS
from .pairing import stem_of
from .records import PairSet

SUBSETS = ("train", "val", "test")
_ALIASES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def read_split_list(path: Path | str, pairs: PairSet) -> dict[str, tuple[str, ...]]:
    """Read the stems of train, val and test.

    Args:
        path: a JSON or YAML file with the keys train, val and test; or a folder with ``train.txt``,
            ``val.txt`` and ``test.txt``; or one of these three files (``m3fd_train.txt`` finds
            ``m3fd_test.txt``). Entries are stems, file names or paths.
        pairs: the set that is split.

    Raises:
        DataError: the file is unreadable, a subset is missing or empty, an image is named twice, or is not in
            the set.
    """
    path = Path(path)
    lists = _from_text_files(path) if path.is_dir() or path.suffix.lower() == ".txt" else _from_mapping(path)
    subsets = {name: tuple(sorted(_known(path, name, lists[name], pairs))) for name in SUBSETS}
    seen: dict[str, str] = {}
    for name, stems in subsets.items():
        for stem in stems:
            if stem in seen:
                other = f"in {seen[stem]} and {name}" if seen[stem] != name else f"twice in {name}"
                raise DataError(f"{path}: image {stem!r} stands {other}; every image belongs to one subset")
            seen[stem] = name
    return subsets


def _known(path: Path, name: str, entries: list[str], pairs: PairSet) -> list[str]:
    if not entries:
        raise DataError(f"{path}: the list {name!r} is empty; train, val and test each need an image")
    stems = [_stem(entry) for entry in entries]
    unknown = [stem for stem in stems if stem not in pairs]
    if unknown:
        near = difflib.get_close_matches(unknown[0], [pair.stem for pair in pairs], n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise DataError(
            f"{path}: {len(unknown)} image(s) of {name!r} are not in {pairs.root}, first {unknown[0]!r}{hint}"
        )
    return stems


def _stem(entry: str) -> str:
    name = PurePosixPath(entry.strip().replace("\\", "/")).name
    return stem_of(name) if name.lower().endswith(IMAGE_EXTENSIONS) else name


def _from_mapping(path: Path) -> dict[str, list[str]]:
    try:
        text = path.read_text(encoding="utf-8")
        # BaseLoader keeps scalars as text: 00012 is a stem, not the number ten.
        content: Any = (
            json.loads(text) if path.suffix.lower() == ".json" else yaml.load(text, Loader=yaml.BaseLoader)
        )
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: the split file cannot be read: {reason}") from error
    if not isinstance(content, Mapping):
        raise DataError(f"{path}: expected the keys train, val and test, found {type(content).__name__}")
    lists = {}
    for name, aliases in _ALIASES.items():
        key = next((alias for alias in aliases if alias in content), None)
        if key is None:
            raise DataError(
                f"{path}: no list {name!r}; found the keys {', '.join(map(str, content)) or 'none'}"
            )
        if not isinstance(content[key], list) or not all(isinstance(entry, str) for entry in content[key]):
            raise DataError(f"{path}: {key!r} must be a list of texts (stems or file names)")
        lists[name] = list(content[key])
    return lists


def _from_text_files(path: Path) -> dict[str, list[str]]:
    folder = path if path.is_dir() else path.parent
    prefix = ""
    if not path.is_dir():
        words = [alias for aliases in _ALIASES.values() for alias in aliases if path.stem.endswith(alias)]
        if not words:
            raise DataError(f"{path}: the name of a list must end in train, val or test, e.g. m3fd_train.txt")
        prefix = path.stem[: -len(max(words, key=len))]
    lists = {}
    for name, aliases in _ALIASES.items():
        files = [folder / f"{prefix}{alias}.txt" for alias in aliases]
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            raise DataError(f"{files[0]}: no such file; a split needs one list each for train, val and test")
        try:
            lines = found.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise DataError(f"{found}: cannot be read as text: {error}") from error
        lists[name] = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return lists
