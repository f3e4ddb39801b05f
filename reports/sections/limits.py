"""What the report can and cannot show, from what it rests on."""

from __future__ import annotations

from ..blocks import Block, Heading, Note, Paragraph
from ..context import Context, protocol_title
from ..differences import COVERS, LEAST_BLOCKS, QUANTITIES
from ..marks import SEEN
from ..numbers import defined, join, plural

SMALL_CLASS = 30  # objects: with fewer, one of them moves a rate by more than three points


def limits_section(context: Context) -> list[Block]:
    """Paragraphs on size, chance, choice, operating points, labels, protocols and training data."""
    results, base = context.results, context.results.base
    blocks: list[Block] = [Heading("What this report can and cannot show")]
    if results.notice:
        blocks.append(Note(f"{results.notice[:1].upper()}{results.notice[1:].rstrip('.')}.", "warning"))
    blocks.append(Paragraph.of("Size.", _size(context)))
    blocks.append(Paragraph.of("Chance.", _chance(context)))
    number = len(context.rivals(context.headline_protocol))
    if number > 1:
        text = (
            f" {number} sources are compared with {base}. Simultaneous intervals and Holm's p-values allow for that within "
            "one quantity; they do not allow for the many quantities, classes and strata that are shown. The verdict rests "
            "on mAP50 alone; what stands out elsewhere asks for another test set."
        )
        blocks.append(Paragraph.of("Choice.", text))
    blocks.append(Paragraph.of("Operating points.", _POINTS))
    blocks.append(Paragraph.of("Labels.", _LABELS))
    if "frozen" in results.protocols and len(results.protocols) > 1:
        blocks.append(Paragraph.of("Protocols.", _PROTOCOLS))
    trained = _training_data(context)
    if trained:
        blocks.append(Paragraph.of("Training data.", trained))
    return blocks


_LABELS = (
    " One set of boxes serves both modalities. An object that cannot be seen in one of the images still counts as missed "
    "there, so some of the advantage of infrared and fused sources lies in the labels by construction; the strata by "
    "visibility show how much."
)
_POINTS = (
    " mAP and miss rates need no threshold. Outcomes, misclassifications and fixed and broken objects are those at thresholds "
    "chosen on val; precision on test scatters around the intended one, and stands beside every count. Intervals of these "
    "counts include the choice of the threshold where val has enough blocks."
)
_PROTOCOLS = (
    " Numbers of the two protocols answer different questions and are never compared with each other. "
    "A frozen detector favours sources that look like what it was trained on."
)


def _size(context: Context) -> str:
    results = context.results
    text = (
        f" The test split has {plural(results.extent('images'), 'image')} with "
        f"{plural(results.extent('objects'), 'object')} in {plural(results.extent('blocks'), 'block')}; how far results "
        "carry over to other images depends on the number of blocks, not of images."
    )
    few = [f"{name} ({number})" for name, number in results.class_counts.items() if 0 < number < SMALL_CLASS]
    if few:
        text += (
            f" Classes with fewer than {SMALL_CLASS} objects, about which little can be said: {join(few)}."
        )
    return text


def _chance(context: Context) -> str:
    text = ""
    for protocol in context.results.protocols:
        gaps = [context.gap(protocol, score.source) for score in context.rivals(protocol)]
        known = [gap for gap in gaps if gap is not None]
        title = protocol_title(protocol)
        if not known:
            text += f" {title}: no differences are stored, so nothing is known of chance."
        elif not any(gap.has_interval for gap in known):
            text += f" {title}: no intervals, as there are fewer than {LEAST_BLOCKS} blocks; nothing is established."
        else:
            sure = sum(gap.established for gap in known)
            sizes = [gap.detectable for gap in known if defined(gap.detectable)]
            plain = QUANTITIES["mAP50"].plain
            shown = (
                f" Differences from {plain(min(sizes))} to {plain(max(sizes))} AP could have been shown."
                if sizes
                else ""
            )
            text += (
                f" {title}: {sure} of {plural(len(known), 'difference')} in mAP50 "
                f"{'is' if sure == 1 else 'are'} established.{shown} {COVERS.get(known[0].covers, '')}"
            )
    return f"{text} Not established does not mean equal: equality within ±1 AP is only claimed where it is shown."


def _training_data(context: Context) -> str:
    """Which sources may have been trained on test images, and of which nothing is known."""
    results = context.results
    text = "".join(
        f" {results.titles[name]} ({SEEN}): {found}." for name, found in results.contamination.items()
    )
    if text:
        text += (
            " A method does better on images that it was trained on, so these rows say little about new ones."
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
    for name, card in context.results.cards.items():
        trained = [str(entry) for entry in card.get("trained_on") or []]
        stated = [entry for entry in trained if not entry.casefold().startswith("unknown")]
        if card.get("kind") == "learned" and not stated:
            found.append(name)
    return found
