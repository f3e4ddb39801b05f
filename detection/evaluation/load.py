"""Read and check ground truth and predictions.

The predictions may come from any program: what it left out or got wrong is named, fields that we do not use
are ignored.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np

from ...datasets.blocks import blocks_by_number
from ...datasets.errors import DataError
from .fields import Entries, kind, read_json
from .records import BACKGROUND, GroundTruth, ImageRecord, Predictions

MOST_BLOCKS: Final = 250
"""More blocks than this are joined with their neighbours for resampling."""


def load_ground_truth(path: Path, blocks: Mapping[str, str] | None = None) -> GroundTruth:
    """Read COCO ground truth.

    Args:
        path: JSON with ``images`` (each with an ``id``), ``annotations`` (``id``, ``image_id``,
            ``category_id``, ``bbox``) and ``categories`` (``id``, ``name``). Image ids are whole numbers, or
            all of them texts. Images of one ``block`` are resampled together; a field ``scene`` is not read,
            as foreign files use that word for many things.
        blocks: block of each image by stem, in place of what the file says. Without either, images with
            successive numbers form a block.

    Raises:
        DataError: the file is missing, is no COCO ground truth, or contradicts itself.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise DataError(f"{path}: expected COCO ground truth, an object with 'images', found {kind(data)}")
    images = Entries.of(path, "image", data.get("images"), "under 'images'")
    categories = Entries.of(path, "category", data.get("categories"), "under 'categories'")
    objects = Entries.of(path, "annotation", data.get("annotations"), "under 'annotations'")
    records, block_names, origin = _with_blocks(path, _image_records(images), images, blocks)
    by_category = np.argsort(category_ids := categories.unique_integers("id"))
    names = [str(name) for name in categories.column("name")]
    if not names:
        raise DataError(f"{path}: 'categories' is empty; without class names nothing can be evaluated")
    if len(set(names)) < len(names) or BACKGROUND in names:
        raise DataError(f"{path}: class names must differ, and from {BACKGROUND!r}, found {', '.join(names)}")
    sorted_categories = category_ids[by_category].tolist()
    boxes = objects.boxes()
    area = boxes[:, 2] * boxes[:, 3]
    if any("area" in item for item in objects.items):
        area = objects.numbers("area", 0, np.finfo(np.float64).max, "a finite number >= 0")
    return GroundTruth(
        path=path,
        images=records,
        blocks=block_names,
        block_origin=origin,
        category_ids=tuple(sorted_categories),
        classes=tuple(names[i] for i in by_category),
        ids=objects.unique_integers("id"),
        image=_image_positions(objects, records, "under 'images'"),
        category=objects.positions("category_id", sorted_categories, "under 'categories'"),
        boxes=boxes,
        area=area,
        ignore=np.array(
            [bool(item.get("iscrowd") or item.get("ignore")) for item in objects.items], dtype=bool
        ),
        visibility=np.array([str(item.get("visibility") or "") for item in objects.items], dtype=object),
    )


def by_image(truth: GroundTruth) -> GroundTruth:
    """Return the same ground truth with every image as a block of its own."""
    images = tuple(replace(image, block=position) for position, image in enumerate(truth.images))
    return replace(truth, images=images, blocks=tuple(i.stem for i in images), block_origin="images")


def join_blocks(truth: GroundTruth, most: int = MOST_BLOCKS) -> GroundTruth:
    """Return the same ground truth with neighbouring blocks joined until there are at most ``most``.

    What leaving out a block costs grows with the square of their number, and beyond a few hundred an interval
    gains nothing from more of them.
    """
    number = len(truth.blocks)
    if number <= most:
        return truth
    joined = [position * most // number for position in range(number)]
    members: dict[int, list[str]] = {}
    for name, position in zip(truth.blocks, joined, strict=True):
        members.setdefault(position, []).append(name)
    names = tuple(f"{m[0]} to {m[-1]}" if len(m) > 1 else m[0] for m in members.values())
    images = tuple(replace(image, block=joined[image.block]) for image in truth.images)
    return replace(truth, images=images, blocks=names)


def read_blocks(path: Path) -> dict[str, str]:
    """Read a CSV file with the columns ``image`` (stem or file name) and ``block``.

    Raises:
        DataError: the file is unreadable or lacks a column, or an image stands in two blocks.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"{path}: cannot be read as CSV ({error}); expected the columns image,block"
        ) from error
    if not rows or not {"image", "block"} <= set(rows[0]):
        found = ", ".join(map(str, rows[0])) if rows else "no rows"
        raise DataError(f"{path}: expected the columns image,block and at least one row, found {found}")
    blocks: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        stem, block = _stem(row["image"] or ""), row["block"]
        if not stem or not block:
            raise DataError(f"{path}: line {number} needs an image and a block, found {_listed(row)}")
        if blocks.setdefault(stem, block) != block:
            raise DataError(f"{path}: image {stem!r} stands in two blocks; every image belongs to one")
    return blocks


def load_predictions(path: Path, truth: GroundTruth) -> Predictions:
    """Read COCO results for the images of ``truth``.

    Args:
        path: JSON list of ``{"image_id", "category_id", "bbox": [x, y, width, height], "score"}``; an empty
            list means that nothing was found. ``image_id`` may be the image's stem in place of its id, and
            where every entry has a ``file_name``, as in Ultralytics' ``predictions.json``, that counts.
        truth: ground truth whose image and category ids are the only ones allowed.

    Raises:
        DataError: the file is missing, is no list of results, or an entry is wrong.
    """
    description = "of COCO results with image_id, category_id, bbox and score"
    found = Entries.of(path, "prediction", read_json(path), description)
    if found.items and all("file_name" in item for item in found.items):
        files = [{"file_name": _stem(str(item["file_name"]))} for item in found.items]
        names = Entries(path, found.what, files)
        image = names.lookup("file_name", _by_stem(truth.images), f"of an image of {truth.path}")
    else:
        image = _image_positions(found, truth.images, f"of {truth.path}")
    return Predictions(
        path=path,
        image=image,
        category=found.positions("category_id", truth.category_ids, f"of {truth.path}"),
        boxes=found.boxes(),
        scores=found.numbers("score", 0, 1, "a number from 0 to 1"),
    )


def _image_records(images: Entries) -> tuple[ImageRecord, ...]:
    """Return the images sorted by id; ids that are texts are numbered from 1 in their order."""
    named = any(isinstance(value, str) for value in images.column("id"))
    keys = images.unique_texts("id") if named else images.unique_integers("id").tolist()
    records = []
    for number, (key, item) in enumerate(sorted(zip(keys, images.items, strict=True), key=_first), start=1):
        tags = item.get("tags") or []
        if not isinstance(tags, list):
            raise DataError(f"{images.path}: 'tags' of image {key} must be a list, found {kind(tags)}")
        records.append(
            ImageRecord(
                id=number if named else key,
                stem=str(item.get("stem") or _stem(str(item.get("file_name", key)))),
                tags=tuple(map(str, tags)),
                width=_side(item.get("width")),
                height=_side(item.get("height")),
                name=key if named else "",
            )
        )
    return tuple(records)


def _with_blocks(
    path: Path, records: tuple[ImageRecord, ...], images: Entries, given: Mapping[str, str] | None
) -> tuple[tuple[ImageRecord, ...], tuple[str, ...], str]:
    """Return the images with their blocks, the names of the blocks, and where they come from."""
    if given is not None:
        missing = [image.stem for image in records if image.stem not in given]
        if missing:
            raise DataError(
                f"{path}: {len(missing)} image(s) have no block in the given list, first {missing[0]!r}; "
                "name the block of every image"
            )
        names, origin = [given[image.stem] for image in records], "given"
    elif records and all(isinstance(item.get("block"), str) for item in images.items):
        stored = dict(zip(images.column("id"), images.column("block"), strict=True))
        names, origin = [stored[image.name or image.id] for image in records], "file"
    else:
        guessed = blocks_by_number([image.stem for image in records])
        names, origin = [guessed[image.stem] for image in records], "numbers"
    known = {name: position for position, name in enumerate(dict.fromkeys(names))}
    placed = tuple(replace(image, block=known[name]) for image, name in zip(records, names, strict=True))
    return placed, tuple(known), origin


def _by_stem(images: Sequence[ImageRecord]) -> dict[str | int, int]:
    """Return the position of each image by its stem; a stem that several images share names none."""
    stems = Counter(image.stem for image in images)
    return {image.stem: i for i, image in enumerate(images) if stems[image.stem] == 1}


def _side(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 < value < 1e9 else 0


def _listed(row: Mapping[str, str | None]) -> str:
    return ", ".join(str(value) for value in row.values() if value) or "nothing"


def _stem(name: str) -> str:
    return PurePath(name.replace("\\", "/")).stem


def _first(pair: tuple[Any, Mapping[str, Any]]) -> Any:
    return pair[0]


def _image_positions(entries: Entries, images: Sequence[ImageRecord], where: str) -> np.ndarray:
    """Return the position of the image of each entry; a text names an image by its id or its stem.

    Where the ground truth has texts as ids, a number is not accepted: programs that turn ``00012`` into 12
    would be given the twelfth image.
    """
    named = any(image.name for image in images)
    if not named and str not in set(map(type, entries.column("image_id"))):
        return entries.positions("image_id", [image.id for image in images], where)
    known = _by_stem(images)
    known |= {image.name if named else image.id: i for i, image in enumerate(images)}
    return entries.lookup("image_id", known, where)
