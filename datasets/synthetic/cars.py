"""Cars: saloons, hatchbacks and sport-utility cars.

A car carries its heat low and in front: bonnet, wheels, exhaust under the bumper.
"""

from __future__ import annotations

import numpy as np

from .bodywork import GLASS, PAINTS, Thermals, lamps, plate, scaled, sides, tyres, wheels
from .canvas import Face, Surface
from .conditions import Conditions
from .solids import extrude, on_side


def car(rng: np.random.Generator, conditions: Conditions, running: bool) -> list[Face]:
    """Return a saloon, a hatchback or a tall sport-utility car."""
    heat, air = Thermals.of(conditions, running), conditions.climate.air
    paint = PAINTS[rng.integers(len(PAINTS))]
    kind = rng.choice(["saloon", "hatch", "suv"], p=[0.35, 0.25, 0.4])
    length, width, height = {"saloon": (4.5, 1.8, 1.45), "hatch": (4.0, 1.75, 1.5), "suv": (4.6, 1.9, 1.8)}[
        str(kind)
    ]
    height *= rng.uniform(0.97, 1.06)
    f, w, belt, sill = length / 2, width / 2, height * 0.60, 0.32
    boot = {"saloon": 0.85, "hatch": 0.12, "suv": 0.10}[str(kind)]
    roof_start, roof_end = -f + boot + (0.55 if kind == "saloon" else 0.35), f - 2.05
    profile = [
        (-f, sill, w * 0.97),
        (-f + 0.02, belt, w),
        (-f + boot, belt * 1.04, w),
        (roof_start, height, w * 0.78),
        (roof_end, height, w * 0.78),
        (f - 1.25, belt * 1.04, w),
        (f - 0.12, belt * 0.86, w * 0.95),
        (f, sill, w * 0.92),
    ]
    panels, outline = extrude(profile)
    rear, boot_lid, rear_window, roof, windscreen, bonnet, nose = panels
    on = running and conditions.headlamps
    faces = [
        Face(
            rear.normal,
            (
                *tyres(-f, w, 0.32, heat),
                Surface(rear.corners, paint, heat.body),
                Surface(
                    rear.patch((0.0, 1.0), (0.0, 0.22)),
                    scaled(paint, 0.5),
                    heat.body + 0.25 * (heat.exhaust - air),
                ),
                *lamps(rear, False, on, (0.58, 0.88), air),
                plate(rear, (0.36, 0.56), heat.body),
                Surface(rear.patch((0.70, 0.86), (0.0, 0.16)), (0.05, 0.05, 0.05), heat.exhaust),
            ),
        ),
        Face(boot_lid.normal, (Surface(boot_lid.corners, paint, heat.body),)),
        Face(
            rear_window.normal,
            (
                Surface(rear_window.corners, paint, heat.body),
                Surface(rear_window.patch((0.06, 0.94), (0.12, 0.9)), GLASS, heat.glass),
            ),
        ),
        Face(roof.normal, (Surface(roof.corners, paint, heat.roof),)),
        Face(
            windscreen.normal,
            (
                Surface(windscreen.corners, paint, heat.body),
                Surface(windscreen.patch((0.05, 0.95), (0.08, 0.92)), GLASS, heat.glass),
            ),
        ),
        Face(
            bonnet.normal,
            (
                Surface(bonnet.corners, paint, heat.engine * 0.6 + heat.body * 0.4),
                Surface(bonnet.patch((0.2, 0.8), (0.2, 1.0)), paint, heat.engine),
            ),
        ),
        Face(
            nose.normal,
            (
                *tyres(f, w * 0.95, 0.32, heat),
                Surface(nose.corners, paint, heat.body * 0.5 + heat.engine * 0.5),
                Surface(
                    nose.patch((0.25, 0.75), (0.12, 0.42)),
                    (0.03, 0.03, 0.03),
                    heat.engine + 2 * (heat.engine > air + 5),
                ),
                *lamps(nose, True, on, (0.08, 0.36), air),
                plate(nose, (0.52, 0.70), heat.body),
            ),
        ),
    ]
    glass_base, glass_top = belt * 1.06, height * 0.95
    windows = [
        Surface(
            on_side(
                [
                    (roof_start - 0.25, glass_base),
                    (roof_start + 0.12, glass_top),
                    (-0.12, glass_top),
                    (-0.12, glass_base),
                ],
                w * 0.9,
            ),
            GLASS,
            heat.glass,
        ),
        Surface(
            on_side(
                [(0.0, glass_base), (0.0, glass_top), (roof_end - 0.05, glass_top), (f - 1.45, glass_base)],
                w * 0.9,
            ),
            GLASS,
            heat.glass,
        ),
        Surface(
            on_side([(f - 1.2, 0.45), (f - 1.2, belt), (f - 0.15, belt * 0.86), (f - 0.05, 0.45)], w),
            paint,
            (heat.engine + heat.body) / 2,
        ),
        Surface(
            on_side([(-f, sill), (-f, sill + 0.14), (f, sill + 0.14), (f, sill)], w),
            scaled(paint, 0.4),
            heat.body,
        ),
    ]
    details = windows + wheels([-f + 0.85, f - 0.85], 0.33, w, heat)
    return faces + sides(outline, details, Surface(outline, paint, heat.body))
