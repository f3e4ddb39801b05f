"""Has a method seen the test images while it was trained?

Three things can tell. The card of its weights may list the training files by content; then the answer is a
number. Where those files are at hand, images of near-identical framing are counted too, copies that were
encoded anew among them. Otherwise only the names of its training data sets are known: that of the data set
under test is a suspicion, and so is that of a set made from the same recordings.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .doors.specs import is_model_spec
from .names import BUILTINS, split_mode

log = logging.getLogger(__name__)

HASH_DIGITS = 16
"""Files are listed in cards by that many hexadecimal digits of their SHA-256."""

RELATED = (
    ("roadscene", "flir", "RoadScene is cut from FLIR's video"),
    ("msrs", "mfnet", "MSRS is selected from MFNet"),
    ("m3fdfusion", "m3fd", "both parts of M3FD are of the same recordings"),
)
"""Data sets made from the same recordings, whose files differ: two names and why."""

GENERIC = ("folders", "folder", "images", "unknown", "custom", "data", "dataset")
"""Names that stand for any data set at all."""


@dataclass(frozen=True)
class TrainingData:
    """What is known about the images that weights were trained on.

    Attributes:
        names: data sets.
        images: first :data:`HASH_DIGITS` hexadecimal digits of the SHA-256 of every visible training file
            that is known; None when none is.
        unlisted: those of ``names`` whose files are not all among ``images``; without images all of them.
    """

    names: tuple[str, ...] = ()
    images: frozenset[str] | None = None
    unlisted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.images is None:
            object.__setattr__(self, "unlisted", self.names)

    def __or__(self, other: TrainingData) -> TrainingData:
        """Return the data of both, as of weights that were trained further; unknown files stay unknown."""
        known = [data.images for data in (self, other) if data.images is not None]
        return TrainingData(
            tuple(dict.fromkeys((*self.names, *other.names))),
            frozenset().union(*known) if known else None,
            tuple(dict.fromkeys((*self.unlisted, *other.unlisted))),
        )


def training_data(
    spec: str, weights: Path | None = None, options: Mapping[str, Any] | None = None
) -> TrainingData:
    """Return what a method's card, or the card beside its weights file, says about its training data.

    Args:
        spec: as for :func:`regionfuse.fusion.registry.create`.
        weights: weights file, where the method takes one; its card is the file ``NAME.json`` beside it.
        options: keywords of the constructor.

    Raises:
        MethodError: the method cannot be made, so that it has no card.
    """
    name, _ = split_mode(spec)
    if weights is None and name in BUILTINS and BUILTINS[name].shipped:
        weights = Path(__file__).parent / BUILTINS[name].shipped
    file = Path(spec) if is_model_spec(spec) else weights
    stated = stated_by_weights(file) if file is not None else TrainingData()
    if options and "trained_on" in options:
        stated = TrainingData(_texts(options["trained_on"]), stated.images)
    return (
        stated
        if stated.names or is_model_spec(spec)
        else TrainingData(_names_of_method(spec, weights, options), stated.images)
    )


def stated_by_weights(weights: Path) -> TrainingData:
    """Return what the card beside a weights file says; nothing when there is no card.

    A list of images that is no list of hashes counts as unknown, with a warning.
    """
    beside = weights.with_name(weights.name + ".json")
    try:
        card = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return TrainingData()  # Loading the weights complains, where the card is needed.
    if not isinstance(card, dict):
        return TrainingData()
    images = _texts(card.get("training_images"))
    wrong = [text for text in images if not re.fullmatch(r"[0-9a-fA-F]{16,64}", text)]
    if wrong:
        log.warning(
            "%s: training_images: expected SHA-256 sums of the visible files, or their first %d digits, "
            "found %r; the list is not used",
            *(beside, HASH_DIGITS, wrong[0]),
        )
        images = ()
    hashes = frozenset(text[:HASH_DIGITS].lower() for text in images)
    return TrainingData(
        _texts(card.get("trained_on")), hashes or None, _texts(card.get("training_images_unknown_of"))
    )


def contamination(
    data: TrainingData, test_set: Iterable[str], test_images: Collection[str], alike: int = 0
) -> str:
    """Say in a few words whether the test images were trained on; empty: nothing speaks for it.

    Args:
        data: what is known about the training.
        test_set: names of the data set under test.
        test_images: SHA-256 of every visible test file, hexadecimal.
        alike: number of further test images that a training image is a near-duplicate of.
    """
    test_set = tuple(test_set)
    seen = sum(image[:HASH_DIGITS] in (data.images or ()) for image in test_images)
    if seen:
        more = f", near-duplicates of {alike} more" if alike else ""
        return f"{seen} of {len(test_images)} test images seen in training{more}"
    if alike:
        return f"near-duplicates of {alike} of {len(test_images)} test images seen in training"
    wanted = {_plain(name) for name in test_set} - {"", *GENERIC}
    matching = [name for name in data.unlisted if any(_goes_by(name, each) for each in wanted)]
    if matching:
        return f"trained on {', '.join(matching)} (which images is not known)"
    related = {
        name: why
        for name in data.names
        for one, other, why in RELATED
        for mine, theirs in ((one, other), (other, one))
        if _goes_by(name, mine) and any(_goes_by(each, theirs) for each in test_set)
    }
    return (
        f"trained on {', '.join(related)} ({'; '.join(dict.fromkeys(related.values()))})" if related else ""
    )


def _names_of_method(spec: str, weights: Path | None, options: Mapping[str, Any] | None) -> tuple[str, ...]:
    from .registry import card_of, create

    name, _ = split_mode(spec)
    if name in BUILTINS:
        return card_of(name).trained_on  # Without reading weights, which may be large.
    return create(spec, weights=weights, options=options).card.trained_on


def _plain(name: str) -> str:
    """Return a name in one writing: M3FD, m3fd, M³FD and m3-fd are the same."""
    return re.sub(r"[\W_]+", "", name.casefold().replace("³", "3"))


def _goes_by(name: str, known: str) -> bool:
    """Tell whether a name is that of a known set, with words added or not (FLIR-aligned)."""
    return known in {_plain(name), *_words(name)}


def _words(name: str) -> set[str]:
    return set(re.split(r"[\W_]+", name.casefold().replace("³", "3")))


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else ()
