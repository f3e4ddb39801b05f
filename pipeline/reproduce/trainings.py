"""Experiments that compare trainings: one network a variant, fused test pairs, the paper's five metrics."""

from __future__ import annotations

from collections.abc import Sequence

from ...reports.blocks import Block, Figure, Paragraph
from ..execute import Outcome
from ..store import Unit
from .chapter import Chapter, caption, opening, reason
from .compare import Row, comparison, finding, frame, seed_spread
from .experiments import DEFAULT
from .records import Experiment, Variant
from .shop import Shop

SECOND_SEED = Variant("default, second seed", {"seed": 1})


def units(shop: Shop, experiment: Experiment) -> list[Unit]:
    """Return the units of an experiment, needs first."""
    found = [shop.test()]
    variants = list(experiment.variants)
    if shop.scale.second_seed:
        variants += [DEFAULT, SECOND_SEED]
    for variant in variants:
        candidate = shop.candidate(variant)
        assert candidate.trained is not None
        found += [candidate.trained, shop.fused(candidate, shop.test()), shop.scored(candidate, shop.test())]
    return found


def rows(shop: Shop, variants: Sequence[Variant], outcome: Outcome) -> list[Row]:
    """Return the quality of each variant, or why there is none."""
    found = []
    for variant in variants:
        unit = shop.scored(shop.candidate(variant), shop.test())
        why = reason(unit, outcome)
        found.append(Row(variant.label, None if why else shop.quality(unit), why or ""))
    return found


def spread(shop: Shop, outcome: Outcome) -> dict[str, float] | None:
    """Return what the seed alone changes in the default configuration, or None when it is not known."""
    if not shop.scale.second_seed:
        return None
    first, second = (row.values for row in rows(shop, (DEFAULT, SECOND_SEED), outcome))
    return seed_spread(first, second) if first and second else None


def chapter(shop: Shop, experiment: Experiment, outcome: Outcome) -> Chapter:
    """Make table, sentences and, where the paper has one, the figure."""
    table = frame(experiment, rows(shop, experiment.variants, outcome))
    seeds = spread(shop, outcome)
    said = finding(experiment, table, seeds)
    blocks: list[Block] = [*opening(experiment), Paragraph.of("Here.", f" {said}")]
    blocks.append(comparison(experiment, table, shop.scale, seeds))
    if experiment.name == "fig4" and (table["status"] == "ok").any():
        from .drawings import draw_settings

        what = (
            "The five metrics by number of experts and top-k. Filled: ours; the triangle marks the setting "
            "that the paper finds best, the ring the one that is best here."
        )
        blocks.append(Figure(draw_settings(table), caption(what, shop.scale)))
    bad = table[table["status"] != "ok"]
    failed = dict(zip(bad["variant"].astype(str), bad["reason"].astype(str), strict=True))
    return Chapter(experiment, said, tuple(blocks), {experiment.name: table}, failed)
