"""A scene: one place, one condition, and the objects that move through it for a few frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .buses import bus
from .canvas import RGB, Camera, Face
from .cars import car
from .conditions import Conditions
from .lamps import lantern, pole, signal
from .motorcycles import motorcycle
from .people import person, rider
from .trucks import truck


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
    dx: float = 0.0
    dz: float = 0.0
    heading: float = 0.0
    running: bool = False
    lit: int | None = None
    base: float = 0.0
    reach: float = 0.0
    seed: int = 0

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
        actors: the objects, in no particular order.
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
