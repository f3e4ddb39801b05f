"""One frame of a scene in both spectra."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .annotate import worth_labelling
from .background import paint_background
from .canvas import SUPERSAMPLE
from .infrared import render_infrared
from .painter import Seen, paint_frame
from .scene import Scene
from .visible import render_visible
from .weather import Smoke, depth_of, draw_smoke


@dataclass(frozen=True)
class Frame:
    """A rendered pair with its annotation.

    Attributes:
        visible: ``H x W x 3`` uint8 RGB.
        infrared: ``H x W`` uint8 grey, white hot.
        objects: what is annotated, far to near.
        identity: ``H x W`` int32, the object at each pixel (``Seen.identity``), 0 for the background.
        smoke: the smoke in front of the visible camera, or None.
    """

    visible: np.ndarray
    infrared: np.ndarray
    objects: tuple[Seen, ...]
    identity: np.ndarray
    smoke: Smoke | None


def render_scene(scene: Scene, frames: int) -> Iterator[Frame]:
    """Render the first ``frames`` frames of a scene; the background is painted once."""
    background = paint_background(scene)
    ground = scene.camera.ground(1)
    for number in range(frames):
        canvas, seen = paint_frame(background, scene, number, ground)
        smoke = draw_smoke(scene, depth_of(canvas.light), number)
        yield Frame(
            visible=render_visible(canvas, scene, number, smoke),
            infrared=render_infrared(canvas, scene, number, smoke),
            objects=tuple(s for s in seen if worth_labelling(s, scene.camera.width)),
            identity=np.ascontiguousarray(canvas.identity[::SUPERSAMPLE, ::SUPERSAMPLE]),
            smoke=smoke,
        )
