"""The stored results of one run or comparison; everything in the report comes from here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ..datasets.errors import ReportError
from .marks import make_label

SPLIT = "test"
VISIBLE = "visible"
PROTOCOLS = ("retrained", "frozen", "given")
_OBJECTS = (
    *("source", "kind", "image_id", "stem", "object_id", "class", "outcome", "predicted", "confidence"),
    *("top_label", "top_score", "x1", "y1", "x2", "y2", "px1", "py1", "px2", "py2"),
)


@dataclass(frozen=True)
class Results:
    """What a folder holds.

    Attributes:
        run: the folder of the run or comparison.
        folder: where the tables lie.
        manifest: ``manifest.json`` as stored; only its schema for a comparison.
        split: ``split.json`` as stored; empty when there is none.
        tables: data frames by name (``detection``, ``per_class``, ...), test split only; rates are
            fractions 0..1, undefined numbers NaN.
        truth: ground truth of the test split in COCO's format; empty when there is none.
        missing: one sentence for every stored table that a full report needs and that is not there.
        has_val: whether there are predictions on val, to choose operating points and temperatures on.
    """

    run: Path
    folder: Path
    manifest: dict[str, Any]
    split: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    truth: dict[str, Any]
    missing: tuple[str, ...]
    has_val: bool = True

    @property
    def chosen_on(self) -> str:
        """The images that operating points and temperatures were chosen on."""
        return "val" if self.has_val else "the test images themselves"

    @cached_property
    def cards(self) -> dict[str, dict[str, Any]]:
        """Method card of every source of the manifest."""
        return {str(item["name"]): item.get("card") or {} for item in self.manifest.get("sources") or []}

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Source names in the order of the manifest; names that only the tables know come last."""
        return tuple(dict.fromkeys((*self.cards, *self.tables["detection"]["source"])))

    @cached_property
    def reference(self) -> str:
        """The source that the others are compared with."""
        named = str(self.manifest.get("reference") or "")
        balance = self.tables.get("balance")
        used = [] if balance is None else list(balance["reference"].unique())
        for name in (named, used[0] if len(used) == 1 else "", VISIBLE):
            if name in self.sources:
                return name
        return self.sources[0]

    @property
    def base(self) -> str:
        """The reference in running text."""
        return "visible-only" if self.reference == VISIBLE else self.titles[self.reference]

    @cached_property
    def titles(self) -> dict[str, str]:
        """Name of each source as printed; falls back to the plain name where two titles are the same."""
        found = [str(self.cards.get(name, {}).get("title") or name) for name in self.sources]
        return {
            name: title if found.count(title) == 1 else name
            for name, title in zip(self.sources, found, strict=True)
        }

    @cached_property
    def labels(self) -> dict[str, str]:
        """Short name of each source for tables and drawings, with the marks of :mod:`.marks`."""
        return {
            name: make_label(title, seen=name in self.contamination, trained=name in self.trained)
            for name, title in self.titles.items()
        }

    @cached_property
    def contamination(self) -> dict[str, str]:
        """For each source that may have been trained on test images: what is known about it."""
        return self._of_fusion("contamination")

    @cached_property
    def trained(self) -> dict[str, str]:
        """For each source whose network the run trained: on how much, e.g. ``48 pairs, 6 epochs``."""
        return self._of_fusion("trained_here")

    def _of_fusion(self, column: str) -> dict[str, str]:
        """A text column of the fusion table by source, where it is not empty."""
        frame = self.tables.get("fusion")
        if frame is None or column not in frame.columns:
            return {}
        found = dict(zip(frame["source"], frame[column], strict=True))
        return {name: found[name] for name in self.sources if found.get(name)}

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """Protocols that have rows, in the order of :data:`PROTOCOLS`."""
        present = list(dict.fromkeys(self.tables["detection"]["protocol"]))
        return tuple(sorted(present, key=lambda name: (*(name != known for known in PROTOCOLS), name)))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the data set, or of the tables."""
        listed = (self.manifest.get("dataset") or {}).get("classes") or []
        frame = self.tables.get("per_class")
        stored = [] if frame is None else list(frame["class"])
        return tuple(dict.fromkeys(str(name) for name in (listed or stored)))

    @property
    def notice(self) -> str:
        """The notice to print on every page; empty when there is none."""
        return str(self.manifest.get("notice") or "")

    def table(self, name: str, protocol: str | None = None) -> pd.DataFrame | None:
        """A stored table, or its rows of one protocol; None when the file is missing."""
        frame = self.tables.get(name)
        if frame is None or protocol is None:
            return frame
        return frame[frame["protocol"] == protocol]

    def objects(self, protocol: str, seed: int) -> pd.DataFrame | None:
        """Outcomes of one seed's detectors for every object, and other predictions; None without a file.

        Boxes are xyxy in absolute pixels of the original image.

        Raises:
            ReportError: the file is damaged or lacks a column.
        """
        path = self.folder / "objects.parquet"
        if not path.is_file():
            return None
        filters = [("protocol", "==", protocol), ("split", "==", SPLIT), ("seed", "==", seed)]
        try:
            return pd.read_parquet(path, columns=list(_OBJECTS), filters=filters)
        except Exception as error:  # the reader raises many unrelated types for a damaged file
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise ReportError(f"{path}: cannot be read ({first}); evaluate again") from error

    def seeds(self, protocol: str) -> tuple[int, ...]:
        """Seeds with at least one finished source under ``protocol``."""
        frame = self.tables["detection"]
        done = frame[(frame["protocol"] == protocol) & (frame["status"] == "ok")]
        return tuple(sorted(int(seed) for seed in done["seed"].dropna().unique()))

    @cached_property
    def class_counts(self) -> dict[str, int]:
        """Objects to be found in the test split per class, in class order."""
        counts = dict.fromkeys(self.classes, 0)
        frame = self.tables.get("per_class")
        if frame is not None:
            counts |= {str(key): int(value) for key, value in frame.groupby("class")["objects"].max().items()}
        return counts

    def extent(self, column: str) -> int:
        """Number of ``images``, ``objects`` or ``blocks`` of the test split; 0 when not known."""
        most = self.tables["detection"][column].max()
        return 0 if pd.isna(most) else int(most)

    def image_path(self, source: str, stem: str) -> Path:
        """Where the stored picture of a source lies."""
        return self.run / "fused" / source / SPLIT / f"{stem}.png"
