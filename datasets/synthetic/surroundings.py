"""What stands beside the road and never moves: houses, trees, the far skyline."""

from __future__ import annotations

import numpy as np

from .canvas import BLACK, RGB, Face, Surface
from .scene import Scene
from .solids import box, ellipse, flat, limb

WALLS: tuple[RGB, ...] = (
    (0.36, 0.30, 0.23),
    (0.42, 0.38, 0.33),
    (0.30, 0.15, 0.10),
    (0.25, 0.26, 0.28),
    (0.46, 0.43, 0.36),
    (0.34, 0.24, 0.17),
)

SIGNS: tuple[RGB, ...] = ((0.9, 0.10, 0.08), (0.1, 0.35, 0.9), (0.1, 0.7, 0.3), (0.9, 0.6, 0.1))

Item = tuple[float, list[Face], tuple[float, float]]


def _facade(
    rng: np.random.Generator,
    scene: Scene,
    plane: str,
    fixed: float,
    start: float,
    end: float,
    height: float,
    wall: RGB,
    celsius: float,
) -> Face:
    """Return one wall with its rows of windows; ``plane`` x: along the avenue, z: across it (world axes)."""
    conditions, climate = scene.conditions, scene.conditions.climate

    def quad(a: float, b: float, low: float, high: float) -> np.ndarray:
        # Background solids stand at heading 0: forward is Z, left is -X.
        if plane == "x":
            return np.array([(a, -fixed, low), (b, -fixed, low), (b, -fixed, high), (a, -fixed, high)])
        return np.array([(fixed, -a, low), (fixed, -b, low), (fixed, -b, high), (fixed, -a, high)])

    surfaces = [Surface(quad(start, end, 0, height), wall, celsius)]
    storeys = 5
    for level in range(storeys):  # walls are warmest near the ground and store heat unevenly
        low, high = height * level / storeys, height * (level + 1) / storeys
        surfaces.append(Surface(quad(start, end, low, high), wall, celsius + 0.8 - 0.45 * level))
    glass = 0.4 * climate.air + 0.6 * climate.sky
    pitch, floor = 2.6, 3.2
    columns = int(min((end - start) // pitch, 14))
    for row in range(int(min((height - 4.2) // floor, 9))):
        low = 4.4 + row * floor
        for column in range(columns):
            a = start + (end - start - columns * pitch) / 2 + column * pitch + 0.6
            lit = conditions.night and rng.random() < 0.28
            glow: RGB = (0.42, 0.33, 0.17) if lit else BLACK
            if lit:
                dim = rng.uniform(0.3, 1.0)
                glow = (glow[0] * dim, glow[1] * dim, glow[2] * dim)
            shade = rng.uniform(0.7, 1.4)
            surfaces.append(
                Surface(
                    quad(a, a + 1.4, low, low + 1.8),
                    (0.09 * shade, 0.12 * shade, 0.15 * shade),
                    glass + 0.8 * rng.normal(),
                    glow,
                )
            )
    if rng.random() < 0.6:
        hue = SIGNS[rng.integers(len(SIGNS))]
        gain = 0.35 if conditions.night else 0.0
        sign = quad(start + 0.8, start + 0.8 + 0.5 * (end - start), 2.9, 3.9)
        surfaces.append(
            Surface(
                sign,
                (hue[0] * 0.5, hue[1] * 0.5, hue[2] * 0.5),
                climate.air + (6.0 if conditions.night else 1.5),
                (hue[0] * gain, hue[1] * gain, hue[2] * gain),
            )
        )
        shop = quad(start + 0.8, start + 0.8 + 0.5 * (end - start), 0.5, 2.7)
        inside = 0.22 if conditions.night else 0.0
        surfaces.append(Surface(shop, (0.10, 0.11, 0.12), glass + 3, (inside, inside * 0.9, inside * 0.7)))
    normal = ((0.0, 1.0 if fixed > 0 else -1.0, 0.0)) if plane == "x" else (-1.0, 0.0, 0.0)
    return Face(normal, tuple(surfaces))


def buildings(scene: Scene) -> list[Item]:
    """Return rows of houses on both sides of the avenue, beyond the pavements."""
    rng, road, climate = scene.stream(4), scene.road, scene.conditions.climate
    items: list[Item] = []
    for side in (-1.0, 1.0):
        z = road.gap + rng.uniform(4, 9)
        while z < 75:
            deep, setback = rng.uniform(9, 20), rng.uniform(5.0, 10.0)
            height = rng.uniform(9, 30)
            near = road.centre + side * (road.half + setback)
            wall, celsius = WALLS[rng.integers(len(WALLS))], climate.wall + rng.normal(0, 0.8)
            faces = [_facade(rng, scene, "x", near, z, z + deep, height, wall, celsius)]
            a, b = sorted((near, near + side * rng.uniform(10, 18)))
            faces.append(_facade(rng, scene, "z", z, a, b, height, wall, celsius - 0.5))
            # The face frame has its origin at (0, 0): culling needs nothing else.
            items.append((z, faces, (0.0, 0.0)))
            z += deep + (rng.uniform(1, 12) if rng.random() < 0.6 else 0.1)
    return items


def skyline(scene: Scene) -> list[Item]:
    """Return towers and a line of hedges far away, which close the view at the horizon."""
    rng, climate = scene.stream(5), scene.conditions.climate
    items: list[Item] = []
    for _ in range(int(rng.integers(5, 12))):
        z, x = rng.uniform(85, 150), rng.uniform(-95, 95)
        wall = WALLS[rng.integers(len(WALLS))]
        faces = box(
            (-8, 8),
            (-rng.uniform(5, 12), rng.uniform(5, 12)),
            (0, rng.uniform(14, 48)),
            wall,
            climate.wall - 2.5,
        )
        items.append((z, faces, (x, z)))
    for x in np.arange(-70, 71, 7.0):
        green = (0.05, 0.09, 0.04)
        hedge = Surface(
            flat(ellipse(0.0, 0.0, rng.uniform(5, 9), rng.uniform(2.0, 5.5), 14)), green, climate.plants - 0.8
        )
        items.append((80.0, [Face(None, (hedge,))], (float(x), 80.0)))
    return items


def trees(scene: Scene) -> list[Item]:
    """Return trees behind the pavements: trunk and a crown of overlapping tufts."""
    rng, road, climate = scene.stream(6), scene.road, scene.conditions.climate
    items: list[Item] = []
    hue = np.array([(0.07, 0.13, 0.035), (0.10, 0.14, 0.03), (0.16, 0.12, 0.03)][rng.integers(3)])
    for side in (-1.0, 1.0):
        if rng.random() < 0.2:
            continue
        z = road.gap + rng.uniform(3, 6)
        while z < 60:
            size, tall = rng.uniform(1.3, 2.1), rng.uniform(2.4, 3.4)
            surfaces = [
                Surface(flat(limb((0, 0), (0.05, tall), 0.35, 0.22)), (0.08, 0.06, 0.045), climate.air + 0.3)
            ]
            for layer in range(34):
                angle, radius = rng.uniform(0, 2 * np.pi), size * np.sqrt(rng.uniform(0, 1))
                right, up = radius * np.cos(angle), tall + 0.8 * size + 0.85 * radius * np.sin(angle)
                shade = (
                    (0.55 + 0.45 * layer / 33)
                    * (0.85 + 0.35 * (up - tall) / (2 * size))
                    * rng.uniform(0.8, 1.2)
                )
                tone = hue * shade
                tuft = flat(
                    ellipse(right, up, size * rng.uniform(0.2, 0.36), size * rng.uniform(0.16, 0.28), 8)
                )
                surfaces.append(
                    Surface(
                        tuft,
                        (float(tone[0]), float(tone[1]), float(tone[2])),
                        climate.plants + 0.35 * rng.normal(),
                    )
                )
            x = road.centre + side * (road.half + rng.uniform(3.6, 4.6))
            items.append((float(z), [Face(None, tuple(surfaces))], (float(x), float(z))))
            z += rng.uniform(5, 13)
    return items
