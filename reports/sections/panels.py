"""The same object in every source."""

from __future__ import annotations

from collections.abc import Callable

from ..blocks import Block, Heading, Note, Paragraph
from ..context import Context, protocol_title
from ..panels import make_panel
from ..selection import choose_objects


def panels_section(context: Context, progress: Callable[[str], None]) -> list[Block]:
    """Three panels, chosen by rules that are printed with them."""
    protocol = context.headline_protocol
    choices = choose_objects(context, protocol)
    blocks: list[Block] = [
        Heading("The same object in every source"),
        Paragraph.of(
            "After the manner of Figure 7 of the RegionFuse supplement, but chosen by rule: the rule "
            "and the number of objects that meet it stand under each panel. Single objects "
            f"illustrate; they prove nothing. {protocol_title(protocol)}, detections above the "
            "threshold chosen on val. Dashed white: ground truth. Thick, with a label: what the "
            "detector said of this object, blue when correct, orange when not. Thin: its other "
            "detections here, blue when correct."
        ),
    ]
    if context.results.table("objects") is None:
        return [*blocks, Note("Outcomes of objects are not stored in this run, so none can be chosen.")]
    if not choices:
        return [*blocks, Note("There is no fused source to set beside visible-only, or no object to show.")]
    for choice in choices:
        progress(f"panel: {choice.title}")
        if choice.object_id is None:
            blocks.append(Heading(choice.title, level=2))
            blocks.append(Note(choice.rule))
        else:
            blocks.append(make_panel(context, protocol, choice))
    return blocks
