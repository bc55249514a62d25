"""Pictures with a text each: the embedded drawings with their names, or folders with captions."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from imgtrans_jax.data.augment import Preprocess
from imgtrans_jax.data.datasets import Data, OpenedDataset, Stream
from imgtrans_jax.data.openmoji import TEST, load_openmoji
from imgtrans_jax.data.pipeline import Batch
from imgtrans_jax.data.sources import FilePictures, Folder
from imgtrans_jax.io import images
from imgtrans_jax.io.words import encoded, words_of
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
        if channels != 3:
            raise UserError(
                f"The embedded drawings are RGB; data.channels={channels} needs pictures of your "
                "own."
            )
        drawings = load_openmoji(size)
        names = [_unicode_name(str(name)) for name in drawings["name"]]
        held_out, named = drawings["split"] == TEST, np.array([bool(name) for name in names])
        train, test = (np.flatnonzero(named & rows) for rows in (~held_out, held_out))
        pictures = drawings["colour"]
        return (
            Described(pictures[train], [names[i] for i in train]),
            Described(pictures[test], [names[i] for i in test]),
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
        first = Described(train, [_caption_of(path) for path in train.paths])
        same = test is train
        return first, first if same else Described(test, [_caption_of(p) for p in test.paths])


@dataclasses.dataclass(frozen=True)
class Described:
    """Pictures and their captions.

    Attributes:
        pictures: A sequence of (H, W, C).
        captions: One for each.
    """

    pictures: Any
    captions: Sequence[str]

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, index: int) -> tuple[np.ndarray, str]:
        return self.pictures[index], self.captions[index]


@dataclasses.dataclass(frozen=True)
class Captioned(Data):
    """Pictures with a text each; batches {"x": (N, h, w, channels) in [-1, 1], "y": (N, words) as
    `encoded` makes it}.

    Attributes:
        pictures: A source, or the path of a folder, see `CaptionFolder`.
        cut: How pictures are resized, cropped and flipped.
        words: The length of y, ten times as many as there are words or more: so that a word that
            training never met is hardly ever taken for one that it did.
        recolor: Turns all hues of a training picture by chance, and lets every caption say the
            colour that most of the picture has instead of those that it named, so that the word for
            a colour means it.
        channels: As for `Unpaired`.
    """

    pictures: CaptionSource | PathText = OpenMojiCaptions()
    cut: Preprocess = Preprocess(64, 64)
    words: int = 16384
    recolor: bool = False
    channels: int = 3

    def open(self) -> OpenedDataset:
        self.cut.check()
        if self.words < 1 or (self.recolor and self.channels != 3):
            raise UserError("data.words must be 1 or more, and data.recolor needs 3 channels.")
        source = CaptionFolder(self.pictures) if isinstance(self.pictures, str) else self.pictures
        return OpenedDataset(
            (Stream(*source.open(self.cut.load_size, self.channels), self._prepare),)
        )

    def _prepare(self, example: tuple[np.ndarray, str], rng: np.random.Generator | None) -> Batch:
        picture, caption = example
        if self.recolor:
            picture = images.unit_to_uint8(picture) if picture.dtype != np.uint8 else picture
            if rng is not None:
                picture = turned(picture, rng.random())
            things = (word for word in words_of(caption) if word not in _COLORS)
            caption = " ".join([color_word(picture), *things])
        return {"x": self.cut.apply(picture, rng), "y": encoded([caption], self.words)[0]}

    @property
    def input_channels(self) -> int:
        return self.channels


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
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))


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
