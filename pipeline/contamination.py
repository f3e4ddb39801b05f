"""Which sources of a run have seen its test images while they were trained."""

from __future__ import annotations

import logging
from pathlib import Path

from ..datasets.errors import MethodError
from ..datasets.records import PairSet
from ..datasets.similarity import THRESHOLD, Signatures, most_similar, signatures
from ..datasets.splits import Split
from ..fusion.contamination import HASH_DIGITS, TrainingData, contamination, stated_by_weights, training_data
from ..fusion.training.recipes import recipe_class
from .config import Config, SourceConfig
from .plan import with_reference
from .trainings import (
    given_weights,
    is_trained_here,
    teacher_of,
    training_options,
    training_pairs,
    training_sets,
)
from .workload import Workload

log = logging.getLogger(__name__)


class _Alike:
    """Counts test images that a method knows in near-identical framing, where the images are at hand.

    Looked at are the images of the data set and of the extra pairs that the method has seen by their hashes.
    The run's own train split is left out: how near that is to test is the split's leakage, the same for all.
    """

    def __init__(self, workload: Workload, split: Split, cache: Path | None) -> None:
        self.workload, self.split, self.cache = workload, split, cache
        self.known: dict[int, Signatures] = {}

    def count(self, images: frozenset[str]) -> int:
        """Return the number of test images, beside those among ``images`` themselves."""
        pairs = self.workload.pairs
        test = {stem for stem in self.split.test if self._hash(pairs, stem) not in images}
        own = {*self.split.train, *self.split.test}
        alike: set[str] = set()
        for number, each in enumerate((pairs, *self.workload.extra)):
            seen = [
                pair.stem
                for pair in each
                if self._hash(each, pair.stem) in images and (number > 0 or pair.stem not in own)
            ]
            rest = sorted(test - alike)
            if seen and rest:
                found = most_similar(
                    self._signatures(0, pairs).select(rest), self._signatures(number, each).select(seen)
                )
                alike |= {stem for stem, (_, value) in zip(rest, found, strict=True) if value >= THRESHOLD}
        return len(alike)

    def _hash(self, pairs: PairSet, stem: str) -> str:
        return self.workload.hashes[pairs[stem].visible][:HASH_DIGITS]

    def _signatures(self, number: int, pairs: PairSet) -> Signatures:
        if number not in self.known:
            name = f"{self.cache.stem}-extra{number}.npz" if self.cache and number else None
            cache = self.cache.with_name(name) if self.cache and name else self.cache
            self.known[number] = signatures(pairs, cache=cache)
        return self.known[number]


def contaminated(
    config: Config, workload: Workload, split: Split, cache: Path | None = None
) -> dict[str, str]:
    """Return for each source that may have seen test images what is known about it, and warn of each.

    Known before anything is trained or fused: what a run trains itself is known by the files it will read.

    Args:
        config: the resolved configuration.
        workload: the pairs and the hashes of their files.
        split: the split of the run.
        cache: file in which image signatures are remembered; those of extra pairs lie beside it.
    """
    look = _Alike(workload, split, cache)
    pairs = workload.pairs
    names = [pairs.name]
    if config.dataset.format == "folders":  # The format says nothing, the folder may.
        names += pairs.root.resolve().parts[-2:]
    test = [workload.hashes[pairs[stem].visible] for stem in split.test]
    found = {}
    for source in with_reference(config):
        try:
            data = _data(source, config, workload, split)
        except MethodError as error:
            log.warning("%s: what it was trained on is not known: %s", source.name, error)
            continue
        flag = contamination(data, names, test, look.count(data.images or frozenset()))
        if flag:
            found[source.name] = flag
            log.warning("%s: %s; its scores on this test split may be too good", source.name, flag)
    return found


def _data(source: SourceConfig, config: Config, workload: Workload, split: Split) -> TrainingData:
    if not is_trained_here(source, config.fusion):
        return training_data(source.spec, given_weights(source, config.fusion), source.options)
    used = training_pairs(source, config, workload, split)
    names = (workload.pairs.name, *(each.name for each in training_sets(source, config, workload)))
    here = TrainingData(names, frozenset(workload.hashes[pair.visible][:HASH_DIGITS] for pair in used))
    options = training_options(source, config.fusion)
    if options.init_weights:
        here |= stated_by_weights(Path(options.init_weights))
    teacher = teacher_of(source, config)
    if teacher is not None:  # What it has seen shows in the images that are learned from.
        named = next(other for other in config.sources if other.name == teacher)
        here |= _data(named, config, workload, split)
    return here | recipe_class(options.method).seen(options)
