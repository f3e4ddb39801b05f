"""Run a detector on images and write COCO results in the pixels of the original images."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.ops import nms

from ..datasets.classes import unknown_class
from ..datasets.errors import ConfigError, DetectorError
from ..datasets.images import image_size, read_rgb8
from ..datasets.storage import write_json
from .checkpoint import read_detector
from .device import pick_device
from .recipe import DetectorRecipe
from .yolo import DetectionModel, LetterBox, non_max_suppression, scale_boxes

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
_CPU_BATCH = 8  # larger batches leave the caches of a processor and gain nothing
_NO_TIME_LIMIT = 1e9  # Ultralytics stops suppressing after some seconds and drops the rest of the batch


def predict_images(
    weights: Path | str,
    image_of: Sequence[tuple[int, Path]],
    categories: Mapping[str, int],
    recipe: DetectorRecipe,
    out: Path,
    *,
    progress: Progress | None = None,
) -> Path:
    """Detect objects and write them as a COCO results list.

    Classes of the detector are mapped to category ids by ``recipe.class_map`` and else by name; predictions
    of classes that have no category are dropped, with a warning.

    Args:
        weights: ``.safetensors`` of ours or ``.pt`` of Ultralytics.
        image_of: image id and path of every image.
        categories: category id by class name.
        recipe: image size, thresholds, class map, device.
        out: JSON file, written in full or not at all: ``{image_id, category_id, bbox [left, top, width,
            height] in pixels of the original image, score}``, sorted by image, falling score, category.
        progress: called with (images done, images, message).

    Returns:
        ``out``.

    Raises:
        DetectorError: no weights, or no class in common.
        ConfigError: the class map names a class that the detector or the data set does not have.
        CheckpointError: unsafe or damaged weights.
        DataError: an image cannot be read.
    """
    model, names = read_detector(Path(weights))
    ids = category_ids(names, categories, recipe.class_map, Path(weights))
    _warn_about_classes(names, ids, categories, Path(weights))
    device = pick_device(recipe.device)
    model = model.to(device).eval().fuse(verbose=False)
    rows = predict_rows(model, image_of, ids, recipe, device, progress=progress)
    write_json(out, rows, indent=None)
    return out


def predict_rows(
    model: DetectionModel,
    image_of: Sequence[tuple[int, Path]],
    category_ids: Sequence[int | None],
    recipe: DetectorRecipe,
    device: torch.device,
    *,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Return the COCO results of ``model``, in evaluation mode on ``device``; see :func:`predict_images`.

    Args:
        category_ids: category id of each output of the model; None drops the class.
    """
    rows: list[dict[str, Any]] = []
    done = 0
    for batch in _batches(image_of, recipe, device):
        images = [read_rgb8(path) for _, path in batch]
        boxes = detect(model, images, recipe, device)
        for (image_id, _), found in zip(batch, boxes, strict=True):
            rows += _coco_rows(_one_each(found, category_ids, recipe.nms_iou), image_id, category_ids)
        done += len(batch)
        if progress is not None:
            progress(done, len(image_of), f"detect image {done}/{len(image_of)}")
    return sorted(rows, key=lambda row: (row["image_id"], -row["score"], row["category_id"], row["bbox"]))


def detect(
    model: DetectionModel, images: Sequence[np.ndarray], recipe: DetectorRecipe, device: torch.device
) -> list[np.ndarray]:
    """Detect objects in images of one size.

    Args:
        images: uint8 ``H x W x 3`` RGB, all of the same size.

    Returns:
        For each image float64, shape (N, 6): left, top, right, bottom in pixels of the image, clipped to it;
        score; output index of the class. Highest score first.
    """
    stride = max(int(model.stride.max()), 32)
    letterbox = LetterBox((recipe.image_size, recipe.image_size), auto=True, stride=stride)
    padded = np.stack([letterbox(image=np.ascontiguousarray(image)) for image in images])
    batch = torch.from_numpy(padded).to(device).permute(0, 3, 1, 2).contiguous().float() / 255
    with torch.no_grad():
        raw = model(batch)
        found = non_max_suppression(
            raw,
            conf_thres=recipe.confidence,
            iou_thres=recipe.nms_iou,
            multi_label=recipe.multi_label,
            max_det=recipe.max_detections,
            nc=len(model.names),
            max_time_img=_NO_TIME_LIMIT,
            end2end=bool(getattr(model, "end2end", False)),
        )
    shape = batch.shape[2:]
    results = []
    for boxes, image in zip(found, images, strict=True):
        boxes = boxes.double().cpu()
        boxes[:, :4] = scale_boxes(shape, boxes[:, :4], image.shape)
        results.append(boxes[:, :6].numpy())
    return results


def _coco_rows(found: np.ndarray, image_id: int, category_ids: Sequence[int | None]) -> list[dict[str, Any]]:
    rows = []
    for left, top, right, bottom, score, index in found.tolist():
        category = category_ids[int(index)]
        box = [round(value, 3) for value in (left, top, right - left, bottom - top)]
        if category is not None and box[2] > 0 and box[3] > 0:
            rows.append(
                {"image_id": image_id, "category_id": category, "bbox": box, "score": round(score, 5)}
            )
    return rows


def _batches(
    image_of: Sequence[tuple[int, Path]], recipe: DetectorRecipe, device: torch.device
) -> Iterator[list[tuple[int, Path]]]:
    """Group images of equal size, so that a batch needs no padding beyond the letterbox."""
    size = recipe.batch_size if device.type != "cpu" else min(recipe.batch_size, _CPU_BATCH)
    groups: dict[tuple[int, int], list[tuple[int, Path]]] = defaultdict(list)
    for image_id, path in image_of:
        groups[image_size(path)].append((image_id, path))
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def category_ids(
    names: Sequence[str], categories: Mapping[str, int], class_map: Mapping[str, str], path: Path
) -> list[int | None]:
    """Return the category id of each output of a detector; None: the data set has no such class.

    Names are compared without case and surrounding blanks.

    Args:
        names: the detector's classes in the order of its outputs.
        categories: category id by class name.
        class_map: detector's class -> data set's class, for names that differ.
        path: the detector, for messages.

    Raises:
        ConfigError: the class map names a class that one of them does not have.
        DetectorError: no class in common.
    """
    by_name = {_folded(name): category for name, category in categories.items()}
    known = {_folded(name) for name in names}
    mapped = {}
    for own, target in class_map.items():
        if _folded(own) not in known:
            raise ConfigError(f"detector.class_map: {path}: {unknown_class(own, names)}")
        if _folded(target) not in by_name:
            raise ConfigError(f"detector.class_map: {own}: the data set: {unknown_class(target, categories)}")
        mapped[_folded(own)] = by_name[_folded(target)]
    ids = [mapped.get(_folded(name), by_name.get(_folded(name))) for name in names]
    if not any(ids):
        raise DetectorError(
            f"{path}: its classes ({', '.join(names[:6])}) and the data set's ({', '.join(categories)}) "
            "have no name in common; give a detector trained on these classes, or detector.class_map "
            "{detector's class: data set's class}"
        )
    return ids


def _folded(name: str) -> str:
    return name.strip().casefold()


def _warn_about_classes(
    names: Sequence[str], ids: Sequence[int | None], categories: Mapping[str, int], path: Path
) -> None:
    unknown = [name for name, category in zip(names, ids, strict=True) if category is None]
    if unknown:
        logger.warning(
            "%s: predictions of %d classes that the data set does not have are dropped (%s)",
            path, len(unknown), ", ".join(unknown[:6]),
        )  # fmt: skip
    missing = [name for name, category in categories.items() if category not in ids]
    if missing:
        logger.warning(
            "%s: cannot name the classes %s of the data set, their AP will be 0 (detector.class_map maps "
            "classes of other names)",
            path,
            ", ".join(missing),
        )


def _one_each(found: np.ndarray, ids: Sequence[int | None], iou: float) -> np.ndarray:
    """Suppress what several outputs of one category (``car`` and ``van`` for ``Car``) found at one place.

    Args:
        found: rows of :func:`detect`, highest score first.
        ids: category id of each output.
        iou: predictions of one category that overlap more are suppressed.
    """
    several = [category for category in set(ids) if category is not None and ids.count(category) > 1]
    if not several or not len(found):
        return found
    category = np.array([-1 if each is None else each for each in ids])[found[:, 5].astype(int)]
    kept = np.ones(len(found), dtype=bool)
    for each in several:
        rows = np.flatnonzero(category == each)
        boxes, scores = torch.from_numpy(found[rows, :4]), torch.from_numpy(found[rows, 4])
        kept[rows] = False
        kept[rows[nms(boxes, scores, iou).numpy()]] = True
    return found[kept]
