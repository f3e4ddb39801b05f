"""Motorcycles: flat cut-outs, seen from the side or end on; engine and exhaust are very hot."""

from __future__ import annotations

import numpy as np

from .canvas import BLACK, RGB, Face, Surface
from .conditions import Conditions
from .solids import cutout, ellipse, flat, limb


def motorcycle(
    rng: np.random.Generator, conditions: Conditions, aspect: float, front: bool, running: bool
) -> list[Face]:
    """Return a motorcycle without its rider.

    Args:
        rng: the vehicle's own generator.
        conditions: give its temperatures and say whether its lamp is on.
        aspect: how much of its length shows, -1 (heads left) to 1 (heads right); below 0.5 it is seen end on.
        front: seen from the front when end on.
        running: engine on and lamps on in the dark; a parked machine is cold.
    """
    climate = conditions.climate
    paint = ((0.40, 0.04, 0.04), (0.04, 0.08, 0.30), (0.03, 0.03, 0.03), (0.45, 0.30, 0.04))[rng.integers(4)]
    black, steel = (0.02, 0.02, 0.02), (0.33, 0.33, 0.34)
    heat, on = (climate.heat if running else 0.05), running and conditions.headlamps
    tyre, engine, pipe = climate.air + 7 * heat, climate.air + 26 * heat, climate.air + 34 * heat
    lamp: RGB = (2.4, 2.2, 1.7) if on else BLACK
    tail: RGB = (0.8, 0.04, 0.03) if on else BLACK
    body = climate.air + 2
    if abs(aspect) < 0.5:
        parts = [
            (ellipse(0.0, 0.32, 0.10, 0.32), black, tyre + 3),
            (limb((-0.16, 0.30), (-0.12, 0.75), 0.06), steel, body),
            (limb((0.16, 0.30), (0.12, 0.75), 0.06), steel, body),
            ([(-0.20, 0.48), (-0.17, 0.95), (0.17, 0.95), (0.20, 0.48)], paint, body + 2),
            ([(-0.24, 0.30), (-0.24, 0.50), (0.24, 0.50), (0.24, 0.30)], steel, engine),
            (limb((-0.40, 1.03), (0.40, 1.03), 0.06), black, body),
            (ellipse(-0.40, 1.12, 0.07, 0.05, 8), black, body),
            (ellipse(0.40, 1.12, 0.07, 0.05, 8), black, body),
        ]
        if not front:
            parts.append((limb((0.20, 0.30), (0.24, 0.50), 0.10), steel, pipe))
        face = cutout(parts)
        glow = Surface(
            flat(ellipse(0.0, 0.86, 0.10, 0.09, 10)),
            (0.5, 0.5, 0.5) if front else (0.3, 0.02, 0.02),
            body + 6,
            lamp if front else tail,
        )
        return [Face(None, (*face.surfaces, glow))]
    a = aspect
    parts = []
    for x in (-0.68 * a, 0.68 * a):
        parts.append((ellipse(x, 0.31, 0.31 * max(abs(a), 0.75), 0.31, 16), black, tyre))
        parts.append((ellipse(x, 0.31, 0.17 * max(abs(a), 0.75), 0.17, 10), (0.20, 0.20, 0.21), tyre + 3))
    parts += [
        (limb((0.68 * a, 0.31), (0.46 * a, 1.0), 0.07), steel, body),
        (limb((-0.68 * a, 0.31), (-0.1 * a, 0.45), 0.08), steel, body),
        ([(-0.30 * a, 0.26), (-0.24 * a, 0.60), (0.26 * a, 0.62), (0.30 * a, 0.26)], steel, engine),
        (limb((0.1 * a, 0.24), (-0.72 * a, 0.36), 0.09, 0.12), steel, pipe),
        ([(-0.80 * a, 0.86), (-0.70 * a, 0.70), (0.02 * a, 0.66), (0.04 * a, 0.82)], black, body + 3),
        (
            [(-0.05 * a, 0.64), (-0.02 * a, 0.90), (0.30 * a, 0.98), (0.48 * a, 0.86), (0.34 * a, 0.62)],
            paint,
            body + 4,
        ),
        (limb((0.36 * a, 1.08), (0.52 * a, 1.02), 0.07), black, body),
    ]
    face = cutout(parts)
    lights = (
        Surface(flat(ellipse(0.58 * a, 0.88, 0.09, 0.09, 10)), (0.5, 0.5, 0.5), body + 6, lamp),
        Surface(flat(ellipse(-0.78 * a, 0.80, 0.06, 0.05, 8)), (0.3, 0.02, 0.02), body, tail),
    )
    return [Face(None, (*face.surfaces, *lights))]
