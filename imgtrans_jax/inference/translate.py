"""Translating a picture or a folder with what was trained. Imports data, io, runtime and
`translator`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from imgtrans_jax.inference import shelf
from imgtrans_jax.inference.drawings import Fills, Lines, Paper
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.inference.translator import (
    TestMode,
    Translation,
    check_memory,
    check_sizes,
)
from imgtrans_jax.io import images, results
from imgtrans_jax.io.files import make_folder, refuse_existing, refuse_inputs
from imgtrans_jax.runtime.console import duration
from imgtrans_jax.runtime.progress import Pace
from imgtrans_jax.types import Direction, UserError

Form = Literal["png", "jpg", "webp", "tif"]
Alpha = Literal["keep", "white"]


def translate(
    source: str | Path,
    pictures: str | Path,
    out: str | Path,
    direction: Direction = "a2b",
    size: int | None = None,
    trust_code: bool = False,
    test_mode: TestMode | None = None,
    look: str | None = None,
    lines: Lines | None = None,
    paper: Paper | None = None,
    fills: Fills | None = None,
    tile: int | None = None,
    form: Form = "png",
    alpha: Alpha | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Applies a trained generator, of a run or of a file, to a picture or to every picture of a
    folder.

    The result has the size of its input, four times that for super-resolution. The smoothed
    generator is used if there is one.

    Args:
        source: A run, or a file of a generator.
        pictures: A picture, or a folder of pictures.
        out: A folder, in which results have their pictures' own names; or the file of one picture.
        direction: Of the translation.
        size: The network sees the picture with its shorter side at so many pixels, near those that
            it was trained on, and the result is enlarged again. None for the picture's own size, or
            what `Translation.size_for` says.
        trust_code: Runs the code outside imgtrans_jax that the run names.
        test_mode: Instead of the recipe's, where it has one.
        look: Instead of the recipe's, where it has several, see `Translation`.
        lines: Whether a drawing's own lines are kept, see `Translation`.
        paper: Whether the light of its paper is taken out, see `Translation`.
        fills: Whether shapes have one colour, see `Translation`.
        tile: Works in tiles of so many pixels, which changes nothing but memory and time; None for
            whole pictures unless they are too large.
        form: Of the files in a folder; grey of more than 8 bits stays so as png and tif, and .npy
            arrays stay .npy.
        alpha: Whether an input's transparency is put on the result, or white in its place; None:
            white for networks that learned from line drawings, else kept.
        overwrite: Makes files that are there anew, which otherwise are left as they are.

    Returns:
        The files written.

    Raises:
        UserError: If the run or the input cannot be used.
        LeftOutError: After all others are done, with the names of the pictures that cannot be read,
            or whose results cannot be written.
    """
    source, pictures, out = shelf.found(source), Path(pictures), Path(out)
    if not pictures.exists():
        raise UserError(f"There is no {pictures}; give a picture or a folder of pictures.")
    check_sizes(size, tile)
    loaded = load_generator(source, trust_code)
    translation = Translation(loaded, direction, test_mode, look, lines, paper, fills)
    paths = [pictures] if pictures.is_file() else results.inputs_of(pictures, out)
    targets = _targets(paths, pictures, out, "npy" if translation.gives_arrays else form)
    refuse_inputs(targets, [source, *paths])
    if pictures.is_file():
        refuse_existing(*targets, overwrite=overwrite)
    wanted = [
        (path, target)
        for path, target in zip(paths, targets, strict=True)
        if overwrite or not target.exists()
    ]
    if len(wanted) < len(paths):
        print(results.staying(len(paths) - len(wanted), len(paths), out))
    make_folder(targets[0].parent, "`out`")
    alpha = alpha or ("white" if translation.drawings.expected else "keep")
    work = _Work(translation, size, tile, alpha, len(wanted))
    try:
        with work.bar:
            for path, target in wanted:
                work.add(path, target)
            work.flush()
    except KeyboardInterrupt:
        done = len(work.written) + len(paths) - len(wanted)
        print(f"\n{results.stopped(done, len(paths), overwrite)}", flush=True)
        raise
    if pictures.is_file() and work.refused:
        raise work.refused[0][1]
    results.conclude(len(work.written), [results.described(*one) for one in work.refused], out)
    return work.written


class _Work:
    """Pictures on their way through a network: those of one size that follow one another go
    together.
    """

    def __init__(
        self, translation: Translation, size: int | None, tile: int | None, alpha: Alpha, count: int
    ) -> None:
        self.translation, self.size, self.tile, self.alpha = translation, size, tile, alpha
        self.data = translation.experiment.data
        self.waiting: list[_Picture] = []
        self.shapes: set[tuple[int, ...]] = set()
        self.said: set[str] = set()
        self.written: list[Path] = []
        self.refused: list[tuple[Path, Exception]] = []
        self.pace = Pace(count)
        shown = "{l_bar}{bar}| {n:.1f}/{total} pictures [{elapsed}{postfix}]"
        self.bar = tqdm(total=count, unit="picture", delay=2, disable=None, bar_format=shown)

    def add(self, path: Path, target: Path) -> None:
        """Reads a picture, and translates those before it if it has another size or they are
        enough.
        """
        try:
            picture = self._read(path, target)
        except (UserError, OSError) as error:
            self._refuse(path, error)
            return
        most = self.translation.at_once(*picture.padded.shape[1:])
        if self.waiting and (
            self.waiting[0].padded.shape != picture.padded.shape or len(self.waiting) >= most
        ):
            self.flush()
        self.waiting.append(picture)

    def flush(self) -> None:
        """Translates and writes what waits."""
        if not self.waiting:
            return
        waiting, self.waiting = self.waiting, []
        first = waiting[0]
        _, height, width, channels = first.padded.shape
        tile = self.tile or self.translation.tile_for(height, width, channels)
        many = f", {len(waiting)} at once" if len(waiting) > 1 else ""
        in_tiles = f", in tiles of {tile}" if tile else ""
        shape = (tile or 0, len(waiting), *first.padded.shape)
        if shape not in self.shapes:
            self.shapes.add(shape)
            tqdm.write(f"Compiling for {first.seen[1]}x{first.seen[0]}{many}{in_tiles} …")
        if tile:
            for picture in waiting:
                self._write(picture, functools.partial(self._tiled, picture, tile))
        else:
            made = np.asarray(self.translation(np.concatenate([p.padded for p in waiting])))
            for i, picture in enumerate(waiting):
                self._write(picture, lambda i=i: made[i : i + 1])
            self._did(len(waiting))

    def _tiled(self, picture: _Picture, tile: int) -> np.ndarray:
        make_folder(picture.target.parent, "`out`")
        return self.translation.in_tiles(picture.padded, tile, self._did, picture.target.parent)

    def _did(self, pictures: float) -> None:
        """So many, or that part of one, are done."""
        self.pace.did(pictures)
        left = self.pace.left()
        self.bar.set_postfix_str("" if left is None else f"{duration(left)} left", refresh=False)
        self.bar.update(pictures)

    def _refuse(self, path: Path, error: Exception) -> None:
        self.refused.append((path, error))
        self.pace.whole -= 1
        self.bar.update()

    def _read(self, path: Path, target: Path) -> _Picture:
        picture = images.read_picture(path, self.data.input_channels)
        drawing = self.translation.drawings.read(picture)
        if drawing is not picture:
            self._once("Paper that is not white is made so; --paper=off leaves it as it is.")
            picture = drawing
        height, width = picture.shape[:2]
        size = self.size or self._own_size(path, min(height, width))
        scale = size / min(height, width) if size else 1.0
        check_memory(path.name, round(height * scale), round(width * scale))
        sides = max(1, round(height * scale)), max(1, round(width * scale))
        seen = images.to_signed(self.translation.drawings.resize(picture, *sides))
        multiple = self.translation.multiple
        padded = images.pad_to_multiple(
            self.data.encode_input(seen)[None], multiple, self.translation.smallest
        )
        # Where the network itself takes transparency in, as Inpaint does, the result has what it
        # made of it.
        kept = (
            self.alpha == "keep"
            and picture.shape[2] != 4
            and target.suffix.lower() not in (".jpg", ".jpeg", ".npy")
        )
        alpha = images.read_alpha(path) if kept else None
        if (
            self.alpha == "keep"
            and target.suffix.lower() in (".jpg", ".jpeg")
            and images.read_alpha(path) is not None
        ):
            self._once(f"JPEG has no transparency, and {path.name} has: white is laid under it.")
        elif alpha is not None:
            self._once(
                f"The result keeps the transparency of {path.name}; --alpha=white lays white "
                "under it instead."
            )
        return _Picture(
            path,
            target,
            (height, width),
            seen.shape[:2],
            padded,
            picture.dtype != np.uint8,
            alpha,
            picture if self.translation.drawings.change_results else None,
        )

    def _own_size(self, path: Path, shorter: int) -> int | None:
        """What a picture is worked at without --size, and what there is to say of that."""
        trained_at = self.data.cut.crop_size
        if size := self.translation.size_for(shorter):
            self._once(
                f"Working at {size} pixels, which this network is best at, and enlarged; --size "
                "changes it."
            )
            return size
        if trained_at and shorter >= 3 * trained_at and not self.translation.best_size:
            self._once(
                f"This generator was trained at {trained_at} pixels, and {path.name} has "
                f"{shorter}: where shapes should be as large as there, add --size={trained_at} "
                "(the result is enlarged)."
            )
        return None

    def _once(self, text: str) -> None:
        kind = text.partition(" ")[0]
        if kind not in self.said:
            self.said.add(kind)
            tqdm.write(text)

    def _write(self, picture: _Picture, make: Callable[[], np.ndarray]) -> None:
        """Writes what is made, (1, H, W, C); a picture that cannot be worked or written is left
        out.
        """
        try:
            result = self._finished(picture, make())
            make_folder(picture.target.parent, "`out`")
            images.write_picture(picture.target, result, results.mark(picture.source))
        except (UserError, OSError) as error:
            self.refused.append(
                (picture.target if isinstance(error, OSError) else picture.source, error)
            )
        else:
            self.written.append(picture.target)

    def _finished(self, picture: _Picture, result: np.ndarray) -> np.ndarray:
        """What a network made of a picture, as it is written: of its own size, depth and
        transparency.
        """
        enlarged = result.shape[1] // picture.padded.shape[1]
        if enlarged == 1:
            result = self.data.decode_output(picture.padded, result)
        result = result[0, : enlarged * picture.seen[0], : enlarged * picture.seen[1]]
        height, width = enlarged * picture.size[0], enlarged * picture.size[1]
        suffix = picture.target.suffix.lower()
        if picture.deep and (
            suffix == ".npy" or (result.shape[2] == 1 and suffix in images.SUFFIXES_16_BIT)
        ):
            result = images.to_uint16(2 * images.resize((result + 1) / 2, height, width) - 1)
        else:
            result = images.resize(images.to_uint8(result), height, width)
        if picture.drawing is not None and result.dtype == np.uint8:
            result = self.translation.drawings.finish(result, picture.drawing)
        if picture.alpha is not None and result.shape[2] in (1, 3):
            result = images.with_alpha(result, images.resize(picture.alpha, height, width))
        return result


@dataclasses.dataclass(frozen=True)
class _Picture:
    """A picture that waits. size, seen: height and width of the file, and of what the network sees
    of it, before it was padded. deep: of more than 8 bits. alpha: its transparency (H, W, 1), if it
    has any. drawing: itself, where its result needs it.
    """

    source: Path
    target: Path
    size: tuple[int, int]
    seen: tuple[int, ...]
    padded: np.ndarray
    deep: bool
    alpha: np.ndarray | None
    drawing: np.ndarray | None


def _targets(paths: list[Path], source: Path, out: Path, form: str) -> list[Path]:
    if out.suffix.lower() in images.SUFFIXES and (source.is_dir() or out.is_dir()):
        raise UserError(
            f"`out={out}` is a picture's name, and a folder is needed: `out={out.with_suffix('')}`."
        )
    if source.is_file() and out.suffix.lower() in (*images.WRITABLE, ".npy"):
        if form == "npy" and out.suffix.lower() != ".npy":
            raise UserError(
                "The results have more channels than a picture can have: "
                f"`out={out.with_suffix('.npy')}`."
            )
        return [out]
    if source.is_file() and out.suffix and not out.is_dir():
        raise UserError(
            f"Results can be {', '.join(images.WRITABLE)}: `out={out.with_suffix('.png')}`, or a "
            "folder."
        )
    root = source.parent if source.is_file() else source
    if out.resolve() == root.resolve():
        raise UserError(
            f"`out={out}` is the folder of the input, whose pictures would be overwritten; choose "
            "another."
        )
    suffixes = [".npy" if path.suffix.lower() == ".npy" else f".{form}" for path in paths]
    return results.named(paths, root, out, suffixes)
