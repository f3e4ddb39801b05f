"""Figure 7: the same crop in every source, with what the detector says and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...datasets.records import PairSet
from ...reports.blocks import Block, Cell, Column, Crop, Mark, Note, Panel, Paragraph, Table
from ...reports.crops import Window, cut, read_picture, shrink, window_around
from ...reports.numbers import plural, points
from ...reports.palette import BAD, OUTCOMES, source_colors
from ...reports.panels import focus_marks, other_marks, outcome_words
from ...reports.selection import PEOPLE
from ..execute import Outcome
from ..store import Unit
from .chapter import Chapter, caption, opening, reason
from .detection import CONFIDENCE, detection_units, evaluated, map50, objects
from .records import Experiment
from .shop import Candidate, Shop


@dataclass(frozen=True)
class Scene:
    """What one panel is to show, with the rules by which its object is chosen.

    Attributes:
        title: heading.
        classes: classes, in lower case, of which the object is.
        wrong: outcomes of which the visible image must have one.
        called: class, in lower case, that it must be called there; empty: any.
        rule: the rule in words.
    """

    title: str
    classes: tuple[str, ...]
    wrong: tuple[str, ...]
    called: str
    rule: str


SCENES = (
    Scene(
        "A truck that the visible image calls a car",
        ("truck",),
        ("misclassified", "ambiguous"),
        "car",
        "a truck that is called a car in the visible image and a truck in a fused one; of several the one "
        "that most sources get right",
    ),
    Scene(
        "A person that the visible image does not show",
        PEOPLE,
        ("missed",),
        "",
        "a person that is missed in the visible image and found in a fused one; of several the one that "
        "most sources get right",
    ),
)


@dataclass(frozen=True)
class Choice:
    """The object of a panel, and the rule that found it.

    Attributes:
        object_id: its id; None when there is no object of the class.
        rule: in words, with the number of candidates.
        relaxed: whether no object met the scene's own rule.
    """

    object_id: int | None
    rule: str
    relaxed: bool = False

    def title(self, scene: Scene) -> str:
        """Return the heading: that of the scene, unless it would be untrue."""
        return f"{scene.title}: none here, another one of its class" if self.relaxed else scene.title


def units(shop: Shop, _experiment: Experiment) -> list[Unit]:
    """Return fused pairs, predictions and evaluations of every source."""
    return detection_units(shop, shop.sources(), shop.detection())


def chapter(shop: Shop, experiment: Experiment, outcome: Outcome) -> Chapter:
    """Choose the objects by rule, cut the panels, and print a table of what every source says."""
    prepared = shop.detection()
    good, failed = [], {}
    for candidate in shop.sources():
        why = reason(evaluated(shop, candidate, prepared), outcome)
        if why:
            failed[candidate.title] = why
        else:
            good.append(candidate)
    blocks = opening(experiment)
    tables = {candidate.name: objects(shop, candidate, prepared) for candidate in good}
    if "visible" not in tables or len(tables) < 2:
        said = "Without the visible image and a fused one there is nothing to compare."
        return Chapter(experiment, said, (*blocks, Note(said, "warning")), {}, failed)
    pairs = read(shop, prepared)
    scores = {each.name: map50(shop, each, prepared) for each in good}
    panels: list[Block] = []
    rows: list[dict[str, object]] = []
    told = []
    for scene in SCENES:
        choice = choose(tables, scene)
        if choice.object_id is None:
            panels.append(Note(f"{scene.title}: {choice.rule}"))
            told.append(f"{scene.title.lower()}: no object meets the rule")
            continue
        panels.append(_panel(shop, good, tables, pairs, prepared, scene, choice))
        said_by = _answers(tables, choice.object_id)
        rows += [
            {"scene": choice.title(scene), "object_id": choice.object_id, **answer} for answer in said_by
        ]
        right = [str(row["source"]) for row in said_by if row["outcome"] == "correct"]
        told.append(f"{choice.title(scene).lower()}: {plural(len(right), 'source')} of {len(said_by)} right")
    said = f"{'; '.join(told)}. One object proves nothing; the table has the mAP50 over all pairs."
    said = said[0].upper() + said[1:]
    blocks += [Paragraph.of("Here.", f" {said}"), *panels]
    frame = pd.DataFrame(rows, columns=["scene", "object_id", "source", "outcome", "predicted", "confidence"])
    blocks.append(_table(good, frame, scores, shop))
    frames = {experiment.name: frame.merge(
        pd.DataFrame({"source": list(scores), "mAP50": list(scores.values())}), how="left", on="source"
    )}  # fmt: skip
    return Chapter(experiment, said, tuple(blocks), frames, failed)


def read(shop: Shop, prepared: Unit) -> PairSet:
    """Return the pairs that were fused."""
    from .prepared import read_prepared

    return read_prepared(shop.store.folder(prepared))


def choose(tables: Mapping[str, pd.DataFrame], scene: Scene) -> Choice:
    """Choose the object of a scene: by its rule, else by weaker ones, which the text then says.

    Args:
        tables: source -> its table of objects; ``visible`` is among them.
        scene: the rules.
    """
    wide = {
        name: table[table["kind"] == "object"].set_index("object_id").sort_index()
        for name, table in tables.items()
    }
    visible = wide["visible"]
    fused = [name for name in wide if name not in ("visible", "infrared")]
    right = pd.DataFrame({name: wide[name]["outcome"] == "correct" for name in fused})
    of_class = visible["class"].str.lower().isin(scene.classes)
    wrong = visible["outcome"].isin(scene.wrong)
    if scene.called:
        wrong &= visible["predicted"].str.lower() == scene.called
    votes = right.sum(axis=1)
    differs = pd.DataFrame({name: wide[name]["outcome"] for name in fused}).nunique(axis=1) > 1
    total = plural(int(of_class.sum()), "such object", "such objects")
    steps = (
        (of_class & wrong & (votes > 0), f"Rule: {scene.rule}."),
        (
            of_class & (visible["outcome"] != "correct") & (votes > 0),
            f"Rule: {scene.rule}. No object met it; shown is one of the same class that the visible image "
            "gets wrong in another way and a fused one gets right.",
        ),
        (
            of_class & differs,
            f"Rule: {scene.rule}. No object met it; shown is one of the same class on which the fused "
            "sources disagree.",
        ),
        (
            of_class,
            f"Rule: {scene.rule}. No object met it; shown is the largest one of the same class.",
        ),
    )
    for number, (met, rule) in enumerate(steps):
        if met.any():
            order = votes[met] if number < 3 else visible.loc[met, "area"]
            best = int(order[order == order.max()].index.min())
            return Choice(best, f"{rule} {int(met.sum())} of {total} meet it.", number > 0)
    return Choice(None, f"no object of class {' or '.join(scene.classes[:2])} among the pairs.")


def _answers(tables: Mapping[str, pd.DataFrame], object_id: int) -> list[dict[str, object]]:
    found = []
    for source, table in tables.items():
        row = table[(table["kind"] == "object") & (table["object_id"] == object_id)].iloc[0]
        found.append(
            {
                "source": source,
                "outcome": str(row["outcome"]),
                "predicted": str(row["predicted"]),
                "confidence": float(row["confidence"]),
            }
        )
    return found


def _panel(
    shop: Shop,
    sources: list[Candidate],
    tables: Mapping[str, pd.DataFrame],
    pairs: PairSet,
    prepared: Unit,
    scene: Scene,
    choice: Choice,
) -> Panel:
    assert choice.object_id is not None
    first = tables["visible"]
    focus = first[(first["kind"] == "object") & (first["object_id"] == choice.object_id)].iloc[0]
    pair, box = pairs[str(focus["stem"])], _box(focus)
    window = window_around(box, pair.width, pair.height)
    colors = source_colors([candidate.name for candidate in sources])
    crops = []
    for candidate in sources:
        table = tables[candidate.name]
        row = table[(table["kind"] == "object") & (table["object_id"] == choice.object_id)].iloc[0]
        others = table[table["stem"] == pair.stem]
        marks = (*other_marks(others, window, choice.object_id), *focus_marks(row, window))
        path = shop.store.folder(shop.fused(candidate, prepared)) / "images" / f"{pair.stem}.png"
        crops.append(
            Crop(
                cut(read_picture(path), window), candidate.title, colors[candidate.name],
                outcome_words(row), OUTCOMES.get(str(row["outcome"]), BAD), marks,
            )
        )  # fmt: skip
    whole = Window(0, 0, pair.width, pair.height)
    corner = (window.left, window.top, window.left + window.width, window.top + window.height)
    overview = Crop(
        shrink(read_picture(Path(pair.visible)), pair.width, pair.height), "", "",
        f"visible image {pair.stem}, window marked", "", (Mark(*whole.relative(corner), color=BAD),),
    )  # fmt: skip
    facts = (
        f"{focus['class']}, {box[2] - box[0]:.0f} × {box[3] - box[1]:.0f} pixels, in image {pair.stem}. "
        "White dashes: the label. Coloured: what the detector took for it, with its confidence."
    )
    aspect = window.width / window.height
    return Panel(
        choice.title(scene), facts, choice.rule, overview, pair.width / pair.height, tuple(crops), aspect
    )


def _box(row: pd.Series) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(row[edge]) for edge in ("x1", "y1", "x2", "y2"))
    return x1, y1, x2, y2


def _table(sources: list[Candidate], frame: pd.DataFrame, scores: Mapping[str, float], shop: Shop) -> Table:
    from .paper_values import DETECTION_MAP50

    scenes = list(dict.fromkeys(frame["scene"]))
    columns = [Column("Source", "left"), *(Column(scene, "left", share=1) for scene in scenes)]
    columns += [Column("ours", group="mAP50"), Column("paper", group="mAP50")]
    rows = []
    for candidate in sources:
        cells = [Cell(candidate.title)]
        for scene in scenes:
            row = frame[(frame["scene"] == scene) & (frame["source"] == candidate.name)].iloc[0]
            cells.append(Cell(outcome_words(row)))
        cells.append(Cell(points(scores[candidate.name])))
        published = DETECTION_MAP50.get(candidate.name)
        cells.append(Cell(f"{published:.1f}" if published else "–", muted=True))
        rows.append(tuple(cells))
    images = len(shop.material.detection or ())
    what = (
        f"What the detector says of the objects above, and mAP50 over {plural(images, 'pair')} by one "
        f"detector that was not retrained; it counts what has a confidence of at least {CONFIDENCE}, fixed "
        "for want of a val split. The paper's mAP50 are of YOLOv5s retrained per method on M3FD, split not "
        "published."
    )
    return Table("fig7", "fig7", caption(what, shop.scale), tuple(columns), tuple(rows), small=True)
