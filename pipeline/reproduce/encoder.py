"""Table 5 and Figure 6: an X-Restormer encoder inside PIAFusion, its numbers and its grain."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...reports.blocks import Block, Cell, Column, Crop, Mark, Panel, Paragraph, Table
from ...reports.crops import Window, cut, shrink
from ...reports.numbers import decimal
from ...reports.palette import INK, MUTED, source_colors
from ..execute import Outcome
from ..store import Unit
from . import trainings
from .chapter import Chapter, caption, opening, reason
from .compare import comparison, finding, frame
from .prepared import read_prepared
from .records import Experiment
from .shop import Shop

WINDOW = (120, 80)  # width and height of the crop in pixels
LIT = (40, 215)  # grey levels between which grain can be seen in a picture
FLAT = 0.3  # share of the pixels with the weakest gradients that counts as flat


def units(shop: Shop, experiment: Experiment) -> list[Unit]:
    """Return the trainings of both methods and their scores."""
    return trainings.units(shop, experiment)


def grain(fused: np.ndarray, flat: np.ndarray) -> float:
    """Return the strength of grain: the deviation of a picture from its blurred self where nothing is to see.

    Args:
        fused: luminance ``H x W`` in 0..255.
        flat: bool ``H x W``, pixels without structure in either input.

    Returns:
        Standard deviation, in grey levels, of ``F - G * F`` (Gaussian, sigma 1) over the flat pixels.
    """
    import cv2

    picture = fused.astype(np.float32)
    rest = picture - cv2.GaussianBlur(picture, (0, 0), 1.0)
    return float(rest[flat].std())


def flat_pixels(visible: np.ndarray, infrared: np.ndarray) -> np.ndarray:
    """Return where both inputs, ``H x W``, have little gradient: the weakest :data:`FLAT` of all pixels."""
    import cv2

    strength = np.zeros(visible.shape, np.float32)
    for image in (visible, infrared):
        smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0)
        across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
        strength = np.maximum(strength, np.abs(across) + np.abs(down))
    return np.asarray(strength <= np.quantile(strength, FLAT))


def chapter(shop: Shop, experiment: Experiment, outcome: Outcome) -> Chapter:
    """Make the table of quality, the table of grain and the crops."""
    table = frame(experiment, trainings.rows(shop, experiment.variants, outcome))
    images = {}
    for variant in experiment.variants:
        unit = shop.fused(shop.candidate(variant), shop.test())
        if reason(unit, outcome) is None:
            images[variant.label] = shop.store.folder(unit) / "images"
    seeds = trainings.spread(shop, outcome)
    said = finding(experiment, table, seeds)
    blocks: list[Block] = [*opening(experiment)]
    if images:
        measured = _grain(shop, images)
        said = f"{said} Grain in flat areas, grey levels: " + ", ".join(
            f"{name} {decimal(value)}" for name, value in measured.items()
        )
        table["grain"] = [measured.get(label, float("nan")) for label in table["variant"]]
        said += "."
    blocks.append(Paragraph.of("Here.", f" {said}"))
    blocks.append(comparison(experiment, table, shop.scale, seeds))
    light = "its illumination classifier" if shop.classifier else "equal weights, no classifier was given"
    blocks.append(
        Paragraph.of(
            "PIAFusion is trained by its own recipe (Adam 1e-3, flat and then linearly falling), the "
            f"intensity terms weighed by {light}. How the blocks replace its encoder is not published; here "
            "every 3x3 convolution of the encoder becomes one block of the same width.",
            muted=True,
        )
    )
    if images:
        blocks += [_grain_table(measured, shop), _panel(shop, images)]
    bad = table[table["status"] != "ok"]
    failed = dict(zip(bad["variant"].astype(str), bad["reason"].astype(str), strict=True))
    return Chapter(experiment, said, tuple(blocks), {experiment.name: table}, failed)


def _grain(shop: Shop, images: dict[str, Path]) -> dict[str, float]:
    """Return the mean grain over the test pairs, of the visible image too."""
    found: dict[str, list[float]] = {"visible": [], **{name: [] for name in images}}
    for pair in read_prepared(shop.store.folder(shop.test())):
        visible, infrared = _grey(pair.visible), _grey(pair.infrared)
        flat = flat_pixels(visible, infrared)
        found["visible"].append(grain(visible, flat))
        for name, folder in images.items():
            found[name].append(grain(_grey(folder / f"{pair.stem}.png"), flat))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _grain_table(measured: dict[str, float], shop: Shop) -> Table:
    what = (
        "Grain: standard deviation of the fused image less its blurred self (Gaussian, sigma 1) over the "
        "30 % of the pixels where both inputs have the least gradient. The paper shows pictures only "
        "(Figure 6)."
    )
    return Table(
        "table5-grain",
        "table5-grain",
        caption(what, shop.scale),
        (Column("Method", "left"), Column("grain (grey levels)")),
        tuple((Cell(name), Cell(decimal(value))) for name, value in measured.items()),
        small=True,
    )


def _panel(shop: Shop, images: dict[str, Path]) -> Panel:
    """Cut the flattest window of the test pairs out of every result."""
    best: tuple[float, str, Window] | None = None
    pairs = read_prepared(shop.store.folder(shop.test()))
    for pair in pairs:
        visible = _grey(pair.visible)
        lit = (visible > LIT[0]) & (visible < LIT[1])
        flat = (flat_pixels(visible, _grey(pair.infrared)) & lit).astype(np.float32)
        width, height = min(WINDOW[0], pair.width), min(WINDOW[1], pair.height)
        for top in range(0, pair.height - height + 1, 16):
            for left in range(0, pair.width - width + 1, 16):
                share = float(flat[top : top + height, left : left + width].mean())
                if best is None or share > best[0]:
                    best = (share, pair.stem, Window(left, top, width, height))
    assert best is not None
    share, stem, window = best
    pair, colors = pairs[stem], source_colors(["visible", "infrared", *images])
    inputs = {"visible": pair.visible, "infrared": pair.infrared}
    files = {**inputs, **{name: folder / f"{stem}.png" for name, folder in images.items()}}
    crops = [
        Crop(cut(_rgb(path), window), name.capitalize() if name in inputs else name, colors[name],
             "input" if name in inputs else "", MUTED, ())
        for name, path in files.items()
    ]  # fmt: skip
    whole = Window(0, 0, pair.width, pair.height)
    corner = (window.left, window.top, window.left + window.width, window.top + window.height)
    overview = Crop(
        shrink(_rgb(pair.visible), pair.width, pair.height), "", "",
        f"visible image {stem}, window marked", "",
        (Mark(*whole.relative(corner), color=INK),),
    )  # fmt: skip
    rule = f"Rule: the window with most pixels that are flat and neither dark nor glaring ({share:.0%})."
    facts = f"{window.width:.0f} × {window.height:.0f} pixels of image {stem}, as in the paper's Figure 6."
    aspect = window.width / window.height
    return Panel("Grain", facts, rule, overview, pair.width / pair.height, tuple(crops), aspect)


def _grey(path: Path) -> np.ndarray:
    """Read luminance ``H x W``, float32 in 0..255."""
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return image.astype(np.float32)


def _rgb(path: Path) -> np.ndarray:
    from ...datasets.images import read_rgb8

    return np.asarray(read_rgb8(path))
