"""Pictures with a text each: the embedded drawings with their names, or folders with captions."""

from __future__ import annotations

import dataclasses
import unicodedata
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from imgtrans_jax.data.openmoji import TEST, load_openmoji
from imgtrans_jax.data.pairs import Zipped
from imgtrans_jax.data.sources import FilePictures, Folder
from imgtrans_jax.io.images import unit_to_uint8
from imgtrans_jax.io.words import words_of
from imgtrans_jax.types import PathText, UserError

HUES = {
    "red": 5,
    "orange": 30,
    "yellow": 52,
    "green": 120,
    "blue": 215,
    "purple": 275,
    "pink": 325,
}
"""Names of colours and their hues in degrees; a colour has the name of the nearest."""

_COLORS = frozenset(HUES) | {"brown", "black", "white"}
_VIVID, _MUCH = 0.25, 0.04  # saturation of a coloured pixel; share of them in a coloured picture


class Captions(Protocol):
    """Random access to (picture (H, W, C), its caption)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[np.ndarray, str]: ...


@runtime_checkable
class CaptionSource(Protocol):
    """Pictures with a text each."""

    def open(self, size: int, channels: int) -> tuple[Captions, Captions]:
        """Finds and opens the pictures.

        Args:
            size: Pixels that they will be resized to, for sources that can draw at any size.
            channels: Of the pictures.

        Returns:
            Training and test examples.

        Raises:
            UserError: If they are not to be had.
        """
        ...


@dataclasses.dataclass(frozen=True)
class OpenMojiCaptions(CaptionSource):
    """The embedded coloured drawings with their names in Unicode, such as `smiling cat face with
    open mouth`. The test pictures are a held-out tenth; drawings that Unicode does not know are
    left out.
    """

    def open(self, size: int, channels: int) -> tuple[Captions, Captions]:
        drawings = load_openmoji(size, channels)
        names = [_unicode_name(str(name)) for name in drawings["name"]]
        held_out, named = drawings["split"] == TEST, np.array([bool(name) for name in names])
        train, test = (np.flatnonzero(named & rows) for rows in (~held_out, held_out))
        pictures = drawings["colour"]
        return (
            Zipped(pictures[train], [names[i] for i in train]),
            Zipped(pictures[test], [names[i] for i in test]),
        )


@dataclasses.dataclass(frozen=True)
class CaptionFolder(CaptionSource):
    """A folder of pictures; the caption of `cat.png` is what `cat.txt` beside it says, or else its
    own name. Test pictures are found as for `Folder`.
    """

    path: PathText

    def open(self, size: int, channels: int) -> tuple[Captions, Captions]:
        train, test = Folder(self.path).open("a", size, channels)
        assert isinstance(train, FilePictures)
        assert isinstance(test, FilePictures)
        first = Zipped(train, [_caption_of(path) for path in train.paths])
        same = test is train
        return first, first if same else Zipped(test, [_caption_of(p) for p in test.paths])


def turned(picture: np.ndarray, by: float) -> np.ndarray:
    """A picture with all of its hues turned.

    Args:
        picture: (H, W, 3) uint8.
        by: Which part of the whole circle.

    Returns:
        Likewise.
    """
    hsv = np.array(Image.fromarray(picture).convert("HSV"))
    hsv[..., 0] += np.uint8(round(255 * by))  # round the circle, which 256 is
    # the form with a mode of Image.fromarray warns in Pillow 11
    return np.asarray(Image.frombytes("HSV", hsv.shape[1::-1], hsv.tobytes()).convert("RGB"))


def recolored(
    picture: np.ndarray, caption: str, rng: np.random.Generator | None
) -> tuple[np.ndarray, str]:
    """A picture with its hues turned by chance, and its caption with the colour that it then has
    instead of those that were named.

    Args:
        picture: (H, W, 3) uint8 or float in [0, 1].
        caption: What it shows.
        rng: Random numbers; None leaves the hues as they are.

    Returns:
        (H, W, 3) uint8, and the caption.
    """
    picture = picture if picture.dtype == np.uint8 else unit_to_uint8(picture)
    if rng is not None:
        picture = turned(picture, rng.random())
    things = (word for word in words_of(caption) if word not in _COLORS)
    return picture, " ".join([color_word(picture), *things])


def color_word(picture: np.ndarray) -> str:
    """The colour of most of a picture's coloured pixels.

    Args:
        picture: (H, W, 3) uint8.

    Returns:
        A name of HUES; '' where hardly any pixel is coloured.
    """
    hsv = np.asarray(Image.fromarray(picture).convert("HSV")).astype(np.float32) / 255
    strength = hsv[..., 1] * hsv[..., 2]
    vivid = strength > _VIVID
    if vivid.mean() < _MUCH:
        return ""
    degrees = 360 * hsv[..., 0][vivid]
    away = np.abs((degrees[:, None] - np.array(list(HUES.values())) + 180) % 360 - 180)
    counts = np.bincount(away.argmin(1), strength[vivid], minlength=len(HUES))
    return list(HUES)[int(counts.argmax())]


def _unicode_name(points: str) -> str:
    """`1F63A` -> `smiling cat face with open mouth`; '' without a name."""
    names = (unicodedata.name(chr(int(point, 16)), "") for point in points.split("-"))
    parts = (n for n in names if n not in ("ZERO WIDTH JOINER", "VARIATION SELECTOR-16"))
    return " ".join(parts).lower().strip()


def _caption_of(path: Path) -> str:
    beside = path.with_suffix(".txt")
    try:
        return beside.read_text(encoding="utf-8") if beside.is_file() else path.stem
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{beside} cannot be read as UTF-8 text: {error}.") from None
