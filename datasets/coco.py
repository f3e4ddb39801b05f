"""COCO detection labels: ours out (ids from 1, categories by name), foreign files in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import DataError
from .pairing import stem_of
from .records import Box, Pair, PairSet
from .storage import write_json
from .visibility import ObjectVisibility

SCHEMA = 2


def ground_truth(
    pairs: PairSet,
    split: str,
    stems: Iterable[str],
    blocks: Mapping[str, str] | None = None,
    *,
    visibility: Mapping[str, Sequence[ObjectVisibility]] | None = None,
) -> dict[str, Any]:
    """Return the COCO ground truth of some pairs.

    Ids are given over the whole set in stem order, so that an image or object has the same id in the file of
    every split. Regions to be ignored have ``iscrowd: 1``: of a class of the set one annotation of that
    class, of a class that is ignored as a whole one annotation of every class.

    Args:
        pairs: the whole set.
        split: name of the split, kept in ``info``.
        stems: the pairs to include.
        blocks: stem -> name of its block; default: every image is a block of its own.
        visibility: how well each box of a stem is seen, see :func:`~.visibility.visibility_of`; written to
            the annotations when given.

    Raises:
        DataError: a stem is not in the set, or a box has a class that the set does not list.
    """
    wanted = set(stems)
    pairs.select(wanted)  # complains about stems that are not there
    category_ids = {name: number for number, name in enumerate(pairs.classes, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    annotation_id = 0
    for image_id, pair in enumerate(sorted(pairs, key=lambda pair: pair.stem), start=1):
        if pair.stem in wanted:
            images.append(
                {
                    "id": image_id,
                    "file_name": f"{pair.stem}.png",
                    "stem": pair.stem,
                    "width": pair.width,
                    "height": pair.height,
                    "scene": pair.scene,
                    "block": (blocks or {}).get(pair.stem, pair.stem),
                    "tags": list(pair.tags),
                }
            )
        seen = (visibility or {}).get(pair.stem, ())
        for number, box in enumerate(pair.boxes):
            for category in _categories(pair, box, category_ids):
                annotation_id += 1
                if pair.stem not in wanted:
                    continue
                left, top, right, bottom = box.xyxy
                annotation = {
                    "id": annotation_id,
                    "image_id": image_id,
                    "category_id": category,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": box.area,
                    "iscrowd": int(box.ignore),
                }
                annotations.append(annotation | (seen[number].to_dict() if seen else {}))
    return {
        "info": {"dataset": pairs.name, "split": split, "schema": SCHEMA, "synthetic": pairs.synthetic},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in category_ids.items()],
    }


def _categories(pair: Pair, box: Box, category_ids: Mapping[str, int]) -> tuple[int, ...]:
    """Return the ids of the categories that a box is an annotation of."""
    if box.label in category_ids:
        return (category_ids[box.label],)
    if box.ignore:
        return tuple(category_ids.values())
    raise DataError(f"{pair.annotation}: class {box.label!r} is not among {list(category_ids)}")


def write_ground_truth(
    pairs: PairSet,
    split: str,
    stems: Iterable[str],
    path: Path | str,
    blocks: Mapping[str, str] | None = None,
    *,
    visibility: Mapping[str, Sequence[ObjectVisibility]] | None = None,
) -> None:
    """Write :func:`ground_truth` to ``path`` as JSON.

    Raises:
        DataError: see :func:`ground_truth`.
        StorageError: the file cannot be written.
    """
    write_json(path, ground_truth(pairs, split, stems, blocks, visibility=visibility), indent=None)


@dataclass(frozen=True)
class CocoLabels:
    """A foreign COCO file, by stem and by class name.

    Attributes:
        classes: category names in the order of their ids.
        sizes: stem -> (width, height) that the file claims, in the order of the file.
        boxes: stem -> objects, and regions to be ignored (``iscrowd``, ``ignore``); every image has an entry.
    """

    classes: tuple[str, ...]
    sizes: dict[str, tuple[int, int]]
    boxes: dict[str, tuple[Box, ...]]


def read_coco_labels(path: Path | str, ending: str = "") -> CocoLabels:
    """Read COCO detection labels; ids may be numbers or strings.

    Args:
        path: JSON file.
        ending: what the file names end with beside the stem, e.g. ``_PreviewData``.

    Raises:
        DataError: the file is unreadable, or lacks a field, or refers to an unknown image or category, or
            two of its images have the same stem.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a COCO object with images, annotations and categories")
    try:
        categories = {item["id"]: str(item["name"]) for item in content["categories"]}
        names = {item["id"]: item["file_name"].replace("\\", "/") for item in content["images"]}
        stems = {key: stem_of(name, ending) for key, name in names.items()}
        _require_one_name_each(path, names, stems)
        sizes = {stems[item["id"]]: (int(item["width"]), int(item["height"])) for item in content["images"]}
        boxes: dict[str, list[Box]] = {stem: [] for stem in sizes}
        for item in content["annotations"]:
            if item["image_id"] not in stems or item["category_id"] not in categories:
                raise DataError(
                    f"{path}: annotation {item.get('id')} refers to image {item['image_id']!r} and category "
                    f"{item['category_id']!r}, which the file does not define"
                )
            left, top, width, height = (float(value) for value in item["bbox"])
            if not all(map(math.isfinite, (left, top, width, height))):
                raise DataError(f"{path}: annotation {item.get('id')} has a bbox that is not finite")
            boxes[stems[item["image_id"]]].append(
                Box(
                    categories[item["category_id"]],
                    (left, top, left + width, top + height),
                    ignore=bool(item.get("iscrowd") or item.get("ignore")),
                )
            )
        order = sorted(categories, key=lambda key: (isinstance(key, str), key))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not COCO detection labels: {type(error).__name__} {error}") from error
    classes = tuple(dict.fromkeys(categories[key] for key in order))
    return CocoLabels(classes, sizes, {stem: tuple(found) for stem, found in boxes.items()})


def _require_one_name_each(path: Path | str, names: Mapping[Any, str], stems: Mapping[Any, str]) -> None:
    """Refuse two files of one stem, whose boxes would land on one image."""
    first: dict[str, str] = {}
    for key, name in names.items():
        other = first.setdefault(stems[key], name)
        if other != name:
            raise DataError(
                f"{path}: the images {other!r} and {name!r} have the same stem {stems[key]!r}; "
                "give labels in which every image has its own, e.g. of one modality only"
            )
