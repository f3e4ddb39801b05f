"""Splits that users bring: our own JSON, JSON or YAML with lists, or one text or COCO file per subset."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .errors import DataError
from .pairing import listed_stem
from .records import PairSet

SUBSET_NAMES = {
    "train": ("training", "train"),
    "val": ("validation", "valid", "val"),
    "test": ("testing", "test"),
}
"""What the subsets are called in files and folders."""


def read_split_list(path: Path | str, pairs: PairSet) -> dict[str, tuple[str, ...]]:
    """Read the stems of train and test, and of val where there is such a list.

    Args:
        path: see :func:`read_lists`.
        pairs: the set that is split.

    Raises:
        DataError: see :func:`read_lists`; or there is no train or no test.
    """
    lists = read_lists(path, pairs)
    for name in ("train", "test"):
        if name not in lists:
            raise DataError(f"{path}: no list {name!r}; found {', '.join(lists) or 'none'}")
    return lists


def read_lists(path: Path | str, pairs: PairSet) -> dict[str, tuple[str, ...]]:
    """Read the stems of those of train, val and test that are listed.

    Args:
        path: a JSON or YAML file with the keys train, val and test; or one text file or COCO JSON file per
            subset: one of them (``m3fd_train.txt`` finds ``m3fd_test.txt``) or their folder. Entries are
            stems, or file names or paths of either image.
        pairs: the set that is split.

    Raises:
        DataError: the file is unreadable, a list is empty, an image is named twice, or is not in the set.
    """
    path = Path(path)
    content = None if path.is_dir() or path.suffix.lower() == ".txt" else _content(path)
    if content is None or isinstance(content.get("images"), list):
        lists = {name: _entries(file) for name, file in _files(path).items()}
    else:
        lists = _from_mapping(path, content)
    stems_of = {file.stem: pair.stem for pair in pairs for file in (pair.infrared, pair.visible)}
    subsets = {name: tuple(sorted(_known(path, name, lists[name], pairs, stems_of))) for name in lists}
    seen: dict[str, str] = {}
    for name, stems in subsets.items():
        for stem in stems:
            if stem in seen:
                other = f"in {seen[stem]} and {name}" if seen[stem] != name else f"twice in {name}"
                raise DataError(f"{path}: image {stem!r} stands {other}; every image belongs to one subset")
            seen[stem] = name
    return subsets


def list_files(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the text and COCO lists in a folder: what their names start with -> subset -> file."""
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(folder.iterdir()):
        subset = _subset_of(file)
        if subset is not None and file.is_file():
            found.setdefault(subset[1], {}).setdefault(subset[0], file)
    return found


def _subset_of(file: Path) -> tuple[str, str] | None:
    """Return the subset that a list's name ends in, and what the name starts with."""
    if file.suffix.lower() in (".txt", ".json"):
        for name, words in SUBSET_NAMES.items():
            for word in words:
                if file.stem.casefold().endswith(word):
                    return name, file.stem[: -len(word)].casefold() + file.suffix.lower()
    return None


def _files(path: Path) -> dict[str, Path]:
    """Return subset -> file of the lists that belong to a file or lie in a folder."""
    if path.is_dir():
        found = list_files(path)
        plain = [start for start in found if start in (".txt", ".json")]
        if len(found) > 1 and len(plain) != 1:
            names = ", ".join(file.name for files in found.values() for file in files.values())
            raise DataError(f"{path}: lists of several splits ({names}); name one of the files")
        if not found:
            raise DataError(f"{path}: no lists such as train.txt and test.txt in this folder")
        return found[plain[0] if plain else next(iter(found))]
    subset = _subset_of(path)
    if subset is None:
        raise DataError(f"{path}: the name of a list must end in train, val or test, e.g. m3fd_train.txt")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    return list_files(path.parent)[subset[1]]


def _entries(file: Path) -> list[str]:
    if file.suffix.lower() == ".json":
        content = _content(file)
        try:
            return [str(image["file_name"]) for image in content["images"]]
        except (KeyError, TypeError) as error:
            raise DataError(f"{file}: not COCO labels: no images with a file_name") from error
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as text: {error}") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _known(
    path: Path, name: str, entries: list[str], pairs: PairSet, stems_of: Mapping[str, str]
) -> list[str]:
    if not entries:
        raise DataError(f"{path}: the list {name!r} is empty; leave it out, or name its images")
    stems = [stem if (stem := listed_stem(entry)) in pairs else stems_of.get(stem, stem) for entry in entries]
    unknown = [stem for stem in stems if stem not in pairs]
    if unknown:
        near = difflib.get_close_matches(unknown[0], [pair.stem for pair in pairs], n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise DataError(
            f"{path}: {len(unknown)} image(s) of {name!r} are not in {pairs.root}, first {unknown[0]!r}{hint}"
        )
    return stems


def _content(path: Path) -> Mapping[str, Any]:
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
    return content


def _from_mapping(path: Path, content: Mapping[str, Any]) -> dict[str, list[str]]:
    lists = {}
    for name, words in SUBSET_NAMES.items():
        key = next((word for word in words if word in content), None)
        if key is None or (name == "val" and content[key] == []):  # our own file of a split without val
            continue
        if not isinstance(content[key], list) or not all(isinstance(entry, str) for entry in content[key]):
            raise DataError(f"{path}: {key!r} must be a list of texts (stems or file names)")
        lists[name] = list(content[key])
    if not lists:
        raise DataError(f"{path}: no list 'train'; found the keys {', '.join(map(str, content)) or 'none'}")
    return lists
