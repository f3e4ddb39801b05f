"""Confidence against the reference, and whether confidences mean what they say."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Figure, Heading, Paragraph
from ..context import Context
from ..differences import difference_cells
from ..figures.curves import draw_reliability
from ..numbers import decimal, points, whole
from .cells import heads, source_table

_KINDS = {"rank": "rank (precision at that confidence)", "calibrated": "calibrated", "raw": "raw"}


def calibration_section(context: Context) -> list[Block] | str:
    """Paired confidences, reliability, and calibration before and after a temperature fitted on val."""
    first, blocks = context.headline_protocol, []
    for protocol in context.results.protocols:
        blocks += _confidence_table(context, protocol)
    if context.means("reliability", first, stage="raw"):
        text = (
            "Reliability on test: precision (at IoU 0.5) of detections by confidence; on the diagonal a "
            "confidence means what it says. Grey: as given; coloured: after a fitted temperature."
        )
        blocks.append(Figure(draw_reliability(context, first), context.caption(first, text, sure=False)))
    blocks += calibration_table(context, first)
    if not blocks:
        return "Confidence and calibration: not stored (confidence.csv, calibration.csv)."
    introduction = Paragraph.marked(
        f"Each source is paired with {context.results.base} alone, so that a third source changes nothing, "
        "on all objects of the test split: the highest score of the object's own class at IoU 0.5, zero "
        "where there is none, at no threshold. **Rank** is the precision among the detections at least as "
        "confident: it does not change when scores are stretched. **Calibrated** scores are those after a "
        f"temperature fitted on {context.results.chosen_on}; **raw** ones of two detectors do not mean the "
        "same, and a higher one is no better detection."
    )
    return [Heading("Confidence and calibration"), introduction, *blocks]


def _confidence_table(context: Context, protocol: str) -> list[Block]:
    found = context.means("confidence", protocol, reference=context.results.reference)
    if not found:
        return []

    def cells(source: str) -> list[Cell] | None:
        row = found.get(source)
        if row is None:
            return None
        parts: list[Cell] = []
        for kind in _KINDS:
            parts.append(Cell(decimal(row[kind], 3), muted=kind == "raw"))
            parts += difference_cells(context.gap(protocol, source, f"confidence_{kind}"))
        return parts

    columns = [column for title in _KINDS.values() for column in heads(("mean", "Δ", "interval"), title)]
    number = whole(max(row["objects"] for row in found.values()))
    text = (
        f"Confidence in the true class on all {number} objects, paired with {context.results.base}; "
        "threshold-free."
    )
    return [source_table(context, protocol, "confidence", context.caption(protocol, text), columns, cells)]


def calibration_table(context: Context, protocol: str) -> list[Block]:
    """Calibration errors of one protocol before and after the temperature."""
    raw = context.means("calibration", protocol, stage="raw")
    fitted = context.means("calibration", protocol, stage="temperature")
    if not raw:
        return []

    def cells(source: str) -> list[Cell] | None:
        before, after = raw.get(source), fitted.get(source, {})
        if before is None:
            return None
        parts = [Cell(decimal(after.get("temperature")))]
        for name in ("d_ece", "laece", "brier"):
            parts += [Cell(points(before[name])), Cell(points(after.get(name)))]
        return [*parts, *(Cell(points(after.get(name))) for name in ("mean_confidence", "precision"))]

    columns = [Column("temperature")]
    for title in ("D-ECE", "LaECE", "Brier score"):
        columns += heads(("raw", "fitted"), f"{title} × 100")
    columns += heads(("mean confidence", "precision"), "after the temperature, %")
    text = (
        "Calibration on test before and after the fitted temperature; lower errors are better. Mean "
        "confidences are only shown where they are calibrated. Without intervals."
    )
    caption = context.caption(protocol, text, sure=False)
    return [source_table(context, protocol, "calibration", caption, columns, cells)]
