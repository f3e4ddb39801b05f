"""Which sources of a run have seen its test images while they were trained."""

from __future__ import annotations

import logging
from pathlib import Path

from ..datasets.errors import MethodError
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


def contaminated(config: Config, workload: Workload, split: Split) -> dict[str, str]:
    """Return for each source that may have seen test images what is known about it, and warn of each.

    Known before anything is trained or fused: what a run trains itself is known by the files it will read.
    """
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
        flag = contamination(data, names, test)
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
