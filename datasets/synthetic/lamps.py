"""Traffic lights and street lanterns: hot when they burn, else as warm as the air."""

from __future__ import annotations

import numpy as np

from .canvas import BLACK, RGB, Face, Surface
from .conditions import Conditions
from .solids import cutout, ellipse, flat, limb


def pole(height: float, arm: float, celsius: float) -> list[Face]:
    """Return the post below (and the arm beside) a lamp; not annotated."""
    grey = (0.16, 0.17, 0.17)
    parts = [(limb((0.0, 0.0), (0.0, height), 0.18, 0.12), grey, celsius)]
    if arm:
        parts.append((limb((0.0, height - 0.1), (arm, height - 0.1), 0.10), grey, celsius))
    return [cutout(parts)]


def signal(
    rng: np.random.Generator, conditions: Conditions, right: float, base: float, lit: int | None
) -> list[Face]:
    """Return a traffic light's head.

    Args:
        rng: the lamp's own generator.
        conditions: give the temperature of the air.
        right: distance to the right of the pole in metres.
        base: height of its bottom over the ground in metres.
        lit: 0 red, 1 amber, 2 green, or None when it is off.
    """
    air = conditions.climate.air
    wide, tall = 0.29, 1.5
    housing = (0.035, 0.04, 0.04) if rng.random() < 0.7 else (0.42, 0.32, 0.04)
    parts = [
        (
            [
                (right - wide, base),
                (right - wide, base + tall),
                (right + wide, base + tall),
                (right + wide, base),
            ],
            housing,
            air + 0.5,
        )
    ]
    face = cutout(parts)
    hues: tuple[RGB, ...] = ((1.0, 0.06, 0.04), (1.0, 0.55, 0.04), (0.05, 0.9, 0.45))
    lenses = []
    for index, hue in enumerate(hues):
        up = base + tall - 0.27 - index * 0.48
        on = lit == index
        gain = 1.6 if on else 0.0
        colour = (hue[0] * 0.13 + 0.02, hue[1] * 0.13 + 0.02, hue[2] * 0.13 + 0.02)
        glow = (hue[0] * gain, hue[1] * gain, hue[2] * gain)
        lenses.append(
            Surface(flat(ellipse(right, up, 0.20, 0.20, 12)), colour, air + (22.0 if on else 1.0), glow)
        )
    return [Face(None, (*face.surfaces, *lenses))]


def lantern(conditions: Conditions, base: float, lit: bool) -> list[Face]:
    """Return a street lantern's head, its bottom ``base`` metres up."""
    air = conditions.climate.air
    glass = [(-0.22, base), (-0.36, base + 0.75), (0.36, base + 0.75), (0.22, base)]
    cap = [(-0.42, base + 0.75), (-0.12, base + 1.02), (0.12, base + 1.02), (0.42, base + 0.75)]
    glow: RGB = (2.4, 1.8, 0.9) if lit else BLACK
    surfaces = (
        Surface(flat(glass), (0.60, 0.60, 0.56), air + (20.0 if lit else 0.0), glow),
        Surface(
            flat(limb((0.0, base), (0.0, base + 0.75), 0.07)),
            (0.05, 0.05, 0.05),
            air + (10.0 if lit else 0.0),
        ),
        Surface(flat(cap), (0.05, 0.055, 0.055), air + (13.0 if lit else 0.5)),
    )
    return [Face(None, surfaces)]
