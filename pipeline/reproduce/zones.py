"""Figure 3: how much infrared the fused image takes in under-exposed, normal and over-exposed places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ...datasets.storage import write_text
from ...reports.blocks import Block, Cell, Column, Figure, Paragraph, Table
from ...reports.numbers import NONE, defined, percent
from ..execute import Outcome
from ..store import Progress, Unit
from .chapter import Chapter, caption, opening, reason
from .paper_values import FIGURE3_STRENGTH
from .prepared import read_prepared
from .records import Experiment
from .shop import Candidate, Shop

ZONES = ("under-exposed", "normal", "over-exposed")
DARK, BRIGHT = 0.02, 0.98  # luminance in [0, 1] up to and from which a pixel is under- and over-exposed
REGION = 32  # pixels; side of the regions of the map
FLAT = 1e-4  # mean square difference of the inputs below which a region does not tell its share
VERSION = 1


@dataclass(frozen=True)
class Sums:
    """Sums over some pixels from which the share of infrared follows."""

    pixels: int
    product: float
    square: float

    @property
    def share(self) -> float:
        """Least-squares s in ``F = V + s (I - V)``; NaN where the inputs are alike."""
        return self.product / self.square if self.square > FLAT * max(self.pixels, 1) else float("nan")


def infrared_share(fused: np.ndarray, visible: np.ndarray, infrared: np.ndarray, where: np.ndarray) -> Sums:
    """Measure how far the fused image lies on the way from the visible to the infrared image.

    ``s = sum (F - V)(I - V) / sum (I - V)^2`` over the pixels: 0 for the visible image, 1 for the infrared
    one, 0.5 for their average; beyond 0..1 where F leaves the range between them.

    Args:
        fused: luminance ``H x W`` in [0, 1].
        visible: luminance of the visible image that was fused.
        infrared: the infrared image.
        where: bool ``H x W``.
    """
    towards = (infrared - visible)[where].astype(np.float64)
    moved = (fused - visible)[where].astype(np.float64)
    return Sums(int(where.sum()), float((moved * towards).sum()), float((towards**2).sum()))


def exposure_zones(visible: np.ndarray) -> dict[str, np.ndarray]:
    """Return where a luminance ``H x W`` in [0, 1] is under-exposed, normal and over-exposed."""
    dark, bright = visible <= DARK, visible >= BRIGHT
    return {"under-exposed": dark, "normal": ~(dark | bright), "over-exposed": bright}


def share_map(fused: np.ndarray, visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    """Return the share of infrared of every region, clipped to [0, 1]; NaN where the inputs are alike."""
    height, width = visible.shape
    rows, columns = -(-height // REGION), -(-width // REGION)
    shares = np.full((rows, columns), np.nan)
    for row in range(rows):
        for column in range(columns):
            where = np.zeros(visible.shape, bool)
            where[row * REGION : (row + 1) * REGION, column * REGION : (column + 1) * REGION] = True
            shares[row, column] = np.clip(infrared_share(fused, visible, infrared, where).share, 0, 1)
    return shares


def methods(shop: Shop) -> tuple[Candidate, ...]:
    """Return what is measured: everything but the controls."""
    return tuple(each for each in shop.sources() if each.name not in ("visible", "infrared"))


def units(shop: Shop, _experiment: Experiment) -> list[Unit]:
    """Return the enhanced pairs, their fused images and the measurements."""
    prepared = shop.test(FIGURE3_STRENGTH)
    found = [prepared]
    for candidate in methods(shop):
        trained = (candidate.trained,) if candidate.trained else ()
        found += [*trained, shop.fused(candidate, prepared), measured(shop, candidate)]
    return found


def measured(shop: Shop, candidate: Candidate) -> Unit:
    """Sum up the shares by image and zone; result: ``zones.csv``."""
    prepared = shop.test(FIGURE3_STRENGTH)
    fused, store = shop.fused(candidate, prepared), shop.store
    params = {"dark": DARK, "bright": BRIGHT}

    def action(work: Path, progress: Progress) -> None:
        rows = []
        pairs = read_prepared(store.folder(prepared))
        for done, pair in enumerate(pairs, start=1):
            image = _luminance(store.folder(fused) / "images" / f"{pair.stem}.png")
            visible, infrared = _luminance(pair.visible), _luminance(pair.infrared)
            for zone, where in exposure_zones(visible).items():
                sums = infrared_share(image, visible, infrared, where)
                rows.append((pair.stem, zone, sums.pixels, sums.product, sums.square))
            progress(done, len(pairs), pair.stem)
        table = pd.DataFrame(rows, columns=["image", "zone", "pixels", "product", "square"])
        write_text(work / "zones.csv", table.to_csv(index=False, lineterminator="\n"))

    return Unit("zones", candidate.name, params, action, needs=(prepared, fused), version=VERSION)


def chapter(shop: Shop, experiment: Experiment, outcome: Outcome) -> Chapter:
    """Make the table of shares and the picture of the most unevenly lit test image."""
    rows, failed = [], {}
    for candidate in methods(shop):
        unit = measured(shop, candidate)
        why = reason(unit, outcome)
        row: dict[str, object] = {"method": candidate.title, "status": "failed" if why else "ok"}
        row["reason"] = why or ""
        if why:
            failed[candidate.title] = why
        else:
            table = pd.read_csv(shop.store.folder(unit) / "zones.csv")
            for zone, part in table.groupby("zone"):
                sums = Sums(int(part["pixels"].sum()), part["product"].sum(), part["square"].sum())
                row[str(zone)] = sums.share
                row[f"{zone} pixels"] = sums.pixels
        rows.append(row)
    table = pd.DataFrame(rows)
    said = _finding(table)
    blocks: list[Block] = [*opening(experiment), Paragraph.of("Here.", f" {said}")]
    ours = shop.regionfuse()
    fused = shop.fused(ours, shop.test(FIGURE3_STRENGTH))
    if reason(fused, outcome) is None:
        blocks.append(_picture(shop, fused))
    blocks.append(_table(table, shop))
    return Chapter(experiment, said, tuple(blocks), {experiment.name: table}, failed)


def _finding(table: pd.DataFrame) -> str:
    ours = table[table["method"] == "RegionFuse"].iloc[0]
    if ours["status"] != "ok":
        return f"RegionFuse failed: {ours['reason']}."
    shares = {zone: float(ours[zone]) for zone in ZONES}
    told = ", ".join(f"{percent(share)} in {zone} pixels" for zone, share in shares.items() if defined(share))
    text = f"At k = {FIGURE3_STRENGTH:g} RegionFuse takes {told} from the infrared image"
    dark, normal = shares["under-exposed"], shares["normal"]
    if not (defined(dark) and defined(normal)):
        return f"{text}; the test pairs have too few dark pixels to compare them with the others."
    if dark > normal:
        return f"{text}: more in the dark than in normal light, as in the paper."
    return f"{text}: not more in the dark than in normal light, against the paper."


def _table(table: pd.DataFrame, shop: Shop) -> Table:
    columns = (Column("Method", "left"), *(Column(zone) for zone in ZONES), Column("paper", "left"))
    rows = []
    for _, row in table.iterrows():
        cells = [Cell(str(row["method"]))]
        for zone in ZONES:
            value = float(row.get(zone, float("nan")))
            cells.append(Cell(percent(value) if defined(value) else NONE))
        is_ours = row["method"] == "RegionFuse"
        cells.append(Cell("more infrared in low light" if is_ours else "", muted=True))
        rows.append(tuple(cells))
    good = table[table["status"] == "ok"]
    note = f"Under-exposed: luminance up to {DARK}, over-exposed: from {BRIGHT}, after the enhancement. "
    if not good.empty:
        pixels = [float(good.iloc[0][f"{zone} pixels"]) for zone in ZONES]
        parts = [f"{zone} {percent(count / sum(pixels))}" for zone, count in zip(ZONES, pixels, strict=True)]
        note += f"Of all pixels: {', '.join(parts)}."
    note += " ".join(
        f" {row['method']} failed: {row['reason']}." for _, row in table.iterrows() if row["reason"]
    )
    what = (
        f"Share of infrared in the fused image by zone at k = {FIGURE3_STRENGTH:g}: s in F = V + s (I − V), "
        "by least squares over all pixels of a zone; V is the enhanced visible image."
    )
    return Table("fig3", "fig3", caption(what, shop.scale), columns, tuple(rows), note=note, small=True)


def _picture(shop: Shop, fused: Unit) -> Figure:
    """Draw the test image with the most of both extremes: inputs, fused image, zones and shares."""
    from .pictures import draw_shares

    pairs = read_prepared(shop.store.folder(shop.test(FIGURE3_STRENGTH)))
    stem, best = "", -1.0
    for pair in pairs:
        zones = exposure_zones(_luminance(pair.visible))
        score = float(zones["under-exposed"].mean() * zones["over-exposed"].mean())
        if score > best:
            stem, best = pair.stem, score
    pair = pairs[stem]
    visible, infrared = _luminance(pair.visible), _luminance(pair.infrared)
    image = _luminance(shop.store.folder(fused) / "images" / f"{stem}.png")
    svg = draw_shares(visible, infrared, image, exposure_zones(visible), share_map(image, visible, infrared))
    what = (
        f"Image {stem}, the test image in which under- and over-exposed areas are largest together, at k = "
        f"{FIGURE3_STRENGTH:g}. Right: exposure of the visible image, and the share of infrared in every "
        f"region of {REGION} x {REGION} pixels (hatched: the inputs are alike there)."
    )
    return Figure(svg, caption(what, shop.scale))


def _luminance(path: Path) -> np.ndarray:
    """Read a picture's luminance, float32 ``H x W`` in [0, 1]."""
    from ...datasets.images import read_visible
    from ...fusion.chroma import luminance

    return np.asarray(luminance(read_visible(path)))
