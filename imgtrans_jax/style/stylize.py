"""Style transfer from files to files: a picture, or a folder of frames, in the look of others."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from imgtrans_jax.io import images
from imgtrans_jax.io.files import make_folder, refuse_existing
from imgtrans_jax.runtime.console import say_here
from imgtrans_jax.runtime.signals import Stop
from imgtrans_jax.style.gatys import Gatys
from imgtrans_jax.style.transfer import StyleTransfer, Stylized
from imgtrans_jax.style.workspace import Job, Made, resolve_paths, work

SAMPLE_SIZE = 320  # pixels of the shorter side: a minute and a half on two CPU cores


def stylize(
    recipe: Gatys,
    content: str | Path,
    styles: Sequence[str | Path],
    out: str | Path,
    *,
    style_weights: Sequence[float] = (),
    masks: Sequence[str | Path] = (),
    size: int | None = None,
    overwrite: bool = False,
    stop: Stop | None = None,
) -> list[Path]:
    """Gives the content picture, or every picture of a folder, the look of the styles.

    The pictures of a folder are frames, in order of their names: one that is like the frame before
    starts from its result. Results that are there stay.

    Args:
        recipe: The settings.
        content: A picture, or a folder of pictures.
        styles: Pictures, one or several.
        out: The file to write if it ends like a picture's name, else a folder.
        style_weights: One for each style; empty for equally much.
        masks: One grey picture for each style, white where it goes; empty for everywhere.
        size: The shorter side, in pixels, that is optimised; None for the picture's own, up to
            MOST_PIXELS in all.
        overwrite: Replaces results that are there. What is read is never replaced.
        stop: The context for signals that the caller has entered; None for one of its own.

    Returns:
        The files written, of their content's size.

    Raises:
        UserError: For anything the user can mend.
        LeftOutError: At the end, with the names of a folder's pictures that cannot be read or
            written.
        Interrupted: After a signal, with what was reached so far written.
    """
    content, out = Path(content), Path(out)
    pictures = [] if recipe.start in ("content", "noise") else [recipe.start]
    read = [*styles, *masks, *pictures, recipe.weights]
    pairs = resolve_paths(content, out, "_".join(Path(s).stem for s in styles), read, overwrite)
    transfer = StyleTransfer(recipe, styles, style_weights, masks, size)
    with contextlib.ExitStack() as held:
        return work(
            Film(transfer), content, out, pairs, stop or held.enter_context(Stop()), overwrite
        )


def stylize_samples(
    recipe: Gatys,
    photograph: np.ndarray,
    painting: np.ndarray,
    out: str | Path,
    size: int | None = None,
    overwrite: bool = False,
    stop: Stop | None = None,
) -> list[Path]:
    """A sample photograph after a sample painting, all three written: what a newcomer sees first.
    What is there stays, as with pictures of one's own.

    Args:
        recipe: The settings.
        photograph: (H, W, 3) uint8.
        painting: (H, W, 3) uint8.
        out: A folder for the three; or the name of a picture, which is the result, and the others
            lie beside it.
        size: As for `stylize`.
        overwrite: Makes all three anew.
        stop: As for `stylize`.

    Returns:
        The files written: the result, and the photograph and the painting if they were not there.

    Raises:
        UserError: As `stylize` does.
        Interrupted: As `stylize` does.
    """
    out = Path(out)
    named = out.suffix.lower() in images.WRITABLE
    folder, target = (out.parent, out) if named else (out, out / "sample_result.png")
    refuse_existing(target, overwrite=overwrite)
    make_folder(folder, "`out`")
    say_here("No --content and --style: a sample photograph after a painting that is drawn for it.")
    content, style = folder / "sample_photograph.png", folder / "sample_painting.png"
    height, width = photograph.shape[:2]
    small = images.resize(photograph, SAMPLE_SIZE, round(width * SAMPLE_SIZE / height))
    drawn = {content: small, style: painting}
    missing = [path for path in drawn if overwrite or not path.exists()]
    for path in missing:
        images.write_picture(path, drawn[path])
    (result,) = stylize(recipe, content, [style], target, size=size, overwrite=overwrite, stop=stop)
    return [result, *missing]


class Film:
    """Picture after picture; one that is like the one before starts from its result."""

    def __init__(self, transfer: StyleTransfer) -> None:
        self.transfer = transfer
        self.done: Stylized | None = None
        self.source: Path | None = None  # of what is done

    def __call__(self, picture: np.ndarray, job: Job) -> Made:
        """The next picture; `done` and `source` keep it for the one after, unless it was stopped.

        Args:
            picture: (H, W, 3), uint8 or float in [0, 1].
            job: Names the frame before, whose files are read if another run has done it.

        Returns:
            What was made, and the flags that go on from it if it was stopped.

        Raises:
            UserError: As `StyleTransfer` does.
        """
        if job.before is not None and job.before[0] != self.source:  # it was done by another run
            self.done = self.transfer.recalled(*job.before)
        done, missing = self.transfer(picture, self.done, job)
        if not missing:
            self.done, self.source = done, job.source
        return Made(done.result, missing)
