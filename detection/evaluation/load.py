"""Read and check ground truth and predictions.

The predictions may come from any program: what it left out or got wrong is named, fields that we do not use
are ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
            ``category_id``, ``bbox``) and ``categories`` (``id``, ``name``). Image ids are whole numbers, or
            all of them texts.

    Raises:
        DataError: the file is missing, is no COCO ground truth, or contradicts itself.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise DataError(f"{path}: expected COCO ground truth, an object with 'images', found {kind(data)}")
    images = Entries.of(path, "image", data.get("images"), "under 'images'")
    categories = Entries.of(path, "category", data.get("categories"), "under 'categories'")
    objects = Entries.of(path, "annotation", data.get("annotations"), "under 'annotations'")
    records = _image_records(images)
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
        category_ids=tuple(sorted_categories),
        classes=tuple(names[i] for i in by_category),
        ids=objects.unique_integers("id"),
        image=_image_positions(objects, records, "under 'images'"),
        category=objects.positions("category_id", sorted_categories, "under 'categories'"),
        boxes=boxes,
        area=area,
        crowd=np.array([bool(item.get("iscrowd", 0)) for item in objects.items], dtype=bool),
    )


def load_predictions(path: Path, truth: GroundTruth) -> Predictions:
    """Read COCO results for the images of ``truth``.

    Args:
        path: JSON list of ``{"image_id", "category_id", "bbox": [x, y, width, height], "score"}``; an empty
            list means that nothing was found. ``image_id`` may be the image's stem in place of its id.
        truth: ground truth whose image and category ids are the only ones allowed.

    Raises:
        DataError: the file is missing, is no list of results, or an entry is wrong.
    """
    description = "of COCO results with image_id, category_id, bbox and score"
    found = Entries.of(path, "prediction", read_json(path), description)
    return Predictions(
        path=path,
        image=_image_positions(found, truth.images, f"of {truth.path}"),
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
        stem = item.get("stem") or PurePath(str(item.get("file_name", key))).stem
        scene, tags = item.get("scene"), item.get("tags") or []
        if not isinstance(tags, list):
            raise DataError(f"{images.path}: 'tags' of image {key} must be a list, found {kind(tags)}")
        records.append(
            ImageRecord(
                id=number if named else key,
                stem=str(stem),
                scene=None if scene is None else str(scene),
                tags=tuple(map(str, tags)),
                name=key if named else "",
            )
        )
    return tuple(records)


def _first(pair: tuple[Any, Mapping[str, Any]]) -> Any:
    return pair[0]


def _image_positions(entries: Entries, images: Sequence[ImageRecord], where: str) -> np.ndarray:
    """Return the position of the image of each entry; a text names an image by its id or its stem.

    Where the ground truth has texts as ids, a number is not accepted: programs that turn ``00012`` into 12
    would be given the twelfth image.
    """
    named = any(image.name for image in images)
    if not named and not any(isinstance(item.get("image_id"), str) for item in entries.items):
        return entries.positions("image_id", [image.id for image in images], where)
    stems = Counter(image.stem for image in images)
    known: dict[str | int, int] = {image.stem: i for i, image in enumerate(images) if stems[image.stem] == 1}
    known |= {image.name if named else image.id: i for i, image in enumerate(images)}
    return entries.lookup("image_id", known, where)
