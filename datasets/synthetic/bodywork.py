"""Parts that all road vehicles share: temperatures, sides, wheels, lamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import BLACK, RGB, Face, Surface
from .conditions import Conditions
from .solids import Panel, disc, mirror

RUBBER: RGB = (0.025, 0.025, 0.027)

GLASS: RGB = (0.07, 0.09, 0.11)

PAINTS: tuple[RGB, ...] = (
    (0.72, 0.72, 0.70),
    (0.42, 0.43, 0.44),
    (0.045, 0.045, 0.05),
    (0.40, 0.04, 0.04),
    (0.05, 0.10, 0.33),
    (0.17, 0.18, 0.19),
    (0.30, 0.26, 0.20),
    (0.06, 0.19, 0.13),
)


@dataclass(frozen=True)
class Thermals:
    """Temperatures of one vehicle in degrees Celsius, from the climate and whether its engine runs."""

    body: float
    roof: float
    glass: float
    wheel: float
    hub: float
    engine: float
    exhaust: float

    @classmethod
    def of(cls, conditions: Conditions, running: bool) -> Thermals:
        """Derive the temperatures; a parked vehicle has only what sun and sky give it."""
        climate = conditions.climate
        sunny = 2.5 if max(conditions.sun) > 0 else -1.0
        body = climate.air + sunny
        glass = 0.45 * climate.air + 0.55 * climate.sky + (3.0 if running else 0.0)
        heat = climate.heat if running else 0.0
        return cls(
            body=body + 1.5 * heat,
            roof=body + (1.5 if sunny > 0 else -2.0),
            glass=glass,
            wheel=climate.air + 0.5 + 7.5 * heat,
            hub=climate.air + 0.5 + 13 * heat,
            engine=body + 13 * heat,
            exhaust=climate.air + 30 * heat,
        )


def scaled(colour: RGB, factor: float) -> RGB:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def sides(outline: np.ndarray, details: list[Surface], body: Surface) -> list[Face]:
    left = (Surface(outline, body.colour, body.celsius), *details)
    right = tuple(Surface(mirror(s.points), s.colour, s.celsius, s.glow) for s in left)
    return [Face((0.0, 1.0, 0.0), left), Face((0.0, -1.0, 0.0), right)]


def wheels(centres: list[float], radius: float, half_width: float, heat: Thermals) -> list[Surface]:
    surfaces = []
    for x in centres:
        surfaces.append(Surface(disc(x, radius, radius, half_width), RUBBER, heat.wheel))
        surfaces.append(Surface(disc(x, radius, radius * 0.55, half_width, 10), (0.30, 0.30, 0.31), heat.hub))
    return surfaces


def tyres(x: float, half_width: float, radius: float, heat: Thermals) -> list[Surface]:
    """Return the two tyres and the dark gap seen below a bumper."""
    gap = np.array(
        [
            (x, half_width * 0.8, 0.1),
            (x, -half_width * 0.8, 0.1),
            (x, -half_width * 0.8, 0.5),
            (x, half_width * 0.8, 0.5),
        ]
    )
    surfaces = [Surface(gap, (0.01, 0.01, 0.01), (heat.wheel + heat.body) / 2)]
    for side in (1.0, -1.0):
        y0, y1 = side * half_width * 0.97, side * half_width * 0.72
        quad = np.array([(x, y0, 0.0), (x, y1, 0.0), (x, y1, radius * 1.4), (x, y0, radius * 1.4)])
        surfaces.append(Surface(quad, RUBBER, heat.wheel))
    return surfaces


def lamps(panel: Panel, front: bool, on: bool, along: tuple[float, float], air: float) -> list[Surface]:
    """Return head or tail lamps at both edges of a panel."""
    colour: RGB = (0.55, 0.55, 0.52) if front else (0.30, 0.02, 0.02)
    glow: RGB = BLACK
    if on:
        glow = (2.6, 2.4, 1.9) if front else (0.85, 0.05, 0.04)
    celsius = air + (10.0 if on and front else 1.0)
    return [Surface(panel.patch(a, along), colour, celsius, glow) for a in ((0.04, 0.22), (0.78, 0.96))]


def plate(panel: Panel, along: tuple[float, float], celsius: float) -> Surface:
    return Surface(panel.patch((0.38, 0.62), along), (0.10, 0.22, 0.60), celsius)
