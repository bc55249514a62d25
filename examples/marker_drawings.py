"""Two folders of a designer who does not exist: drawings coloured with markers, and sketches of
other things, drawn by a program from the flat drawings of Fluent Emoji (Microsoft, MIT).

  npm pack @iconify-json/fluent-emoji-flat && tar xzf iconify-*.tgz
  python examples/marker_drawings.py --packages=package --out=designer

Writes OUT/colored (89 drawings) and OUT/sketches (88), 256 pixels a side, to try a training on that
is meant for folders of one's own (docs/train_your_own.md).
"""

import re
import sys
from pathlib import Path

import numpy as np
import scipy
from make_pairs import drawn, icons_of

from imgtrans_jax.commands import app

FLAGS = app.Flags()
PACKAGES = FLAGS.path("packages", ".", "The folder with the package, unpacked.")
OUT = FLAGS.path("out", "designer", "A folder for both folders.")

SIDE, DRAWING = 256, 208  # pixels: of the paper, of what is on it
COLORED, SKETCHES = 89, 88
PAPER = np.array([0.985, 0.98, 0.965])
OPAQUE = 0.88  # the pen's ink
NO_THING = (
    "man|woman|person|people|men|women|boy|girl|child|baby|hand|finger|face|family|kiss|couple|"
    "button|clock|flag|sign|symbol|square|circle|heart|moon|light$|dark$|medium|key|arrow|input|"
    "fist|ear|nose|leg|foot|princ|police|eyes|guard|cook|artist|worker|detective|elf|fairy|mage|"
    "vampire|zombie|genie|mer|troll|superhero|villain|ninja|santa|claus|judge|farm|teacher|student|"
    "pilot|astronaut|fire|singer|tech|scient|mechanic|point|thumb|call|vulcan|raised|love|ok|pinch|"
    "palm|clap|pray|nail|selfie|muscle|kneel|danc|walk|run|stand|swim|surf|row|ski|golf|bik|juggl|"
    "climb|handball|lift|cartwheel|wrest|polo|bath|bed|haircut|massage|bow|shrug|tip|gest|pout|"
    "frown|levit|horse-r|snowboarder|zodiac|medal|up$|down$|left$|right$|mark|sparkle|star|dollar|"
    "yen|euro|pound"
)
"""In the names of drawings that are of people and signs, and of some others."""


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.io import images
    from imgtrans_jax.io.files import make_folder, refuse_existing

    app.no_overrides(overrides)
    colored, sketches = (Path(OUT.value) / part for part in ("colored", "sketches"))
    refuse_existing(colored, sketches, overwrite=False)
    package = icons_of(Path(PACKAGES.value), "**/icons.json")
    things = [name for name in sorted(package["icons"]) if not re.search(NO_THING, name)]
    np.random.default_rng(7).shuffle(things)
    for folder in (colored, sketches):
        make_folder(folder, "--out")
    for number, name in enumerate(things[: COLORED + SKETCHES]):
        flat = drawn(package, name, DRAWING).astype(np.float32) / 255
        both = marker_drawing(flat, np.random.default_rng(number))
        folder, picture = (colored, both[1]) if number < COLORED else (sketches, both[0])
        images.write_picture(folder / f"{name}.png", picture)
    print(f"{OUT.value}: {COLORED} drawings coloured with markers, {SKETCHES} sketches")
    return 0


def marker_drawing(flat: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A flat drawing by a pen, and coloured with markers.

    Args:
        flat: (DRAWING, DRAWING, 3) in [0, 1], on white.
        rng: For the hand's tremor, the markers' strokes and the paper's grain.

    Returns:
        The sketch and the coloured drawing, (SIDE, SIDE, 3) uint8.
    """
    margin = (SIDE - DRAWING) // 2
    flat = np.pad(flat, ((margin, margin), (margin, margin), (0, 0)), constant_values=1)
    pen = _pen(flat, rng)
    stroke = _strokes(rng)
    ink = 1 - flat
    # The marker stays inside of the lines, a little beside where it should be.
    inside = scipy.ndimage.binary_erosion(ink.max(axis=-1) > 0.06, iterations=2)
    soft = scipy.ndimage.gaussian_filter(inside.astype(float), 1)[..., None]
    ink = scipy.ndimage.shift(ink * soft, (*(rng.normal(size=2) * 1.3), 0), order=1)
    ink = ink * (0.86 + 0.10 * stroke * (stroke > 0) - 0.05 * (stroke < -1.2))
    grain = rng.normal(size=(SIDE, SIDE, 1)) * 0.006
    pictures = []
    for paper in (np.broadcast_to(PAPER, flat.shape), PAPER * (1 - np.clip(ink, 0, 0.97))):
        drawing = (paper * (1 - OPAQUE * pen) + grain).clip(0, 1)
        pictures.append((drawing * 255).astype(np.uint8))
    return pictures[0], pictures[1]


def _pen(flat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How much ink of a pen is where, (SIDE, SIDE, 1): along the edges, by a hand that trembles."""
    edges = sum(scipy.ndimage.gaussian_gradient_magnitude(flat[..., c], 0.8) for c in range(3))
    ridge = (edges > 0.1) & (edges >= scipy.ndimage.maximum_filter(edges, 3) * 0.92)
    line = scipy.ndimage.binary_dilation(ridge).astype(float)
    line = np.clip(scipy.ndimage.gaussian_filter(line, 0.7) * 1.25, 0, 1)
    tremor = [
        scipy.ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 12) * 12 * 3.5 * 0.8
        for _ in range(2)
    ]
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(float)
    places = [rows + tremor[1], columns + tremor[0]]
    return scipy.ndimage.map_coordinates(line, places, order=1, mode="nearest")[..., None]


def _strokes(rng: np.random.Generator) -> np.ndarray:
    """The strokes of a marker, (SIDE, SIDE, 1) of mean 0 and deviation 1, long in one direction."""
    angle = np.degrees(rng.uniform(-0.9, -0.4))
    noise = scipy.ndimage.gaussian_filter(rng.normal(size=(400, 400)), (2.2, 60))
    turned = scipy.ndimage.rotate(noise, angle, reshape=False, mode="reflect")
    stroke = turned[72 : 72 + SIDE, 72 : 72 + SIDE]
    return (stroke / stroke.std())[..., None]


if __name__ == "__main__":
    app.main(sys.modules[__name__])
