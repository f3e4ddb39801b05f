"""The physics that make fusion matter: what each camera sees of the same scene, and what it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from regionfuse.datasets.synthetic.background import paint_background
from regionfuse.datasets.synthetic.infrared import render_infrared
from regionfuse.datasets.synthetic.layout import build_scene
from regionfuse.datasets.synthetic.painter import Seen, paint_frame
from regionfuse.datasets.synthetic.render import Frame, render_scene
from regionfuse.datasets.synthetic.scene import Actor
from regionfuse.datasets.synthetic.visible import render_visible

SIZE = (320, 240)
SCENES = 5
LUMA = np.array([0.299, 0.587, 0.114])


@cache
def frames(condition: str) -> tuple[Frame, ...]:
    """First frames of some scenes of one condition."""
    return tuple(next(render_scene(build_scene(11, i, condition, SIZE, 7), 1)) for i in range(SCENES))


def contrasts(
    condition: str, label: str, chosen: Callable[[Frame, Seen], bool] = lambda *_: True
) -> tuple[float, float]:
    """Median difference of objects to what is around them, visible (luminance) and infrared, of 255."""
    found = []
    for frame in frames(condition):
        for seen in frame.objects:
            mask = frame.identity == seen.identity
            if seen.label != label or seen.visible < 0.7 or mask.sum() < 60 or not chosen(frame, seen):
                continue
            left, top, right, bottom = (int(v) for v in seen.xyxy)
            ring = np.zeros_like(mask)
            ring[max(top - 6, 0) : bottom + 6, max(left - 6, 0) : right + 6] = True
            ring &= frame.identity == 0
            if ring.sum() >= 40:
                pictures = (frame.visible @ LUMA, frame.infrared.astype(float))
                found.append([abs(p[mask].mean() - p[ring].mean()) for p in pictures])
    assert len(found) >= 3, f"too few {label} in {condition} to judge"
    visible, infrared = np.median(found, axis=0)
    return float(visible), float(infrared)


def in_smoke(frame: Frame, seen: Seen) -> bool:
    assert frame.smoke is not None
    return float(frame.smoke.thickness[frame.identity == seen.identity].mean()) > 2.5


@pytest.mark.parametrize("condition", ["smoke", "night-smoke"])
def test_person_in_smoke_is_lost_in_visible_and_warm_in_infrared(condition: str) -> None:
    visible, infrared = contrasts(condition, "People", in_smoke)
    assert visible < 4 and infrared > 25


def test_person_at_night_stands_out_in_infrared() -> None:
    visible, infrared = contrasts("night", "People")
    assert infrared > 2 * visible


@pytest.mark.parametrize("condition", ["crossover", "rain"])
def test_some_weather_favours_the_visible_camera(condition: str) -> None:
    visible, infrared = contrasts(condition, "People")
    assert visible > 1.3 * infrared


def test_person_at_thermal_crossover_is_all_but_lost_in_infrared() -> None:
    assert contrasts("crossover", "People")[1] < 8


@pytest.mark.parametrize("heading", [0.0, np.pi / 2, np.pi], ids=["rear", "side", "front"])
def test_truck_and_car_look_alike_at_night_and_differ_in_infrared(heading: float) -> None:
    """Many cars and trucks, one by one at the same place: how far apart are their mean pictures?"""
    scene = build_scene(11, 0, "night", (160, 120), 7)
    scene = replace(scene, conditions=replace(scene.conditions, headlamps=False))
    camera, ground, background = scene.camera, scene.camera.ground(1), paint_background(scene)
    pictures: dict[tuple[str, str], list[np.ndarray]] = {}
    for kind in ("car", "truck"):
        for seed in range(20):
            actor = Actor(kind, kind, 14 * np.tan(camera.pan), 14.0, heading=heading, running=True, seed=seed)
            alone = replace(scene, actors=(actor,))
            canvas, (seen,) = paint_frame(background, alone, 0, ground)
            left, top, right, bottom = (int(v) for v in seen.xyxy)
            visible = render_visible(canvas, alone, seed, None) @ LUMA
            infrared = render_infrared(canvas, alone, seed, None).astype(float)
            for name, picture in (("visible", visible), ("infrared", infrared)):
                patch = cv2.resize(picture[top : bottom + 1, left : right + 1], (16, 16))
                pictures.setdefault((name, kind), []).append(patch)

    def distance(name: str) -> float:
        car, truck = np.array(pictures[name, "car"]), np.array(pictures[name, "truck"])
        spread = np.sqrt((car.var(axis=0) + truck.var(axis=0)) / 2)
        return float(np.median(np.abs(car.mean(axis=0) - truck.mean(axis=0)) / spread))

    assert distance("infrared") > 1.5 * distance("visible")


def test_infrared_is_not_made_from_the_visible_picture() -> None:
    # Road markings: plain in the visible, all but absent in the infrared.
    frame = frames("day")[0]
    road = frame.identity == 0
    road[: int(0.75 * SIZE[1])] = False
    assert (frame.visible @ LUMA)[road].std() > 3 * frame.infrared[road].std()


def test_exposure_clips_one_part_and_drowns_the_other() -> None:
    for frame in frames("exposure"):
        luminance = frame.visible @ LUMA
        assert (luminance > 245).mean() > 0.05 and (luminance < 45).mean() > 0.1


def test_glare_burns_out_only_a_part_of_the_visible_picture() -> None:
    for frame in frames("glare"):
        assert 0.005 < ((frame.visible @ LUMA) > 250).mean() < 0.4


def test_boxes_fit_the_pixels_of_their_objects() -> None:
    checked = 0
    for condition in ("day", "night", "smoke"):
        for frame in frames(condition):
            for seen in frame.objects:
                rows, columns = np.nonzero(frame.identity == seen.identity)
                left, top, right, bottom = seen.xyxy
                assert left - 1.5 <= columns.min() and columns.max() + 1 <= right + 1.5
                assert top - 1.5 <= rows.min() and rows.max() + 1 <= bottom + 1.5
                assert seen.visible >= 0.25
                if seen.visible > 0.999:
                    tight = np.array(
                        [
                            columns.min() - left,
                            rows.min() - top,
                            right - columns.max() - 1,
                            bottom - rows.max() - 1,
                        ]
                    )
                    assert np.abs(tight).max() <= 2.0, (seen, tight)
                    checked += 1
    assert checked > 20


def test_every_class_is_frequent_and_large_enough_to_learn() -> None:
    count: Counter[str] = Counter()
    heights = []
    for condition in ("day", "night", "smoke", "crossover", "rain", "exposure"):
        for frame in frames(condition):
            count.update(seen.label for seen in frame.objects)
            heights += [seen.xyxy[3] - seen.xyxy[1] for seen in frame.objects]
    total = sum(count.values())
    assert set(count) == {"People", "Car", "Bus", "Motorcycle", "Lamp", "Truck"}
    assert min(count[name] for name in ("Truck", "Bus", "Motorcycle")) / total > 0.07, count
    assert count["People"] + count["Car"] > 0.4 * total, count
    assert np.median(heights) >= 24


def test_objects_move_before_a_fixed_background() -> None:
    scene = build_scene(11, 0, "day", SIZE, 7)
    rendered = list(render_scene(scene, 5))
    first, last = rendered[0], rendered[-1]
    still = (first.identity == 0) & (last.identity == 0)
    still[int(0.4 * SIZE[1]) :] = False  # above the ground: no cast shadows
    difference = np.abs(first.visible.astype(int) - last.visible.astype(int))[still]
    assert difference.mean() < 12, "only sensor noise may differ"
    assert (first.identity != last.identity).mean() > 0.01
