"""What the report can and cannot show, from what it rests on."""

from __future__ import annotations

from ..blocks import Block, Heading, Note, Paragraph
from ..context import Context, protocol_title
from ..differences import COVERS, LEAST_BLOCKS, QUANTITIES
from ..marks import SEEN
from ..numbers import defined, join, plural

SMALL_CLASS = 30  # objects: with fewer, one of them moves a rate by more than three points

_CHOICE = (
    " {number} sources are compared with {base}. Simultaneous intervals and Holm's p-values allow for that "
    "within one quantity, not for the many quantities, classes and strata that are shown. The verdict rests "
    "on mAP50; what stands out elsewhere asks for another test set."
)
_POINTS = (
    " mAP and miss rates need no threshold. Counts of objects are those at thresholds chosen on {images}; "
    "precision on test scatters around the intended one and stands beside every count. Their intervals "
    "include the choice of the threshold."
)
_LABELS = (
    " One set of boxes serves both modalities. An object that cannot be seen in one of the images still "
    "counts as missed there, so some of the advantage of infrared and fused sources lies in the labels by "
    "construction; the strata by visibility show how much."
)
_PROTOCOLS = (
    " Numbers of the two protocols answer different questions and are never compared with each other. A "
    "frozen detector favours sources that look like what it was trained on."
)


def limits_section(context: Context) -> list[Block]:
    """Paragraphs on size, chance, choice, operating points, labels, protocols and training data."""
    results, number = context.results, len(context.rivals(context.headline_protocol))
    blocks: list[Block] = [Heading("What this report can and cannot show")]
    if results.notice:
        blocks.append(Note(f"{results.notice[:1].upper()}{results.notice[1:].rstrip('.')}.", "warning"))
    both = "frozen" in results.protocols and len(results.protocols) > 1
    texts = {
        "Size.": _size(context),
        "Chance.": _chance(context),
        "Choice.": _CHOICE.format(number=number, base=results.base) if number > 1 else "",
        "Operating points.": _POINTS.format(images=results.chosen_on),
        "Labels.": _LABELS,
        "Protocols.": _PROTOCOLS if both else "",
        "Training data.": _training_data(context),
    }
    return [*blocks, *(Paragraph.of(topic, text) for topic, text in texts.items() if text)]


def _size(context: Context) -> str:
    inside = join([plural(context.results.extent(f"{noun}s"), noun) for noun in ("image", "object", "block")])
    text = f" The test split has {inside}; how far results carry over depends on the number of blocks."
    few = [
        f"{name} ({number})"
        for name, number in context.results.class_counts.items()
        if 0 < number < SMALL_CLASS
    ]
    if few:
        text += (
            f" Classes with fewer than {SMALL_CLASS} objects, about which little can be said: {join(few)}."
        )
    return text


def _chance(context: Context) -> str:
    text = ""
    for protocol in context.results.protocols:
        known, title = list(context.gaps(protocol).values()), protocol_title(protocol)
        if not known:
            text += f" {title}: no differences are stored, so nothing is known of chance."
        elif not any(gap.has_interval for gap in known):
            text += f" {title}: no intervals with fewer than {LEAST_BLOCKS} blocks; nothing is established."
        else:
            sure = sum(gap.established for gap in known)
            sizes = [QUANTITIES["mAP50"].plain(gap.detectable) for gap in known if defined(gap.detectable)]
            shown = f" Differences from {min(sizes, key=float)} AP on could have been shown." if sizes else ""
            text += f" {title}: {sure} of {plural(len(known), 'difference')} in mAP50 established.{shown}"
            text += f" {COVERS[known[0].covers]}" if protocol == context.headline_protocol else ""
    return (
        f"{text} Not established does not mean equal: equality within ±1 AP is only claimed where it is "
        "shown."
    )


def _training_data(context: Context) -> str:
    """Which sources may have been trained on test images, and of which nothing is known."""
    titles = context.results.titles
    text = "".join(
        f" {titles[name]} ({SEEN}): {found}." for name, found in context.results.contamination.items()
    )
    if text:
        text += (
            " A method does better on images that it was trained on, so these rows say little about new ones."
        )
    unknown = []
    for name, card in context.results.cards.items():
        trained = [str(entry) for entry in card.get("trained_on") or []]
        stated = [entry for entry in trained if not entry.casefold().startswith("unknown")]
        if card.get("kind") == "learned" and not stated:
            unknown.append(titles[name])
    if unknown:
        verb = "was" if len(unknown) == 1 else "were"
        text += (
            f" What {join(unknown)} {verb} trained on is not stated, so that test images may have been among "
            "it."
        )
    return text
