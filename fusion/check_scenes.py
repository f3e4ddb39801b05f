"""Made-up pairs that show whether a fusion method reads what it is given, and measures of the answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .chroma import luminance, rgb_to_ycbcr

LEVEL = 1 / 255
SIZE = (96, 128)
REACH = 4
"""Shifts of up to so many pixels are looked for."""

Shift = tuple[int, int]
"""Pixels to the right and down."""


@dataclass(frozen=True)
class ImagePair:
    """What a method is given.

    Attributes:
        infrared: float32 ``H x W`` in [0, 1].
        visible: float32 ``H x W x 3`` RGB in [0, 1].
    """

    infrared: np.ndarray
    visible: np.ndarray

    def swapped(self) -> ImagePair:
        """Return the two images in each other's place (the visible one as luminance)."""
        return ImagePair(luminance(self.visible), np.repeat(self.infrared[..., None], 3, axis=2))


@dataclass(frozen=True)
class Scene(ImagePair):
    """A pair whose left half is textured in visible light, whose right half holds a warm disc.

    The visible image is coloured but for its last quarter, which is grey and begins in the middle of the
    disc. Infrared is smooth but for the disc, and the visible image is flat around it.

    Attributes:
        target: bool ``H x W``; the disc.
        around: bool ``H x W``; a ring about the disc.
        texture: bool ``H x W``; the textured part.
    """

    target: np.ndarray
    around: np.ndarray
    texture: np.ndarray


def make_scene(
    height: int = SIZE[0],
    width: int = SIZE[1],
    seed: int = 0,
    *,
    ground: float = 0.25,
    hot: float = 0.9,
    light: float = 0.5,
    contrast: float = 0.12,
) -> Scene:
    """Draw a scene; pixel values are multiples of 1/255, as in a file.

    Args:
        height: of the images in pixels.
        width: of the images in pixels.
        seed: of the noise on the texture.
        ground: infrared level around the disc, in [0, 1].
        hot: infrared level of the disc.
        light: visible level of the textured part; the rest is a little darker.
        contrast: by how much the texture departs from ``light``.
    """
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    texture = columns < width * 0.5
    texture_y = light + contrast * np.sign(np.sin(rows * 1.3) * np.sin(columns * 1.1))
    noise = random.normal(0, contrast / 6, (height, width))
    y = np.where(texture, texture_y + noise, 0.9 * light)
    # Hues differ by part; all channels stay inside [0, 1], so that clipping changes no colour.
    strength = min(light / 0.5, 1.0) * (columns < width * 0.75)
    cb = strength * np.where(rows < height / 2, 0.08, -0.08)
    cr = strength * np.where(columns < width * 0.25, 0.08, -0.06)
    distance = np.hypot(rows - height * 0.5, columns - width * 0.75)
    radius = min(height, width) / 8
    target, around = distance < radius, (distance > 1.3 * radius) & (distance < 1.9 * radius)
    infrared = ground + 0.05 * rows / height + np.where(target, hot - ground, 0.0)
    return Scene(_levels(infrared), _levels(_rgb(y, cb, cr)), target, around, texture)


def role_scenes() -> list[Scene]:
    """Return scenes of different kinds, all of one size, in which the images have different parts to play.

    Hot discs on dark, mid and bright ground, at dusk and at night. None is as bright in visible light as the
    disc is in infrared: there a method that takes what is bright has a reason to prefer the visible image.
    """
    kinds = (
        # ground, hot, light, contrast
        (0.10, 0.85, 0.40, 0.10),
        (0.25, 0.90, 0.38, 0.10),
        (0.45, 0.90, 0.40, 0.08),
        (0.65, 0.95, 0.40, 0.10),
        (0.30, 0.80, 0.30, 0.05),
        (0.40, 0.90, 0.18, 0.08),
        (0.25, 0.90, 0.14, 0.05),
    )
    return [
        make_scene(seed=seed, ground=ground, hot=hot, light=light, contrast=contrast)
        for seed, (ground, hot, light, contrast) in enumerate(kinds)
    ]


def mark_pairs() -> list[ImagePair]:
    """Return two pairs with scattered spots, visible ones in the left half, infrared ones in the right half.

    Nothing in them repeats or is symmetric, so that every spot has one place only. The second is darker in
    visible light.
    """
    height, width = SIZE
    pairs = []
    for seed, light in ((1, 0.45), (2, 0.25)):
        random = np.random.default_rng(seed)
        planes = []
        for level, half in ((light, 0), (0.35, width // 2)):
            plane = np.full(SIZE, level)
            for _ in range(28):
                row, column = random.uniform(2, height - 2), half + random.uniform(5, width // 2 - 5)
                spot = _spot(row, column, random.uniform(2, 7), random.uniform(2, 7))
                inside = np.abs(np.arange(width) - half - width / 4 + 0.5) < width / 4 - 2
                plane[spot & inside] = level + random.uniform(0.4, 1.0) * level * random.choice([-1, 1])
            planes.append(plane)
        visible, infrared = planes
        pairs.append(ImagePair(_levels(infrared), _levels(np.repeat(visible[..., None], 3, axis=2))))
    return pairs


def _spot(row: float, column: float, tall: float, wide: float) -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.hypot((rows - row) / tall, (columns - column) / wide) < 1


def _rgb(y: np.ndarray, cb: np.ndarray, cr: np.ndarray) -> np.ndarray:
    return np.stack((y + 1.402 * cr, y - 0.344 * cb - 0.714 * cr, y + 1.772 * cb), axis=-1)


def _levels(image: np.ndarray) -> np.ndarray:
    return (np.rint(np.clip(image, 0, 1) * 255) / 255).astype(np.float32)


def target_kept(scene: Scene, fused: np.ndarray) -> float:
    """Return how much of the warm disc's contrast is in the fused RGB image: 0 none, 1 all."""
    y = luminance(fused)
    wanted, found = (
        float(image[scene.target].mean() - image[scene.around].mean()) for image in (scene.infrared, y)
    )
    return float(np.clip(found / wanted, 0.0, 1.0))


def texture_kept(scene: Scene, fused: np.ndarray) -> float:
    """Return how much of the visible texture is in the fused RGB image: 0 none, 1 all."""
    wanted = luminance(scene.visible)[scene.texture]
    wanted = wanted - wanted.mean()
    found = luminance(fused)[scene.texture]
    slope = float((wanted * (found - found.mean())).mean() / (wanted**2).mean())
    return float(np.clip(slope, 0.0, 1.0))


@dataclass(frozen=True)
class PartColour:
    """What became of the colour of one part of a scene.

    Attributes:
        where: the part, to be read after "on" or "in".
        false: length in the plane of Cb and Cr of what has another hue than the visible image, in [0, 1].
        grey: the visible image has no colour there.
        kept: how much of the colour is there, 1 all; NaN where there is none, or where most is clipped.
    """

    where: str
    false: float
    grey: bool
    kept: float


def part_colours(scene: Scene, fused: np.ndarray) -> list[PartColour]:
    """Compare the colours of the fused RGB image with those of the visible image, part by part.

    Saturation may change, also by clipping, which turns a hue a little; what points elsewhere is false.
    """
    before, after = rgb_to_ycbcr(scene.visible), rgb_to_ycbcr(fused)
    inside = np.asarray(((fused > 0.004) & (fused < 0.996)).all(axis=-1))
    height, width = scene.infrared.shape
    rows, columns = np.mgrid[:height, :width]
    found = []
    for disc in (True, False):
        for upper in (True, False):
            for quarter in range(4):
                part = (rows < height / 2) == upper
                part &= (columns >= width * 0.25 * quarter) & (columns < width * 0.25 * (quarter + 1))
                part &= scene.target if disc else ~scene.target
                if not part.any():
                    continue
                # The median: edges of a part may be blurred, or belong to another by a subsampled chroma.
                wanted, got = (
                    np.array([np.median(plane[part]) - 0.5 for plane in (image.cb, image.cr)])
                    for image in (before, after)
                )
                strength = float(np.hypot(*wanted))
                grey = strength < 2 * LEVEL
                share = 0.0 if grey else max(float(wanted @ got) / strength**2, 0.0)
                found.append(
                    PartColour(
                        "the warm target" if disc else "the background",
                        float(np.hypot(*(got - share * wanted))),
                        grey,
                        share if not grey and inside[part].mean() > 0.5 else float("nan"),
                    )
                )
    return found


def edge_strength(y: np.ndarray) -> np.ndarray:
    """Return the length of the gradient of ``H x W``."""
    down, right = np.gradient(y.astype(np.float64))
    return np.asarray(np.hypot(down, right))


def find_shift(source: np.ndarray, fused: np.ndarray) -> tuple[Shift, float, float]:
    """Look for the shift under which the edges of the fused image fit those of the source best.

    Args:
        source: ``H x W`` edges of the source.
        fused: ``H x W`` edges of the fused image.

    Returns:
        The shift of the fused image, the correlation under it, and the correlation without a shift; both are
        in [-1, 1], 0 for a flat image.
    """
    height, width = source.shape
    inner = source[REACH:-REACH, REACH:-REACH]
    fits = {}
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            rows = slice(REACH + down, height - REACH + down)
            fits[right, down] = correlation(inner, fused[rows, REACH + right : width - REACH + right])
    best = max(fits, key=lambda shift: fits[shift])
    return best, fits[best], fits[0, 0]


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's correlation of two arrays of one shape; 0 where one is flat."""
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm > 1e-9 else 0.0
