"""Paint the actors of a scene over its background, far to near, and find out how much of each is seen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import RGB, SUPERSAMPLE, Canvas, Face, shade_mask
from .conditions import Conditions
from .scene import Actor, Scene


@dataclass(frozen=True, slots=True)
class Seen:
    """An annotated object in one frame.

    Attributes:
        label: class name.
        xyxy: extent clipped to the picture; pixels, right and bottom exclusive.
        visible: share of its pixels inside the picture that nothing nearer covers.
        inside: share of its extent that lies inside the picture.
        identity: its number on the canvas.
    """

    label: str
    xyxy: tuple[float, float, float, float]
    visible: float
    inside: float
    identity: int


def light_at(scene: Scene, x: np.ndarray | float, z: np.ndarray | float) -> np.ndarray:
    """Return the lamp light that falls on a place, ``... x 3`` linear RGB."""
    x, z = np.asarray(x, np.float32), np.asarray(z, np.float32)
    total = np.zeros((*x.shape, 3), np.float32)
    for lamp_x, lamp_z, colour in scene.lights():
        fall = 1 / (1 + ((x - lamp_x) ** 2 + (z - lamp_z) ** 2) / 20)
        total += (fall * fall)[..., None] * np.asarray(colour, np.float32)
    return total


def irradiance(conditions: Conditions, normal: np.ndarray | None, lamps: np.ndarray) -> np.ndarray:
    """Return the light on a surface, linear RGB, from sky, sun and lamps.

    Args:
        conditions: sun and sky.
        normal: unit normal in the world frame (right, up, away); None for a rounded thing facing the camera.
        lamps: light of the lamps at this place, linear RGB.
    """
    direction = np.asarray(conditions.sun_direction)
    if normal is None:
        sky, sun = 0.75, float(np.clip(0.45 - 0.4 * direction[2], 0.05, 0.8))
    else:
        sky, sun = 0.62 + 0.38 * float(normal[1]), max(0.0, float(normal @ direction))
    return np.asarray(conditions.ambient) * sky + np.asarray(conditions.sun) * sun + lamps


def _to_world(points: np.ndarray, x: float, z: float, heading: float) -> np.ndarray:
    sine, cosine = np.sin(heading), np.cos(heading)
    forward, left, up = points[:, 0], points[:, 1], points[:, 2]
    return np.stack([x + forward * sine - left * cosine, up, z + forward * cosine + left * sine], axis=1)


def paint_faces(
    canvas: Canvas, scene: Scene, faces: list[Face], place: tuple[float, float], heading: float, identity: int
) -> np.ndarray | None:
    """Paint a solid; return its painted corners as ``N x 2`` pixels, or None when it is behind the camera."""
    camera, lamps = canvas.camera, light_at(scene, *place)
    eye = np.array([0.0, camera.above_ground, 0.0])
    turn = np.array(
        [[np.sin(heading), -np.cos(heading), 0], [0, 0, 1], [np.cos(heading), np.sin(heading), 0]]
    )
    queue: list[tuple[float, Face, np.ndarray | None]] = []
    for face in faces:
        if face.normal is None:
            queue.append((float(place[1]), face, None))
            continue
        normal = turn @ np.asarray(face.normal)
        middle = _to_world(face.surfaces[0].points.mean(axis=0, keepdims=True), *place, heading)[0]
        if normal @ (eye - middle) > 0:
            queue.append((float(np.linalg.norm(middle - eye)), face, normal))
    queue.sort(key=lambda item: -item[0])
    corners = []
    for _, face, normal in queue:
        light = irradiance(scene.conditions, normal, lamps)
        for surface in face.surfaces:
            world = _to_world(surface.points, *place, camera.pan if face.normal is None else heading)
            pixels, depth = camera.project(world)
            if depth.min() < 1.0:
                return None
            lit = np.asarray(surface.colour) * light
            colour: RGB = (float(lit[0]), float(lit[1]), float(lit[2]))
            canvas.fill(pixels, colour, surface.celsius, surface.glow, float(depth.mean()), identity)
            corners.append(pixels)
    return np.concatenate(corners) if corners else None


def _shadows(canvas: Canvas, scene: Scene, built: list[tuple[Actor, list[Face]]], frame: int) -> None:
    """Darken the ground in cast and contact shadows, and warm it under running engines."""
    camera, conditions = canvas.camera, scene.conditions
    cast, contact, warm = [], [], []
    sun = conditions.sun_direction
    for actor, faces in built:
        place = actor.position(frame)
        points = np.concatenate([s.points for face in faces for s in face.surfaces])
        heading = camera.pan if faces[0].normal is None else actor.heading
        world = _to_world(points, *place, heading)
        if world[:, 2].min() < 3.0:
            continue
        if max(conditions.sun) > 0:
            along = world[:, 1:2] * np.array([sun[0], 0.0, sun[2]]) / max(sun[1], 0.25)
            ground = (world - along) * np.array([1.0, 0.0, 1.0])
            if ground[:, 2].min() > 2.0:
                pixels, _ = camera.project(ground)
                cast.append(cv2.convexHull(pixels.astype(np.float32))[:, 0])
        if actor.kind in ("car", "truck", "bus"):
            footprint = (
                world[world[:, 1] < 1.0] * np.array([1.0, 0.0, 1.0]) - [place[0], 0, place[1]]
            ) * 1.06
            pixels, _ = camera.project(footprint + np.array([place[0], 0.0, place[1]]))
            hull = cv2.convexHull(pixels.astype(np.float32))[:, 0]
            contact.append(hull)
            if actor.running:
                warm.append(hull)
        elif actor.kind in ("person", "motorcycle"):
            half = 0.3 if actor.kind == "person" else 0.5
            ring = np.linspace(0, 2 * np.pi, 10, endpoint=False)
            oval = np.stack([place[0] + half * np.cos(ring), 0 * ring, place[1] + 0.3 * np.sin(ring)], axis=1)
            contact.append(camera.project(oval)[0])
    colour = canvas.matter[..., :3]
    if cast:
        colour *= (1 - 0.52 * shade_mask(canvas, cast, 0.5))[..., None]
    if contact:
        colour *= (1 - 0.55 * shade_mask(canvas, contact, 1.2))[..., None]
    if warm:
        canvas.matter[..., 3] += 4.0 * scene.conditions.climate.heat * shade_mask(canvas, warm, 1.8)


def _headlamps(
    canvas: Canvas, scene: Scene, frame: int, ground: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    """Light the road in front of vehicles that drive at night (maps of ``Camera.ground`` at scale 1)."""
    x, z, below = ground
    pool = np.zeros_like(x)
    for actor in scene.actors:
        if actor.kind in ("car", "truck", "bus", "motorcycle") and actor.running:
            px, pz = actor.position(frame)
            sine, cosine = np.sin(actor.heading), np.cos(actor.heading)
            ahead = (x - px) * sine + (z - pz) * cosine - (1.0 if actor.kind == "motorcycle" else 2.3)
            aside = (x - px) * cosine - (z - pz) * sine
            spread = 0.9 + 0.16 * np.maximum(ahead, 0)
            pool += np.where(ahead > 0, np.exp(-((aside / spread) ** 2)) / (1 + (ahead / 5) ** 2), 0)
    pool = cv2.resize(np.where(below, pool, 0), canvas.identity.shape[::-1], interpolation=cv2.INTER_LINEAR)
    canvas.light[..., :3] += pool[..., None] * np.array([0.085, 0.078, 0.062], np.float32)


def paint_frame(
    background: Canvas, scene: Scene, frame: int, ground: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[Canvas, list[Seen]]:
    """Paint all actors over a copy of the background.

    Returns:
        The canvas, and every annotated actor that has a pixel in the picture.
    """
    canvas = background.copy()
    actors = sorted(scene.actors, key=lambda a: -a.position(frame)[1])
    built = [(actor, scene.faces(actor, frame)) for actor in actors]
    _shadows(canvas, scene, built, frame)
    if scene.conditions.night:
        _headlamps(canvas, scene, frame, ground)
    drawn: list[tuple[Actor, int, np.ndarray, int]] = []
    for number, (actor, faces) in enumerate(built, start=1):
        corners = paint_faces(canvas, scene, faces, actor.position(frame), actor.heading, number)
        if corners is not None:
            drawn.append((actor, number, corners, int(np.count_nonzero(canvas.identity == number))))
    counts = np.bincount(canvas.identity.ravel(), minlength=len(built) + 1)
    width, height = canvas.camera.width, canvas.camera.height
    seen = []
    for actor, number, corners, own in drawn:
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        clipped = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
        wide, tall = clipped[2] - clipped[0], clipped[3] - clipped[1]
        if actor.label is None or own == 0 or wide <= 0 or tall <= 0:
            continue
        inside = wide * tall / max((right - left) * (bottom - top), 1e-6)
        seen.append(Seen(actor.label, clipped, counts[number] / own, inside, number))
    return canvas, seen


def shrink(image: np.ndarray) -> np.ndarray:
    """Average a supersampled image down to picture size."""
    height, width = image.shape[:2]
    return cv2.resize(image, (width // SUPERSAMPLE, height // SUPERSAMPLE), interpolation=cv2.INTER_AREA)
