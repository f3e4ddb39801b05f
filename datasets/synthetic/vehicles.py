"""Cars, trucks and buses: colour for the visible camera, heat for the infrared one.

A car carries its heat low and in front: bonnet, wheels, exhaust under the bumper. A truck carries it high: an engine
behind a tall grille and an exhaust stack behind the cab, before a load space at (or below) the air's temperature.
Panel vans and pick-ups are trucks with the outline of a large car, so that the two are easily confused in poor light.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import BLACK, RGB, Face, Surface
from .conditions import Conditions
from .solids import Panel, box, disc, extrude, mirror, on_side

RUBBER: RGB = (0.025, 0.025, 0.027)
GLASS: RGB = (0.07, 0.09, 0.11)
PAINTS: tuple[RGB, ...] = (
    (0.72, 0.72, 0.70), (0.42, 0.43, 0.44), (0.045, 0.045, 0.05), (0.40, 0.04, 0.04), (0.05, 0.10, 0.33),
    (0.17, 0.18, 0.19), (0.30, 0.26, 0.20), (0.06, 0.19, 0.13),
)  # fmt: skip
TRUCK_PAINTS: tuple[RGB, ...] = (*PAINTS[:6], (0.10, 0.22, 0.50), (0.62, 0.44, 0.06))
BUS_PAINTS: tuple[RGB, ...] = ((0.55, 0.06, 0.05), (0.06, 0.32, 0.16), (0.72, 0.50, 0.05), (0.10, 0.22, 0.52))


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


def _scaled(colour: RGB, factor: float) -> RGB:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def _sides(outline: np.ndarray, details: list[Surface], body: Surface) -> list[Face]:
    left = (Surface(outline, body.colour, body.celsius), *details)
    right = tuple(Surface(mirror(s.points), s.colour, s.celsius, s.glow) for s in left)
    return [Face((0.0, 1.0, 0.0), left), Face((0.0, -1.0, 0.0), right)]


def _wheels(centres: list[float], radius: float, half_width: float, heat: Thermals) -> list[Surface]:
    surfaces = []
    for x in centres:
        surfaces.append(Surface(disc(x, radius, radius, half_width), RUBBER, heat.wheel))
        surfaces.append(Surface(disc(x, radius, radius * 0.55, half_width, 10), (0.30, 0.30, 0.31), heat.hub))
    return surfaces


def _tyres(x: float, half_width: float, radius: float, heat: Thermals) -> list[Surface]:
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


def _lamps(panel: Panel, front: bool, on: bool, along: tuple[float, float], air: float) -> list[Surface]:
    """Return head or tail lamps at both edges of a panel."""
    colour: RGB = (0.55, 0.55, 0.52) if front else (0.30, 0.02, 0.02)
    glow: RGB = BLACK
    if on:
        glow = (2.6, 2.4, 1.9) if front else (0.85, 0.05, 0.04)
    celsius = air + (10.0 if on and front else 1.0)
    return [Surface(panel.patch(a, along), colour, celsius, glow) for a in ((0.04, 0.22), (0.78, 0.96))]


def _plate(panel: Panel, along: tuple[float, float], celsius: float) -> Surface:
    return Surface(panel.patch((0.38, 0.62), along), (0.10, 0.22, 0.60), celsius)


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
        (-f, sill, w * 0.97), (-f + 0.02, belt, w), (-f + boot, belt * 1.04, w), (roof_start, height, w * 0.78),
        (roof_end, height, w * 0.78), (f - 1.25, belt * 1.04, w), (f - 0.12, belt * 0.86, w * 0.95), (f, sill, w * 0.92),
    ]  # fmt: skip
    panels, outline = extrude(profile)
    rear, boot_lid, rear_window, roof, windscreen, bonnet, nose = panels
    on = running and conditions.headlamps
    faces = [
        Face(rear.normal, (
            *_tyres(-f, w, 0.32, heat),
            Surface(rear.corners, paint, heat.body),
            Surface(rear.patch((0.0, 1.0), (0.0, 0.22)), _scaled(paint, 0.5), heat.body + 0.25 * (heat.exhaust - air)),
            *_lamps(rear, False, on, (0.58, 0.88), air),
            _plate(rear, (0.36, 0.56), heat.body),
            Surface(rear.patch((0.70, 0.86), (0.0, 0.16)), (0.05, 0.05, 0.05), heat.exhaust),
        )),
        Face(boot_lid.normal, (Surface(boot_lid.corners, paint, heat.body),)),
        Face(rear_window.normal, (
            Surface(rear_window.corners, paint, heat.body),
            Surface(rear_window.patch((0.06, 0.94), (0.12, 0.9)), GLASS, heat.glass),
        )),
        Face(roof.normal, (Surface(roof.corners, paint, heat.roof),)),
        Face(windscreen.normal, (
            Surface(windscreen.corners, paint, heat.body),
            Surface(windscreen.patch((0.05, 0.95), (0.08, 0.92)), GLASS, heat.glass),
        )),
        Face(bonnet.normal, (
            Surface(bonnet.corners, paint, heat.engine * 0.6 + heat.body * 0.4),
            Surface(bonnet.patch((0.2, 0.8), (0.2, 1.0)), paint, heat.engine),
        )),
        Face(nose.normal, (
            *_tyres(f, w * 0.95, 0.32, heat),
            Surface(nose.corners, paint, heat.body * 0.5 + heat.engine * 0.5),
            Surface(nose.patch((0.25, 0.75), (0.12, 0.42)), (0.03, 0.03, 0.03), heat.engine + 2 * (heat.engine > air + 5)),
            *_lamps(nose, True, on, (0.08, 0.36), air),
            _plate(nose, (0.52, 0.70), heat.body),
        )),
    ]  # fmt: skip
    glass_base, glass_top = belt * 1.06, height * 0.95
    windows = [
        Surface(on_side([(roof_start - 0.25, glass_base), (roof_start + 0.12, glass_top), (-0.12, glass_top), (-0.12, glass_base)], w * 0.9), GLASS, heat.glass),
        Surface(on_side([(0.0, glass_base), (0.0, glass_top), (roof_end - 0.05, glass_top), (f - 1.45, glass_base)], w * 0.9), GLASS, heat.glass),
        Surface(on_side([(f - 1.2, 0.45), (f - 1.2, belt), (f - 0.15, belt * 0.86), (f - 0.05, 0.45)], w), paint, (heat.engine + heat.body) / 2),
        Surface(on_side([(-f, sill), (-f, sill + 0.14), (f, sill + 0.14), (f, sill)], w), _scaled(paint, 0.4), heat.body),
    ]  # fmt: skip
    details = windows + _wheels([-f + 0.85, f - 0.85], 0.33, w, heat)
    return faces + _sides(outline, details, Surface(outline, paint, heat.body))


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
        (cab_rear, sill, w), (cab_rear + 0.02, belt, w), (cab_rear + (0.12 if kind != "box" else 0.05), height, w * 0.88),
        (roof_end, height, w * 0.86), (f - nose_depth, belt * 1.05, w), (f - 0.08, belt * 0.92, w * 0.97), (f, sill, w * 0.94),
    ]  # fmt: skip
    panels, outline = extrude(profile)
    rear, rear_upper, roof, windscreen, bonnet, nose = panels
    on = running and conditions.headlamps
    grille = heat.engine + (3.0 if running else 0.0)
    rear_surfaces = [Surface(rear.corners, paint, side_temperature)]
    upper_surfaces = [Surface(rear_upper.corners, paint, side_temperature)]
    if kind == "van":
        rear_surfaces = [
            *_tyres(-f, w, 0.36, heat),
            *rear_surfaces,
            *_lamps(rear, False, on, (0.55, 0.95), air),
            _plate(rear, (0.2, 0.4), cargo),
        ]
        upper_surfaces.append(Surface(rear_upper.patch((0.08, 0.92), (0.1, 0.8)), GLASS, cargo - 0.5))
    elif kind == "pickup":
        upper_surfaces.append(Surface(rear_upper.patch((0.1, 0.9), (0.1, 0.85)), GLASS, heat.glass))
    faces = [
        Face(rear.normal, tuple(rear_surfaces)),
        Face(rear_upper.normal, tuple(upper_surfaces)),
        Face(roof.normal, (Surface(roof.corners, paint, heat.roof if kind != "van" else cargo),)),
        Face(windscreen.normal, (
            Surface(windscreen.corners, paint, heat.body),
            Surface(windscreen.patch((0.05, 0.95), (0.06, 0.92)), GLASS, heat.glass),
        )),
        Face(bonnet.normal, (Surface(bonnet.corners, paint, heat.body),)),
        Face(nose.normal, (
            *_tyres(f, w * 0.95, 0.36, heat),
            Surface(nose.corners, paint, heat.body - 1.0),
            # The engine stands upright behind the upper grille; bumper and lamps below stay cool.
            Surface(nose.patch((0.16, 0.84), (0.02, 0.42)), (0.035, 0.035, 0.04), grille),
            *_lamps(nose, True, on, (0.26, 0.52), air),
            _plate(nose, (0.66, 0.84), heat.body - 1.0),
        )),
    ]  # fmt: skip
    door = (cab_rear + 0.25 if kind == "pickup" else max(roof_end - 1.15, cab_rear + 0.15), roof_end - 0.05)
    details = [
        Surface(on_side([(door[0], belt * 1.08), (door[0], height * 0.93), (door[1], height * 0.93), (f - nose_depth - 0.25, belt * 1.08)], w * 0.92), GLASS, heat.glass),
        Surface(on_side([(door[1] - 0.1, 0.8), (door[1] - 0.1, belt), (f - 0.12, belt * 0.92), (f - 0.05, 0.8)], w), paint, (heat.engine + heat.body) / 2),
        Surface(on_side([(cab_rear, sill), (cab_rear, sill + 0.16), (f, sill + 0.16), (f, sill)], w), _scaled(paint, 0.35), heat.body),
    ]  # fmt: skip
    wheels = _wheels([-f + 0.95, f - 0.95], 0.38, w, heat)
    if kind == "van":
        details += wheels
    else:
        details += _wheels([f - 0.95], 0.38, w, heat)
    faces += _sides(outline, details, Surface(outline, paint, side_temperature))
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
    kind: str, f: float, w: float, cab_rear: float, height: float, paint: RGB, cargo: float, heat: Thermals, on: bool,
    air: float, rng: np.random.Generator,
) -> list[Face]:  # fmt: skip
    """Return the open bed of a pick-up or the box of a box truck, with its wheels and rear lamps."""
    top = height * 0.60 if kind == "pickup" else height * rng.uniform(1.12, 1.28)
    colour = (
        paint
        if kind == "pickup"
        else ((0.62, 0.62, 0.60), (0.40, 0.42, 0.44), _scaled(paint, 0.8))[rng.integers(3)]
    )
    profile = [(-f, 0.5, w), (-f, top, w), (cab_rear - 0.05, top, w), (cab_rear - 0.05, 0.5, w)]
    (rear, deck, front), outline = extrude(profile)
    doors = Surface(rear.patch((0.49, 0.51), (0.25, 1.0)), _scaled(colour, 0.5), cargo)
    faces = [
        Face(front.normal, (Surface(front.corners, colour, cargo),)),
        Face(deck.normal, (Surface(deck.corners, _scaled(colour, 0.35 if kind == "pickup" else 1.0), cargo),)),
        Face(rear.normal, (
            *_tyres(-f, w, 0.38, heat),
            Surface(rear.corners, colour, cargo),
            *([doors] if kind == "box" else []),
            *_lamps(rear, False, on, (0.45, 0.85) if kind == "pickup" else (0.04, 0.14), air),
            _plate(rear, (0.1, 0.3) if kind == "pickup" else (0.03, 0.12), cargo),
        )),
    ]  # fmt: skip
    return faces + _sides(outline, _wheels([-f + 0.95], 0.38, w, heat), Surface(outline, colour, cargo))


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
        Face(rear.normal, (
            *_tyres(-f, w, 0.46, heat),
            Surface(rear.corners, paint, heat.body),
            Surface(rear.patch((0.1, 0.9), (0.62, 0.94)), GLASS, cabin, inside),
            Surface(rear.patch((0.14, 0.86), (0.10, 0.42)), (0.04, 0.04, 0.04), heat.engine + 2.0),
            *_lamps(rear, False, on, (0.44, 0.56), air),
        )),
        Face(roof.normal, (Surface(roof.corners, light, heat.roof),)),
        Face(front.normal, (
            *_tyres(f, w, 0.46, heat),
            Surface(front.corners, paint, heat.body),
            Surface(front.patch((0.05, 0.95), (0.16, 0.64)), GLASS, cabin - 2, inside),
            Surface(front.patch((0.22, 0.78), (0.02, 0.13)), (0.02, 0.02, 0.02), heat.body, (0.9, 0.45, 0.05)),
            *_lamps(front, True, on, (0.78, 0.90), air),
        )),
    ]  # fmt: skip
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
            _scaled(paint, 0.6),
            heat.engine - 3,
        )
    )
    details += _wheels([-f + 2.1, f - 2.0], 0.48, w, heat)
    return faces + _sides(outline, details, Surface(outline, paint, heat.body))
