"""The verdict: what is established, what is not, and what changed for objects."""

from __future__ import annotations

from .context import METRIC_TITLES, Context, SourceScore
from .differences import HEADLINE_POINT, LEAST_BLOCKS, QUANTITIES, Difference
from .numbers import decimal, defined, mean_count, percent, plural, points, signed, some
from .objects import balances, called, called_gap, chosen_pairs

FEW_IMAGES = 50
UNEQUAL = 0.05  # precisions on test that differ by more were equal on val only
_LEAD = {"retrained": "With a detector retrained per source", "frozen": "With one frozen detector"}


def make_verdict(context: Context) -> tuple[str, str]:
    """Say which source scores best, which differences are established, then what changed for objects."""
    return _scores(context) + _seen_clause(context), _objects(context)


def _scores(context: Context) -> str:
    protocol, results = context.headline_protocol, context.results
    lead = _LEAD.get(protocol, f"With {protocol} predictions")
    best, reference = context.best(protocol), context.reference(protocol)
    if best is None:
        if context.finished(protocol):
            return f"{lead}, no score is defined: the test set has no objects that could be found."
        return f"{lead}, no source could be evaluated: all of them failed."
    images, objects = results.extent("images"), results.extent("objects")
    few = "only " if images < FEW_IMAGES else ""
    where = f"on {few}{plural(images, 'test image')} with {plural(objects, 'object')}"
    score = f"{points(best.value())} {METRIC_TITLES['mAP50']} (AP points)"
    number = len(context.finished(protocol))
    if _nothing_found(context):
        return (
            f"{lead}, every source scores 0.0 mAP50 {where}: no detector found anything, so none is better."
        )
    if number == 1:
        return (
            f"{lead}, {best.title} scores {score} {where}; no other source was evaluated to compare it with."
        )
    first = f"{lead}, {best.title} scores highest of {number} sources, {score} {where}"
    if reference is None:
        return f"{first}; {results.base} has no result, so nothing is said about what fusion adds."
    fused = context.rival(protocol)
    if fused is not None and context.is_single(best.source) and not context.is_single(fused.source):
        level = "level with" if points(fused.value()) == points(best.value()) else "ahead of"
        first += f", {level} the best fused source, {fused.title}, at {points(fused.value())}"
    return f"{first}. {_certainty(context, best)}"


def _certainty(context: Context, best: SourceScore) -> str:
    """Which differences to the reference are established by simultaneous intervals, and what is left open."""
    protocol, results, base = context.headline_protocol, context.results, context.results.base
    gaps = context.gaps(protocol)
    if not gaps:
        return f"No differences to {base} are stored, so chance is not ruled out and nothing is established."
    weakest, gap = context.weakest(protocol), gaps.get(best.source)
    assert weakest is not None
    if not weakest.has_interval:
        ahead = f"Against {base} that is {gap.text} AP. " if gap is not None else ""
        verb = "is" if weakest.blocks == 1 else "are"
        return (
            f"{ahead}No difference is established: {plural(weakest.blocks, 'block')} of test images {verb} "
            f"too few for an interval (at least {LEAST_BLOCKS} are needed)."
        )
    seeds = plural(weakest.seeds, "seed")
    covered = {
        "methods": f"and {seeds}, which cover the choice of images and the chance in training",
        "few seeds": f"and {seeds}, too few to know the chance in training",
    }.get(weakest.covers, "with one seed per source: the chance in training is not in them")
    rest = f"simultaneous 95 % intervals over {plural(weakest.blocks, 'block')} {covered}"
    only = "" if weakest.covers == "methods" else " for these trained detectors"
    sure = sorted((one for one in gaps.values() if one.established), key=lambda one: -one.value)
    if sure:
        named = some([f"{results.titles[one.source]} {one.sentence}" for one in sure])
        text = f"Established{only} against {base} ({rest}): {named}."
    else:
        shown = f": {best.title} has {gap.sentence}" if gap is not None else ""
        text = f"No difference to {base} is established{only} ({rest}){shown}."
    unsure = [one for one in gaps.values() if not one.established]
    return f"{text}{_open(context, unsure, sure)}{_checked(context, sure)}{_chances(context, best)}"


def _open(context: Context, unsure: list[Difference], sure: list[Difference]) -> str:
    """What is not established, what could have been shown, and what is as good as equal."""
    if not unsure:
        return ""
    titles = context.results.titles
    parts = [f"Not established: {some([titles[one.source] for one in unsure])}"] if sure else []
    sizes = sorted(one.detectable for one in unsure if defined(one.detectable))
    if sizes:
        low, high = (QUANTITIES["mAP50"].plain(end) for end in (sizes[0], sizes[-1]))
        parts.append(
            f"this test could have shown {low if low == high else f'{low} to {high}'} AP (4 times in 5)"
        )
    equal = [titles[one.source] for one in unsure if one.equivalent]
    parts.append(
        f"equivalent within ±1 AP: {some(equal)}" if equal else "none is shown to be equivalent within ±1 AP"
    )
    text = "; ".join(parts)
    return f" {text[:1].upper()}{text[1:]}."


def _checked(context: Context, sure: list[Difference]) -> str:
    """Whether the sign-flip test over blocks agrees with the intervals."""
    doubtful = [one for one in sure if defined(one.p_sign_flip) and one.p_sign_flip > 0.05]
    if doubtful and len(doubtful) == len(sure):
        return " A sign-flip test over blocks confirms none of them."
    named = some(
        [f"{context.results.titles[one.source]} (p = {decimal(one.p_sign_flip)})" for one in doubtful]
    )
    return f" A sign-flip test over blocks does not confirm {named}." if doubtful else ""


def _chances(context: Context, best: SourceScore) -> str:
    row = context.ranks(context.headline_protocol).get(best.source)
    if row is None or not defined(row["p_best"]) or not defined(row["rank_low"]):
        return ""
    number = len(context.finished(context.headline_protocol))
    return (
        f" {best.title} is the best with probability {decimal(row['p_best'])}; its rank lies from "
        f"{row['rank_low']:g} to {row['rank_high']:g} of {number}."
    )


def _seen_clause(context: Context) -> str:
    """Return a sentence when the best source owes its place to images that it may have seen in training."""
    best = context.best(context.headline_protocol)
    known = context.results.contamination.get(best.source, "") if best is not None else ""
    if best is None or not known or _nothing_found(context):
        return ""
    return f" But {best.title} may have seen these images before: {known}."


def _nothing_found(context: Context) -> bool:
    best = context.best(context.headline_protocol)
    return best is not None and points(best.value()) == points(0.0)


def _objects(context: Context) -> str:
    protocol = context.headline_protocol
    reference, rival = context.reference(protocol), context.rival(protocol)
    if _nothing_found(context):
        return "Nothing can be said of single objects; train the detectors longer or start from a checkpoint."
    if reference is None or rival is None or rival.source == reference.source:
        return "What fusion changes for single objects cannot be said: there is nothing to compare."
    parts = [part for part in (_balance_part(context, rival), _called_part(context, rival)) if part]
    if not parts:
        return f"What {rival.title} changes for single objects is not stored."
    average = " (means over seeds)" if context.several(protocol) else ""
    return f"For single objects{average}, at equal precision: {' '.join(parts)}"


def _balance_part(context: Context, rival: SourceScore) -> str:
    row = balances(context, context.headline_protocol).get(rival.source)
    if row is None:
        return ""
    gap, base = _gap(context, rival, "balance"), context.results.base
    apart = abs(row["precision"] - row["reference_precision"]) > UNEQUAL
    warning = (
        f" The thresholds chosen on {context.results.chosen_on} did not make precision equal on test, so "
        "this balance is no fair one."
    )
    return (
        f"{rival.title} gets {mean_count(row['fixed'])} right that {base} gets wrong, and "
        f"{mean_count(row['broken'])} wrong that {base} gets right, a balance of "
        f"{_signed_count(row['balance'])} of {plural(int(row['objects']), 'object')}{_judged(gap)}, at "
        f"{percent(row['precision'])} precision against {percent(row['reference_precision'])} and "
        f"{decimal(row['false_alarms_per_image'])} false alarms per image against "
        f"{decimal(row['reference_false_alarms_per_image'])}.{warning if apart else ''}"
    )


def _called_part(context: Context, rival: SourceScore) -> str:
    pairs = chosen_pairs(context.results, 1)
    if not pairs:
        return ""
    protocol, base, clauses = context.headline_protocol, context.results.base, []
    for true, predicted in (pairs[0], pairs[0][::-1]):
        counts = called(context, protocol, true, predicted)
        if context.results.reference not in counts or rival.source not in counts:
            return ""
        before, after = counts[context.results.reference], counts[rival.source]
        if not after["objects"]:
            clauses.append(f"the test set has no {true} to be called {predicted}")
            continue
        gap = called_gap(context, protocol, rival.source, true, predicted)
        clauses.append(
            f"{true} is called {predicted} for {mean_count(before['top_label'])} of "
            f"{mean_count(after['objects'])} with {base} and {mean_count(after['top_label'])} with "
            f"{rival.title}{_judged(gap, shown=True)}"
        )
    return f"By top label, {', and '.join(clauses)}."


def _judged(gap: Difference | None, *, shown: bool = False) -> str:
    """The interval and what it says, in brackets; ``shown`` names the difference too."""
    if gap is None or not defined(gap.value):
        return ""
    if not gap.has_interval:
        return " (no interval)"
    low, high = gap.kind.signed(gap.simultaneous_low), gap.kind.signed(gap.simultaneous_high)
    bounds = gap.sentence.replace(" (", ", ").rstrip(")") if shown else f"{low} to {high}"
    word = "established" if gap.established else "not established"
    if gap.established and gap.covers != "methods":
        word += " for these detectors"
    return f" ({bounds}: {word})"


def _gap(context: Context, rival: SourceScore, quantity: str) -> Difference | None:
    return context.gap(context.headline_protocol, rival.source, quantity, "all", HEADLINE_POINT)


def _signed_count(value: float) -> str:
    return signed(value, 0 if float(value).is_integer() else 1)
