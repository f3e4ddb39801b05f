"""Which infrared file belongs to which visible file: by stem."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .errors import DataError
from .layout import IMAGE_EXTENSIONS, Layout

# A word for the modality at either end of the stem, as in IR_07.png with VIS_07.png; used only when no two
# stems are equal as they stand.
_MODALITY = re.compile(
    r"^(?:infrared|visible|thermal|vis|rgb|ir|vi)[_\- ]?(?=.)"
    r"|(?<=.)[_\- ](?:infrared|visible|thermal|previewdata|vis|rgb|ir|vi)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Matching:
    """Result of matching two lists of files.

    Attributes:
        pairs: stem -> (infrared file, visible file), sorted by stem.
        only_infrared: infrared files without a visible half.
        only_visible: visible files without an infrared half.
        ambiguous: groups of files of one modality that share a stem, e.g. ``7.png`` and ``7.jpg``.
    """

    pairs: dict[str, tuple[Path, Path]]
    only_infrared: tuple[Path, ...]
    only_visible: tuple[Path, ...]
    ambiguous: tuple[tuple[Path, ...], ...]


def match(layout: Layout) -> Matching:
    """Match the images of a layout by stem.

    Raises:
        DataError: a folder cannot be listed.
    """
    infrared = _by_stem(layout.infrared, layout.infrared_ending, layout.infrared == layout.visible)
    visible = _by_stem(layout.visible, layout.visible_ending, layout.infrared == layout.visible)
    if not infrared.keys() & visible.keys():
        infrared, visible = _without_modality(infrared), _without_modality(visible)
    common = sorted(infrared.keys() & visible.keys())
    return Matching(
        pairs={stem: (infrared[stem][0], visible[stem][0]) for stem in common},
        only_infrared=tuple(infrared[stem][0] for stem in sorted(infrared.keys() - visible.keys())),
        only_visible=tuple(visible[stem][0] for stem in sorted(visible.keys() - infrared.keys())),
        ambiguous=tuple(
            tuple(files) for side in (infrared, visible) for files in side.values() if len(files) > 1
        ),
    )


def complete_pairs(layout: Layout, matching: Matching) -> dict[str, tuple[Path, Path]]:
    """Return the pairs of an unambiguous matching.

    Raises:
        DataError: two files of one modality share a stem, or there is no complete pair.
    """
    if matching.ambiguous:
        files = matching.ambiguous[0]
        raise DataError(
            f"{files[0]} and {files[1].name} share a stem ({len(matching.ambiguous)} such case(s)); "
            "keep one of them"
        )
    if not matching.pairs:
        raise DataError(
            f"{layout.root}: no complete pair: {_described(layout.infrared, matching.only_infrared)} and "
            f"{_described(layout.visible, matching.only_visible)}; both halves need the same file name "
            f"(extension aside: {' '.join(IMAGE_EXTENSIONS)})"
        )
    return matching.pairs


def image_files(folder: Path) -> list[Path]:
    """Return the image files of a folder by extension, without hidden ones, sorted by name.

    Raises:
        DataError: the folder cannot be listed.
    """
    try:
        return sorted(
            entry
            for entry in folder.iterdir()
            if entry.suffix.lower() in IMAGE_EXTENSIONS
            and not entry.name.startswith(".")
            and not entry.is_dir()
        )
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror or error}") from error


def stem_of(name: str, ending: str = "") -> str:
    """Return the stem of a file name, without ``ending``.

    Unicode is composed (NFC): file systems differ in how they spell accents, and both halves must agree.
    """
    stem = unicodedata.normalize("NFC", Path(name).stem)
    return stem[: -len(ending)] if ending and stem.endswith(ending) and stem != ending else stem


def listed_stem(entry: str) -> str:
    """Return the stem of an image that a list names by its stem, its file name or a path (of any system)."""
    name = PurePosixPath(entry.strip().replace("\\", "/")).name
    return stem_of(name) if name.lower().endswith(IMAGE_EXTENSIONS) else name


def without_modality(stem: str) -> str:
    """Return a stem without the word for the modality at an end: ``07`` for ``IR_07`` and ``07_vis``."""
    return _MODALITY.sub("", stem, count=1)


def _by_stem(folders: Iterable[Path], ending: str, ending_needed: bool) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in folders:
        for path in image_files(folder):
            if ending_needed and not stem_of(path.name).endswith(ending):
                continue
            found.setdefault(stem_of(path.name, ending), []).append(path)
    return found


def _without_modality(files: dict[str, list[Path]]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for stem, paths in files.items():
        found.setdefault(without_modality(stem), []).extend(paths)
    return found


def _described(folders: tuple[Path, ...], unmatched: tuple[Path, ...]) -> str:
    names = ", ".join(str(folder) for folder in folders)
    if not unmatched:
        return f"{names} holds no images"
    return f"{names} holds {len(unmatched)} image(s) such as {unmatched[0].name}"
