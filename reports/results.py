"""The stored results of one run; everything in the report comes from here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from .marks import make_label

SPLIT = "test"


@dataclass(frozen=True)
class Results:
    """What a run folder holds.

    Attributes:
        run: the run folder.
        manifest: ``manifest.json`` as stored.
        split: ``split.json`` as stored; empty when there is none.
        tables: data frames by name (``detection``, ``per_class``, ...), test split only; boxes are xyxy in
            absolute pixels of the original image, rates are fractions 0..1.
        truth: ground truth of the test split in COCO's format; empty when there is none.
        missing: one sentence for every stored file that a full report needs and that is not there.
    """

    run: Path
    manifest: dict[str, Any]
    split: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    truth: dict[str, Any]
    missing: tuple[str, ...]

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Source names in the order of the manifest; names that only the tables know come last."""
        names = [str(item["name"]) for item in self.manifest.get("sources") or []]
        names += [name for name in self.tables["detection"]["source"].unique() if name not in names]
        return tuple(dict.fromkeys(names))

    @cached_property
    def titles(self) -> dict[str, str]:
        """Name of each source as printed; falls back to the plain name where two titles are the same."""
        given = {}
        for item in self.manifest.get("sources") or []:
            given[str(item["name"])] = str((item.get("card") or {}).get("title") or item["name"])
        found = [given.get(name, name) for name in self.sources]
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
        """Protocols that have rows, retrained first."""
        present = list(dict.fromkeys(self.tables["detection"]["protocol"]))
        return tuple(sorted(present, key=lambda name: (name != "retrained", name != "frozen", name)))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the data set."""
        listed = (self.manifest.get("dataset") or {}).get("classes") or []
        return tuple(str(name) for name in listed)

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

    def seeds(self, protocol: str) -> tuple[int, ...]:
        """Seeds with at least one finished source under ``protocol``."""
        frame = self.tables["detection"]
        done = frame[(frame["protocol"] == protocol) & (frame["status"] == "ok")]
        return tuple(sorted(int(seed) for seed in done["seed"].dropna().unique()))

    def finished(self, protocol: str) -> tuple[str, ...]:
        """Sources with at least one row that did not fail, in order."""
        frame = self.tables["detection"]
        done = set(frame[(frame["protocol"] == protocol) & (frame["status"] == "ok")]["source"])
        return tuple(name for name in self.sources if name in done)

    def class_counts(self) -> dict[str, int]:
        """Ground-truth objects of the test split per class, in class order."""
        counts = dict.fromkeys(self.classes, 0)
        if self.truth:
            names = {item["id"]: str(item["name"]) for item in self.truth["categories"]}
            for item in self.truth["annotations"]:
                name = names[item["category_id"]]
                counts[name] = counts.get(name, 0) + 1
            return counts
        stored = ((self.manifest["dataset"].get("doctor") or {}).get("class_counts") or {}).get(SPLIT) or {}
        return {**counts, **{str(name): int(value) for name, value in stored.items()}}

    def extent(self) -> tuple[int, int]:
        """Images and ground-truth objects of the test split."""
        if self.truth:
            return len(self.truth["images"]), len(self.truth["annotations"])
        frame = self.tables["detection"]
        return int(frame["images"].max() or 0), int(frame["objects"].max() or 0)

    def image_path(self, source: str, stem: str) -> Path:
        """Where the stored picture of a source lies."""
        return self.run / "fused" / source / SPLIT / f"{stem}.png"
