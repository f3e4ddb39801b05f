"""Trucks: panel vans, pick-ups and box trucks.

A truck carries its heat high: an engine behind a tall grille and an exhaust stack behind the cab, before a
load space at (or below) the temperature of the air. Panel vans and pick-ups have the outline of a large car,
so that the two are easily confused in poor light and differ in the infrared.
"""

from __future__ import annotations

import numpy as np

from .bodywork import GLASS, PAINTS, Thermals, lamps, plate, scaled, sides, tyres, wheels
from .canvas import RGB, Face, Surface
from .conditions import Conditions
from .solids import box, extrude, on_side

TRUCK_PAINTS: tuple[RGB, ...] = (*PAINTS[:6], (0.10, 0.22, 0.50), (0.62, 0.44, 0.06))


def truck(rng: np.random.Generator, conditions: Conditions, running: bool) -> list[Face]:
    """Return a panel van, a pick-up or a box truck."""
    heat, air = Thermals.of(conditions, running), conditions.climate.air
    paint = TRUCK_PAINTS[rng.integers(len(TRUCK_PAINTS))]
    kind = str(rng.choice(["van", "pickup", "box"], p=[0.35, 0.25, 0.40]))
    length, width, height = {"van": (5.0, 1.95, 2.05), "pickup": (5.1, 1.95, 1.85), "box": (6.4, 2.2, 2.25)}[
        kind
    ]
    height *= rng.uniform(0.96, 1.05)
    f, w, belt, sill = length / 2, width / 2, height * 0.56, 0.40
    cargo = conditions.climate.air - 3.0  # insulated and shaded inside: it follows the cold sky
    cab_rear = {"van": -f, "pickup": -0.35, "box": f - 1.75}[kind]
    nose_depth = {"van": 0.75, "pickup": 1.25, "box": 0.30}[kind]
    roof_end = f - nose_depth - (0.45 if kind == "box" else 0.75)
    side_temperature = cargo if kind == "van" else heat.body
    profile = [
        (cab_rear, sill, w),
        (cab_rear + 0.02, belt, w),
        (cab_rear + (0.12 if kind != "box" else 0.05), height, w * 0.88),
        (roof_end, height, w * 0.86),
        (f - nose_depth, belt * 1.05, w),
        (f - 0.08, belt * 0.92, w * 0.97),
        (f, sill, w * 0.94),
    ]
    panels, outline = extrude(profile)
    rear, rear_upper, roof, windscreen, bonnet, nose = panels
    on = running and conditions.headlamps
    grille = heat.engine + (3.0 if running else 0.0)
    rear_surfaces = [Surface(rear.corners, paint, side_temperature)]
    upper_surfaces = [Surface(rear_upper.corners, paint, side_temperature)]
    if kind == "van":
        rear_surfaces = [
            *tyres(-f, w, 0.36, heat),
            *rear_surfaces,
            *lamps(rear, False, on, (0.55, 0.95), air),
            plate(rear, (0.2, 0.4), cargo),
        ]
        upper_surfaces.append(Surface(rear_upper.patch((0.08, 0.92), (0.1, 0.8)), GLASS, cargo - 0.5))
    elif kind == "pickup":
        upper_surfaces.append(Surface(rear_upper.patch((0.1, 0.9), (0.1, 0.85)), GLASS, heat.glass))
    faces = [
        Face(rear.normal, tuple(rear_surfaces)),
        Face(rear_upper.normal, tuple(upper_surfaces)),
        Face(roof.normal, (Surface(roof.corners, paint, heat.roof if kind != "van" else cargo),)),
        Face(
            windscreen.normal,
            (
                Surface(windscreen.corners, paint, heat.body),
                Surface(windscreen.patch((0.05, 0.95), (0.06, 0.92)), GLASS, heat.glass),
            ),
        ),
        Face(bonnet.normal, (Surface(bonnet.corners, paint, heat.body),)),
        Face(
            nose.normal,
            (
                *tyres(f, w * 0.95, 0.36, heat),
                Surface(nose.corners, paint, heat.body - 1.0),
                # The engine stands upright behind the upper grille; bumper and lamps below stay cool.
                Surface(nose.patch((0.16, 0.84), (0.02, 0.42)), (0.035, 0.035, 0.04), grille),
                *lamps(nose, True, on, (0.26, 0.52), air),
                plate(nose, (0.66, 0.84), heat.body - 1.0),
            ),
        ),
    ]
    door = (cab_rear + 0.25 if kind == "pickup" else max(roof_end - 1.15, cab_rear + 0.15), roof_end - 0.05)
    details = [
        Surface(
            on_side(
                [
                    (door[0], belt * 1.08),
                    (door[0], height * 0.93),
                    (door[1], height * 0.93),
                    (f - nose_depth - 0.25, belt * 1.08),
                ],
                w * 0.92,
            ),
            GLASS,
            heat.glass,
        ),
        Surface(
            on_side(
                [(door[1] - 0.1, 0.8), (door[1] - 0.1, belt), (f - 0.12, belt * 0.92), (f - 0.05, 0.8)], w
            ),
            paint,
            (heat.engine + heat.body) / 2,
        ),
        Surface(
            on_side([(cab_rear, sill), (cab_rear, sill + 0.16), (f, sill + 0.16), (f, sill)], w),
            scaled(paint, 0.35),
            heat.body,
        ),
    ]
    if kind == "van":
        details += wheels([-f + 0.95, f - 0.95], 0.38, w, heat)
    else:
        details += wheels([f - 0.95], 0.38, w, heat)
    faces += sides(outline, details, Surface(outline, paint, side_temperature))
    if kind != "van":
        faces = _load(kind, f, w, cab_rear, height, paint, cargo, heat, on, air, rng) + faces
    stack_x, stack_y = (f - 2.15, -w * 1.02) if kind == "van" else (cab_rear - 0.08, -w * 0.97)
    faces += box(
        (stack_x - 0.11, stack_x + 0.11),
        (stack_y - 0.12, stack_y + 0.10),
        (0.7, height + 0.40),
        (0.10, 0.10, 0.10),
        heat.exhaust,
    )
    return faces


def _load(
    kind: str,
    f: float,
    w: float,
    cab_rear: float,
    height: float,
    paint: RGB,
    cargo: float,
    heat: Thermals,
    on: bool,
    air: float,
    rng: np.random.Generator,
) -> list[Face]:
    """Return the open bed of a pick-up or the box of a box truck, with its wheels and rear lamps."""
    top = height * 0.60 if kind == "pickup" else height * rng.uniform(1.12, 1.28)
    colour = (
        paint
        if kind == "pickup"
        else ((0.62, 0.62, 0.60), (0.40, 0.42, 0.44), scaled(paint, 0.8))[rng.integers(3)]
    )
    profile = [(-f, 0.5, w), (-f, top, w), (cab_rear - 0.05, top, w), (cab_rear - 0.05, 0.5, w)]
    (rear, deck, front), outline = extrude(profile)
    doors = Surface(rear.patch((0.49, 0.51), (0.25, 1.0)), scaled(colour, 0.5), cargo)
    faces = [
        Face(front.normal, (Surface(front.corners, colour, cargo),)),
        Face(deck.normal, (Surface(deck.corners, scaled(colour, 0.35 if kind == "pickup" else 1.0), cargo),)),
        Face(
            rear.normal,
            (
                *tyres(-f, w, 0.38, heat),
                Surface(rear.corners, colour, cargo),
                *([doors] if kind == "box" else []),
                *lamps(rear, False, on, (0.45, 0.85) if kind == "pickup" else (0.04, 0.14), air),
                plate(rear, (0.1, 0.3) if kind == "pickup" else (0.03, 0.12), cargo),
            ),
        ),
    ]
    return faces + sides(outline, wheels([-f + 0.95], 0.38, w, heat), Surface(outline, colour, cargo))
