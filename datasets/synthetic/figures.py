"""People, motorcycles and lamps: flat cut-outs that face the camera."""

from __future__ import annotations

import numpy as np

from .canvas import BLACK, RGB, Face, Surface
from .conditions import Conditions
from .solids import cutout, ellipse, flat, limb

SKIN: RGB = (0.45, 0.28, 0.20)
CLOTHES: tuple[RGB, ...] = (
    (0.05, 0.06, 0.12), (0.45, 0.06, 0.06), (0.55, 0.55, 0.52), (0.10, 0.12, 0.11), (0.08, 0.17, 0.38),
    (0.50, 0.38, 0.10), (0.14, 0.26, 0.13), (0.03, 0.03, 0.035),
)  # fmt: skip
TROUSERS: tuple[RGB, ...] = ((0.03, 0.04, 0.09), (0.03, 0.03, 0.03), (0.20, 0.16, 0.11), (0.11, 0.11, 0.12))


def person(rng: np.random.Generator, conditions: Conditions, phase: float, sideways: bool) -> list[Face]:
    """Return a walking or standing person.

    Args:
        rng: the person's own generator, in the same state for every frame.
        conditions: give skin and clothes their temperatures.
        phase: of the gait in radians; 0 stands still.
        sideways: the person walks across the picture, so legs and arms swing in it.
    """
    climate = conditions.climate
    tall = rng.uniform(1.6, 1.85)
    top, legs = CLOTHES[rng.integers(len(CLOTHES))], TROUSERS[rng.integers(len(TROUSERS))]
    stout = rng.uniform(0.92, 1.15)
    swing = float(np.sin(phase)) * (0.34 if sideways else 0.09)
    hip, shoulder, neck = 0.52 * tall, 0.80 * tall, 0.85 * tall
    spread = 0.04 if sideways else 0.10
    half = (0.15 if sideways else 0.22) * stout
    trunk = climate.cloth + float(rng.normal(0, 1.2 * climate.heat - 0.6))  # thin or thick clothes
    cloth = trunk - 1.5
    lift = 0.05 * abs(float(np.sin(phase)))
    dark = (legs[0] * 0.75, legs[1] * 0.75, legs[2] * 0.75)
    foot = (0.02, 0.02, 0.02)
    parts: list[tuple[list[tuple[float, float]], RGB, float]] = []
    for side, colour in ((-1.0, dark), (1.0, legs)):
        end = side * spread + side * swing
        knee = (side * spread * 0.9 + side * swing * 0.45 + (0.05 if sideways else 0.0), 0.27 * tall)
        ankle = (end, 0.06 + (lift if side > 0 else 0.0))
        parts.append((limb((side * spread * 0.8, hip + 0.05), knee, 0.19 * stout, 0.15), colour, cloth))
        parts.append((limb(knee, ankle, 0.15, 0.11), colour, cloth - 1.0))
        parts.append(
            (
                limb((ankle[0] - 0.06, ankle[1] - 0.02), (ankle[0] + 0.12, ankle[1] - 0.02), 0.09),
                foot,
                climate.air + 3,
            )
        )
    for side in (-1.0, 1.0):
        joint = (side * half * (0.3 if sideways else 1.0), shoulder - 0.04)
        hand = (joint[0] - side * swing * 0.9 + (0.0 if sideways else side * 0.07), hip - 0.02)
        arm = (limb(joint, hand, 0.12, 0.09), top, trunk - 0.5)
        if side < 0:
            parts.insert(0, arm)
        else:
            late = arm
    body = [
        (-half, shoulder),
        (-half * 0.6, neck - 0.02),
        (half * 0.6, neck - 0.02),
        (half, shoulder),
        (half * 0.82, hip),
        (-half * 0.82, hip),
    ]
    parts.append((body, top, trunk))
    parts.append(late)
    parts.append((ellipse(late[0][1][0], hip - 0.04, 0.06, 0.07, 8), SKIN, climate.skin - 1))
    parts.append((limb((0.0, neck - 0.05), (0.0, neck + 0.06), 0.11), SKIN, climate.skin))
    parts.append((ellipse(0.02 if sideways else 0.0, 0.925 * tall, 0.105, 0.13), SKIN, climate.skin))
    parts.append((ellipse(0.0, 0.965 * tall, 0.115, 0.075, 10), (0.02, 0.015, 0.012), climate.skin - 4))
    return [cutout(parts)]


def rider(rng: np.random.Generator, conditions: Conditions, aspect: float) -> list[Face]:
    """Return the rider of a motorcycle; ``aspect`` is that of ``motorcycle``."""
    climate = conditions.climate
    top, legs = CLOTHES[rng.integers(len(CLOTHES))], TROUSERS[rng.integers(len(TROUSERS))]
    helmet = CLOTHES[rng.integers(len(CLOTHES))]
    trunk, cloth = climate.cloth, climate.cloth - 1.5
    if abs(aspect) < 0.5:
        parts = [
            (limb((-0.10, 0.85), (-0.26, 0.55), 0.17), legs, cloth), (limb((0.10, 0.85), (0.26, 0.55), 0.17), legs, cloth),
            (limb((-0.24, 0.60), (-0.22, 0.30), 0.14, 0.11), legs, cloth - 1), (limb((0.24, 0.60), (0.22, 0.30), 0.14, 0.11), legs, cloth - 1),
            (limb((-0.22, 1.32), (-0.38, 1.03), 0.13), top, trunk - 0.5), (limb((0.22, 1.32), (0.38, 1.03), 0.13), top, trunk - 0.5),
            ([(-0.24, 1.32), (-0.1, 1.42), (0.1, 1.42), (0.24, 1.32), (0.19, 0.80), (-0.19, 0.80)], top, trunk),
        ]  # fmt: skip
        centre = 0.0
    else:
        a = aspect
        parts = [
            (limb((-0.18 * a, 0.88), (0.22 * a, 0.76), 0.19), legs, cloth), (limb((0.22 * a, 0.78), (0.06 * a, 0.34), 0.14, 0.11), legs, cloth - 1),
            ([(-0.33 * a, 0.84), (-0.22 * a, 1.36), (0.02 * a, 1.40), (0.08 * a, 1.24), (-0.02 * a, 0.82)], top, trunk),
            (limb((-0.04 * a, 1.30), (0.44 * a, 1.04), 0.12, 0.09), top, trunk - 0.5),
        ]  # fmt: skip
        centre = -0.02 * a
    parts.append((limb((centre, 1.36), (centre, 1.50), 0.12), SKIN, climate.skin))
    parts.append((ellipse(centre, 1.56, 0.135, 0.15), helmet, climate.cloth - 4))
    parts.append(
        (
            ellipse(centre + 0.05 * (aspect if abs(aspect) >= 0.5 else 0.0), 1.54, 0.085, 0.055, 10),
            SKIN,
            climate.skin - 1,
        )
    )
    return [cutout(parts)]


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
            (limb((-0.16, 0.30), (-0.12, 0.75), 0.06), steel, body), (limb((0.16, 0.30), (0.12, 0.75), 0.06), steel, body),
            ([(-0.20, 0.48), (-0.17, 0.95), (0.17, 0.95), (0.20, 0.48)], paint, body + 2),
            ([(-0.24, 0.30), (-0.24, 0.50), (0.24, 0.50), (0.24, 0.30)], steel, engine),
            (limb((-0.40, 1.03), (0.40, 1.03), 0.06), black, body),
            (ellipse(-0.40, 1.12, 0.07, 0.05, 8), black, body), (ellipse(0.40, 1.12, 0.07, 0.05, 8), black, body),
        ]  # fmt: skip
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
    """Return a traffic light's head, its bottom ``base`` metres up; ``lit`` is 0 red, 1 amber, 2 green or None (off)."""
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
