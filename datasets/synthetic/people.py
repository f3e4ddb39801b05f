"""People on foot and on motorcycles: flat cut-outs that face the camera."""

from __future__ import annotations

import numpy as np

from .canvas import RGB, Face
from .conditions import Conditions
from .solids import cutout, ellipse, limb

SKIN: RGB = (0.45, 0.28, 0.20)

CLOTHES: tuple[RGB, ...] = (
    (0.05, 0.06, 0.12),
    (0.45, 0.06, 0.06),
    (0.55, 0.55, 0.52),
    (0.10, 0.12, 0.11),
    (0.08, 0.17, 0.38),
    (0.50, 0.38, 0.10),
    (0.14, 0.26, 0.13),
    (0.03, 0.03, 0.035),
)

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
    trunk = climate.cloth + float(rng.normal(0, max(1.2 * climate.heat - 0.6, 0.2)))  # thin or thick clothes
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
                (climate.air + cloth) / 2,
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
            (limb((-0.10, 0.85), (-0.26, 0.55), 0.17), legs, cloth),
            (limb((0.10, 0.85), (0.26, 0.55), 0.17), legs, cloth),
            (limb((-0.24, 0.60), (-0.22, 0.30), 0.14, 0.11), legs, cloth - 1),
            (limb((0.24, 0.60), (0.22, 0.30), 0.14, 0.11), legs, cloth - 1),
            (limb((-0.22, 1.32), (-0.38, 1.03), 0.13), top, trunk - 0.5),
            (limb((0.22, 1.32), (0.38, 1.03), 0.13), top, trunk - 0.5),
            (
                [(-0.24, 1.32), (-0.1, 1.42), (0.1, 1.42), (0.24, 1.32), (0.19, 0.80), (-0.19, 0.80)],
                top,
                trunk,
            ),
        ]
        centre = 0.0
    else:
        a = aspect
        parts = [
            (limb((-0.18 * a, 0.88), (0.22 * a, 0.76), 0.19), legs, cloth),
            (limb((0.22 * a, 0.78), (0.06 * a, 0.34), 0.14, 0.11), legs, cloth - 1),
            (
                [(-0.33 * a, 0.84), (-0.22 * a, 1.36), (0.02 * a, 1.40), (0.08 * a, 1.24), (-0.02 * a, 0.82)],
                top,
                trunk,
            ),
            (limb((-0.04 * a, 1.30), (0.44 * a, 1.04), 0.12, 0.09), top, trunk - 0.5),
        ]
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
