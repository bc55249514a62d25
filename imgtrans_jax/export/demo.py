"""A page to draw on: networks that run in the browser. Imports inference, io and this folder."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imgtrans_jax.data import sample_pictures
from imgtrans_jax.export.browser_runtime import runtime_files
from imgtrans_jax.export.files import onnx_model, with_precision
from imgtrans_jax.export.network import Exported, exported
from imgtrans_jax.export.write import samples, write_card
from imgtrans_jax.inference import shelf
from imgtrans_jax.inference.generator_file import Precision, flatten_arrays
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.io import images, json_files
from imgtrans_jax.io.files import make_folder, whole
from imgtrans_jax.report.page import Html, file, markup
from imgtrans_jax.types import Direction, UserError

DEFAULT = ("sketch2color", "painters", "color2sketch", "enlarge4")
MARK = "imgtrans_demo.json"
"""A folder with this file is a page of ours, which is made anew; its old networks go."""

_PAGE = Path(__file__).parent / "page"
_SIDE = 512  # pixels of a drawing; of the sample photograph's longer side
_SMALL = 128  # the same of a photograph that is to be enlarged
_TILE = (128, 192)  # of a look's example


@dataclasses.dataclass(frozen=True)
class Shown:
    """What the page is told of a network; its names are those of `page/demo.js`."""

    name: str
    makes: str
    file: str
    card: str
    takes: str
    channels: int
    factor: int
    looks: list[dict[str, str]]
    best_size: int | None
    sample: str


def write_demo(
    sources: Sequence[str | Path],
    out: Path,
    runtime: str | Path | None = None,
    direction: Direction = "a2b",
    trust_code: bool = False,
) -> Path:
    """Writes the page with all that it needs: it works offline, and sends nothing anywhere.

    Args:
        sources: Runs, files of generators, names of finished networks; none for those that come
            along.
        out: A folder: new, empty, or of such a page, which is made anew.
        runtime: See `runtime_files`.
        direction: Which generator of two.
        trust_code: Runs the code outside imgtrans_jax that a run names.

    Returns:
        The page.

    Raises:
        UserError: If a source makes no pictures of colored pictures, or something cannot be read or
            written.
    """
    _check(out)
    networks = list(_networks(sources or DEFAULT, direction, trust_code))
    code = runtime_files(runtime)
    _begin(out)
    for name, content in code.items():
        _write(out / "runtime" / name, content)
    shown = [_shown(out, *named) for named in networks]
    data = Html(json_files.embedded([dataclasses.asdict(one) for one in shown]))
    for name in ("demo.js", "sheet.js", "worker.js", "pictures.js"):
        _write(out / name, (_PAGE / name).read_bytes())
    style = file("style.css") + (_PAGE / "demo.css").read_text("utf-8")
    _write(out / "demo.css", style.encode())
    page = markup((_PAGE / "index.html").read_text("utf-8"), networks=data)
    _write(out / "index.html", page.encode())
    return out / "index.html"


_FOLDERS = ("networks", "samples", "runtime")


def _check(out: Path) -> None:
    """Raises UserError for a place where a page cannot be."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file()):
        raise UserError(f"{out} is there already and is no page of this kind; give another folder.")
    if links := [name for name in _FOLDERS if (out / name).is_symlink()]:
        raise UserError(f"{out / links[0]} is a link, which leads elsewhere; give another folder.")


def _begin(out: Path) -> None:
    """Makes the folders, and takes away the networks of a page that was there."""
    for name in _FOLDERS:
        make_folder(out / name, "`out`")
    for name in ("networks", "samples"):
        for path in (out / name).iterdir():
            if path.suffix in (".onnx", ".html", ".png", ".jpg"):
                path.unlink()
    _write(out / MARK, b"{}\n")


def _networks(
    sources: Sequence[str | Path], direction: Direction, trust_code: bool
) -> Iterator[tuple[str, Exported]]:
    """(name, network) each, all names different."""
    taken: set[str] = set()
    for source in sources:
        path = shelf.found(source)
        network = exported(load_generator(path, trust_code), direction, shelf.name_of(path))
        if network.from_latents:
            raise UserError(f"{source} makes pictures from nothing, and the page is to draw on.")
        channels = network.channels, network.module.channels
        if any(count not in (1, 3) for count in channels):
            raise UserError(
                f"{source} takes {channels[0]} channels and gives {channels[1]}; the page is for "
                "pictures in color or gray."
            )
        stem = re.sub(r"[^\w-]", "_", path.stem) or "network"
        name = next(
            n
            for n in (stem, *map(f"{stem}_{{}}".format, range(2, len(sources) + 2)))
            if n not in taken
        )
        taken.add(name)
        yield name, network


def _shown(out: Path, name: str, network: Exported) -> Shown:
    """Writes a network's files."""
    target = out / "networks" / f"{name}.onnx"
    precision = lossless_precision(network)
    told = network.told() | {"precision": precision}
    _write(target, onnx_model(network, precision, told).SerializeToString())
    shown = samples(network)
    card = write_card(target, told, shown)
    kind = shelf.card(network.name).sample if network.name else "photograph"
    if network.line_drawings:
        kind = "drawing"
    return Shown(
        name,
        told.get("makes", ""),
        f"networks/{target.name}",
        f"networks/{card.name}",
        kind,
        network.channels,
        network.factor,
        list(_looks(out, name, shown[1:])) if network.looks else [],
        network.best_size,
        _sample(out, kind, _SMALL if network.factor > 1 else _SIDE),
    )


def _looks(
    out: Path, network: str, shown: Sequence[tuple[str, np.ndarray]]
) -> Iterator[dict[str, str]]:
    """Name and path of an example of each, which is written."""
    for number, (look, picture) in enumerate(shown):
        place = f"samples/{network}_{number}.jpg"
        buffer = io.BytesIO()
        Image.fromarray(images.resize(picture, *_TILE)).save(buffer, "JPEG", quality=85)
        _write(out / place, buffer.getvalue())
        yield {"name": look, "sample": place}


def _sample(out: Path, kind: str, side: int) -> str:
    """The path within the folder of a sample picture of a kind, which is written."""
    if kind == "photograph":
        picture = sample_pictures.photograph()
        scale = side / max(picture.shape[:2])
        picture = images.resize(picture, *(round(scale * n) for n in picture.shape[:2]))
    else:
        picture = sample_pictures.drawing(sketch=kind == "drawing", size=side)
    place = f"samples/{kind.replace(' ', '_')}_{side}.png"
    images.write_picture(out / place, picture)
    return place


def lossless_precision(network: Exported) -> Precision:
    """The narrowest that gives the network's weights back as they are, up to float32's rounding."""
    exact = flatten_arrays(network.params)

    def keeps(precision: Precision) -> bool:
        try:
            narrow: Any = flatten_arrays(with_precision(network, precision).params)
        except UserError:  # beyond float16
            return False
        return all(np.allclose(narrow[name], x, rtol=1e-6, atol=0) for name, x in exact.items())

    kinds: tuple[Precision, ...] = ("int8", "float16")
    for kind in kinds:
        if keeps(kind):
            return kind
    return "float32"


def _write(path: Path, content: bytes) -> None:
    with whole(path) as partial:
        partial.write_bytes(content)
