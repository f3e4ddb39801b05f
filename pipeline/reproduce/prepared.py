"""Pairs made ready for an experiment: cropped or shrunk, their contrast changed, written as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from ...datasets.records import Box, Pair, PairSet
from ...datasets.storage import write_json
from ..store import Progress, Unit
from .material import Material


def enhance(image: np.ndarray, strength: float) -> np.ndarray:
    """Raise the contrast of an image: ``I' = clip(k (I - 0.5) + 0.5, 0, 1)`` (main paper, Section 4.2).

    Args:
        image: float, any shape, in [0, 1].
        strength: k; 1 changes nothing.
    """
    return np.clip(strength * (image - 0.5) + 0.5, 0.0, 1.0)


def prepare_unit(
    material: Material,
    pairs: PairSet,
    *,
    crop: tuple[int, int] | None = None,
    side: int | None = None,
    strength: float = 1.0,
) -> Unit:
    """Write the pairs as 8-bit PNG; result: ``infrared/``, ``visible/`` and ``pairs.json``.

    The contrast is raised in the visible image alone, each of R, G and B: it stands for uneven light, which
    the infrared camera does not see.

    Args:
        material: hashes of the files.
        pairs: the pairs.
        crop: width and height of the centre that is kept; boxes must not be needed then.
        side: longer side to which larger pairs are shrunk, with their boxes.
        strength: k of :func:`enhance`.
    """
    params = {
        "images": material.digest(pairs.pairs),
        "boxes": [[asdict(box) for box in pair.boxes] for pair in pairs],
        "crop": crop,
        "side": side,
        "strength": strength,
    }

    def action(work: Path, progress: Progress) -> None:
        from ...datasets.images import write_png

        kept = []
        for done, pair in enumerate(pairs, start=1):
            visible, infrared, boxes = _read(pair, crop, side)
            visible = enhance(visible, strength)
            for name, image in (("visible", visible), ("infrared", infrared)):
                write_png(work / name / f"{pair.stem}.png", np.rint(image * 255).astype(np.uint8))
            height, width = infrared.shape
            kept.append(
                {
                    "stem": pair.stem,
                    "width": width,
                    "height": height,
                    "boxes": [asdict(box) for box in boxes],
                    "tags": pair.tags,
                    "scene": pair.scene,
                }
            )
            progress(done, len(pairs), pair.stem)
        facts = {"name": pairs.name, "classes": pairs.classes, "synthetic": pairs.synthetic, "pairs": kept}
        write_json(work / "pairs.json", facts)

    name = pairs.name if strength == 1.0 else f"{pairs.name} k {strength:g}"
    return Unit("prepare", name, params, action)


def read_prepared(folder: Path) -> PairSet:
    """Read what :func:`prepare_unit` wrote."""
    facts = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    pairs = [
        Pair(
            stem=entry["stem"],
            infrared=folder / "infrared" / f"{entry['stem']}.png",
            visible=folder / "visible" / f"{entry['stem']}.png",
            width=entry["width"],
            height=entry["height"],
            boxes=tuple(
                Box(box["label"], (*box["xyxy"],), box["ignore"]) for box in entry["boxes"]
            ),
            tags=tuple(entry["tags"]),
            scene=entry["scene"],
        )
        for entry in facts["pairs"]
    ]  # fmt: skip
    return PairSet(facts["name"], folder, tuple(pairs), tuple(facts["classes"]), facts["synthetic"])


def _read(
    pair: Pair, crop: tuple[int, int] | None, side: int | None
) -> tuple[np.ndarray, np.ndarray, Sequence[Box]]:
    """Return visible ``H x W x 3`` RGB and infrared ``H x W``, float32 in [0, 1], and the boxes."""
    import cv2

    from ...datasets.images import read_infrared, read_visible

    visible, infrared = read_visible(pair.visible), read_infrared(pair.infrared)
    boxes: Sequence[Box] = pair.boxes
    height, width = infrared.shape
    if crop is not None:
        across, down = min(crop[0], width), min(crop[1], height)
        left, top = (width - across) // 2, (height - down) // 2
        visible = visible[top : top + down, left : left + across]
        infrared = infrared[top : top + down, left : left + across]
        boxes = ()
    elif side is not None and max(width, height) > side:
        factor = side / max(width, height)
        size = round(width * factor), round(height * factor)
        visible, infrared = (
            np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
            for image in (visible, infrared)
        )
        across_factor, down_factor = size[0] / width, size[1] / height
        boxes = [_scaled(box, across_factor, down_factor) for box in boxes]
    return visible, infrared, boxes


def _scaled(box: Box, across: float, down: float) -> Box:
    left, top, right, bottom = box.xyxy
    return replace(box, xyxy=(left * across, top * down, right * across, bottom * down))
