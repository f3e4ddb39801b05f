"""Contrast of objects against their surroundings, and the strata made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from regionfuse.datasets.coco import ground_truth
from regionfuse.datasets.images import write_png
from regionfuse.datasets.load import load_pairs
from regionfuse.datasets.records import Box, Pair, PairSet
from regionfuse.datasets.visibility import SEEN, ObjectVisibility, object_visibility, visibility_of

BOX = Box("Car", (60.0, 40.0, 100.0, 80.0))


def street(seed: int = 0, level: float = 90, noise: float = 3) -> np.ndarray:
    """Return a plain 160 x 120 picture of grey levels 0 to 255 with sensor noise."""
    return level + np.random.default_rng(seed).normal(0, noise, (120, 160))


def inside(image: np.ndarray, box: Box, value: float | np.ndarray) -> np.ndarray:
    left, top, right, bottom = map(int, box.xyxy)
    image = image.copy()
    image[top:bottom, left:right] += value
    return image


def pair_of(folder: Path, infrared: np.ndarray, visible: np.ndarray, *boxes: Box, stem: str = "a") -> Pair:
    paths = folder / "ir" / f"{stem}.png", folder / "vi" / f"{stem}.png"
    for path, image in zip(paths, (infrared, visible), strict=True):
        write_png(path, np.clip(image, 0, 255).astype(np.uint8))
    return Pair(stem, *paths, 160, 120, boxes)


@pytest.mark.parametrize("difference", [60, -60])
def test_strata(tmp_path: Path, difference: float) -> None:
    """Bright and dark objects count alike; what differs by less than the noise floor is not seen."""
    plain, marked = street(), inside(street(1), BOX, difference)
    for infrared, visible, expected in (
        (marked, marked, "both"),
        (marked, plain, "infrared"),
        (plain, marked, "visible"),
        (plain, inside(plain, BOX, 4), "neither"),
    ):
        pair = pair_of(tmp_path, infrared, visible, BOX)
        (found,) = object_visibility(pair, pair.boxes)
        assert found.visibility == expected, found
        assert found.to_dict()["visibility"] == expected and found.saturated == 0
    write = pair_of(tmp_path, marked, marked, BOX)
    (found,) = object_visibility(write, [BOX])
    assert found.contrast_infrared == pytest.approx(found.contrast_visible, rel=0.05)


def test_patterned_objects_and_coloured_ones_are_seen(tmp_path: Path) -> None:
    stripes = np.where(np.arange(40) // 4 % 2, 40, -40)[None, :]  # the same mean as the surroundings
    pair = pair_of(tmp_path, inside(street(), BOX, stripes), street(), BOX)
    colours = np.dstack([street(number) for number in range(3)])
    colours[40:80, 60:100] += (70, -36, 0)  # red of the same luminance
    write_png(pair.visible, np.clip(colours, 0, 255).astype(np.uint8))
    (found,) = object_visibility(pair, pair.boxes)
    assert found.visibility == "both", found


def test_contrast_grows_with_the_difference_and_falls_with_clutter(tmp_path: Path) -> None:
    def contrast(difference: float, noise: float) -> float:
        marked = inside(street(noise=noise), BOX, difference)
        return object_visibility(pair_of(tmp_path, marked, marked, BOX), [BOX])[0].contrast_infrared

    rising = [contrast(difference, 3) for difference in (0, 10, 20, 40)]
    assert rising == sorted(rising) and rising[0] < 0.3 < SEEN < rising[-1]
    assert contrast(40, 60) < contrast(40, 3)


def test_neighbours_do_not_count_as_surroundings(tmp_path: Path) -> None:
    """Two hot people side by side: each is compared with the street, not with the other."""
    other = Box("Car", (100.0, 40.0, 140.0, 80.0))
    marked = inside(inside(street(), BOX, 60), other, 60)
    alone = object_visibility(pair_of(tmp_path, inside(street(), BOX, 60), street(), BOX), [BOX])[0]
    pair = pair_of(tmp_path, marked, street(), BOX, other)
    both = object_visibility(pair, pair.boxes)
    assert both[0].contrast_infrared == pytest.approx(alone.contrast_infrared, rel=0.03)
    ignoring = object_visibility(pair_of(tmp_path, marked, street(), BOX), [BOX])[0]
    assert ignoring.contrast_infrared < 0.95 * alone.contrast_infrared


def test_odd_boxes_and_glare(tmp_path: Path) -> None:
    boxes = (
        Box("Car", (0.0, 0.0, 160.0, 120.0)),  # no ring is left
        Box("Car", (10.2, 10.2, 11.0, 10.9)),  # less than a pixel
        Box("Car", (150.0, 110.0, 160.0, 120.0)),
    )
    visible = inside(street(), boxes[2], 200)
    found = object_visibility(pair_of(tmp_path, street(), visible, *boxes), boxes)
    assert all(np.isfinite([each.contrast_infrared, each.contrast_visible]).all() for each in found)
    assert found[0].visibility == "neither"
    assert found[2].saturated > 0.9 and found[0].saturated < 0.1
    assert object_visibility(pair_of(tmp_path, street(), street()), ()) == ()


def test_all_pairs_of_a_set(tmp_path: Path) -> None:
    crowd = Box("Car", (5.0, 5.0, 30.0, 30.0), ignore=True)
    marked = inside(street(), BOX, 60)
    records = [
        pair_of(tmp_path, marked, street(), BOX, crowd, stem="a"),
        pair_of(tmp_path, street(), marked, BOX, stem="b"),
        pair_of(tmp_path, street(), street(), stem="c"),
    ]
    pairs = PairSet("x", tmp_path, tuple(records), ("Car",))
    steps: list[tuple[int, int, str]] = []
    found = visibility_of(pairs, ["b", "a", "c"], lambda *step: steps.append(step))
    assert list(found) == ["b", "a", "c"] and [len(found[stem]) for stem in "abc"] == [2, 1, 0]
    assert steps[-1][:2] == (3, 3)
    rows = ground_truth(pairs, "test", "abc", visibility=found)["annotations"]
    assert [row["visibility"] for row in rows if not row["iscrowd"]] == ["infrared", "visible"]
    assert all(row["contrast_infrared"] >= 0 for row in rows)


def test_threshold() -> None:
    assert ObjectVisibility(SEEN, SEEN - 0.01, 0.0).visibility == "infrared"


def test_people_at_night_are_seen_in_infrared(shared: Path) -> None:
    """LLVIP: every person stands out in infrared; some are hidden in the dark of the visible half."""
    pairs = load_pairs("llvip", shared / "data" / "llvip")
    found = visibility_of(pairs, [pair.stem for pair in pairs])
    strata = [each.visibility for row in found.values() for each in row]
    assert {"both", "infrared"} == set(strata)
    assert 0.1 < strata.count("infrared") / len(strata) < 0.5
