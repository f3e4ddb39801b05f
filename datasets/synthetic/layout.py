"""Lay out a scene: draw its condition, camera and roads, and cast its objects."""

from __future__ import annotations

import numpy as np

from .canvas import Camera
from .conditions import draw_conditions
from .scene import Actor, Road, Scene
from .stage import Stage


def build_scene(seed: int, index: int, condition: str, size: tuple[int, int], frames: int) -> Scene:
    """Lay out scene ``index`` of the data set ``seed``.

    Args:
        seed: of the data set.
        index: of the scene; scenes are independent of each other.
        condition: one of ``conditions.CONDITIONS``.
        size: width and height of the pictures.
        frames: how long the scene is meant to last; objects stay in sight for about that long.
    """
    rng = np.random.default_rng([seed, index, 0])
    conditions = draw_conditions(condition, rng)
    lanes = int(rng.choice([1, 1, 2]))
    camera = Camera(*size, above_ground=float(rng.uniform(2.0, 3.0)), pan=float(rng.uniform(-0.16, 0.16)))
    half = 3.5 * lanes + (2.2 if lanes == 1 and rng.random() < 0.6 else 0.3)
    junction = bool(rng.random() < 0.5)
    crossing = float(rng.uniform(15.5, 18.5)) if junction else None
    road = Road(
        centre=float(rng.uniform(-0.55, 0.75) * half),
        half=half,
        lanes=lanes,
        crossing=crossing,
        stripes=(crossing - 7.5) if crossing is not None else float(rng.uniform(8.5, 12.0)),
        gap=(crossing + 6.5) if crossing is not None else 9.0,
    )
    stage = Stage(camera, road, frames, rng)
    for _ in range(1 + int(rng.random() < 0.15)):
        stage.lamp(conditions.night)
    for _ in range(1 + int(rng.random() < 0.1)):
        stage.vehicle("bus", "Bus", parked=False)
    for _ in range(1 + int(rng.random() < 0.5)):
        stage.vehicle("truck", "Truck", parked=bool(rng.random() < 0.2))
    for _ in range(1 + int(rng.random() < 0.35)):
        bike = stage.vehicle("motorcycle", "Motorcycle", parked=bool(rng.random() < 0.15))
        if bike is not None and bike.running:
            # A hair nearer than the machine, so that the rider is painted over it.
            stage.actors.append(
                Actor(
                    "rider",
                    "People",
                    bike.x,
                    bike.z - 0.05,
                    dx=bike.dx,
                    dz=bike.dz,
                    heading=bike.heading,
                    seed=bike.seed + 1,
                )
            )
    for _ in range(int(rng.integers(4, 7))):
        stage.vehicle("car", "Car", parked=bool(rng.random() < 0.3))
    for _ in range(int(rng.integers(1, 4))):
        stage.pedestrian()
    plume = (float(rng.uniform(-2.5, 2.5)) + camera.pan * 11, float(rng.uniform(6.5, 8.5)))
    if conditions.smoke:
        stage.pedestrian(where=(plume[0], plume[1] + 3.5))
    return Scene(
        index, f"{index:03d}-{condition}", (seed, index), conditions, camera, road, tuple(stage.actors), plume
    )
