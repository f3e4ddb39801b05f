"""Where fusion helps: differences by visibility, condition, and size."""

from __future__ import annotations

from ...datasets.records import SIZES, VISIBILITIES
from ..blocks import Block, Figure, Heading, Paragraph
from ..context import Context, protocol_title
from ..differences import HEADLINE_POINT
from ..figures.forest import FOREST, Panel, draw_forest
from ..figures.matrix import Grid, draw_grids
from ..numbers import defined, whole

FAMILIES = {
    "visibility": "By visibility: where the object stands out against its surroundings",
    "condition": "By condition",
    "size": "By size in pixels of the original image",
    "network_size": "By size as the network sees it",
}
ORDER = (*VISIBILITIES, *SIZES)
MOST = 6  # strata of a family that are drawn
ROWS = 18  # classes by size that are drawn
_AXES = {"mAP50": ("Δ mAP50, AP", ""), "recall": ("Δ recall, %", HEADLINE_POINT)}


def strata_section(context: Context) -> list[Block] | str:
    """One figure for each family of strata, and a matrix of class by size."""
    protocol = context.headline_protocol
    blocks: list[Block] = [
        Heading("Where fusion helps"),
        Paragraph.of(
            f"Differences to {context.results.base} within parts of the test split: mAP50, and recall at "
            f"equal precision. {FOREST} Each stratum is another look at the same images: with many of them, "
            f"some stand out by chance. {protocol_title(protocol)}."
        ),
    ]
    for family, title in FAMILIES.items():
        names = _strata(context, protocol, f"{family}:")[:MOST]
        panels = [
            Panel(_title(context, protocol, name), axis, gaps)
            for quantity, (axis, point) in _AXES.items()
            for name in names
            if (gaps := context.gaps(protocol, quantity, name, point))
        ]
        if panels:
            caption = f"{title}; in brackets the objects. {context.intervals(protocol)}"
            columns = len(panels) if len(panels) <= MOST else len(names)
            blocks.append(Figure(draw_forest(context, panels, columns=columns), caption))
    blocks += _class_size(context, protocol)
    if not any(isinstance(block, Figure) for block in blocks):
        return "Where fusion helps: no differences by stratum are stored (differences.csv)."
    return blocks


def _strata(context: Context, protocol: str, prefix: str) -> list[str]:
    """Strata of a family: sizes and kinds of visibility in their own order, everything else by name."""

    def order(stratum: str) -> tuple[str, int, str]:
        label, _, name = stratum.removeprefix(prefix).rpartition("/")
        return label, ORDER.index(name) if name in ORDER else len(ORDER), name

    stored = (name for quantity in _AXES for name in context.differences.strata(protocol, quantity, prefix))
    return sorted(set(stored), key=order)


def _title(context: Context, protocol: str, stratum: str) -> str:
    family, _, name = stratum.partition(":")
    only = " only" if family == "visibility" and name in ("infrared", "visible") else ""
    number = _objects(context, protocol, stratum)
    return f"{name.replace('/', ', ')}{only}" + (f" ({whole(number)})" if defined(number) else "")


def _objects(context: Context, protocol: str, stratum: str) -> float:
    found = context.means("strata", protocol, stratum=stratum)
    return max((row["objects"] for row in found.values()), default=float("nan"))


def _class_size(context: Context, protocol: str) -> list[Block]:
    """A matrix of recall differences: class by size in rows, sources in columns."""
    sizes = {name: _objects(context, protocol, name) for name in _strata(context, protocol, "class_size:")}
    kept = sorted(sizes, key=lambda name: -sizes[name])[:ROWS]
    shown, rivals = [name for name in sizes if name in kept], [one.source for one in context.rivals(protocol)]
    cells = {}
    for row, stratum in enumerate(shown):
        for source, gap in context.gaps(protocol, "recall", stratum, HEADLINE_POINT).items():
            cells[row, rivals.index(source)] = gap.text, gap.value, gap.established
    if not cells:
        return []
    rest = f" The {ROWS} with most objects." if len(sizes) > ROWS else ""
    text = (
        f"Recall by class and size, difference to {context.results.base} in percent points; in brackets the "
        f"objects.{rest} Full colour and bold: established."
    )
    names = [_title(context, protocol, name) for name in shown]
    grid = Grid("", names, [context.results.labels[name] for name in rivals], cells)
    caption = context.caption(protocol, text, point=HEADLINE_POINT)
    return [Figure(draw_grids([grid], row=4.3, label=38.0, below=15.0), caption)]
