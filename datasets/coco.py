"""COCO detection labels: ours out (ids from 1, categories by name), foreign files in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import DataError
from .pairing import stem_of
from .records import Box, PairSet
from .storage import write_json

SCHEMA = 2


def ground_truth(
    pairs: PairSet, split: str, stems: Iterable[str], blocks: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the COCO ground truth of some pairs.

    Ids are given over the whole set in stem order, so that an image or object has the same id in the file of
    every split.

    Args:
        pairs: the whole set.
        split: name of the split, kept in ``info``.
        stems: the pairs to include.
        blocks: stem -> name of its block; default: every image is a block of its own.

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
        if pair.stem not in wanted:
            annotation_id += len(pair.boxes)
            continue
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
        for box in pair.boxes:
            annotation_id += 1
            if box.label not in category_ids:
                raise DataError(f"{pair.annotation}: class {box.label!r} is not among {list(pairs.classes)}")
            left, top, right, bottom = box.xyxy
            annotations.append(
                {
                    "id": annotation_id,
                    "image_id": image_id,
                    "category_id": category_ids[box.label],
                    "bbox": [left, top, right - left, bottom - top],
                    "area": box.area,
                    "iscrowd": 0,
                }
            )
    return {
        "info": {"dataset": pairs.name, "split": split, "schema": SCHEMA, "synthetic": pairs.synthetic},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in category_ids.items()],
    }


def write_ground_truth(
    pairs: PairSet,
    split: str,
    stems: Iterable[str],
    path: Path | str,
    blocks: Mapping[str, str] | None = None,
) -> None:
    """Write :func:`ground_truth` to ``path`` as JSON.

    Raises:
        DataError: see :func:`ground_truth`.
        StorageError: the file cannot be written.
    """
    write_json(path, ground_truth(pairs, split, stems, blocks), indent=None)


@dataclass(frozen=True)
class CocoImage:
    """One image of a foreign COCO file; ``scene`` is filled where the file has such a field."""

    stem: str
    width: int
    height: int
    scene: str | None = None


@dataclass(frozen=True)
class CocoLabels:
    """A foreign COCO file, by stem and by class name.

    Attributes:
        classes: category names in the order of their ids.
        images: images in the order of the file.
        boxes: stem -> objects; every image has an entry. Crowd regions and ignored objects are left out.
    """

    classes: tuple[str, ...]
    images: tuple[CocoImage, ...]
    boxes: dict[str, tuple[Box, ...]]


def read_coco_labels(path: Path | str, ending: str = "") -> CocoLabels:
    """Read COCO detection labels; ids may be numbers or strings.

    Args:
        path: JSON file.
        ending: what the file names end with beside the stem, e.g. ``_PreviewData``.

    Raises:
        DataError: the file is unreadable, or lacks a field, or refers to an unknown image or category.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a COCO object with images, annotations and categories")
    try:
        categories = {item["id"]: str(item["name"]) for item in content["categories"]}
        stems = {item["id"]: stem_of(item["file_name"], ending) for item in content["images"]}
        images = tuple(
            CocoImage(
                stems[item["id"]],
                int(item["width"]),
                int(item["height"]),
                None if item.get("scene") is None else str(item["scene"]),
            )
            for item in content["images"]
        )
        boxes: dict[str, list[Box]] = {image.stem: [] for image in images}
        for item in content["annotations"]:
            if item["image_id"] not in stems or item["category_id"] not in categories:
                raise DataError(
                    f"{path}: annotation {item.get('id')} refers to image {item['image_id']!r} and category "
                    f"{item['category_id']!r}, which the file does not define"
                )
            if item.get("iscrowd") or item.get("ignore"):
                continue
            left, top, width, height = (float(value) for value in item["bbox"])
            if not all(map(math.isfinite, (left, top, width, height))):
                raise DataError(f"{path}: annotation {item.get('id')} has a bbox that is not finite")
            box = Box(categories[item["category_id"]], (left, top, left + width, top + height))
            boxes[stems[item["image_id"]]].append(box)
        order = sorted(categories, key=lambda key: (isinstance(key, str), key))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not COCO detection labels: {type(error).__name__} {error}") from error
    return CocoLabels(
        tuple(categories[key] for key in order), images, {stem: tuple(found) for stem, found in boxes.items()}
    )
