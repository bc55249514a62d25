"""What every optimisation of a picture shares: its size, its memory, its files, and what is said
meanwhile."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from imgtrans_jax.io import images, results
from imgtrans_jax.io.files import fitting, make_folder, refuse_existing, refuse_inputs
from imgtrans_jax.runtime import memory
from imgtrans_jax.runtime.console import duration, reraise_as_user_error, say_here
from imgtrans_jax.runtime.progress import Pace
from imgtrans_jax.runtime.signals import Interrupted, Stop
from imgtrans_jax.style.optimize import LineSearchState, lower_step
from imgtrans_jax.types import UserError

MOST_PIXELS = 1_000_000  # at which a dream is worked
MIN_COARSE_SIDE = 64  # pixels of the shorter side, at any scale but the last
MIN_SIDE = 16  # pixels of the shorter side that the deepest features need
# that style transfer with VGG-16 takes, as its compiler reports for 256 to 1000 px
BYTES_A_PIXEL = 4000

Compiled = Callable[[LineSearchState, Any], tuple[LineSearchState, Any]]


def working_size(picture: np.ndarray, size: int | None, most: int = MOST_PIXELS) -> tuple[int, int]:
    """Height and width to optimise at.

    Args:
        picture: (H, W, C).
        size: Pixels of the shorter side; None for the picture's own size, up to `most` in all.
        most: Pixels.

    Returns:
        Height and width in pixels.

    Raises:
        UserError: For a picture or a size that is too small for the network, or far too large for
            the memory.
    """
    height, width = picture.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise UserError(
            f"A picture of {width}x{height} pixels is too small: the network needs {MIN_SIDE} a "
            "side; enlarge it first."
        )
    if size is not None:
        if size < MIN_SIDE:
            raise UserError(f"A size of {size} pixels is too small; give {MIN_SIDE} or more.")
        scale = size / min(height, width)
    else:
        scale = min(1.0, math.sqrt(most / (height * width)))
    h, w = max(MIN_SIDE, round(height * scale)), max(MIN_SIDE, round(width * scale))
    free = memory.free()
    # hopeless for any layer: not even the picture is resized
    if free is not None and h * w * BYTES_A_PIXEL / 4 > free:
        raise _too_large(h, w, h * w * BYTES_A_PIXEL, free)
    if size is None and scale < 1:
        say_here(
            f"{width}x{height} is large: optimised at {w}x{h} and enlarged again; "
            f"--size={min(height, width)} does all of it."
        )
    return h, w


def lowered_for(
    objective: Any,
    image: np.ndarray | jax.ShapeDtypeStruct,
    frozen: Any,
    optimizer: Any,
    steps: int,
) -> jax.stages.Lowered:
    """The step, traced: in the thread whose settings of jax are to hold.

    Args:
        objective: As for `optimize.step`.
        image: (N, H, W, 3), or its shape and type.
        frozen: What the objective needs besides, or its shapes and types.
        optimizer: Of the pixels.
        steps: The run's length, for the optimizer's schedule.

    Returns:
        As `optimize.lower_step`.

    Raises:
        UserError: Where network or loss refuse.
    """
    with reraise_as_user_error():
        return lower_step(objective, image, frozen, optimizer, steps)


def compiled_for(lowered: jax.stages.Lowered, height: int, width: int) -> Compiled:
    """The compiled step, once it is known to fit into memory.

    Args:
        lowered: Of `lowered_for`.
        height: Of the image.
        width: Of the image.

    Returns:
        (walk, frozen) -> (next walk, terms).

    Raises:
        UserError: Where it does not fit, with a size that fits.
    """
    began = time.monotonic()
    compiled = lowered.compile()
    say_here(f"Compiled for {width}x{height} in {duration(time.monotonic() - began)}.")
    needed, free = memory.needed(compiled), memory.free()
    if free is not None and needed > free:
        raise _too_large(height, width, needed, free)
    return compiled


def _too_large(height: int, width: int, needed: int, free: int) -> UserError:
    fits = round(min(height, width) * math.sqrt(0.9 * free / needed))
    return UserError(
        f"{width}x{height} needs {needed / 2**30:.1f} GB of memory and {free / 2**30:.1f} GB are "
        f"free: `size={fits}` would fit; the result is enlarged to the picture's size."
    )


def to_area(picture: np.ndarray, area: float) -> np.ndarray:
    """The picture, its aspect kept, at about so many pixels.

    Args:
        picture: (H, W, C).
        area: Pixels in all; a side has MIN_SIDE at least.

    Returns:
        (height, width, C) of the same type.
    """
    height, width = picture.shape[:2]
    scale = math.sqrt(area / (height * width))
    return images.resize(
        picture, max(MIN_SIDE, round(height * scale)), max(MIN_SIDE, round(width * scale))
    )


# ---------------------------------------------------------------------------------- files and words


@dataclasses.dataclass(frozen=True)
class Job:
    """A picture on its way to a file.

    Attributes:
        source: The picture's file.
        target: The result's file.
        stop: The context for signals.
        preview: Where it can be seen meanwhile; None for nowhere.
        before: The picture and the result of the frame before, of a film.
    """

    source: Path
    target: Path
    stop: Stop
    preview: Path | None = None
    before: tuple[Path, Path] | None = None

    def write(self, picture: np.ndarray) -> None:
        make_folder(self.target.parent, "`out`")
        images.write_picture(self.target, picture, results.mark(self.source))


class Made(NamedTuple):
    """What was made of a picture.

    Attributes:
        picture: (H, W, 3) float32 in [0, 1], of any size.
        missing: The flags that go on from it, but for --out, if it was stopped on its way; else ''.
    """

    picture: np.ndarray
    missing: str = ""


def work(
    make: Callable[[np.ndarray, Job], Made],
    content: Path,
    out: Path,
    pairs: Sequence[tuple[Path, Path]],
    stop: Stop,
    overwrite: bool = False,
) -> list[Path]:
    """Makes of each picture a result of its size.

    In a folder results that are there stay, unless they are to be overwritten, so that the same
    command goes on where it was stopped.

    Args:
        make: (picture as read, job) -> result.
        content: The picture or the folder that was given.
        out: The file or the folder that was given.
        pairs: Of files, as `resolve_paths` gives them.
        stop: The context for signals.
        overwrite: Replaces a folder's results.

    Returns:
        The files written.

    Raises:
        UserError: If the one picture cannot be read or worked.
        LeftOutError: Of a folder, after all others are done.
        Interrupted: When a signal came; then the picture so far is written, or, in a folder, left
            for the next time.
    """
    many, taken = content.is_dir(), {target for _, target in pairs}
    staying = (
        {target for _, target in pairs if target.exists()} if many and not overwrite else set()
    )
    if staying:
        say_here(results.staying(len(staying), len(pairs), out))
    written: list[Path] = []
    refused: list[str] = []
    before: tuple[Path, Path] | None = None
    pace = Pace(len(pairs) - len(staying))
    for number, (source, target) in enumerate(pairs, 1):
        if target in staying:
            before = source, target
            continue
        if many:
            left = f", {duration(seconds)} left" if (seconds := pace.left()) else ""
            say_here(f"Picture {number} of {len(pairs)}: {source.name}{left}")
        job = Job(source, target, stop, _preview(target, taken), before)
        try:
            picture = images.read_picture(source)
            made = make(picture, job)
            if not (many and made.missing):
                job.write(images.resize(images.unit_to_uint8(made.picture), *picture.shape[:2]))
        except (UserError, OSError) as error:
            if not many:
                raise
            refused.append(
                results.described(target if isinstance(error, OSError) else source, error)
            )
            say_here(f"Left out: {refused[-1]}")
        else:
            if made.missing and not many:
                raise Interrupted(_going_on(target, made.missing), 128 + (stop.signal or 0))
            if not made.missing:
                written.append(target)
                before = source, target
        pace.did(1)
        if many and number < len(pairs) and stop.asked(0):
            done = len(written) + len(staying)
            again = results.stopped(done, len(pairs), overwrite)
            raise Interrupted(again, 128 + (stop.signal or 0))
    results.conclude(len(written), refused, out)
    return written


def _going_on(target: Path, missing: str) -> str:
    other = target.with_name(fitting(target.stem, f"_2{target.suffix}"))
    return (
        f"Stopped: {target} is the picture so far. To go on from it, add to the same command: "
        f"{missing} --out={shlex.quote(str(other))}"
    )


def resolve_paths(
    content: Path, out: Path, look: str, inputs: Iterable[str | Path] = (), overwrite: bool = False
) -> list[tuple[Path, Path]]:
    """The pictures to read, each with the file to write, before any work is done.

    Args:
        content: A picture, or a folder of pictures.
        out: The file to write if it ends like a picture's name, else a folder.
        look: Joined to the picture's name in that of the result, if `out` is a folder and `content`
            is one picture.
        inputs: Other files that are read.
        overwrite: The result of a single picture may be there already.

    Returns:
        (source, target) for each picture.

    Raises:
        UserError: If there is nothing to read, if nothing can be written, if a result would take
            the place of something that is read, or, of a single picture, if it is there already and
            is not to be overwritten.
    """
    sources, targets = _named(content, out, look)
    refuse_inputs(targets, [*sources, *(Path(path) for path in inputs)])
    if targets[0].is_dir():
        raise UserError(f"{targets[0]} is a folder; choose another `out`.")
    if not content.is_dir():
        refuse_existing(*targets, overwrite=overwrite)
    make_folder(targets[0].parent, "`out`")
    return list(zip(sources, targets, strict=True))


def _named(content: Path, out: Path, look: str) -> tuple[list[Path], list[Path]]:
    if not content.exists():
        raise UserError(f"There is no {content}; give a picture or a folder of pictures.")
    if content.is_dir():
        if out.suffix.lower() in images.WRITABLE:
            raise UserError(
                f"{content} is a folder, so `out` must be one too; {out} is a picture's name."
            )
        if out.resolve() == content.resolve():
            raise UserError(
                f"`out={out}` is the folder of the input, whose pictures would be overwritten; "
                "choose another."
            )
        sources = results.inputs_of(content, out)
        return sources, results.named(sources, content, out, [".png"] * len(sources))
    target = (
        out
        if out.suffix.lower() in images.WRITABLE
        else out / fitting(content.stem, f"_{look[:100]}.png")
    )
    if target != out and out.suffix and not out.is_dir():
        raise UserError(
            f"`out={out}` is no kind of picture that is written; choose "
            f"{', '.join(sorted(images.WRITABLE))}, or a folder."
        )
    return [content], [target]


def unit(picture: np.ndarray) -> np.ndarray:
    """As read, to float32 in [0, 1]."""
    return picture.astype(np.float32) / 255 if picture.dtype == np.uint8 else picture


def preview_beside(target: Path) -> Path:
    return target.with_name(fitting(target.stem, ".preview.png"))


def _preview(target: Path, taken: set[Path]) -> Path | None:
    """Where a preview may be: it takes no other file's place."""
    preview = preview_beside(target)
    if preview in taken or preview.exists():
        say_here(f"There is no preview this time, for {preview} is another file.")
        return None
    return preview


class Progress:
    """Console lines with time left over all sizes of a picture, a preview that is replaced as it
    goes, and an ear for a stop.

    Args:
        plan: Each size, (height, width), and its steps. Later sizes are taken to cost what their
            pixels cost at the present one.
        job: Has the preview and the stop; None for neither.
        clock: Gives seconds, for tests.
    """

    EVERY = 5.0  # seconds

    def __init__(
        self,
        plan: Sequence[tuple[tuple[int, int], int]],
        job: Job | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plan, self.job, self.clock = plan, job, clock
        self.preview = job.preview if job else None
        self.pace = Pace(sum(h * w * steps for (h, w), steps in plan), clock)
        self.said = clock()
        self.number = self.step = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.preview:
            with contextlib.suppress(OSError):
                self.preview.unlink(missing_ok=True)

    def each(self, step: int) -> bool:
        """A step is done; whether the work is to end here."""
        (h, w), _ = self.plan[self.number]
        self.step = step
        self.pace.did(h * w)
        if self.job is None:
            return False
        self.job.stop.arm()
        return self.job.stop.asked(step)

    def __call__(self, step: int, terms: dict[str, float], image: jax.Array) -> None:
        """Says how it goes, and shows it, every EVERY seconds.

        Args:
            step: Of the present size.
            terms: Of the loss, by name.
            image: (1, H, W, 3), float in [0, 1], for the preview.
        """
        now = self.clock()
        if now - self.said < self.EVERY:
            return
        self.said = now
        (h, w), steps = self.plan[self.number]
        named = "  ".join(f"{name} {value:.4g}" for name, value in terms.items() if name != "total")
        scale = f" (size {self.number + 1} of {len(self.plan)})" if len(self.plan) > 1 else ""
        one, left = self.pace.seconds(h * w), self.pace.left()
        pace = "" if one is None or left is None else f"{one:.2g} s/step  {duration(left)} left  "
        say_here(f"{w}x{h}{scale}  step {step}/{steps}  {pace}{named}")
        if self.preview and self.job:
            try:
                self.preview.parent.mkdir(parents=True, exist_ok=True)
                picture = images.unit_to_uint8(np.asarray(image)[0])
                images.write_picture(self.preview, picture, results.mark(self.job.source))
            except OSError as error:
                say_here(f"There is no preview any more: {results.described(self.preview, error)}")
                self.preview = None

    def ended(self) -> tuple[int, int] | None:
        """One size is finished. Where the work was stopped before its end: how many sizes are left,
        with the present one, and of it how many steps; else None.
        """
        rest = self.plan[self.number :]
        steps_left = rest[0][1] - self.step
        self.number, self.step = self.number + 1, 0
        self.pace.begin(sum(h * w * steps for (h, w), steps in self.plan[: self.number]))
        if self.job is None or not self.job.stop.asked(0) or (len(rest) == 1 and not steps_left):
            return None
        return (len(rest), steps_left) if steps_left else (len(rest) - 1, rest[1][1])
