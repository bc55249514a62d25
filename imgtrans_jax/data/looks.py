"""Pictures to learn a look from: paintings of the user's own, and techniques that are drawn here:
mosaic, stained glass, pointillism, woodcut, ink wash, chalk.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates
from scipy.spatial import KDTree

from imgtrans_jax.io import images
from imgtrans_jax.types import UserError

SIZE = 640


class Scene(NamedTuple):
    """What is drawn, in whatever technique: a random landscape of soft hills.

    Attributes:
        tone: (H, W) in [0, 1], every value as often as any other.
        angle: (H, W), the direction along its contours in radians.
    """

    tone: np.ndarray
    angle: np.ndarray


def read_look(path: str, name: str, size: int) -> np.ndarray:
    """A picture to learn a look from.

    Args:
        path: Of the picture; '' for a drawn one.
        name: Of the drawn one.
        size: Its shorter side in pixels.

    Returns:
        (1, H, W, 3) float32 in [0, 1].

    Raises:
        UserError: If it cannot be read, or if there is no drawn look of that name.
    """
    if not path and name not in DRAWN:
        raise UserError(
            f"There is no drawn look {name!r} (there are {', '.join(DRAWN)}); give the look a "
            "picture."
        )
    picture = images.read_picture(path, 3) if path else DRAWN[name]()
    scale = size / min(picture.shape[:2])
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    resized = images.resize(picture, height, width)
    return (images.to_signed(resized)[None] + 1) / 2


def scene(seed: int, size: int = SIZE) -> Scene:
    """Hills of three sizes.

    Args:
        seed: Of them.
        size: Pixels of both sides.

    Returns:
        The scene.
    """
    rng = np.random.default_rng(seed)
    ground = np.zeros((size, size))
    for sigma, height in ((size / 7, 1.0), (size / 16, 0.45), (size / 40, 0.12)):
        noise = gaussian_filter(rng.normal(size=(size, size)), sigma, mode="wrap")
        ground += height * noise / noise.std()
    tone = ground.ravel().argsort().argsort().reshape(size, size) / size**2
    down, across = np.gradient(gaussian_filter(ground, size / 60))
    return Scene(tone, np.arctan2(across, -down))


def _colored(tone: np.ndarray, palette: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """Tones in [0, 1] as colours of a palette, from first to last, mixed between neighbours."""
    place = np.clip(tone, 0, 1) * (len(palette) - 1)
    colors = np.array(palette, float)
    levels = np.arange(len(palette))
    return np.stack([np.interp(place, levels, column) for column in colors.T], axis=-1)


def _cells(points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Of every pixel its nearest point's number, and how far it is from the border to the next
    cell, in pixels."""
    rows, columns = np.mgrid[:size, :size]
    found = KDTree(points).query(np.stack([rows, columns], -1).reshape(-1, 2), k=2)
    distance, number = (np.asarray(each).reshape(size, size, 2) for each in found)
    return number[..., 0], (distance[..., 1] - distance[..., 0]) / 2


def _under(cover: np.ndarray, color: ArrayLike, picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) under a colour, or another picture, that covers so much of it (H, W);
    uint8.
    """
    share = np.clip(cover, 0, 1)[..., None]
    mixed = (1 - share) * picture + share * np.asarray(color)
    return np.clip(mixed, 0, 255).round().astype(np.uint8)


def mosaic(seed: int = 1) -> np.ndarray:
    """Tesserae of glass and stone with pale joints.

    Args:
        seed: Of the scene and the stones.

    Returns:
        (H, W, 3) uint8.
    """
    rng, size, stone = np.random.default_rng(seed), SIZE, 15
    tone, _ = scene(seed)
    grid = np.mgrid[: size + stone : stone, : size + stone : stone].reshape(2, -1).T
    points = grid + rng.normal(0, 0.13 * stone, grid.shape)
    number, border = _cells(points, size)
    palette = (
        (18, 42, 84), (24, 92, 140), (62, 156, 158), (226, 204, 140),
        (232, 160, 52), (196, 72, 40), (120, 28, 36),
    )  # fmt: skip
    where = np.clip(points.round().astype(int), 0, size - 1)
    colors = _colored(tone[where[:, 0], where[:, 1]] + rng.normal(0, 0.05, len(points)), palette)
    colors = colors * rng.uniform(0.8, 1.2, (len(points), 1)) + rng.normal(0, 8, colors.shape)
    lit = 1 + 0.10 * np.clip((3 - border) / 3, 0, 1)  # edges of a stone catch the light
    picture = colors[number] * lit[..., None]
    return _under(1.9 - border, (214, 204, 188), picture)


def stained_glass(seed: int = 2) -> np.ndarray:
    """Panes of coloured glass in lead.

    Args:
        seed: Of the scene and the panes.

    Returns:
        (H, W, 3) uint8.
    """
    rng, size = np.random.default_rng(seed), SIZE
    tone, _ = scene(seed)
    points = rng.uniform(0, size, (150, 2))
    for _ in range(3):  # Lloyd's steps: panes of like size
        number, _ = _cells(points, size)
        rows, columns = np.mgrid[:size, :size]
        count = np.maximum(np.bincount(number.ravel(), minlength=len(points)), 1)
        means = [
            np.bincount(number.ravel(), x.ravel(), len(points)) / count for x in (rows, columns)
        ]
        points = np.stack(means, axis=1)
    number, border = _cells(points, size)
    palette = (
        (14, 30, 130), (20, 90, 200), (10, 140, 110), (240, 200, 40),
        (236, 110, 20), (200, 20, 40), (110, 20, 120),
    )  # fmt: skip
    level = rng.permutation(len(points)) / len(points)
    where = np.clip(points.astype(int), 0, size - 1)
    colors = _colored(0.6 * tone[where[:, 0], where[:, 1]] + 0.4 * level, palette)
    clouds = gaussian_filter(rng.normal(size=(size, size)), 9)
    light = 1.05 + 0.18 * clouds / clouds.std() - 0.5 * np.exp(-border / 7)
    return _under(4.2 - border, (18, 16, 20), colors[number] * light[..., None])


def pointillism(seed: int = 3) -> np.ndarray:
    """Dots of pure colours, and of their complements, on a pale ground.

    Args:
        seed: Of the scene and the dots.

    Returns:
        (H, W, 3) uint8.
    """
    rng, scale = np.random.default_rng(seed), 2  # drawn twice as large, for smooth edges
    tone, _ = scene(seed)
    palette = (
        (40, 46, 120), (44, 96, 180), (70, 160, 140), (150, 190, 70),
        (246, 214, 90), (244, 160, 70), (214, 84, 90),
    )  # fmt: skip
    canvas = Image.new("RGB", (scale * SIZE, scale * SIZE), (240, 230, 206))
    draw = ImageDraw.Draw(canvas)
    for _ in range(26_000):
        x, y = rng.uniform(0, SIZE, 2)
        level = tone[int(y), int(x)] + rng.normal(0, 0.07)
        color = _colored(np.array(level), palette) + rng.normal(0, 14, 3)
        if rng.random() < 0.12:
            color = 255 - 0.8 * color
        r = scale * rng.uniform(2.2, 3.6)
        box = (scale * x - r, scale * y - r, scale * x + r, scale * y + r)
        draw.ellipse(box, fill=tuple(int(c) for c in np.clip(color, 0, 255)))
    return np.asarray(canvas.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def woodcut(seed: int = 4) -> np.ndarray:
    """Black lines cut along the forms, thicker in the shade, on warm paper.

    Args:
        seed: Of the scene.

    Returns:
        (H, W, 3) uint8.
    """
    rng = np.random.default_rng(seed)
    tone, _ = scene(seed)
    # Lines are contours of a second, slowly growing height, bent by the scene: evenly spaced, and
    # never crossing.
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(float)
    bent = rows * 0.8 + columns * 0.35 + 90 * gaussian_filter(tone, 12)
    phase = 2 * math.pi * bent / 9
    wobble = gaussian_filter(rng.normal(size=tone.shape), 2.5)
    wave = 0.5 + 0.5 * np.cos(phase + 0.7 * wobble / wobble.std())
    shade = np.clip(1.25 * (1 - gaussian_filter(tone, 4)) - 0.12, 0.02, 0.98)
    ink = 1 / (1 + np.exp(-(shade - wave) * 26))
    ink[shade > 0.86] = 1
    ink[shade < 0.14] *= 0.1
    grain = rng.normal(0, 4, (*tone.shape, 1))
    paper = np.array((238, 222, 190)) + grain
    return _under(gaussian_filter(ink, 0.6), np.array((26, 20, 22)) + grain, paper)


def ink_wash(seed: int = 5) -> np.ndarray:
    """Washes of grey ink with dark rims on rice paper, and strokes of a dry brush.

    Args:
        seed: Of the scene and the strokes.

    Returns:
        (H, W, 3) uint8.
    """
    rng = np.random.default_rng(seed)
    tone, angle = scene(seed)
    warp = [gaussian_filter(rng.normal(size=tone.shape), s) for s in (7, 7)]
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(float)
    places = [axis + 12 * w / w.std() for axis, w in zip((rows, columns), warp, strict=True)]
    ragged = map_coordinates(tone, places, order=1, mode="reflect")
    wet = np.zeros_like(tone)
    for level, strength in ((0.42, 0.24), (0.27, 0.24), (0.14, 0.26), (0.06, 0.18)):
        inside = ragged < level
        depth = np.asarray(distance_transform_edt(inside))
        wet += strength * inside * (0.72 + 0.5 * np.exp(-depth / 3) + 0.3 * np.exp(-depth / 25))
    canvas = Image.new("L", (SIZE, SIZE), 0)
    draw = ImageDraw.Draw(canvas)
    for _ in range(46):
        x, y = rng.uniform(0, SIZE, 2)
        if tone[int(y), int(x)] > 0.55:
            continue
        width, dark = rng.uniform(2, 11), int(rng.uniform(120, 250))
        for step in range(60):
            i, j = (int(np.clip(v, 0, SIZE - 1)) for v in (y, x))
            r = width * math.sin(math.pi * (step + 4) / 68)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=dark)
            x, y = x + 2.4 * math.cos(angle[i, j]), y + 2.4 * math.sin(angle[i, j])
    dry = gaussian_filter(rng.normal(size=tone.shape), (1.2, 1.2))
    strokes = np.asarray(canvas.filter(ImageFilter.GaussianBlur(0.8)), float) / 255
    strokes *= np.clip(1.15 - 0.35 * np.abs(dry / dry.std()), 0, 1)
    fibers = gaussian_filter(rng.normal(size=tone.shape), (0.6, 3))
    dark = np.clip(1 - (1 - np.clip(gaussian_filter(wet, 1.2), 0, 1)) * (1 - strokes), 0, 0.97)
    paper = np.array((243, 238, 226)) + 5 * (fibers / fibers.std())[..., None]
    return _under(dark, (24, 24, 30), paper)


def chalk(seed: int = 6) -> np.ndarray:
    """Strokes of coloured chalk on dark paper, whose grain shows through.

    Args:
        seed: Of the scene and the strokes.

    Returns:
        (H, W, 3) uint8.
    """
    rng = np.random.default_rng(seed)
    tone, angle = scene(seed)
    palette = (
        (70, 96, 150), (92, 150, 170), (120, 178, 130), (240, 226, 170),
        (240, 176, 120), (226, 120, 120), (236, 226, 220),
    )  # fmt: skip
    grain = gaussian_filter(rng.normal(size=tone.shape), 0.9)
    grain = grain / grain.std()
    picture = np.broadcast_to(np.array((32.0, 38.0, 42.0)), (*tone.shape, 3)).copy()
    for _ in range(7):
        layer = Image.new("RGB", (SIZE, SIZE))
        cover = Image.new("L", (SIZE, SIZE), 0)
        pens = ImageDraw.Draw(layer), ImageDraw.Draw(cover)
        for _ in range(520):
            x, y = rng.uniform(0, SIZE, 2)
            i, j = int(y), int(x)
            level = tone[i, j]
            if rng.random() > 0.35 + 0.65 * level:
                continue
            turned = angle[i, j] + rng.normal(0, 0.18)
            reach = rng.uniform(10, 34)
            dx, dy = reach * math.cos(turned), reach * math.sin(turned)
            color = _colored(np.array(level + rng.normal(0, 0.06)), palette) + rng.normal(0, 8, 3)
            fills = tuple(int(c) for c in np.clip(color, 0, 255)), int(rng.uniform(170, 250))
            for pen, fill in zip(pens, fills, strict=True):
                pen.line(
                    (x - dx, y - dy, x + dx, y + dy), fill=fill, width=int(rng.integers(5, 12))
                )
        opacity = np.asarray(cover.filter(ImageFilter.GaussianBlur(0.7)), float)[..., None] / 255
        opacity = opacity * np.clip(0.80 + 0.40 * grain, 0, 1)[..., None]
        picture = picture * (1 - opacity) + opacity * np.asarray(layer, float)
    return np.clip(picture, 0, 255).round().astype(np.uint8)


DRAWN: dict[str, Callable[[], np.ndarray]] = {
    "mosaic": mosaic,
    "stained_glass": stained_glass,
    "pointillism": pointillism,
    "woodcut": woodcut,
    "ink_wash": ink_wash,
    "chalk": chalk,
}
