"""The frozen card of a fusion method: what it is, what it was trained on, what it may be used for."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from ..datasets.errors import MethodError

ColorPolicy = Literal["luminance", "rgb"]
Kind = Literal["control", "trivial", "classical", "learned", "external"]


def data_sets(stated: object, where: str) -> tuple[str, ...]:
    """Return names of data sets as a card holds them, from one name, a list of them, or None.

    Raises:
        MethodError: something else; ``where`` begins the message.
    """
    if isinstance(stated, str):
        return (stated,)
    if stated is None:
        return ()
    if isinstance(stated, list | tuple) and all(isinstance(entry, str) for entry in stated):
        return tuple(stated)
    raise MethodError(f"{where}: trained_on: expected names of data sets, found {stated!r}")


@dataclass(frozen=True)
class MethodCard:
    """Facts about a fusion method, printed by ``regionfuse methods`` and in every report.

    Attributes:
        name: registry name; lower case letters, digits, ``-`` and ``_``.
        title: name as printed in tables, e.g. ``RegionFuse``.
        kind: control (one modality alone), trivial, classical, learned, or external (images or a
            program from elsewhere).
        color: ``luminance``: the method gets and returns Y (BT.601) and the shared chroma step re-attaches
            Cb and Cr of the visible image; ``rgb``: the method gets and returns RGB.
        stride: height and width are reflect-padded to multiples of this before the call, cropped after.
        citation: one line, as in a list of references; empty when there is nothing to cite.
        bibtex: the citation as a BibTeX entry; empty when there is none.
        year: year of publication, or None.
        code_license: SPDX name of the licence of the code.
        weights_license: SPDX name of the licence of the weights; empty without weights.
        weights_from: where the authors publish the weights: title of the page and name of the file.
        trained_on: names of the data sets that the weights were trained on; empty without weights.
        weights_sha256: SHA-256 of the weights file, hexadecimal; empty without weights.
        notes: anything a reader of a table must know, one sentence.
    """

    name: str
    title: str
    kind: Kind
    color: ColorPolicy = "luminance"
    stride: int = 1
    citation: str = ""
    bibtex: str = ""
    year: int | None = None
    code_license: str = "AGPL-3.0-or-later"
    weights_license: str = ""
    weights_from: str = ""
    trained_on: tuple[str, ...] = ()
    weights_sha256: str = ""
    notes: str = ""

    def problems(self) -> list[str]:
        """Return what the harness cannot work with, one phrase each; empty for a sound card."""
        found = []
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.type == "str" and not isinstance(value, str):
                found.append(f"{entry.name} {value!r} is not a text")
        if isinstance(self.name, str) and not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.name):
            found.append(f"name {self.name!r} must be lower case letters, digits, - and _")
        if not self.title:
            found.append("title is empty")
        if self.kind not in get_args(Kind):
            found.append(f"kind {self.kind!r} is not one of {', '.join(get_args(Kind))}")
        if self.color not in get_args(ColorPolicy):
            found.append(f"color {self.color!r} is not one of {', '.join(get_args(ColorPolicy))}")
        sets = self.trained_on
        if not isinstance(sets, tuple | list) or not all(isinstance(entry, str) and entry for entry in sets):
            found.append(f"trained_on {sets!r} is not a tuple of names of data sets, as in ('MSRS',)")
        if self.year is not None and not isinstance(self.year, int):
            found.append(f"year {self.year!r} is not a whole number")
        if not isinstance(self.stride, int) or self.stride < 1:
            found.append(f"stride {self.stride!r} is not a whole number from 1 on")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain JSON-serialisable values."""
        return asdict(self)
