"""Ten drawings by a wobbly pen, half of them as photographs of paper, and what a network that
colours line drawings makes of them.

  python examples/hand_drawings.py --out=drawings
  python examples/hand_drawings.py --run=runs/pix2pix_openmoji --size=64 --out=drawings

Writes the drawings, and sheet.png: each drawing, below it without its paper, below that coloured.
"""

import itertools
import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from imgtrans_jax.commands import app

FLAGS = app.Flags()
RUN = FLAGS.path("run", "sketch2color", "A network's name, a run, or a file of a generator.")
OUT = FLAGS.path("out", "drawings", "A folder for the drawings and the sheet.")
SIZE = FLAGS.whole("size", None, "Work with the shorter side at this many pixels.")
OVERWRITE = FLAGS.switch("overwrite", "Replace a sheet that is there already.")
SIDE, CELL, PEN = 480, 160, 7  # pixels: of a drawing, of a picture on the sheet, of the pen

Stroke = list[tuple[float, float]]

MOTIFS = {
    "house": (
        "90,220 90,420 390,420 390,220; 60,235 240,90 420,235 60,235; 200,420 200,300 280,300 "
        "280,420; 120,260 170,260 170,310 120,310 120,260; 310,260 360,260 360,310 310,310 "
        "310,260; 320,150 320,90 360,90 360,185"
    ),
    "cat": (
        "arc 240 270 140 120; 120,210 110,90 200,155; 280,155 370,90 360,210; arc 190 250 18; "
        "arc 290 250 18; 225,300 255,300 240,320 225,300; 240,320 240,340 215,355; 240,340 "
        "265,355; 150,310 60,295; 150,325 65,345; 330,310 420,295; 330,325 415,345"
    ),
    "tree": (
        "210,440 220,300 180,250; 270,440 260,300 300,250; arc 240 180 130 110; 60,440 "
        "420,440; arc 190 170 16; arc 280 140 16; arc 260 220 16"
    ),
    "car": (
        "50,330 50,260 130,245 180,170 320,170 370,245 435,265 435,330 50,330; arc 140 335 "
        "45; arc 350 335 45; arc 140 335 16; arc 350 335 16; 185,190 155,245 240,245 240,190 "
        "185,190; 255,190 255,245 340,245 310,190 255,190"
    ),
    "flower": (
        "arc 240 160 35; petals 240 160 75 38 6; 240,270 245,440; 245,390 320,340 340,380 "
        "245,400; 243,410 170,360 150,400 243,425"
    ),
    "fish": (
        "arc 220 240 150 90; 360,210 440,150 440,330 360,270; arc 140 215 14; 190,170 180,240 "
        "195,305; 230,155 270,105 300,170; 90,265 130,275"
    ),
    "boat": (
        "70,320 120,410 360,410 420,320 70,320; 240,320 240,80; 250,90 380,290 250,290 "
        "250,90; 228,120 120,290 228,290 228,120; 30,430 90,415 150,435 220,415 290,435 "
        "360,415 440,430"
    ),
    "person": (
        "arc 240 120 65; 240,185 200,200 170,330 310,330 280,200 240,185; 200,330 195,440 "
        "235,440 238,335; 280,330 285,440 248,440 245,335; 185,230 110,290; 295,230 370,290; "
        "arc 218 115 6; arc 262 115 6; arc 240 135 25 15 10 170; 178,110 190,60 240,45 292,62 "
        "303,112"
    ),
    "cup": (
        "110,170 140,410 310,410 340,170 110,170; arc 225 170 115 28; arc 355 270 55 65 -80 "
        "95; 190,120 180,90 200,60; 250,120 240,90 260,60"
    ),
    "mountain": (
        "30,400 160,170 250,320 320,230 450,400 30,400; arc 380 110 45; 120,245 150,265 "
        "165,240 190,262 205,245; rays 380 110 60 85 8"
    ),
}
"""Strokes: points of a line; an arc by its center, its radii, and where it begins and ends in
degrees; petals and rays around a center, by two radii and how many."""


def main(_: app.Overrides) -> int:
    import imgtrans_jax as it
    from imgtrans_jax.inference.drawings import clean_paper
    from imgtrans_jax.io import images
    from imgtrans_jax.io.files import make_folder, refuse_existing

    folder = Path(OUT.value)
    make_folder(folder, "--out")
    refuse_existing(folder / "sheet.png", overwrite=OVERWRITE.value)
    color = it.load(RUN.value, size=SIZE.value)
    rng, columns = np.random.default_rng(3), []
    for number, (name, motif) in enumerate(MOTIFS.items()):
        ink = drawn([points for part in motif.split("; ") for points in strokes(part)], rng)
        drawing = photographed(ink, rng) if number % 2 else np.repeat(ink[..., None], 3, axis=2)
        images.write_picture(folder / f"{name}.png", drawing)
        columns.append([drawing, clean_paper(drawing), color(drawing)])
    rows = [[images.resize(c[row], CELL, CELL) for c in columns] for row in range(3)]
    images.write_picture(folder / "sheet.png", images.grid(rows, gap=4))
    print(f"Wrote {len(columns)} drawings and {folder / 'sheet.png'}")
    return 0


def drawn(lines: list[Stroke], rng: np.random.Generator) -> np.ndarray:
    """Strokes of a pen, black on white, (SIDE, SIDE) uint8."""
    canvas = Image.new("L", (2 * SIDE, 2 * SIDE), 255)
    draw = ImageDraw.Draw(canvas)
    for line in lines:
        points = [tuple(2 * p) for p in wobbled(np.array(line, float), rng)]
        width = round(2 * PEN * (1 + 0.1 * rng.normal()))
        draw.line(points, fill=10, width=width, joint="curve")
        for x, y in (points[0], points[-1]):
            r = width / 2
            draw.ellipse((x - r, y - r, x + r, y + r), fill=10)
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def wobbled(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Points every 6 pixels of a line, (N, 2), each off by a few as a hand is."""
    parts = [
        a + (b - a) * np.arange(0, 1, 6 / max(6.1, np.hypot(*(b - a))))[:, None]
        for a, b in itertools.pairwise(points)
    ]
    line = np.concatenate([*parts, points[-1:]])
    kernel = np.exp(-0.5 * (np.arange(-12, 13) / 4) ** 2)
    noise = rng.normal(0, 6.6, (len(line) + 24, 2))
    smooth = [np.convolve(noise[:, axis], kernel / kernel.sum(), "valid") for axis in (0, 1)]
    return line + np.stack(smooth, axis=1)


def photographed(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A drawing on tinted paper in uneven light, with a hand's shadow, as a phone sees it."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    light = 0.85 - rng.uniform(0.1, 0.35) * x - 0.15 * y
    cx, cy = rng.uniform(0.2, 0.8, 2)
    light -= 0.25 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.08)
    tint = np.array([(1, 0.96, 0.86), (0.93, 0.97, 1)][int(rng.integers(2))])
    unit = (0.22 + 0.78 * ink / 255)[..., None] * light[..., None] * tint
    soft = Image.fromarray((255 * unit).clip(0, 255).astype(np.uint8))
    noisy = np.asarray(soft.filter(ImageFilter.GaussianBlur(0.8)), float)
    return (noisy + rng.normal(0, 3.5, noisy.shape)).clip(0, 255).astype(np.uint8)


def strokes(part: str) -> list[Stroke]:
    """What a part of a motif stands for."""
    kind, *numbers = part.split()
    if kind not in ("arc", "petals", "rays"):
        points = [point.split(",") for point in part.split()]
        return [[(float(x), float(y)) for x, y in points]]
    cx, cy, first, *rest = map(float, numbers)
    if kind == "arc":
        return [arc(cx, cy, first, *rest)]
    second, count = rest
    inner = around(cx, cy, first, int(count))
    if kind == "petals":
        return [arc(x, y, second) for x, y in inner]
    return [list(ray) for ray in zip(inner, around(cx, cy, second, int(count)), strict=True)]


def arc(cx: float, cy: float, rx: float, ry: float = 0, first=0.0, last=360.0) -> Stroke:
    angles = np.radians(np.linspace(first, last, max(8, int(abs(last - first) / 8))))
    return [(cx + rx * math.cos(a), cy + (ry or rx) * math.sin(a)) for a in angles]


def around(cx: float, cy: float, radius: float, count: int) -> Stroke:
    return [
        (cx + radius * math.cos(a), cy + radius * math.sin(a))
        for a in np.linspace(0, 2 * math.pi, count, endpoint=False)
    ]


if __name__ == "__main__":
    app.main(sys.modules[__name__])
