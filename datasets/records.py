"""The records that every other package speaks in: boxes, image pairs, and sets of pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError

SIZES: Final = ("small", "medium", "large")
"""COCO's names of object sizes."""
VISIBILITIES: Final = ("both", "infrared", "visible", "neither")
"""In which modality an object stands out against its surroundings."""
SIZE_LIMITS: Final = (32**2, 96**2)
"""Upper limits of ``small`` and ``medium`` in square pixels."""


def size_names(area: ArrayLike) -> NDArray[Any]:
    """Return COCO's size name of each area.

    pycocotools counts an object of exactly 32^2 (96^2) square pixels as small and as medium (as medium and as
    large); where an object has one name only, it is the first of these, the smaller one.

    Args:
        area: areas in square pixels, any shape.

    Returns:
        Array of the same shape and dtype object, each one of :data:`SIZES`.
    """
    return np.array(SIZES, dtype=object)[np.searchsorted(SIZE_LIMITS, np.asarray(area))]


@dataclass(frozen=True, slots=True)
class Box:
    """One annotated object.

    Attributes:
        label: class name as written in the annotation file (never an index).
        xyxy: left, top, right, bottom; absolute pixels of the original image, origin at the top left
            corner, right and bottom exclusive (width = right - left).
        ignore: a region that is not to be counted, neither as an object nor as a false alarm: a crowd, an
            object marked ``ignore`` (COCO) or ``difficult`` (VOC), or of a class that the user ignores.
    """

    label: str
    xyxy: tuple[float, float, float, float]
    ignore: bool = False

    @property
    def area(self) -> float:
        """Area in square pixels; zero or less when the box is degenerate."""
        left, top, right, bottom = self.xyxy
        return (right - left) * (bottom - top)


@dataclass(frozen=True, slots=True)
class Pair:
    """One registered infrared-visible image pair.

    Attributes:
        stem: name shared by both files, unique within a set.
        infrared: path of the infrared image.
        visible: path of the visible image.
        width: width of both images in pixels.
        height: height of both images in pixels.
        boxes: annotated objects and regions to be ignored; empty when there are none.
        annotation: file the boxes come from, or None when the set has no labels.
        tags: condition tags such as ``night`` or ``smoke``; empty when unknown.
        scene: name of the scene the pair belongs to, when the data set tells.
    """

    stem: str
    infrared: Path
    visible: Path
    width: int
    height: int
    boxes: tuple[Box, ...] = ()
    annotation: Path | None = None
    tags: tuple[str, ...] = ()
    scene: str | None = None

    @property
    def objects(self) -> tuple[Box, ...]:
        """The boxes that count: all but the regions to be ignored."""
        return tuple(box for box in self.boxes if not box.ignore)

    @property
    def ignored(self) -> tuple[Box, ...]:
        """The regions to be ignored."""
        return tuple(box for box in self.boxes if box.ignore)


@dataclass(frozen=True)
class PairSet:
    """Pairs of one data set, sorted by stem, with the class names in their fixed order.

    Attributes:
        name: short name, e.g. ``m3fd``.
        root: folder the set was read from.
        pairs: the pairs, sorted by stem.
        classes: class names; position i has COCO category id i + 1. Empty for sets without labels.
        synthetic: True for the generated demonstration set; every output then carries the notice.
    """

    name: str
    root: Path
    pairs: tuple[Pair, ...]
    classes: tuple[str, ...] = ()
    synthetic: bool = False
    _by_stem: dict[str, Pair] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for pair in self.pairs:
            if pair.stem in self._by_stem:
                raise DataError(f"{self.root}: two pairs share the stem {pair.stem!r}; stems must be unique")
            self._by_stem[pair.stem] = pair

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)

    def __getitem__(self, stem: str) -> Pair:
        return self._by_stem[stem]

    def __contains__(self, stem: object) -> bool:
        return stem in self._by_stem

    def select(self, stems: Iterable[str]) -> PairSet:
        """Return the set restricted to ``stems``, in the order of this set.

        Raises:
            DataError: a stem is not in the set.
        """
        wanted = set(stems)
        missing = sorted(wanted - self._by_stem.keys())
        if missing:
            raise DataError(
                f"{self.root}: {len(missing)} stem(s) of the split are not in the data set, "
                f"first {missing[0]!r}; check the split file against the data"
            )
        kept = tuple(pair for pair in self.pairs if pair.stem in wanted)
        return PairSet(self.name, self.root, kept, self.classes, self.synthetic)
