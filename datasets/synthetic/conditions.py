"""Conditions of a scene: light for the visible camera, temperatures for the infrared one, weather."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import RGB

# One block holds every condition once, in an order drawn per block; so any few scenes in a row are mixed.
CONDITIONS = (
    "day",
    "night",
    "smoke",
    "overcast",
    "glare",
    "exposure",
    "crossover",
    "rain",
    "night-smoke",
    "night-glare",
)


@dataclass(frozen=True)
class Climate:
    """Temperatures in degrees Celsius as the infrared camera sees them (emissivity already applied).

    Attributes:
        air: air, and everything that has neither sun nor heat of its own.
        road: asphalt: warmer than the air by day, cooler at night.
        wall: mean of the facades.
        plants: leaves and grass, near the air by evaporation.
        sky: at the horizon; it is colder towards the zenith.
        skin: uncovered skin.
        cloth: surface of clothes.
        heat: strength of engine heat against the air, 1 on a cool day.
        low: temperature shown as black.
        high: temperature shown as white.
    """

    air: float
    road: float
    wall: float
    plants: float
    sky: float
    skin: float
    cloth: float
    heat: float
    low: float
    high: float


@dataclass(frozen=True)
class Conditions:
    """Everything about a scene that is not geometry.

    Attributes:
        name: one of ``CONDITIONS``.
        tags: condition tags as written to ``conditions.json``.
        night: street lamps and windows are lit.
        headlamps: moving vehicles drive with their lamps on.
        sun: colour and strength of direct sunlight, linear RGB; zero when there is none.
        sun_direction: unit vector towards the sun, world frame (right, up, away).
        ambient: light from the whole sky, linear RGB.
        sky: linear RGB of the sky at the zenith and at the horizon.
        exposure: gain of the visible camera; its noise grows with it.
        haze: extinction of the air per metre in the visible.
        smoke: optical thickness of the smoke in the visible; 0 when there is none.
        climate: temperatures.
    """

    name: str
    tags: tuple[str, ...]
    night: bool
    headlamps: bool
    sun: RGB
    sun_direction: RGB
    ambient: RGB
    sky: tuple[RGB, RGB]
    exposure: float
    haze: float
    smoke: float
    climate: Climate


def _climate(name: str, night: bool, rng: np.random.Generator) -> Climate:
    if name == "crossover":
        # A hot afternoon: skin, clothes, walls and road within a degree or two of each other.
        air = rng.uniform(33.0, 35.0)
        return Climate(
            air, air + 1.5, air + 1.0, air - 0.5, air - 8, 35.6, air + 1.2, 0.75, air - 12, air + 19
        )
    if name == "rain":
        # Everything wet takes the temperature of the water: hardly any contrast left for the infrared.
        air = rng.uniform(11.0, 15.0)
        return Climate(air, air - 0.3, air, air - 0.2, air - 4, air + 7, air + 2.5, 0.35, air - 14, air + 24)
    if night:
        air = rng.uniform(3.0, 11.0)
        return Climate(
            air, air - 1.0, air + 2.0, air - 1.5, air - 9, air + 20, air + 13, 1.0, air - 13, air + 20
        )
    air = rng.uniform(8.0, 15.0)
    sun = 1.5 if name == "overcast" else 4.0
    return Climate(
        air,
        air + sun,
        air + 0.8 * sun,
        air,
        air - (5 if sun < 2 else 8),
        air + 19,
        air + 12,
        1.0,
        air - 12,
        air + 21,
    )


def draw_conditions(name: str, rng: np.random.Generator) -> Conditions:
    """Draw the details of a named condition."""
    night = name.startswith("night")
    azimuth = rng.uniform(-2.2, 2.2) if name != "glare" else rng.uniform(-0.25, 0.25)
    elevation = rng.uniform(0.6, 1.0) if name != "glare" else 0.2
    direction = (
        float(np.sin(azimuth) * np.cos(elevation)),
        float(np.sin(elevation)),
        float(np.cos(azimuth) * np.cos(elevation)),
    )
    sun, ambient, sky, exposure = (
        (1.05, 0.95, 0.80),
        (0.50, 0.54, 0.62),
        ((0.22, 0.40, 0.75), (0.62, 0.74, 0.88)),
        1.0,
    )
    haze, tags, headlamps = 0.003, {"day"}, False
    if night:
        sun, ambient, sky = (
            (0.0, 0.0, 0.0),
            (0.016, 0.018, 0.026),
            ((0.004, 0.006, 0.014), (0.020, 0.018, 0.022)),
        )
        exposure, tags, headlamps = float(rng.uniform(1.7, 2.5)), {"night"}, True
    elif name in ("overcast", "smoke", "rain"):
        sun, ambient, sky = (0.0, 0.0, 0.0), (0.62, 0.66, 0.70), ((0.50, 0.56, 0.62), (0.66, 0.70, 0.73))
        exposure, haze, tags = float(rng.uniform(0.75, 1.0)), 0.008, {"overcast"}
        headlamps = bool(rng.random() < 0.5) or name == "rain"
    elif name == "glare":
        sun, ambient, sky = (0.9, 0.62, 0.36), (0.30, 0.30, 0.34), ((0.34, 0.42, 0.60), (0.95, 0.72, 0.46))
    elif name == "crossover":
        sun, ambient = (1.25, 1.15, 0.95), (0.50, 0.54, 0.62)
        exposure = 0.9
    for extra in ("smoke", "glare", "exposure", "crossover", "rain"):
        if extra in name:
            tags.add(extra)
    return Conditions(
        name=name,
        tags=tuple(sorted(tags)),
        night=night,
        headlamps=headlamps,
        sun=sun,
        sun_direction=direction,
        ambient=ambient,
        sky=sky,
        exposure=exposure,
        haze=haze,
        smoke=float(rng.uniform(4.5, 6.0)) if "smoke" in name else 0.0,
        climate=_climate(name, night, rng),
    )
