"""How many test images have a neighbour or a near-duplicate in train: what a split's scores are worth."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .similarity import THRESHOLD, Signatures

_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)
EXAMPLES = 5


@dataclass(frozen=True)
class Leakage:
    """Leakage of a split; shares are fractions of the test images, 0..1.

    Attributes:
        test_images: number of test images.
        neighbour_share: share with a train image whose number is one more or one less.
        near_duplicate_share: share with a train image of nearly the same content; None when not computed.
        either_share: share with one or the other.
        examples: a few (test stem, train stem, reason) with reason ``neighbour`` or ``near-duplicate``.
    """

    test_images: int
    neighbour_share: float
    near_duplicate_share: float | None
    either_share: float
    examples: tuple[tuple[str, str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-serialisable values."""
        return {**asdict(self), "examples": [list(example) for example in self.examples]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Leakage:
        """Undo :meth:`to_dict`; unknown keys are ignored, so that later versions may add some."""
        share = values["near_duplicate_share"]
        return cls(
            int(values["test_images"]),
            float(values["neighbour_share"]),
            None if share is None else float(share),
            float(values["either_share"]),
            tuple((str(a), str(b), str(reason)) for a, b, reason in values.get("examples", ())),
        )


def numbered(stem: str) -> tuple[str, int, str] | None:
    """Split a stem into what stands before, in and after its last number; None without a number.

    Only stems that agree before and after can be neighbours: ``FLIR_00018`` and ``FLIR_00019``.
    """
    found = _NUMBERED.fullmatch(stem)
    return (found[1], int(found[2]), found[3]) if found else None


def neighbours(test: Iterable[str], train: Collection[str]) -> dict[str, str]:
    """Return test stem -> a train stem whose number is one more or one less (or that is the same image)."""
    numbers = {key: stem for stem in train if (key := numbered(stem)) is not None}
    plain = set(train)
    found = {}
    for stem in test:
        key = numbered(stem)
        if stem in plain:
            found[stem] = stem
        elif key is not None:
            near = ((key[0], key[1] + step, key[2]) for step in (-1, 1, 0))
            match = next((numbers[other] for other in near if other in numbers), None)
            if match is not None:
                found[stem] = match
    return found


def leakage(
    train: Collection[str],
    test: Collection[str],
    signatures: Signatures | None = None,
    threshold: float = THRESHOLD,
) -> Leakage:
    """Measure how much of ``test`` is as good as seen in ``train``.

    Args:
        train: stems of the train images.
        test: stems of the test images.
        signatures: of all images; without them only the numbers are compared.
        threshold: similarity from which two images count as near-duplicates.
    """
    test, train = sorted(test), sorted(train)
    by_number = neighbours(test, train)
    by_content = _most_similar(test, train, signatures, threshold) if signatures is not None else {}
    count = max(1, len(test))
    examples = [(stem, other, "near-duplicate") for stem, other in by_content.items()]
    examples += [(stem, other, "neighbour") for stem, other in by_number.items() if stem not in by_content]
    return Leakage(
        test_images=len(test),
        neighbour_share=len(by_number) / count,
        near_duplicate_share=len(by_content) / count if signatures is not None else None,
        either_share=len(by_number.keys() | by_content.keys()) / count,
        examples=tuple(examples[:EXAMPLES]),
    )


def _most_similar(
    test: list[str], train: list[str], signatures: Signatures, threshold: float
) -> dict[str, str]:
    """Return test stem -> most similar train stem, for those above the threshold, most similar first."""
    if not train or not test:
        return {}
    similar = signatures.similarity(signatures.rows(test), signatures.rows(train))
    best = similar.argmax(axis=1)
    order = sorted(range(len(test)), key=lambda row: (-similar[row, best[row]], test[row]))
    return {test[row]: train[best[row]] for row in order if similar[row, best[row]] >= threshold}
