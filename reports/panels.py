"""Panels in the manner of the paper's Figure 7: the same object in every source, chosen by rule."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from .blocks import Block, Crop, Heading, Mark, Note, Panel, Paragraph
from .context import POINTS, Context, protocol_title
from .crops import Window, cut, read_picture, shrink, window_around
from .differences import HEADLINE_POINT
from .numbers import decimal
from .palette import BAD, OUTCOME_WORDS, OUTCOMES
from .selection import Choice, choose_objects

TRUTH = "#ffffff"


def panels_section(context: Context, progress: Callable[[str], None]) -> list[Block] | str:
    """Three panels, chosen by rules that are printed with them."""
    protocol, left_out = context.headline_protocol, "The same object in every source: "
    seeds = context.results.seeds(protocol)
    if not (context.results.run / "fused").is_dir():
        return f"{left_out}no pictures are stored."
    frame = context.results.objects(protocol, seeds[0]) if seeds else None
    if frame is None:
        return f"{left_out}outcomes of objects are not stored (objects.parquet)."
    choices = choose_objects(context, protocol, frame)
    if not choices:
        return f"{left_out}there is no fused source beside {context.results.base}, or no object to show."
    blocks: list[Block] = [
        Heading("The same object in every source"),
        Paragraph.of(
            "After the manner of Figure 7 of the RegionFuse supplement, but chosen by rule: the rule and "
            "the number of objects that meet it stand under each panel. Single objects illustrate; they "
            f"prove nothing. {protocol_title(protocol)}. Operating point: {POINTS[HEADLINE_POINT]}, chosen "
            f"on {context.results.chosen_on}. Dashed white: ground truth. Thick, with a label: what the "
            "detector calls this object, blue when correct. Thin: its other detections here, blue when "
            "correct."
        ),
    ]
    for choice in choices:
        progress(f"panel: {choice.title}")
        if choice.object_id is None:
            blocks += [Heading(choice.title, level=2), Note(choice.rule)]
        else:
            blocks.append(make_panel(context, protocol, choice, frame, seeds[0]))
    return blocks


def make_panel(context: Context, protocol: str, choice: Choice, frame: pd.DataFrame, seed: int) -> Panel:
    """Cut the chosen object out of every finished source and mark what its detector said.

    Args:
        context: results with pictures of the test split under ``fused``.
        protocol: which detectors.
        choice: an object; its ``object_id`` is not None.
        frame: outcomes of one seed, see :meth:`~.results.Results.objects`.
        seed: which one.

    Raises:
        ReportError: a stored picture is damaged.
    """
    assert choice.object_id is not None
    focus = frame[(frame["object_id"] == choice.object_id) & (frame["kind"] == "object")]
    first = focus.iloc[0]
    stem, box = str(first["stem"]), _box(first, "")
    visible = read_picture(context.results.image_path(context.results.reference, stem))
    width, height = _extent(context, stem, box) if visible is None else (visible.shape[1], visible.shape[0])
    window = window_around(box, width, height)
    crops = []
    for score in context.finished(protocol):
        rows = focus[focus["source"] == score.source]
        if rows.empty:
            continue
        row = rows.iloc[0]
        others = frame[(frame["source"] == score.source) & (frame["stem"] == stem)]
        marks = (*other_marks(others, window, choice.object_id), *focus_marks(row, window))
        picture = read_picture(context.results.image_path(score.source, stem))
        words = outcome_words(row) if picture is not None else f"{outcome_words(row)}; no picture stored"
        outcome = str(row["outcome"])
        crops.append(
            Crop(
                cut(picture, window), score.title, context.colors[score.source], words,
                OUTCOMES.get(outcome, BAD), marks,
            )
        )  # fmt: skip
    whole = Window(0, 0, width, height)
    corner = (window.left, window.top, window.left + window.width, window.top + window.height)
    overview = Crop(
        shrink(visible, width, height), "", "", f"image {stem} of {context.results.base}, window marked", "",
        (Mark(*whole.relative(corner), color=BAD),),
    )  # fmt: skip
    size = f"{box[2] - box[0]:.0f} × {box[3] - box[1]:.0f} pixels"
    facts = f"Object {choice.object_id}, class {first['class']}, {size} in image {stem}."
    if len(context.results.seeds(protocol)) > 1:
        facts += f" Detectors of seed {seed}."
    return Panel(
        choice.title, facts, choice.rule, overview, width / height, tuple(crops), window.width / window.height
    )


def outcome_words(row: pd.Series) -> str:
    """What the detector says of an object: outcome, class and confidence."""
    outcome = str(row["outcome"])
    name = OUTCOME_WORDS.get(outcome, outcome)
    if outcome == "missed":
        return name
    return f"{name}: {row['predicted']} {decimal(row['confidence'])}"


def focus_marks(row: pd.Series, window: Window) -> list[Mark]:
    """The label of an object in white dashes, and the detection that was taken for it."""
    truth = Mark(*window.relative(_box(row, "")), color=TRUTH, dashed=True)
    found = _box(row, "p")
    if str(row["outcome"]) == "missed" or any(math.isnan(edge) for edge in found):
        return [truth]
    color = OUTCOMES.get(str(row["outcome"]), BAD)
    label = f"{row['predicted']} {decimal(row['confidence'])}"
    return [truth, Mark(*window.relative(found), color=color, label=label)]


def other_marks(rows: pd.DataFrame, window: Window, object_id: int) -> list[Mark]:
    """Thin boxes of the other detections in the window, without words."""
    marks = []
    for _, row in rows.iterrows():
        is_object = row["kind"] == "object"
        if is_object and (row["object_id"] == object_id or row["outcome"] == "missed"):
            continue
        box = _box(row, "p" if is_object else "")
        if any(math.isnan(edge) for edge in box) or not window.overlaps(box):
            continue
        color = OUTCOMES["correct"] if row["outcome"] == "correct" else BAD
        marks.append(Mark(*window.relative(box), color=color, thin=True))
    return marks


def _box(row: pd.Series, prefix: str) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(row[f"{prefix}{edge}"]) for edge in ("x1", "y1", "x2", "y2"))
    return x1, y1, x2, y2


def _extent(context: Context, stem: str, box: tuple[float, float, float, float]) -> tuple[int, int]:
    """Size of an image whose visible picture is not stored."""
    for image in context.results.truth.get("images", []):
        if image.get("stem") == stem:
            return int(image["width"]), int(image["height"])
    return math.ceil(box[2]) + 50, math.ceil(box[3]) + 50
