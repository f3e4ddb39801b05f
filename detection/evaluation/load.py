"""Read and check ground truth and predictions.

The predictions may come from any program: what it left out or got wrong is named, fields that we do not use
are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ...datasets.errors import DataError
from .fields import Entries, kind, read_json
from .records import BACKGROUND, GroundTruth, ImageRecord, Predictions


def load_ground_truth(path: Path) -> GroundTruth:
    """Read COCO ground truth.

    Args:
        path: JSON with ``images`` (each with an ``id``), ``annotations`` (``id``, ``image_id``,
            ``category_id``, ``bbox``) and ``categories`` (``id``, ``name``).

    Raises:
        DataError: the file is missing, is no COCO ground truth, or contradicts itself.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise DataError(f"{path}: expected COCO ground truth, an object with 'images', found {kind(data)}")
    images = Entries.of(path, "image", data.get("images"), "under 'images'")
    categories = Entries.of(path, "category", data.get("categories"), "under 'categories'")
    objects = Entries.of(path, "annotation", data.get("annotations"), "under 'annotations'")
    by_image = np.argsort(image_ids := images.unique_integers("id"))
    by_category = np.argsort(category_ids := categories.unique_integers("id"))
    names = [str(name) for name in categories.column("name")]
    if not names:
        raise DataError(f"{path}: 'categories' is empty; without class names nothing can be evaluated")
    if len(set(names)) < len(names) or BACKGROUND in names:
        raise DataError(f"{path}: class names must differ, and from {BACKGROUND!r}, found {', '.join(names)}")
    sorted_images, sorted_categories = image_ids[by_image].tolist(), category_ids[by_category].tolist()
    boxes = objects.boxes()
    area = boxes[:, 2] * boxes[:, 3]
    if any("area" in item for item in objects.items):
        area = objects.numbers("area", 0, np.finfo(np.float64).max, "a finite number >= 0")
    return GroundTruth(
        path=path,
        images=tuple(_image_record(path, images.items[i]) for i in by_image),
        category_ids=tuple(sorted_categories),
        classes=tuple(names[i] for i in by_category),
        ids=objects.unique_integers("id"),
        image=objects.positions("image_id", sorted_images, "under 'images'"),
        category=objects.positions("category_id", sorted_categories, "under 'categories'"),
        boxes=boxes,
        area=area,
        crowd=np.array([bool(item.get("iscrowd", 0)) for item in objects.items], dtype=bool),
    )


def load_predictions(path: Path, truth: GroundTruth) -> Predictions:
    """Read COCO results for the images of ``truth``.

    Args:
        path: JSON list of ``{"image_id", "category_id", "bbox": [x, y, width, height], "score"}``; an empty
            list means that nothing was found. ``image_id`` may be the image's stem in place of its number.
        truth: ground truth whose image and category ids are the only ones allowed.

    Raises:
        DataError: the file is missing, is no list of results, or an entry is wrong.
    """
    description = "of COCO results with image_id, category_id, bbox and score"
    found = Entries.of(path, "prediction", read_json(path), description)
    by_number = _stems_to_ids(found, truth)
    return Predictions(
        path=path,
        image=by_number.positions("image_id", [image.id for image in truth.images], f"of {truth.path}"),
        category=found.positions("category_id", truth.category_ids, f"of {truth.path}"),
        boxes=found.boxes(),
        scores=found.numbers("score", 0, 1, "a number from 0 to 1"),
    )


def _image_record(path: Path, item: Mapping[str, Any]) -> ImageRecord:
    stem = item.get("stem") or PurePath(str(item.get("file_name", item["id"]))).stem
    scene, tags = item.get("scene"), item.get("tags") or []
    if not isinstance(tags, list):
        raise DataError(f"{path}: 'tags' of image {item['id']} must be a list, found {kind(tags)}")
    return ImageRecord(item["id"], str(stem), None if scene is None else str(scene), tuple(map(str, tags)))


def _stems_to_ids(found: Entries, truth: GroundTruth) -> Entries:
    """Replace image ids that are texts by the ids of the stems they name; a text means nothing else."""
    if not any(isinstance(item.get("image_id"), str) for item in found.items):
        return found
    ids: dict[Any, int] = {image.stem: image.id for image in truth.images}
    items = [
        {**item, "image_id": ids.get(item["image_id"], item["image_id"])}
        if isinstance(item.get("image_id"), str)
        else item
        for item in found.items
    ]
    return Entries(found.path, found.what, items)
