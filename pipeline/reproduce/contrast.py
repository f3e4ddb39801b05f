"""Fusion quality and detection on contrast-enhanced pairs, against the strength k."""

from __future__ import annotations

import pandas as pd

from ...reports.blocks import Block, Cell, Column, Figure, Paragraph, Table
from ...reports.numbers import NONE, decimal, defined, points
from ...reports.palette import source_colors
from ..execute import Outcome
from ..store import Unit
from .chapter import Chapter, caption, opening, reason
from .detection import detection_units, evaluated, map50
from .paper_values import CONTRAST_STRENGTHS, FIGURE3_STRENGTH, QUALITY
from .records import Experiment
from .shop import Candidate, Shop

DETECTION = "mAP50"
CONTROLS = ("visible", "infrared")


def units(shop: Shop, _experiment: Experiment) -> list[Unit]:
    """Return quality on the test pairs and detection on the pairs with boxes, for every k."""
    found = []
    for strength in shop.scale.strengths:
        prepared = shop.test(strength)
        found.append(prepared)
        for candidate in _fusing(shop):
            trained = (candidate.trained,) if candidate.trained else ()
            found += [*trained, shop.fused(candidate, prepared), shop.scored(candidate, prepared)]
        found += detection_units(shop, shop.sources(), shop.detection(strength))
    return found


def chapter(shop: Shop, experiment: Experiment, outcome: Outcome) -> Chapter:
    """Make the figure, the table of means over k and the table of detection."""
    rows, failed = [], {}
    for strength in shop.scale.strengths:
        for candidate in shop.sources():
            row: dict[str, object] = {"k": strength, "source": candidate.name, "title": candidate.title}
            if candidate.name not in CONTROLS:
                scored = shop.scored(candidate, shop.test(strength))
                why = reason(scored, outcome)
                if why:
                    failed[f"{candidate.title}, k = {strength:g}"] = why
                else:
                    row |= shop.quality(scored)
            found = evaluated(shop, candidate, shop.detection(strength))
            why = reason(found, outcome)
            if why:
                failed[f"{candidate.title}, k = {strength:g}"] = why
            else:
                row[DETECTION] = map50(shop, candidate, shop.detection(strength))
            rows.append(row)
    table = pd.DataFrame(rows, columns=["k", "source", "title", *QUALITY, DETECTION])
    said = _finding(table)
    blocks: list[Block] = [*opening(experiment), Paragraph.of("Here.", f" {said}")]
    if table[[*QUALITY, DETECTION]].notna().any(axis=None):
        from .drawings import draw_contrast

        metrics = [*QUALITY, DETECTION]
        shown = [name for name in metrics if table[name].notna().any()]
        colors = source_colors([candidate.name for candidate in shop.sources()])
        what = (
            "Metrics against k; k = 1 is the unchanged image. Quality is measured against the enhanced "
            f"visible image, the one that was fused. Dashed: k = {FIGURE3_STRENGTH:g}, of the "
            "supplement's Figure 3. "
            f"mAP50: {_detector(shop)}."
        )
        drawn = draw_contrast(table, shown, colors, FIGURE3_STRENGTH)
        blocks.append(Figure(drawn, caption(what, shop.scale)))
    blocks += [_quality(table, shop), _detection(table, shop)]
    return Chapter(experiment, said, tuple(blocks), {experiment.name: table}, failed)


def _fusing(shop: Shop) -> tuple[Candidate, ...]:
    return tuple(each for each in shop.sources() if each.name not in CONTROLS)


def _detector(shop: Shop) -> str:
    images = len(shop.material.detection or ())
    name = shop.material.detection.name if shop.material.detection else ""
    return f"one detector, not retrained, on {images} pairs of {name}"


def _finding(table: pd.DataFrame) -> str:
    ours = table[table["source"] == "regionfuse"].set_index("k")
    if ours.empty or ours["VIF"].isna().all():
        return "RegionFuse has no result."
    first, last = ours.index.min(), ours.index.max()
    low, high = CONTRAST_STRENGTHS
    text = (
        f"From k = {first:g} to {last:g} (the paper: {low:g} to {high:g}) RegionFuse's VIF goes from "
        f"{ours.at[first, 'VIF']:.3f} to {ours.at[last, 'VIF']:.3f} and its Qabf from "
        f"{ours.at[first, 'Qabf']:.3f} to {ours.at[last, 'Qabf']:.3f}"
    )
    enhanced = table[(table["k"] > 1) & table[DETECTION].notna()]
    if not enhanced.empty:
        means = enhanced.groupby("title")[DETECTION].mean().sort_values(ascending=False)
        told = ", ".join(f"{name} {points(value)}" for name, value in means.items())
        text += f". mAP50 in AP points, mean over the enhanced images: {told}"
    return text + "."


def _quality(table: pd.DataFrame, shop: Shop) -> Table:
    strengths = list(shop.scale.strengths)
    columns = [Column("Method", "left"), Column("Metric", "left"), *(Column(f"k = {k:g}") for k in strengths)]
    rows = []
    for title, group in table[~table["source"].isin(CONTROLS)].groupby("title", sort=False):
        by = group.set_index("k")
        for index, metric in enumerate(QUALITY):
            cells = [Cell(str(title) if index == 0 else ""), Cell(metric)]
            for k in strengths:
                value = float(by.at[k, metric])
                cells.append(Cell(decimal(value, 3) if defined(value) else NONE))
            rows.append(tuple(cells))
    what = "Fusion quality against the contrast k. The values of the main paper's study are not printed."
    return Table("contrast", "contrast", caption(what, shop.scale), tuple(columns), tuple(rows), small=True)


def _detection(table: pd.DataFrame, shop: Shop) -> Table:
    strengths = list(shop.scale.strengths)
    columns = [Column("Source", "left"), *(Column(f"k = {k:g}") for k in strengths)]
    rows = []
    best = {k: table.loc[table["k"] == k, DETECTION].round(3).max() for k in strengths}
    for title, group in table.groupby("title", sort=False):
        by = group.set_index("k")[DETECTION]
        cells = [Cell(str(title))]
        for k in strengths:
            value = float(by[k])
            cells.append(Cell(points(value), bold=bool(round(value, 3) == best[k])))
        rows.append(tuple(cells))
    what = f"mAP50 in AP points against the contrast k: {_detector(shop)}. Bold: best of a column."
    return Table(
        "contrast-detection",
        "contrast-detection",
        caption(what, shop.scale),
        tuple(columns),
        tuple(rows),
        small=True,
    )
