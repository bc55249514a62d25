"""What every optimisation of a picture shares: its size, its memory, its files, and what is said meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from imgtrans_jax import images, memory
from imgtrans_jax.files import beside, make_folder, result_names
from imgtrans_jax.image_opt import Walk, compile_step
from imgtrans_jax.report import duration
from imgtrans_jax.types import UserError

MOST_PIXELS = 1_000_000
"""A larger picture is optimised at this many pixels, unless a size is given, and the result is enlarged."""

SMALLEST = 64  # pixels of the shorter side, at any scale but the last
LEAST = 16  # pixels of the shorter side that the deepest features need
BYTES_A_PIXEL = 4000  # that style transfer with VGG-16 takes, as its compiler reports for 256 to 1000 px

Compiled = Callable[[Walk, Any], tuple[Walk, Any]]


def working_size(picture: np.ndarray, size: int | None) -> tuple[int, int]:
    """Height and width to optimise at: the picture's own up to MOST_PIXELS, or with `size` pixels on the shorter side.

    Raises UserError for a picture that is too small for the network.
    """
    height, width = picture.shape[:2]
    if min(height, width) < LEAST:
        raise UserError(
            f"A picture of {width}x{height} pixels is too small: the network needs {LEAST} a side; enlarge it first."
        )
    if size is not None:
        if size < LEAST:
            raise UserError(f"A size of {size} pixels is too small; give {LEAST} or more.")
        scale = size / min(height, width)
    else:
        scale = min(1.0, math.sqrt(MOST_PIXELS / (height * width)))
    h, w = max(LEAST, round(height * scale)), max(LEAST, round(width * scale))
    free = memory.free()
    if free is not None and h * w * BYTES_A_PIXEL / 4 > free:  # hopeless for any layer: not even the picture is resized
        raise _too_large(h, w, h * w * BYTES_A_PIXEL, free)
    if size is None and scale < 1:
        say(f"{width}x{height} is large: optimised at {w}x{h} and enlarged again; --size={min(height, width)} does all of it.")
    return h, w


def compiled_for(
    objective: Any,
    image: np.ndarray | jax.ShapeDtypeStruct,
    frozen: Any,
    optimizer: Any,
    steps: int,
    progress: Progress | None = None,
) -> Compiled:
    """The compiled step, once it is known to fit into memory. Raises UserError, with a size that fits, where it does not."""
    height, width = image.shape[1:3]
    began = time.monotonic()
    with sentence():
        compiled = compile_step(objective, image, frozen, optimizer, steps)
    if progress:
        progress.paused += time.monotonic() - began
    say(f"Compiled for {width}x{height} in {duration(time.monotonic() - began)}.")
    needed, free = memory.needed(compiled), memory.free()
    if free is not None and needed > free:
        raise _too_large(height, width, needed, free)
    return compiled


def _too_large(height: int, width: int, needed: int, free: int) -> UserError:
    fits = round(min(height, width) * math.sqrt(0.9 * free / needed))
    return UserError(
        f"{width}x{height} needs {needed / 2**30:.1f} GB of memory and {free / 2**30:.1f} GB are free: --size={fits} "
        "would fit; the result is enlarged to the picture's size."
    )


def to_area(picture: np.ndarray, area: float) -> np.ndarray:
    """The picture, its aspect kept, at about `area` pixels, LEAST a side at least."""
    height, width = picture.shape[:2]
    scale = math.sqrt(area / (height * width))
    return images.resize(picture, max(LEAST, round(height * scale)), max(LEAST, round(width * scale)))


# ------------------------------------------------------------------------------------------------ files and words


def in_and_out(content: Path, out: Path, look: str) -> tuple[list[Path], list[Path]]:
    """The pictures to read and the files to write. `out` is a file if it ends like a picture's name, else a folder.

    Raises UserError if there is nothing to read, if nothing can be written, or if a picture would be overwritten by its own
    result: before any work is done.
    """
    sources, targets = _named(content, out, look)
    make_folder(targets[0].parent, "--out")
    if targets[0].is_dir():
        raise UserError(f"{targets[0]} is a folder; choose another --out.")
    return sources, targets


def _named(content: Path, out: Path, look: str) -> tuple[list[Path], list[Path]]:
    if not content.exists():
        raise UserError(f"There is no {content}; give a picture or a folder of pictures.")
    if content.is_dir():
        if out.suffix.lower() in images.WRITABLE:
            raise UserError(f"{content} is a folder, so --out must be one too; {out} is a picture's name.")
        if out.resolve() == content.resolve():
            raise UserError(f"--out={out} is the folder of the input, whose pictures would be overwritten; choose another.")
        sources = images.list_pictures(content)
        relative = [path.relative_to(content) for path in sources]
        return sources, [out / name for name in result_names(relative, [".png"] * len(relative))]
    target = out if out.suffix.lower() in images.WRITABLE else beside(out / content.name, f"_{look}.png")
    if target != out and out.suffix and not out.is_dir():
        raise UserError(
            f"--out={out} is no kind of picture that is written; choose {', '.join(sorted(images.WRITABLE))}, or a folder."
        )
    if target.resolve() == content.resolve():
        raise UserError(f"--out={out} is the picture itself, which would be overwritten; choose another name.")
    return [content], [target]


def unit(picture: np.ndarray) -> np.ndarray:
    """As read, to float32 in [0, 1]."""
    return picture.astype(np.float32) / 255 if picture.dtype == np.uint8 else picture


def preview_beside(target: Path) -> Path:
    return beside(target, ".preview.png")


class sentence:
    """Turns the ValueError of a network or a loss, whose message is meant for people, into a UserError."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ValueError):
            raise UserError(str(error)) from None


class Progress:
    """Console lines with rate and time left over all sizes of a picture, and a preview that is replaced as it goes."""

    EVERY = 5.0  # seconds

    def __init__(self, plan: Sequence[tuple[tuple[int, int], int]], preview: Path | None) -> None:
        self.plan, self.preview = plan, preview
        self.whole = sum(h * w * steps for (h, w), steps in plan)
        self.behind = 0  # pixels times steps
        self.began = self.said = time.monotonic()
        self.paused = 0.0  # seconds of compiling
        self.number = 0

    def __call__(self, step: int, terms: dict[str, float], image: jax.Array) -> None:
        now = time.monotonic()
        if now - self.said < self.EVERY:
            return
        self.said = now
        (h, w), steps = self.plan[self.number]
        done = self.behind + step * h * w
        spent = now - self.began - self.paused
        rate = done / max(spent, 1e-9)
        named = "  ".join(f"{name} {value:.4g}" for name, value in terms.items() if name != "total")
        scale = f" (size {self.number + 1} of {len(self.plan)})" if len(self.plan) > 1 else ""
        left = duration((self.whole - done) / rate)
        say(f"{w}x{h}{scale}  step {step}/{steps}  {h * w / rate:.2g} s/step  {left} left  {named}")
        if self.preview:
            self.preview.parent.mkdir(parents=True, exist_ok=True)
            images.write_picture(self.preview, images.from_unit(np.asarray(image)[0]))

    def done(self, steps: int, pixels: int) -> None:
        """One size is finished."""
        self.behind += steps * pixels
        self.number += 1

    def close(self) -> None:
        if self.preview:
            self.preview.unlink(missing_ok=True)


def say(text: str) -> None:
    print(text, flush=True)
