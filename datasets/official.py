"""Published splits: folders called train and test, or lists beside the images or where the user says.

LLVIP and MSRS come in folders, FLIR-aligned with ``align_train.txt`` and ``align_validation.txt``; lists of
M3FD are other people's files. Where a publication has two parts, its second is what everybody reports,
whatever it is called: it is the test set here.
"""

from __future__ import annotations

from pathlib import Path

from .errors import DataError
from .layout import plain
from .records import Pair, PairSet
from .split_list import SUBSET_NAMES, list_files, read_lists

_LIST_FOLDERS = (".", "ImageSets", "ImageSets/Main")


def official_lists(
    pairs: PairSet, file: Path | str | None = None
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return the published subsets of a set, and what there is to say about them.

    Args:
        pairs: the set.
        file: lists, see :func:`~regionfuse.datasets.split_list.read_lists`; default: the folders train and
            test (and val) that the images lie in, else lists in the folder of the set.

    Returns:
        Sorted stems of train and test, and of val where it is published beside them; and texts.

    Raises:
        DataError: no published split is found, or it has no train or no test part.
    """
    lists = read_lists(file, pairs) if file is not None else _from_folders(pairs) or _from_lists(pairs)
    said: tuple[str, ...] = ()
    if "test" not in lists and "val" in lists:
        lists["test"] = lists.pop("val")
        said = ("the published split has no test part: its validation part is the test set",)
    for name in ("train", "test"):
        if name not in lists:
            raise DataError(
                f"{file or pairs.root}: the published split has no {name} part, found {', '.join(lists)}; "
                "give the folder that holds both parts, or split.file"
            )
    return lists, said


def folder_subset(pair: Pair) -> str | None:
    """Return train, val or test by the names of the folders that the images of a pair lie in.

    Raises:
        DataError: its halves lie in different subsets.
    """
    found = {_subset(pair.infrared), _subset(pair.visible)}
    if len(found) > 1:
        raise DataError(f"{pair.infrared} and {pair.visible} are one pair, but lie in different subsets")
    return found.pop()


def _subset(image: Path) -> str | None:
    for folder in (image.parent, image.parent.parent):  # visible/train/7.png or train/visible/7.png
        for name, words in SUBSET_NAMES.items():
            if plain(folder.name) in words:
                return name
    return None


def _from_folders(pairs: PairSet) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for pair in pairs:
        subset = folder_subset(pair)
        if subset is not None:
            found.setdefault(subset, []).append(pair.stem)
    return {name: tuple(sorted(stems)) for name, stems in found.items()}


def _from_lists(pairs: PairSet) -> dict[str, tuple[str, ...]]:
    for folder in (pairs.root / name for name in _LIST_FOLDERS):
        if folder.is_dir() and any("train" in files for files in list_files(folder).values()):
            return read_lists(folder, pairs)
    raise DataError(
        f"{pairs.root}: no published split found: neither folders called train and test nor lists such as "
        "align_train.txt; give split.file, or another split.kind"
    )
