"""Confidence against the reference, and whether confidences mean what they say."""

from __future__ import annotations

from ..blocks import Block, Cell, Column, Figure, Heading, Paragraph, Table
from ..context import Context, protocol_title
from ..differences import difference_cells
from ..figures.curves import draw_reliability
from ..numbers import decimal, points
from .cells import source_cell

_KINDS = {
    "rank": "rank (precision at that confidence)",
    "calibrated": "calibrated",
    "raw": "raw",
}


def calibration_section(context: Context) -> list[Block] | str:
    """Paired confidences, reliability, and calibration errors before and after a temperature fitted on val."""
    protocols = [name for name in context.results.protocols if context.finished(name)]
    tables = [
        name
        for name in ("confidence", "calibration", "reliability")
        if context.results.table(name) is not None
    ]
    if not tables or not protocols:
        return "Confidence and calibration: not stored (confidence.csv, calibration.csv)."
    blocks: list[Block] = [
        Heading("Confidence and calibration"),
        Paragraph.of(
            f"Each source is paired with {context.results.base} alone, so that a third source changes nothing, on all objects "
            "of the test split: the highest score of the object's own class at IoU 0.5, zero where there is none, at no "
            "threshold. ",
            "Rank",
            " is the precision among the detections at least as confident: it does not change when scores are stretched. ",
            "Calibrated",
            " scores are those after a temperature fitted on val; ",
            "raw",
            " ones of two detectors do not mean the same, and a higher one is no better detection.",
        ),
    ]
    for protocol in protocols:
        blocks += _confidence_table(context, protocol)
    if "reliability" in tables and context.means("reliability", protocols[0], stage="raw"):
        caption = (
            "Reliability on test: precision (at IoU 0.5) of detections by confidence; on the diagonal a confidence means what "
            f"it says. Grey: as given; coloured: after the temperature fitted on val. {protocol_title(protocols[0])}."
        )
        blocks.append(Figure(draw_reliability(context, protocols[0]), caption))
    return blocks + calibration_table(context, protocols[0])


def _confidence_table(context: Context, protocol: str) -> list[Block]:
    found = context.means("confidence", protocol, reference=context.results.reference)
    if not found:
        return []
    columns = [Column("Source", "left")]
    for title in _KINDS.values():
        columns += [Column(head, group=title) for head in ("mean", "Δ", "interval")]
    rows = []
    for source, row in found.items():
        cells = [source_cell(context, source)]
        for kind in _KINDS:
            cells.append(Cell(decimal(row[kind], 3), muted=kind == "raw"))
            cells += difference_cells(context.gap(protocol, source, f"confidence_{kind}"))
        rows.append(tuple(cells))
    objects = decimal(max(float(row["objects"]) for row in found.values()), 0)
    caption = (
        f"Confidence in the true class on all {objects} objects, paired with {context.results.base}. "
        f"{protocol_title(protocol)}.{context.mean_note(protocol)} Threshold-free. {context.intervals(protocol)}"
    )
    return [Table("confidence", f"confidence-{protocol}", caption, tuple(columns), tuple(rows), small=True)]


def calibration_table(context: Context, protocol: str) -> list[Block]:
    """Calibration errors of one protocol before and after the temperature."""
    raw = context.means("calibration", protocol, stage="raw")
    fitted = context.means("calibration", protocol, stage="temperature")
    if not raw:
        return []
    columns = [Column("Source", "left"), Column("temperature")]
    for title in ("D-ECE", "LaECE", "Brier score"):
        columns += [Column(head, group=f"{title} × 100") for head in ("raw", "fitted")]
    columns += [Column(head, group="after the temperature, %") for head in ("mean confidence", "precision")]
    rows = []
    for source, before in raw.items():
        after = fitted.get(source)
        cells = [
            source_cell(context, source),
            Cell(decimal(after["temperature"]) if after is not None else "–"),
        ]
        for name in ("d_ece", "laece", "brier"):
            cells += [Cell(points(before[name])), Cell(points(after[name]) if after is not None else "–")]
        cells += [
            Cell(points(after[name]) if after is not None else "–")
            for name in ("mean_confidence", "precision")
        ]
        rows.append((*cells,))
    caption = (
        "Calibration on test before and after the temperature fitted on val; lower errors are better. Mean confidences "
        f"are only shown where they are calibrated. {protocol_title(protocol)}.{context.mean_note(protocol)} Without intervals."
    )
    return [Table("calibration", f"calibration-{protocol}", caption, tuple(columns), tuple(rows), small=True)]
