"""What the report can and cannot show, computed from what it rests on."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Heading, Note, Paragraph, Table
from ..context import Context
from ..marks import SEEN
from ..numbers import Z95, join, percent, plural, whole, wilson
from ..scores import FEW_BLOCKS, HEADLINE, interval_blocks

NARROW = 0.05
MOST = 12


def limits_section(context: Context) -> list[Block]:
    """Paragraphs on size, chance, choice, leakage and labels, and what one object weighs."""
    results = context.results
    images, objects = results.extent()
    blocks: list[Block] = [Heading("What this report can and cannot show")]
    if results.notice:
        blocks.append(Note(f"{_capital(results.notice)}.", "warning"))
    counts = {name: number for name, number in results.class_counts().items() if number}
    text = f" The test split has {plural(images, 'image')} with {plural(objects, 'object')}."
    if counts:
        rarest = min(counts, key=lambda name: counts[name])
        text += (
            f" Of the rarest class, {rarest}, it has {counts[rarest]}: a share measured on them is "
            f"known to ±{100 * half_width(counts[rarest]):.0f} points at best in the middle of the "
            f"range, and one object more or less moves it by {100 / counts[rarest]:.1f} points. To "
            f"know a share to ±5 points takes about {whole(needed(NARROW))} objects."
        )
    blocks.append(Paragraph.of("Size.", text))
    blocks.append(Paragraph.of("Chance.", _chance(context)))
    number = len(
        [score for score in context.finished(context.headline_protocol) if score.source != "visible"]
    )
    if number > 1:
        blocks.append(
            Paragraph.of(
                "Choice.",
                f" {number} sources are compared with visible-only. The best of several looks better "
                "than it is, because chance helps to be the best; intervals are not corrected for "
                "that.",
            )
        )
    blocks.append(Paragraph.of("Labels.", _LABELS))
    blocks.append(Paragraph.of("Threshold.", _THRESHOLD))
    if "frozen" in results.protocols and len(results.protocols) > 1:
        blocks.append(Paragraph.of("Protocols.", _PROTOCOLS))
    trained = _training_data(context)
    if trained:
        blocks.append(Paragraph.of("Training data.", trained))
    if counts:
        blocks.append(_weights(counts))
    return blocks


_LABELS = (
    " One set of boxes serves both modalities. An object that cannot be seen in the visible image "
    "still counts as missed there, so some of the advantage of infrared and fused sources lies in the "
    "labels by construction."
)
_THRESHOLD = (
    " mAP needs no threshold. Outcomes, misclassifications and fixed and broken objects are those at "
    "one confidence threshold per detector, chosen on the validation split; another threshold gives "
    "other counts."
)
_PROTOCOLS = (
    " Numbers of the two protocols answer different questions and are never compared with each other. "
    "A frozen detector favours sources that look like what it was trained on."
)


def half_width(number: int) -> float:
    """Half of Wilson's 95 % interval of a share of one half, measured on ``number`` objects."""
    low, high = wilson(number / 2, number)
    return (high - low) / 2


def needed(width: float) -> int:
    """Objects that a share of one half needs for a 95 % half-width of ``width`` (normal approximation)."""
    return round((Z95 / (2 * width)) ** 2)


def _chance(context: Context) -> str:
    protocol = context.headline_protocol
    seeds = len(context.results.seeds(protocol))
    if seeds == 0:
        return " No detector finished, so nothing is known about the chance in its training."
    if seeds == 1:
        text = (
            " There is one detector per source. Training again with another seed moves scores, often "
            "by a point or more; this report cannot say by how much."
        )
    else:
        text = (
            f" There are {seeds} detectors per source; the standard deviations show the chance in training."
        )
    frame = context.results.table("intervals", protocol)
    scores = [score for score in context.finished(protocol) if HEADLINE in score.interval]
    if frame is None or not scores:
        return (
            f"{text} No interval is stored, so the chance in the choice of test images is not known either."
        )
    sure = [score for score in scores if not score.interval[HEADLINE][0] <= 0 <= score.interval[HEADLINE][1]]
    text += f" Of {plural(len(scores), 'interval')} of the difference to visible-only, {len(sure)} "
    text += "excludes zero." if len(sure) == 1 else "exclude zero."
    blocks = interval_blocks(context.results, protocol)
    if blocks is not None and blocks < FEW_BLOCKS:
        text += (
            f" They are drawn from only {plural(blocks, 'block')} of images and are too narrow for that "
            "reason: a bootstrap needs many more to be trusted."
        )
    return text


def _training_data(context: Context) -> str:
    """Which sources may have been trained on test images, and of which nothing is known."""
    results = context.results
    text = ""
    for name, found in results.contamination.items():
        text += f" {results.titles[name]} ({SEEN}): {found}."
    if text:
        text += (
            " A method does better on images that it was trained on, so these rows say little about new "
            "ones. Images are compared by the content of their files: a copy that was encoded anew, or the "
            "next frame of a video, is not recognised."
        )
    unknown = [results.titles[name] for name in _of_unknown_training(context)]
    if unknown:
        text += (
            f" What {join(unknown)} {'was' if len(unknown) == 1 else 'were'} trained on is not stated, so "
            "that test images may have been among it."
        )
    return text


def _of_unknown_training(context: Context) -> list[str]:
    """Learned sources whose cards name no training data that anybody could look up."""
    found = []
    for item in context.results.manifest.get("sources") or []:
        card, name = item.get("card") or {}, str(item["name"])
        trained = [str(entry) for entry in card.get("trained_on") or []]
        stated = [entry for entry in trained if not entry.casefold().startswith("unknown")]
        if card.get("kind") == "learned" and not stated and name in context.results.titles:
            found.append(name)
    return found


def _weights(counts: dict[str, int]) -> Table:
    names = sorted(counts, key=lambda name: counts[name])[:MOST]
    columns = (
        Column("class", "left"),
        Column("objects in test"),
        Column("one object weighs"),
        Column("95 % half-width at one half"),
        Column("largest rate when none is seen"),
    )
    rows = tuple(
        (
            Cell(name),
            Cell(whole(counts[name])),
            Cell(percent(1 / counts[name], 1)),
            Cell(f"± {percent(half_width(counts[name]), 1)}"),
            Cell(percent(wilson(0, counts[name])[1], 1)),
        )
        for name in names
    )
    note = (
        "Last column: even without a single misclassification, the true rate may be as high as this (Wilson)."
    )
    return Table("", "weights", "What shares measured on this test split can resolve.", columns, rows, note)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")
