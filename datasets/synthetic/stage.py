"""Place the objects of a scene: in lanes, on pavements, at the roadside, and not all behind each other."""

from __future__ import annotations

import numpy as np

from .canvas import Camera
from .scene import Actor, Road

# Length, width and height in metres, for placing only; and the depths at which each kind is placed.
SIZES = {
    "car": (4.5, 1.9, 1.6),
    "truck": (5.4, 2.1, 2.3),
    "bus": (9.5, 2.5, 3.0),
    "motorcycle": (2.0, 0.8, 1.7),
    "person": (0.5, 0.6, 1.7),
    "lamp": (0.6, 0.6, 1.5),
}

DEPTHS = {
    "car": (8.0, 26.0),
    "truck": (10.0, 25.0),
    "bus": (15.0, 32.0),
    "motorcycle": (7.0, 14.0),
    "person": (7.0, 15.0),
}


class Stage:
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
            z = float(self.rng.uniform(near, far))
            across = self.road.crossing is not None and self.rng.random() < 0.6
            if parked:
                path = self._parked(z)
            elif across:
                path = self._across()
            else:
                path = self._along(z, near, kind == "motorcycle")
            x, z, dx, dz, heading = (float(value) for value in path)
            if z <= 1.3 * far:
                candidates.append(Actor(kind, label, x, z, dx, dz, heading, not parked, seed=self._seed()))
        return self.add(candidates)

    def _side(self) -> float:
        return 1.0 if self.rng.random() < 0.5 else -1.0

    def _across(self) -> tuple[float, float, float, float, float]:
        """Return x, z, dx, dz, heading on the cross street; traffic keeps right: the near lane goes right."""
        side, speed = self._side(), self.rng.uniform(0.25, 0.6)
        z = (self.road.crossing or 0.0) - side * 1.9
        x = self.rng.uniform(-0.52, 0.52) * z + self.camera.pan * z - side * speed * self.frames / 2
        return x, z, side * speed, 0.0, side * np.pi / 2 + self.rng.normal(0, 0.05)

    def _parked(self, z: float) -> tuple[float, float, float, float, float]:
        """Return x, z, dx, dz, heading at the kerb."""
        side, road = self._side(), self.road
        if road.crossing is not None:
            z = max(z, road.crossing + 6.5)
        heading = (0.0 if side > 0 else np.pi) + self.rng.normal(0, 0.04)
        return road.centre + side * (road.half - 1.1), z, 0.0, 0.0, heading

    def _along(self, z: float, near: float, small: bool) -> tuple[float, float, float, float, float]:
        """Return x, z, dx, dz, heading in a lane of the avenue; at a junction it waits for its light."""
        side, road = self._side(), self.road
        if road.crossing is not None and small and side > 0:
            z = road.stripes - self.rng.uniform(0.5, 1.5)  # at the stop line, near the camera
        elif road.crossing is not None:
            z = max(z, road.crossing + 7.0)
        x = road.centre + side * (1.8 + 3.4 * self.rng.integers(road.lanes))
        speed = self.rng.uniform(0.2, 0.7) if road.crossing is None else 0.0
        if side < 0:
            z = max(z, near + speed * self.frames)
        return x, z, 0.0, side * speed, (0.0 if side > 0 else np.pi) + self.rng.normal(0, 0.06)

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
            candidates.append(Actor("person", "People", float(x), float(z), dx=dx, dz=dz, seed=self._seed()))
        return self.add(candidates)

    def lamp(self, night: bool) -> None:
        """Stand a traffic light or a lantern at the roadside; some are out of order."""
        candidates = []
        for _ in range(16):
            z = self.rng.uniform(9.5, 15.5)
            side = float(self.rng.choice([-1.0, 1.0]))
            x = self.road.centre + side * (self.road.half + self.rng.uniform(0.3, 0.8))
            lit: int | None
            if self.rng.random() < 0.6:
                kind, lit = (
                    "signal",
                    int(self.rng.choice([0, 0, 2, 2, 1])) if self.rng.random() < 0.75 else None,
                )
                reach = -side * float(self.rng.choice([0.0, 1.6, 2.4]))
                base = self.rng.uniform(3.1, 4.0)
            else:
                kind, lit, reach = "lantern", 1 if night and self.rng.random() < 0.85 else None, 0.0
                base = self.rng.uniform(2.7, 3.3)
            candidates.append(Actor(kind, "Lamp", x, z, lit=lit, base=base, reach=reach, seed=self._seed()))
        lamp = self.add(candidates)
        if lamp is not None:
            height = lamp.base + (1.6 if lamp.reach else 0.1)
            # A hair further away than its head, so that it is painted first.
            self.actors.append(Actor("pole", None, lamp.x, lamp.z + 0.05, base=height, reach=lamp.reach))
