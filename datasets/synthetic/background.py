"""What stands still: sky, road with its markings, pavements, surroundings. Painted once per scene."""

from __future__ import annotations

import numpy as np

from .canvas import FAR, SUPERSAMPLE, Canvas
from .noise import clouds, on_ground
from .painter import irradiance, light_at, paint_faces
from .scene import Scene
from .surroundings import buildings, skyline, trees


def paint_background(scene: Scene) -> Canvas:
    """Paint everything of a scene that does not move."""
    canvas = Canvas(scene.camera)
    _sky(canvas, scene)
    _ground(canvas, scene)
    for _, faces, place in sorted(
        skyline(scene) + buildings(scene) + trees(scene), key=lambda item: -item[0]
    ):
        paint_faces(canvas, scene, faces, place, 0.0 if faces[0].normal is not None else scene.camera.pan, 0)
    _roughen(canvas, scene)
    return canvas


def _sky(canvas: Canvas, scene: Scene) -> None:
    conditions, climate = scene.conditions, scene.conditions.climate
    rng = scene.stream(1)
    height, width = canvas.identity.shape
    # 0 at the horizon, 1 at the top of the picture.
    up = np.clip(1 - (np.arange(height, dtype=np.float32) + 0.5) / (scene.camera.horizon * height), 0, 1)[
        :, None
    ]
    zenith, horizon = (np.asarray(c, np.float32) for c in conditions.sky)
    colour = horizon + (zenith - horizon) * up[..., None] ** 0.7
    cover = clouds(rng, (height, width), width / 3)
    amount = 0.10 if "overcast" in conditions.tags else 0.45
    veil = np.clip(cover * 0.6 + 0.1, 0, 1)[..., None] * amount
    white = np.full(3, 0.92 * horizon.max(), np.float32)
    canvas.light[..., :3] = colour * (1 - veil) + white * veil
    # Clouds are warmer than the clear sky; so the infrared sees them too, but from their temperature.
    canvas.matter[..., 3] = climate.sky - 5 * up + 2.0 * np.clip(cover, 0, 2) * up


def _ground(canvas: Canvas, scene: Scene) -> None:
    conditions, climate, road = scene.conditions, scene.conditions.climate, scene.road
    x, z, below = scene.camera.ground(SUPERSAMPLE)
    rng = scene.stream(2)
    aside = np.abs(x - road.centre)
    on_avenue = aside < road.half
    on_street = np.zeros_like(on_avenue)
    if road.crossing is not None:
        on_street = np.abs(z - road.crossing) < 4.2
    asphalt = on_avenue | on_street
    pavement = (aside < road.half + 3.2) & ~asphalt
    grey = rng.uniform(0.10, 0.16)
    colour = np.empty((*x.shape, 3), np.float32)
    colour[:] = np.array([0.11, 0.15, 0.06]) if rng.random() < 0.6 else np.array([0.27, 0.25, 0.22])
    colour[pavement] = np.array([0.33, 0.31, 0.29])
    colour[asphalt] = np.array([1.0, 1.0, 1.03]) * grey
    if "rain" in conditions.tags:
        colour[asphalt] *= 0.6  # wet asphalt is darker
    heat = np.full(x.shape, climate.plants, np.float32)
    heat[pavement] = (climate.road + climate.air) / 2 + 0.3
    heat[asphalt] = climate.road
    slabs = pavement & ((np.mod(x, 0.8) < 0.06) | (np.mod(z, 0.8) < 0.06)) & (z < 20)
    colour[slabs] *= 0.72
    kerb = (aside >= road.half) & (aside < road.half + 0.25) & ~on_street
    colour[kerb], heat[kerb] = (0.5, 0.49, 0.46), climate.air + 1.0
    paint = _markings(scene, x, z, aside, on_avenue, on_street)
    colour[paint == 1], colour[paint == 2] = (0.62, 0.62, 0.60), (0.58, 0.40, 0.06)
    heat[paint > 0] -= 0.25  # paint is a little cooler by day; all but lost in the infrared noise
    # Two unrelated textures: worn colour, and uneven temperature.
    worn = on_ground(clouds(rng, (256, 256), 64, 6), x, z, 9.0)
    mottled = on_ground(clouds(scene.stream(3), (128, 128), 48, 3), x, z, 14.0)
    colour *= np.clip(1 + 0.19 * worn, 0.4, 1.9)[..., None]
    heat += 0.45 * mottled
    tracks = np.exp(-(((aside - 1.8) % 3.4 - 1.7) ** 2) / 0.5)
    heat += np.where(on_avenue, 0.5 * climate.heat * (1 - tracks), 0)  # tyres warm the lanes' wheel tracks
    light = irradiance(
        conditions, np.array([0.0, 1.0, 0.0]), light_at(scene, x, z) if conditions.night else np.zeros(3)
    )
    canvas.matter[below, :3] = (colour * light)[below]
    canvas.matter[below, 3] = heat[below]
    canvas.light[below, :3] = 0
    depth = x * np.sin(scene.camera.pan) + z * np.cos(scene.camera.pan)
    canvas.light[below, 3] = np.clip(depth, 0, FAR)[below]


def _markings(
    scene: Scene,
    x: np.ndarray,
    z: np.ndarray,
    aside: np.ndarray,
    on_avenue: np.ndarray,
    on_street: np.ndarray,
) -> np.ndarray:
    """Return 1 where white, 2 where yellow paint lies on the road, else 0."""
    road = scene.road
    paint = np.zeros(x.shape, np.uint8)
    plain = on_avenue & ~on_street
    paint[plain & (np.abs(aside - 0.15) < 0.07)] = 2
    for lane in range(1, road.lanes):
        paint[plain & (np.abs(aside - 0.1 - 3.4 * lane) < 0.08) & (np.mod(z, 6.0) < 3.0)] = 1
    paint[plain & (np.abs(aside - 3.5 * road.lanes) < 0.08)] = 1
    if road.crossing is not None:
        across = on_street & ~on_avenue
        paint[across & (np.abs(z - road.crossing) < 0.1)] = 2
    stripes = plain & (z > road.stripes) & (z < road.stripes + 2.6)
    paint[stripes] = 0
    paint[stripes & (np.mod(x - road.centre, 1.0) < 0.5) & (aside < road.half - 0.3)] = 1
    return paint


def _roughen(canvas: Canvas, scene: Scene) -> None:
    """Give walls and leaves grain: one texture for colour, another for temperature."""
    upright = canvas.light[..., 3] < FAR
    rows = np.arange(canvas.identity.shape[0])[:, None] < scene.camera.horizon * canvas.identity.shape[0] + 40
    grain = clouds(scene.stream(7), canvas.identity.shape, 9, 4)
    uneven = clouds(scene.stream(8), canvas.identity.shape, 90, 3)
    mask = (upright & rows).astype(np.float32)
    canvas.matter[..., :3] *= np.clip(1 + 0.15 * grain * mask, 0.5, 1.7)[..., None]
    canvas.matter[..., 3] += 0.5 * uneven * mask
