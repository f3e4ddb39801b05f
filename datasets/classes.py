"""Which classes a data set has: what its labels name, what the user merges, and what the user ignores."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .errors import ConfigError, DataError
from .labels import ImageLabels, SetLabels
from .layout import Layout
from .records import Box

BACKGROUND = "background"
"""Stands for "no object" in every confusion table, so no class may have this name."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassRules:
    """What the user says about classes.

    Attributes:
        classes: class names in the wanted order; None: the format's own, else those of the labels.
        ignore: labels whose objects are neither trained on nor counted.
        merge: label -> class that its objects are counted as.
    """

    classes: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    merge: Mapping[str, str] = field(default_factory=dict)

    def apply(self, layout: Layout, labels: SetLabels) -> tuple[dict[str, ImageLabels], tuple[str, ...]]:
        """Return the labels under the names of the classes, and the class names in their order.

        Objects of ignored classes keep their label and become regions to be ignored.

        Raises:
            DataError: an object is of a class called ``background``.
            ConfigError: the rules name a label that does not occur, or contradict themselves.
        """
        named = self.classes or (layout.classes if layout.annotations else ()) or labels.classes
        found = {box.label for each in labels.images.values() for box in each.boxes}
        self._check({*named, *labels.classes, *found} if labels.images else None)
        renamed = (self.merge.get(name, name) for name in named)
        names = tuple(dict.fromkeys(name for name in renamed if name not in self.ignore))
        images = {
            stem: replace(each, boxes=tuple(self._ruled(box) for box in each.boxes))
            for stem, each in labels.images.items()
        }
        return images, self._without_background(images, names)

    def is_ignored(self, box: Box) -> bool:
        """Tell whether a box of :meth:`apply` is of an ignored class."""
        return box.ignore and box.label in self.ignore

    def _ruled(self, box: Box) -> Box:
        label = self.merge.get(box.label, box.label)
        return Box(label, box.xyxy, box.ignore or label in self.ignore)

    def _check(self, known: set[str] | None) -> None:
        """Check the rules against the labels that occur (None: the set has no labels)."""
        if self.classes and len(set(self.classes)) < len(self.classes):
            raise ConfigError(f"dataset.classes: {list(self.classes)} names a class twice")
        for label, target in self.merge.items():
            if label in self.ignore or target in self.ignore:
                raise ConfigError(f"dataset.merge_classes: {label}: {target} is also in ignore_classes")
            if target in self.merge and target != label:
                raise ConfigError(
                    f"dataset.merge_classes: {label!r} becomes {target!r}, which is merged into "
                    f"{self.merge[target]!r}; name the last one for both"
                )
        if known is None:
            return
        for key, names in (("ignore_classes", self.ignore), ("merge_classes", self.merge)):
            for label in names:
                if label not in known:
                    raise ConfigError(f"dataset.{key}: {unknown_class(label, sorted(known))}")
        for target in self.merge.values():
            if target not in known and target.casefold() in {name.casefold() for name in known}:
                raise ConfigError(f"dataset.merge_classes: {unknown_class(target, sorted(known))}")

    @staticmethod
    def _without_background(images: dict[str, ImageLabels], names: tuple[str, ...]) -> tuple[str, ...]:
        kept = tuple(name for name in names if name.strip().casefold() != BACKGROUND)
        for name in set(names) - set(kept):
            for each in images.values():
                if any(box.label == name for box in each.boxes):
                    raise DataError(
                        f"{each.source}: has objects of a class {name!r}, which stands for 'no object' in "
                        f"all results; rename the category, or give dataset.merge_classes {{{name}: OTHER}} "
                        f"or dataset.ignore_classes [{name}]"
                    )
            _log.warning("the class %r has no objects and is left out: it stands for 'no object'", name)
        return kept


def class_rules(
    classes: Sequence[str] | None, ignore: Sequence[str] | None, merge: Mapping[str, str] | None
) -> ClassRules:
    """Return the rules of the arguments of :func:`~regionfuse.datasets.load.load_pairs`."""
    return ClassRules(tuple(classes) if classes else None, tuple(ignore or ()), dict(merge or {}))


def unknown_class(label: str, classes: Iterable[str]) -> str:
    """Return the message for a class name that is not among ``classes``, with the nearest valid one."""
    known = list(classes)
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(label.casefold(), folded, n=1)
    hint = f"; did you mean {folded[near[0]]!r}?" if near else ""
    return f"unknown class {label!r}{hint} (known: {', '.join(known)})"
