"""The rules that choose which objects the panels show. Nobody picks: same results, same objects."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from .context import Context
from .numbers import plural
from .scores import REFERENCE
from .swaps import chosen_pair

PEOPLE = ("people", "person", "pedestrian", "pedestrians", "human")


@dataclass(frozen=True)
class Choice:
    """One chosen object, or the reason why there is none.

    Attributes:
        title: heading of the panel.
        rule: the rule in words, with the number of candidates.
        object_id: annotation id, None when no object meets the rule.
    """

    title: str
    rule: str
    object_id: int | None


@dataclass(frozen=True)
class _Outcomes:
    """Outcomes of one detector seed: a row per object, a column per source."""

    facts: pd.DataFrame  # index object_id; class, stem
    outcome: pd.DataFrame
    predicted: pd.DataFrame
    confidence: pd.DataFrame
    fused: list[str]


def choose_objects(context: Context, protocol: str) -> tuple[Choice, ...]:
    """Apply the three rules to the first seed of ``protocol``; empty when nothing can be compared."""
    table = _outcomes(context, protocol)
    if table is None:
        return ()
    return _swapped(context, table), _lost(table), _broken(table)


def _outcomes(context: Context, protocol: str) -> _Outcomes | None:
    frame = context.results.table("objects", protocol)
    seeds, fused = context.results.seeds(protocol), [score.source for score in context.fused(protocol)]
    if frame is None or not seeds or not fused or context.visible(protocol) is None:
        return None
    rows = frame[(frame["kind"] == "object") & (frame["seed"] == seeds[0])]
    if rows.empty:
        return None
    facts = rows.drop_duplicates("object_id").set_index("object_id")[["class", "stem"]].sort_index()
    wide = {
        column: rows.pivot_table(index="object_id", columns="source", values=column, aggfunc="first")
        .reindex(index=facts.index, columns=[REFERENCE, *fused])
        for column in ("outcome", "predicted", "confidence")
    }  # fmt: skip
    return _Outcomes(facts, wide["outcome"], wide["predicted"], wide["confidence"], fused)


def _swapped(context: Context, table: _Outcomes) -> Choice:
    """Rule A: the swap that the method's authors show, a truck called a car."""
    pair = chosen_pair(context.results)
    wrong = table.outcome[REFERENCE] == "misclassified"
    rescued = (table.outcome[table.fused] == "correct").any(axis=1)
    right = table.confidence[table.fused].where(table.outcome[table.fused] == "correct").max(axis=1)
    margin = right - table.confidence[REFERENCE]
    order = (
        "Of these, the one with the largest margin is shown: the highest confidence of a fused source that "
        "is right, less the confidence of visible-only in its wrong class; of equals, the lower object id."
    )
    lead = ""
    if pair is not None:
        first, second = pair
        of_class = table.facts["class"] == first
        met = of_class & wrong & rescued & (table.predicted[REFERENCE] == second)
        what = (
            f"objects of class {first} that visible-only calls {second} and that at least one fused source "
            "gets right"
        )
        if met.any():
            found = f"{int(met.sum())} of {plural(int(of_class.sum()), 'object')} of class {first} meet it."
            return Choice(
                f"{first} taken for {second}", f"Rule: {what}. {found} {order}", _largest(margin, met)
            )
        lead = (
            f"Rule: {what}. No such object in this test set ({plural(int(of_class.sum()), 'object')} of "
            f"class {first}). Fallback rule: "
        )
    met = wrong & rescued
    what = "any object that visible-only gives the wrong class and that at least one fused source gets right"
    title = (
        f"{pair[0]} taken for {pair[1]}: none; any swap"
        if pair and met.any()
        else "One class taken for another"
    )
    if not met.any():
        return Choice(title, f"{lead or 'Rule: '}{what}. No such object in this test set.", None)
    found = f"{int(met.sum())} of {plural(len(met), 'object')} meet it."
    return Choice(title, f"{lead or 'Rule: '}{what}. {found} {order}", _largest(margin, met))


def _lost(table: _Outcomes) -> Choice:
    """Rule B: a person whom visible-only misses."""
    missed = table.outcome[REFERENCE] == "missed"
    finders = (table.outcome[table.fused] == "correct").sum(axis=1)
    person = table.facts["class"].str.lower().isin(PEOPLE)
    order = "Of these, the one that most fused sources get right is shown; of equals, the lower object id."
    met = person & missed & (finders > 0)
    what = "people that visible-only misses and that at least one fused source gets right"
    if met.any():
        found = f"{int(met.sum())} of {plural(int(person.sum()), 'person', 'people')} meet it."
        return Choice(
            "A person lost in the visible image", f"Rule: {what}. {found} {order}", _largest(finders, met)
        )
    lead = (
        f"Rule: {what}. No such object in this test set ({plural(int(person.sum()), 'person', 'people')}). "
    )
    met = missed & (finders > 0)
    what = "Fallback rule: any object that visible-only misses and that at least one fused source gets right."
    if not met.any():
        return Choice("A person lost in the visible image", f"{lead}{what} No such object either.", None)
    found = f"{int(met.sum())} of {plural(len(met), 'object')} meet it."
    return Choice(
        "An object lost in the visible image", f"{lead}{what} {found} {order}", _largest(finders, met)
    )


def _broken(table: _Outcomes) -> Choice:
    """Rule C: the reverse, an object that fusion loses."""
    kept = table.outcome[REFERENCE] == "correct"
    losers = (table.outcome[table.fused] != "correct").sum(axis=1)
    met = kept & (losers > 0)
    what = "Rule: any object that visible-only gets right and that at least one fused source does not."
    title = "The reverse: an object that fusion loses"
    if not met.any():
        return Choice(title, f"{what} No such object in this test set.", None)
    found = f"{int(met.sum())} of {plural(len(met), 'object')} meet it."
    order = "Of these, the one that most fused sources get wrong is shown; of equals, the lower object id."
    return Choice(title, f"{what} {found} {order}", _largest(losers, met))


def _largest(value: pd.Series, met: pd.Series) -> int:
    """Object id with the largest value among those that meet the rule; the lowest id of equals."""
    candidates = value[met].fillna(float("-inf"))
    return int(candidates[candidates == candidates.max()].index.min())
