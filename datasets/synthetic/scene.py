"""A scene: one place, one condition, and the objects that move through it for a few frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import RGB, Camera, Face
from .conditions import Conditions, draw_conditions
from .figures import lantern, motorcycle, person, pole, rider, signal
from .vehicles import bus, car, truck

# Length, width and height in metres, for placing only; and the depths at which each kind is placed.
SIZES = {
    "car": (4.5, 1.9, 1.6), "truck": (5.4, 2.1, 2.3), "bus": (9.5, 2.5, 3.0), "motorcycle": (2.0, 0.8, 1.7),
    "person": (0.5, 0.6, 1.7), "lamp": (0.6, 0.6, 1.5),
}  # fmt: skip
DEPTHS = {
    "car": (8.0, 26.0),
    "truck": (10.0, 25.0),
    "bus": (15.0, 32.0),
    "motorcycle": (7.0, 14.0),
    "person": (7.0, 15.0),
}


@dataclass(frozen=True)
class Actor:
    """One object of a scene and its path.

    Attributes:
        kind: car, truck, bus, motorcycle, rider, person, signal, lantern or pole.
        label: class name as annotated, or None for what is not annotated (poles).
        x: position to the right at frame 0, metres.
        z: position away from the camera at frame 0, metres.
        dx: step to the right per frame.
        dz: step away from the camera per frame.
        heading: driving direction in radians; 0 drives away from the camera, pi / 2 to the right.
        running: engine on (a parked vehicle is cold).
        lit: signal: 0 red, 1 amber, 2 green; lantern: 1; None when off.
        base: height of a lamp's head over the ground, metres.
        reach: how far to the right of its pole a signal hangs, metres.
        seed: of the object's own looks.
    """

    kind: str
    label: str | None
    x: float
    z: float
    dx: float
    dz: float
    heading: float
    running: bool
    lit: int | None
    base: float
    reach: float
    seed: int

    def position(self, frame: int) -> tuple[float, float]:
        """Return X and Z in metres at a frame."""
        return self.x + self.dx * frame, self.z + self.dz * frame


@dataclass(frozen=True)
class Road:
    """Ground plan: an avenue along Z, and perhaps a street across it.

    Attributes:
        centre: X of the avenue's middle.
        half: half width of the avenue.
        lanes: lanes per direction.
        crossing: Z of the cross street's middle, or None.
        stripes: Z of a pedestrian crossing's near edge.
        gap: Z beyond which buildings begin.
    """

    centre: float
    half: float
    lanes: int
    crossing: float | None
    stripes: float
    gap: float


@dataclass(frozen=True)
class Scene:
    """Everything that decides the pictures of a scene.

    Attributes:
        index: number of the scene in the set.
        name: its name in ``conditions.json``.
        seed: seeds of the data set and the scene, for streams of random numbers.
        conditions: light, temperatures, weather.
        camera: the (fixed) camera.
        road: ground plan.
        actors: the objects, farthest last or first in no particular order.
        plume: X and Z of the middle of the smoke.
    """

    index: int
    name: str
    seed: tuple[int, int]
    conditions: Conditions
    camera: Camera
    road: Road
    actors: tuple[Actor, ...]
    plume: tuple[float, float]

    def stream(self, *purpose: int) -> np.random.Generator:
        """Return the random numbers of one purpose, independent of every other."""
        return np.random.default_rng([*self.seed, *purpose])

    def lights(self) -> list[tuple[float, float, RGB]]:
        """Return X, Z and colour of the lamps that light the street at night."""
        if not self.conditions.night:
            return []
        found = [
            (a.x, a.z, (0.55, 0.42, 0.24)) for a in self.actors if a.kind == "lantern" and a.lit is not None
        ]
        # The row of street lamps overhead, out of the picture.
        side = 1.0 if self.seed[1] % 2 else -1.0
        found += [
            (self.road.centre + side * self.road.half, z, (0.17, 0.14, 0.10)) for z in (6.0, 24.0, 42.0)
        ]
        return found

    def faces(self, actor: Actor, frame: int) -> list[Face]:
        """Build the faces of an actor as it looks at a frame."""
        rng = np.random.default_rng(actor.seed)
        if actor.kind in ("car", "truck", "bus"):
            return {"car": car, "truck": truck, "bus": bus}[actor.kind](rng, self.conditions, actor.running)
        if actor.kind == "person":
            moving = abs(actor.dx) + abs(actor.dz) > 0.01
            phase = rng.uniform(0, 6.28) + 1.3 * frame if moving else 0.15
            return person(rng, self.conditions, float(phase), abs(actor.dx) > 0.05)
        if actor.kind in ("motorcycle", "rider"):
            turn = actor.heading - self.camera.pan
            aspect = float(np.sin(turn))
            aspect = float(np.sign(aspect)) * max(abs(aspect), 0.75) if abs(aspect) >= 0.5 else 0.0
            if actor.kind == "rider":
                return rider(rng, self.conditions, aspect)
            return motorcycle(rng, self.conditions, aspect, bool(np.cos(turn) < 0), actor.running)
        if actor.kind == "signal":
            return signal(rng, self.conditions, actor.reach, actor.base, actor.lit)
        if actor.kind == "lantern":
            return lantern(self.conditions, actor.base, actor.lit is not None)
        return pole(actor.base, actor.reach, self.conditions.climate.air + 0.5)


class _Stage:
    """Places actors one by one so that they neither collide nor hide each other entirely."""

    def __init__(self, camera: Camera, road: Road, frames: int, rng: np.random.Generator) -> None:
        self.camera, self.road, self.frames, self.rng = camera, road, frames, rng
        self.actors: list[Actor] = []
        self._rectangles: list[np.ndarray] = []
        self._footprints: list[tuple[Actor, float, float]] = []

    def _rectangle(self, actor: Actor, frame: int) -> np.ndarray:
        length, width, height = SIZES["lamp" if actor.kind in ("signal", "lantern") else actor.kind]
        x, z = actor.position(frame)
        half = (abs(np.sin(actor.heading)) * length + abs(np.cos(actor.heading)) * width) / 2
        low = actor.base
        corners = np.array([(x + actor.reach - half, low, z), (x + actor.reach + half, low + height, z)])
        pixels, _ = self.camera.project(corners)
        return np.array([pixels[0, 0], pixels[1, 1], pixels[1, 0], pixels[0, 1]])

    def _cost(self, actor: Actor) -> float:
        mine = [self._rectangle(actor, frame) for frame in (0, self.frames - 1)]
        cost = 0.0
        for box in mine:
            inside = min(box[2], self.camera.width) - max(box[0], 0.0)
            cost += 3.0 * max(0.0, 1 - inside / max(box[2] - box[0], 1e-6))
        for other in self._rectangles:
            for box, theirs in zip(mine, other, strict=True):
                wide = min(box[2], theirs[2]) - max(box[0], theirs[0])
                tall = min(box[3], theirs[3]) - max(box[1], theirs[1])
                if wide > 0 and tall > 0:
                    smaller = min(
                        (box[2] - box[0]) * (box[3] - box[1]),
                        (theirs[2] - theirs[0]) * (theirs[3] - theirs[1]),
                    )
                    cost += 2.0 * wide * tall / max(smaller, 1e-6)
        length, width, _ = SIZES.get(actor.kind, (0.6, 0.6, 0))
        for other_actor, other_x, other_z in self._footprints:
            half_x = (
                (abs(np.sin(actor.heading)) * length + abs(np.cos(actor.heading)) * width) / 2 + other_x + 0.3
            )
            half_z = (
                (abs(np.cos(actor.heading)) * length + abs(np.sin(actor.heading)) * width) / 2 + other_z + 0.6
            )
            for frame in (0, self.frames // 2, self.frames - 1):
                x, z = actor.position(frame)
                ox, oz = other_actor.position(frame)
                if abs(x - ox) < half_x and abs(z - oz) < half_z:
                    cost += 8.0
        return cost

    def add(self, candidates: list[Actor]) -> Actor | None:
        """Keep the candidate with the least trouble, or none when all of them collide or miss the picture."""
        if not candidates:
            return None
        costs = [self._cost(actor) for actor in candidates]
        best = int(np.argmin(costs))
        if costs[best] >= 4.5:
            return None
        actor = candidates[best]
        length, width, _ = SIZES.get(actor.kind, (0.6, 0.6, 0))
        self.actors.append(actor)
        self._rectangles.append(np.array([self._rectangle(actor, frame) for frame in (0, self.frames - 1)]))
        along, aside = abs(np.cos(actor.heading)), abs(np.sin(actor.heading))
        self._footprints.append(
            (actor, (aside * length + along * width) / 2, (along * length + aside * width) / 2)
        )
        return actor

    def _seed(self) -> int:
        return int(self.rng.integers(2**31))

    def vehicle(self, kind: str, label: str, parked: bool) -> Actor | None:
        """Drive (or park) a vehicle somewhere on the roads."""
        near, far = DEPTHS[kind]
        candidates = []
        for _ in range(32):
            z = self.rng.uniform(near, far)
            road, across = self.road, self.road.crossing is not None and self.rng.random() < 0.6
            if across and not parked:
                side = 1.0 if self.rng.random() < 0.5 else -1.0
                # Right-hand traffic: the near lane drives to the right.
                speed = self.rng.uniform(0.25, 0.6)
                z = (road.crossing or 0.0) - side * 1.9
                x = self.rng.uniform(-0.52, 0.52) * z + self.camera.pan * z - side * speed * self.frames / 2
                heading = side * np.pi / 2 + self.rng.normal(0, 0.05)
                dx, dz = side * speed, 0.0
            elif parked:
                side = 1.0 if self.rng.random() < 0.5 else -1.0
                if road.crossing is not None:
                    z = max(z, road.crossing + 6.5)
                x = road.centre + side * (road.half - 1.1)
                heading, dx, dz = (0.0 if side > 0 else np.pi) + self.rng.normal(0, 0.04), 0.0, 0.0
            else:
                side = 1.0 if self.rng.random() < 0.5 else -1.0
                waiting = road.crossing is not None and kind == "motorcycle" and side > 0
                if waiting:
                    z = road.stripes - self.rng.uniform(0.5, 1.5)  # at the stop line, near the camera
                elif road.crossing is not None:
                    z = max(z, road.crossing + 7.0)
                lane = self.rng.integers(road.lanes)
                x = road.centre + side * (1.8 + 3.4 * lane)
                speed = self.rng.uniform(0.2, 0.7) if road.crossing is None else 0.0
                if side < 0:
                    z = max(z, near + speed * self.frames)
                heading = (0.0 if side > 0 else np.pi) + self.rng.normal(0, 0.06)
                dx, dz = 0.0, side * speed
            if z > 1.3 * far:
                continue
            candidates.append(
                Actor(
                    kind,
                    label,
                    float(x),
                    float(z),
                    float(dx),
                    float(dz),
                    float(heading),
                    not parked,
                    None,
                    0.0,
                    0.0,
                    self._seed(),
                )
            )
        return self.add(candidates)

    def pedestrian(self, where: tuple[float, float] | None = None) -> Actor | None:
        """Let a person stand, walk along a pavement or cross the road."""
        candidates = []
        for _ in range(20):
            crossing = self.rng.random() < 0.45
            dx = dz = 0.0
            if where is not None:
                x, z = where[0] + self.rng.normal(0, 1.0), where[1] + self.rng.normal(0, 0.5)
                dx = float(self.rng.choice([-0.16, 0.16]))
            elif crossing:
                z = self.road.stripes + self.rng.uniform(0.3, 2.2)
                dx = float(self.rng.choice([-1.0, 1.0])) * self.rng.uniform(0.12, 0.3)
                x = self.rng.uniform(-0.45, 0.45) * z + self.camera.pan * z - dx * self.frames / 2
            else:
                z = self.rng.uniform(*DEPTHS["person"]) + (2.0 if self.road.half > 5 else 0.0)
                side = float(self.rng.choice([-1.0, 1.0]))
                x = self.road.centre + side * (self.road.half + self.rng.uniform(0.5, 2.0))
                if self.rng.random() < 0.6:
                    dz = float(self.rng.choice([-1.0, 1.0])) * 0.2
            candidates.append(
                Actor(
                    "person", "People", float(x), float(z), dx, dz, 0.0, False, None, 0.0, 0.0, self._seed()
                )
            )
        return self.add(candidates)

    def lamp(self, night: bool) -> None:
        """Stand a traffic light or a lantern at the roadside; some are out of order."""
        candidates = []
        for _ in range(16):
            z = self.rng.uniform(9.5, 15.5)
            side = float(self.rng.choice([-1.0, 1.0]))
            x = self.road.centre + side * (self.road.half + self.rng.uniform(0.3, 0.8))
            if self.rng.random() < 0.6:
                lit = int(self.rng.choice([0, 0, 2, 2, 1])) if self.rng.random() < 0.75 else None
                reach = -side * float(self.rng.choice([0.0, 1.6, 2.4]))
                candidates.append(
                    Actor(
                        "signal",
                        "Lamp",
                        x,
                        z,
                        0.0,
                        0.0,
                        0.0,
                        False,
                        lit,
                        self.rng.uniform(3.1, 4.0),
                        reach,
                        self._seed(),
                    )
                )
            else:
                burning = night and self.rng.random() < 0.85
                candidates.append(
                    Actor(
                        "lantern",
                        "Lamp",
                        x,
                        z,
                        0.0,
                        0.0,
                        0.0,
                        False,
                        1 if burning else None,
                        self.rng.uniform(2.7, 3.3),
                        0.0,
                        self._seed(),
                    )
                )
        lamp = self.add(candidates)
        if lamp is not None:
            height = lamp.base + (1.6 if lamp.reach else 0.1)
            # A hair further away than its head, so that it is painted first.
            self.actors.append(
                Actor("pole", None, lamp.x, lamp.z + 0.05, 0.0, 0.0, 0.0, False, None, height, lamp.reach, 0)
            )


def build_scene(seed: int, index: int, condition: str, size: tuple[int, int], frames: int) -> Scene:
    """Lay out scene ``index`` of the data set ``seed``.

    Args:
        seed: of the data set.
        index: of the scene; scenes are independent of each other.
        condition: one of ``conditions.CONDITIONS``.
        size: width and height of the pictures.
        frames: how long the scene is meant to last; objects stay in sight for about that long.
    """
    rng = np.random.default_rng([seed, index, 0])
    conditions = draw_conditions(condition, rng)
    lanes = int(rng.choice([1, 1, 2]))
    camera = Camera(*size, above_ground=float(rng.uniform(2.0, 3.0)), pan=float(rng.uniform(-0.16, 0.16)))
    half = 3.5 * lanes + (2.2 if lanes == 1 and rng.random() < 0.6 else 0.3)
    junction = bool(rng.random() < 0.5)
    crossing = float(rng.uniform(15.5, 18.5)) if junction else None
    road = Road(
        centre=float(rng.uniform(-0.55, 0.75) * half),
        half=half,
        lanes=lanes,
        crossing=crossing,
        stripes=(crossing - 7.5) if crossing is not None else float(rng.uniform(8.5, 12.0)),
        gap=(crossing + 6.5) if crossing is not None else 9.0,
    )
    stage = _Stage(camera, road, frames, rng)
    for _ in range(1 + int(rng.random() < 0.15)):
        stage.lamp(conditions.night)
    for _ in range(1 + int(rng.random() < 0.1)):
        stage.vehicle("bus", "Bus", parked=False)
    for _ in range(1 + int(rng.random() < 0.5)):
        stage.vehicle("truck", "Truck", parked=bool(rng.random() < 0.2))
    for _ in range(1 + int(rng.random() < 0.35)):
        bike = stage.vehicle("motorcycle", "Motorcycle", parked=bool(rng.random() < 0.15))
        if bike is not None and bike.running:
            # A hair nearer than the machine, so that the rider is painted over it.
            stage.actors.append(
                Actor(
                    "rider",
                    "People",
                    bike.x,
                    bike.z - 0.05,
                    bike.dx,
                    bike.dz,
                    bike.heading,
                    False,
                    None,
                    0.0,
                    0.0,
                    bike.seed + 1,
                )
            )
    for _ in range(int(rng.integers(4, 7))):
        stage.vehicle("car", "Car", parked=bool(rng.random() < 0.3))
    for _ in range(int(rng.integers(1, 4))):
        stage.pedestrian()
    plume = (float(rng.uniform(-2.5, 2.5)) + camera.pan * 11, float(rng.uniform(6.5, 8.5)))
    if conditions.smoke:
        stage.pedestrian(where=(plume[0], plume[1] + 3.5))
    return Scene(
        index, f"{index:03d}-{condition}", (seed, index), conditions, camera, road, tuple(stage.actors), plume
    )
