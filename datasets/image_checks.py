"""The doctor's look at the images: unreadable, unequal, repeated, turned, 16-bit, bordered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .findings import Findings
from .inspection import BORDER_SHARE, ImageFacts, inspect_image
from .pairing import Matching

Progress = Callable[[int, int, str], None]


def check_images(
    matching: Matching, found: Findings, progress: Progress | None
) -> dict[str, tuple[int, int]]:
    """Inspect all halves; return stem -> (width, height) of the pairs that are sound."""
    files = [path for pair in matching.pairs.values() for path in pair]
    facts: list[ImageFacts] = []
    with ThreadPoolExecutor(max_workers=4) as pool:
        for number, each in enumerate(pool.map(inspect_image, files), start=1):
            facts.append(each)
            if progress is not None:
                progress(number, len(files), "examine images")
    infrared, visible = facts[::2], facts[1::2]
    for each in facts:
        if each.error is not None:
            found.add("error", "unreadable", "unreadable images", each.error, [each.path])
        if each.border >= BORDER_SHARE:
            example = f"{each.path} ({100 * each.border:.1f} % of the image)"
            found.add(
                "info", "black-border", "images with black borders of registration", example, [each.path]
            )
        if each.orientation != 1:
            what = "images that EXIF asks to turn, used as stored here but turned by other programs"
            example = f"{each.path} (orientation {each.orientation})"
            found.add("warning", "exif-orientation", what, example, [each.path])
    for each in infrared:
        if each.bits == 16:
            what = "16-bit infrared images, each stretched between its own percentiles"
            found.add("warning", "16-bit", what, str(each.path), [each.path])
        if each.error is None and not each.grey:
            what = "infrared images with colour, reduced to luminance (false colours carry no temperature)"
            found.add("warning", "coloured-infrared", what, str(each.path), [each.path])
    for each in visible:
        if each.bits == 16:
            found.add("info", "16-bit-visible", "16-bit visible images", str(each.path), [each.path])
        if each.error is None and each.grey:
            found.add("info", "grey-visible", "visible images without colour", str(each.path), [each.path])
    _check_duplicates(infrared, "infrared", found)
    _check_duplicates(visible, "visible", found)
    sizes = {}
    for stem, one, two in zip(matching.pairs, infrared, visible, strict=True):
        if one.error is not None or two.error is not None:
            continue
        if one.size != two.size:
            example = (
                f"{one.path} is {one.size[0]} x {one.size[1]}, {two.path} is {two.size[0]} x {two.size[1]}"
            )
            what = "pairs whose halves differ in size"
            found.add("error", "size-mismatch", what, example, [one.path, two.path])
            continue
        if one.pixels == two.pixels:
            what = "pairs whose halves are the same image"
            found.add("warning", "same-halves", what, f"{one.path} and {two.path}", [one.path, two.path])
        sizes[stem] = one.size
    return sizes


def _check_duplicates(facts: Sequence[ImageFacts], modality: str, found: Findings) -> None:
    groups: dict[str, list[Path]] = {}
    for each in facts:
        if each.error is None:
            groups.setdefault(each.pixels, []).append(each.path)
    for paths in groups.values():
        if len(paths) > 1:
            what = f"groups of {modality} images with the same pixels"
            example = ", ".join(path.name for path in paths[:4])
            found.add("warning", f"duplicate-{modality}", what, example, paths)
