"""City buses: rows of windows, the engine at the rear."""

from __future__ import annotations

import numpy as np

from .bodywork import GLASS, Thermals, lamps, scaled, sides, tyres, wheels
from .canvas import BLACK, RGB, Face, Surface
from .conditions import Conditions
from .solids import extrude, on_side

BUS_PAINTS: tuple[RGB, ...] = ((0.55, 0.06, 0.05), (0.06, 0.32, 0.16), (0.72, 0.50, 0.05), (0.10, 0.22, 0.52))


def bus(rng: np.random.Generator, conditions: Conditions, running: bool) -> list[Face]:
    """Return a city bus: rows of windows, engine at the rear."""
    heat, air = Thermals.of(conditions, running), conditions.climate.air
    paint = BUS_PAINTS[rng.integers(len(BUS_PAINTS))]
    light: RGB = (0.68, 0.68, 0.66)
    length, w, height = float(rng.uniform(8.5, 10.5)), 1.25, 3.05
    f, sill = length / 2, 0.35
    profile = [
        (-f, sill, w),
        (-f, height - 0.1, w),
        (-f + 0.12, height, w * 0.95),
        (f - 0.15, height, w * 0.95),
        (f, height - 0.15, w),
        (f, sill, w),
    ]
    (rear, _, roof, _, front), outline = extrude(profile)
    on = running and conditions.headlamps
    inside: RGB = (0.17, 0.15, 0.10) if on and conditions.night else BLACK
    cabin = heat.glass + (3.0 if running else 0.0)  # heated, seen faintly through the panes
    faces = [
        Face(
            rear.normal,
            (
                *tyres(-f, w, 0.46, heat),
                Surface(rear.corners, paint, heat.body),
                Surface(rear.patch((0.1, 0.9), (0.62, 0.94)), GLASS, cabin, inside),
                Surface(rear.patch((0.14, 0.86), (0.10, 0.42)), (0.04, 0.04, 0.04), heat.engine + 2.0),
                *lamps(rear, False, on, (0.44, 0.56), air),
            ),
        ),
        Face(roof.normal, (Surface(roof.corners, light, heat.roof),)),
        Face(
            front.normal,
            (
                *tyres(f, w, 0.46, heat),
                Surface(front.corners, paint, heat.body),
                Surface(front.patch((0.05, 0.95), (0.16, 0.64)), GLASS, cabin - 2, inside),
                Surface(
                    front.patch((0.22, 0.78), (0.02, 0.13)), (0.02, 0.02, 0.02), heat.body, (0.9, 0.45, 0.05)
                ),
                *lamps(front, True, on, (0.78, 0.90), air),
            ),
        ),
    ]
    details = [Surface(on_side([(-f, 0.95), (-f, 1.35), (f, 1.35), (f, 0.95)], w), light, heat.body)]
    panes = 6
    step = (length - 0.7) / panes
    for i in range(panes):
        x = -f + 0.35 + i * step
        details.append(
            Surface(
                on_side(
                    [(x + 0.08, 1.5), (x + 0.08, 2.55), (x + step - 0.08, 2.55), (x + step - 0.08, 1.5)], w
                ),
                GLASS,
                cabin,
                inside,
            )
        )
    details.append(
        Surface(
            on_side([(-f + 0.1, 0.5), (-f + 0.1, 1.3), (-f + 1.3, 1.3), (-f + 1.3, 0.5)], w),
            scaled(paint, 0.6),
            heat.engine - 3,
        )
    )
    details += wheels([-f + 2.1, f - 2.0], 0.48, w, heat)
    return faces + sides(outline, details, Surface(outline, paint, heat.body))
