"""The rules that choose which objects the panels show. Nobody picks: same results, same objects."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from .context import Context
from .numbers import plural
from .objects import chosen_pairs

PEOPLE = ("people", "person", "pedestrian", "pedestrians", "human")
WRONG = ("misclassified", "ambiguous")  # by top label, the system gives another class


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
    reference: str
    base: str


def choose_objects(context: Context, protocol: str, frame: pd.DataFrame) -> tuple[Choice, ...]:
    """Apply the three rules; empty when nothing can be compared.

    Args:
        context: results.
        protocol: which detectors.
        frame: result of :meth:`~.results.Results.objects` for one seed.
    """
    fused, reference = [score.source for score in context.fused(protocol)], context.results.reference
    rows = frame[frame["kind"] == "object"]
    if rows.empty or not fused or context.reference(protocol) is None:
        return ()
    facts = rows.drop_duplicates("object_id").set_index("object_id")[["class", "stem"]].sort_index()
    wide = {
        column: rows.pivot_table(index="object_id", columns="source", values=column, aggfunc="first")
        .reindex(index=facts.index, columns=[reference, *fused])
        for column in ("outcome", "predicted", "confidence")
    }  # fmt: skip
    table = _Outcomes(facts, wide["outcome"], wide["predicted"], wide["confidence"], fused, reference,
                      context.results.base)  # fmt: skip
    return _mistaken(context, table), _lost(table), _broken(table)


def _mistaken(context: Context, table: _Outcomes) -> Choice:
    """Rule A: the mistake that the method's authors show, a truck called a car."""
    pair = next(iter(chosen_pairs(context.results, 1)), None)
    wrong = table.outcome[table.reference].isin(WRONG)
    right = table.outcome[table.fused] == "correct"
    margin = table.confidence[table.fused].where(right).max(axis=1) - table.confidence[table.reference]
    order = (
        "Shown: the one with the largest margin, the highest confidence of a fused source that is right "
        f"less that of {table.base}; of equals, the lower object id."
    )
    rules = []
    if pair is not None:
        first, second = pair
        of_class = table.facts["class"] == first
        rules.append(_Rule(
            f"{first} taken for {second}",
            f"objects of class {first} that {table.base} calls {second} and that at least one fused source "
            "calls right",
            of_class, of_class & wrong & right.any(axis=1) & (table.predicted[table.reference] == second),
        ))  # fmt: skip
    what = (
        f"any object that {table.base} gives the wrong class and that at least one fused source calls right"
    )
    title = f"{pair[0]} taken for {pair[1]}: none; any class" if pair else "One class taken for another"
    rules.append(_Rule(title, what, wrong | True, wrong & right.any(axis=1)))
    return _first(rules, margin, order)


def _lost(table: _Outcomes) -> Choice:
    """Rule B: a person whom the reference misses."""
    missed = table.outcome[table.reference] == "missed"
    finders = (table.outcome[table.fused] == "correct").sum(axis=1)
    person = table.facts["class"].str.lower().isin(PEOPLE)
    kind = "visible image" if table.reference == "visible" else "reference"
    end = f"that {table.base} misses and that at least one fused source gets right"
    order = "Shown: the one that most fused sources get right; of equals, the lower object id."
    rules = [
        _Rule(f"A person lost in the {kind}", f"people {end}", person, person & missed & (finders > 0)),
        _Rule(f"An object lost in the {kind}", f"any object {end}", missed | True, missed & (finders > 0)),
    ]
    return _first(rules, finders, order)


def _broken(table: _Outcomes) -> Choice:
    """Rule C: the reverse, an object that fusion loses."""
    kept = table.outcome[table.reference] == "correct"
    losers = (table.outcome[table.fused] != "correct").sum(axis=1)
    what = f"any object that {table.base} gets right and that at least one fused source does not"
    order = "Shown: the one that most fused sources get wrong; of equals, the lower object id."
    title = "The reverse: an object that fusion loses"
    return _first([_Rule(title, what, kept | True, kept & (losers > 0))], losers, order)


@dataclass(frozen=True)
class _Rule:
    """A rule with the objects it looks at and those that meet it (boolean by object id)."""

    title: str
    what: str
    among: pd.Series
    met: pd.Series


def _first(rules: list[_Rule], value: pd.Series, order: str) -> Choice:
    """Apply the first rule that an object meets, and say which rules were tried."""
    text = ""
    for at, rule in enumerate(rules):
        word = "Rule" if not at else "Fallback rule"
        among = plural(int(rule.among.sum()), "object")
        if rule.met.any():
            text += f"{word}: {rule.what}. {int(rule.met.sum())} of {among} meet it. {order}"
            return Choice(rule.title, text, _largest(value, rule.met))
        text += f"{word}: {rule.what}. No such object in this test set (of {among}). "
    return Choice(rules[0].title, text.rstrip(), None)


def _largest(value: pd.Series, met: pd.Series) -> int:
    """Object id with the largest value among those that meet the rule; the lowest id of equals."""
    candidates = value[met].fillna(float("-inf"))
    return int(candidates[candidates == candidates.max()].index.min())
